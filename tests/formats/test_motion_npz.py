"""Motions in NPZ files: holosoma's and BeyondMimic's layouts, names where they are stored, nothing measured twice."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from simcheck.errors import FormatError, RefusedError, UsageError
from simcheck.formats import ReadOptions, lafan1, motion_npz, open_dataset
from simcheck.trajectory import TimeBase

MAPPING = Path(__file__).parents[2] / "examples" / "mappings" / "holosoma_g1_box.toml"
WITH_BOX = "sub3_largebox_003_mj_w_obj"


def bodies(frames=5, links=3):
    return {"body_pos_w": np.ones((frames, links, 3)), "body_quat_w": np.tile([1.0, 0, 0, 0], (frames, links, 1))}


def beyond_mimic(**changed):
    return {"fps": [50], "joint_pos": np.zeros((5, 29)), **bodies()} | changed


def holosoma(**changed):
    root = np.tile([1.0, 2, 3, 0.8, 0, 0, 0.6], (5, 1))
    return {"fps": [50], "joint_pos": np.hstack([root, np.zeros((5, 29))]), "joint_names": lafan1.JOINTS} | changed


def read(folder: Path, arrays):
    np.savez(folder / "a.npz", **arrays)
    assert motion_npz.sniff(folder / "a.npz")
    return open_dataset(folder).read("a")


def test_both_real_files_are_read_without_a_mapping(shared_data):
    dataset = open_dataset(shared_data / "g1_box")
    assert dataset.robot_type == "g1"
    assert list(dataset.episodes()) == ["sub3_largebox_003_mj", WITH_BOX]
    for episode in dataset.episodes():
        motion = dataset.read(episode)
        assert len(motion) == 325
        assert motion.position.names == lafan1.JOINTS
        assert motion.position.named
        assert set(motion.position.units) == {"rad"}
        assert motion.velocity is None
        assert motion.time_base is TimeBase.NOMINAL
        assert motion.time[50] == 1.0
        assert np.abs(np.linalg.norm(motion.base.quaternion, axis=1) - 1).max() < 1e-6
        assert list(motion.objects) == (["object"] if episode == WITH_BOX else [])
    lifted = dataset.read(WITH_BOX).objects["object"].position[:, 2]
    assert (round(lifted.min(), 3), round(lifted.max(), 3)) == (0.183, 0.845)


def test_the_mapping_gives_the_same_numbers(shared_data):
    file = shared_data / "g1_box" / f"{WITH_BOX}.npz"
    mapped = open_dataset(file, ReadOptions(mapping=MAPPING)).read(WITH_BOX)
    motion = open_dataset(file).read(WITH_BOX)
    np.testing.assert_array_equal(motion.position.values, mapped.position.values)
    np.testing.assert_array_equal(motion.base.quaternion, mapped.base.quaternion)
    np.testing.assert_array_equal(motion.objects["object"].position, mapped.objects["largebox"].position)


def test_the_root_in_joint_pos_is_that_of_the_links(shared_data):
    with np.load(shared_data / "g1_box" / f"{WITH_BOX}.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    pelvis = list(arrays["body_names"]).index("pelvis")
    np.testing.assert_allclose(arrays["body_pos_w"][:, pelvis], arrays["joint_pos"][:, :3], atol=1e-9)
    np.testing.assert_allclose(arrays["body_quat_w"][:, pelvis], arrays["joint_pos"][:, 3:7], atol=1e-9)


def test_a_real_file_as_beyond_mimic_would_write_it(shared_data, tmp_path):
    with np.load(shared_data / "g1_box" / f"{WITH_BOX}.npz") as stored:
        links = {key: stored[key][:, 1:31] for key in ("body_pos_w", "body_quat_w")}
        motion = read(tmp_path, {"fps": stored["fps"], "joint_pos": stored["joint_pos"][:, 7:], **links})
        np.testing.assert_allclose(motion.base.position, stored["joint_pos"][:, :3], atol=1e-9)
    assert not motion.position.named
    assert motion.position.names[:2] == ("joint_pos[0]", "joint_pos[1]")
    assert motion.robot_type == "g1"


def test_without_names_the_columns_stay_unnamed(tmp_path):
    motion = read(tmp_path, beyond_mimic(joint_vel=np.ones((5, 29))))
    assert not motion.position.named
    assert motion.velocity is None
    np.testing.assert_array_equal(motion.base.position, np.ones((5, 3)))
    whole = read(tmp_path, beyond_mimic(joint_pos=holosoma()["joint_pos"]))
    assert whole.position.names[0] == "joint_pos[7]"
    np.testing.assert_array_equal(whole.base.quaternion[0], [0.8, 0, 0, 0.6])


def test_the_root_is_the_first_link_that_is_not_the_world(tmp_path):
    arrays = holosoma(joint_pos=np.zeros((5, 29)), **bodies(), body_names=["world", "pelvis", "foot"])
    arrays["body_pos_w"][:, 1] = [4, 5, 6]
    motion = read(tmp_path, arrays)
    assert motion.position.named
    np.testing.assert_array_equal(motion.base.position[0], [4, 5, 6])


def test_the_joints_of_another_robot_are_not_the_g1s(tmp_path):
    names = [f"joint_{i}" for i in range(29)]
    np.savez(tmp_path / "a.npz", **holosoma(joint_names=names))
    dataset = open_dataset(tmp_path)
    assert dataset.robot_type == ""
    assert dataset.read("a").position.names == tuple(names)


def test_a_mapping_beside_the_files_goes_first(tmp_path):
    np.savez(tmp_path / "a_w_obj.npz", **holosoma(object_pos_w=np.ones((5, 3)), object_quat_w=np.ones((5, 4))))
    (tmp_path / "mapping.toml").write_text(MAPPING.read_text())
    assert not motion_npz.sniff(tmp_path)
    assert not motion_npz.sniff(tmp_path / "a_w_obj.npz")
    assert list(open_dataset(tmp_path).read("a_w_obj").objects) == ["largebox"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (beyond_mimic(fps=[0.0]), "'fps' holds"),
        (beyond_mimic(fps=[50, 60]), "'fps' holds"),
        (beyond_mimic(fps=[np.nan]), "'fps' holds"),
        (beyond_mimic(fps=["fast"]), "'fps' holds <U4; expected numbers"),
        (beyond_mimic(joint_pos=np.zeros((4, 29))), "'body_pos_w' has 5 frames, joint_pos has 4"),
        (beyond_mimic(joint_pos=np.zeros((5, 0))), "'joint_pos' has 0 numbers per frame; expected 1 to 200 joints"),
        (beyond_mimic(joint_pos=np.zeros((5, 201))), "'joint_pos' has 201 numbers"),
        (beyond_mimic(body_quat_w=np.zeros((5, 2, 4))), "body_pos_w has 9 and body_quat_w 8 numbers per frame"),
        (beyond_mimic(body_names=["world"] * 3 + ["pelvis"]), "expected 3 and 4 per link, and link 3 among them"),
        (holosoma(joint_names=lafan1.JOINTS[:28]), "expected 28 joints, with or without 7 for the root"),
        (holosoma(joint_names=["a"] * 29), "'joint_names' has a name twice"),
        (holosoma(object_pos_w=np.ones((5, 2, 3)), object_quat_w=np.ones((5, 2, 4))), "expected 3 and 4: one object"),
        (holosoma(object_pos_w=np.ones((4, 3)), object_quat_w=np.ones((5, 4))), "'object_pos_w' has 4 frames"),
    ],
)
def test_a_wrong_motion_says_what_and_where(tmp_path, arrays, said):
    with pytest.raises(FormatError) as error:
        read(tmp_path, arrays)
    assert str(error.value).startswith("a.npz: ")
    assert said in str(error.value)


def test_other_archives_are_not_taken(tmp_path):
    np.savez(tmp_path / "a.npz", fps=[50], q=np.zeros((5, 29)))
    np.savez(tmp_path / "b.npz", fps=[50], joint_pos=np.zeros((5, 29)))
    np.savez(tmp_path / "c.npz", joint_pos=np.zeros((5, 29)), **bodies())
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 no archive")
    assert not any(motion_npz.sniff(tmp_path / f"{name}.npz") for name in "abcd")
    assert not motion_npz.sniff(tmp_path)


def test_pickled_objects_and_bombs_are_refused(tmp_path):
    with pytest.raises(RefusedError, match=r"a\.npz: 'joint_pos': holds pickled objects"):
        read(tmp_path, beyond_mimic(joint_pos=np.array([[1], {}], dtype=object)))
    with pytest.raises(RefusedError, match=r"a\.npz: 'joint_names': holds pickled objects"):
        read(tmp_path, holosoma(joint_names=np.array(["a", {}], dtype=object)))
    np.savez_compressed(tmp_path / "a.npz", **beyond_mimic(joint_pos=np.zeros((1 << 19, 29))))
    with pytest.raises(RefusedError, match="unpack to"):
        motion_npz.open_dataset(tmp_path, ReadOptions()).read("a")


def test_an_array_that_declares_more_than_it_holds_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", **beyond_mimic())
    lie = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    lie += f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({1 << 40}, 29), }}".encode().ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz") as whole, zipfile.ZipFile(tmp_path / "b.npz", "w") as out:
        for name in whole.namelist():
            out.writestr(name, lie if name == "joint_pos.npy" else whole.read(name))
    with pytest.raises(FormatError, match="header declares"):
        open_dataset(tmp_path / "b.npz").read("b")


def test_unknown_episode_and_unit_channel(tmp_path):
    np.savez(tmp_path / "a.npz", **holosoma())
    with pytest.raises(FormatError, match="no episode 'b'; it has a"):
        open_dataset(tmp_path).read("b")
    with pytest.raises(UsageError, match="did you mean 'position'"):
        open_dataset(tmp_path, ReadOptions(units={"positions": "deg"}))


def test_the_first_file_is_not_opened_through_a_link_out_of_the_folder(tmp_path):
    (tmp_path / "set").mkdir()
    np.savez(tmp_path / "other.npz", **holosoma(joint_names=[f"joint_{i}" for i in range(29)]))
    (tmp_path / "set" / "a.npz").symlink_to(tmp_path / "other.npz")
    dataset = motion_npz.open_dataset(tmp_path / "set", ReadOptions())
    assert dataset.robot_type == "g1"  # nothing of the other file is known
    with pytest.raises(RefusedError, match="link out of the dataset"):
        dataset.read("a")
