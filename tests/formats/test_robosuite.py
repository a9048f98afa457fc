"""robosuite demos: states and models are handed on as recorded, and nothing outside the file is read."""

import fcntl
import json
import pickle
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import h5py
import mujoco
import numpy as np
import pytest

from simcheck.errors import FormatError, RefusedError, UsageError
from simcheck.formats import ReadOptions, robosuite
from simcheck.formats._robosuite_model import asset_root
from simcheck.trajectory import ActionKind, TimeBase

REAL_LENGTHS = {
    "robosuite-0.3.0/SawyerLift": [1058, 837],
    "robosuite-0.3.0/SawyerStack": [1252, 1174],
    "robosuite-1.0.1/door/panda": [261],
    "robosuite-1.0.1/lift/panda": [412],
    "robosuite-1.0.1/pick-place/panda": [1482],
    "robosuite-1.0.1/stack/panda": [532],
    "robosuite-1.0.1/wipe/panda": [174],
    "robosuite-1.4.1/handover/panda_panda": [641, 522, 376, 307, 253, 247, 429],
    "robosuite-1.4.1/lift": [482, 510, 392],
}
MODEL = "<mujoco><option timestep='0.05'/></mujoco>"


def write_demo(folder: Path, **arrays: object) -> Path:
    """One demo whose states have 6 rows; arrays replace or add datasets, None removes one."""
    path = folder / "demo.hdf5"
    states = np.column_stack([np.arange(6) * 0.05, np.zeros((6, 4))])
    with h5py.File(path, "w") as file:
        demo = file.create_group("data/demo_0")
        demo.attrs["model_file"] = MODEL
        for key, values in ({"states": states} | arrays).items():
            if values is not None:
                demo[key] = values
    return path


def read(path: Path, **options: object):
    dataset = robosuite.open_dataset(path, ReadOptions(**options))
    return dataset.read(dataset.episodes()[0])


def compiled(xml: str, assets: Path) -> mujoco.MjModel:
    """The model with recorded paths replaced by those under `assets`, and what is absent left out."""
    root = ElementTree.fromstring(xml)
    missing = set()
    for asset in root.findall("asset"):
        for item in list(asset):
            if item.get("file") is None:
                continue
            file = assets / item.get("file").split("models/assets/", 1)[-1]
            if file.is_file() and item.tag == "mesh":
                item.set("file", str(file))
            else:
                asset.remove(item)
                missing.add((item.tag, item.get("name")))
        for item in asset.findall("material"):
            if ("texture", item.get("texture")) in missing:
                del item.attrib["texture"]
    for parent in root.iter():
        for geom in parent.findall("geom"):
            if ("mesh", geom.get("mesh")) in missing:
                parent.remove(geom)
    return mujoco.MjModel.from_xml_string(ElementTree.tostring(root, encoding="unicode"))


def test_every_real_demo_has_the_width_of_its_compiled_model(shared_data):
    dataset = robosuite.open_dataset(shared_data / "robosuite_demos", ReadOptions())
    lengths: dict[str, list[int]] = {}
    for episode in dataset.episodes():
        demo = dataset.read(episode)
        lengths.setdefault(episode.rsplit("/", 1)[0], []).append(len(demo))
        model = compiled(demo.sim.model_xml, Path(demo.sim.asset_root))
        assert demo.sim.state.shape[1] == model.nq + model.nv, episode
        assert demo.action is not None
        assert len(demo.action.values) == len(demo)
        assert demo.robot_type in ("Sawyer", "Panda", "Panda+Panda")
    assert lengths == REAL_LENGTHS


def test_real_irregular_stride_is_kept_as_measured_time(shared_data):
    demo = read(shared_data / "robosuite_demos/robosuite-0.3.0/SawyerLift/demo.hdf5")
    steps = np.diff(demo.time)
    assert demo.time_base is TimeBase.MEASURED
    assert steps.max() > 1.5 * np.median(steps)


def test_real_wipe_model_is_repaired_and_says_so(shared_data):
    demo = read(shared_data / "robosuite_demos/robosuite-1.0.1/wipe/panda/demo.hdf5")
    assert '"[0, 0, 0.005]"' not in demo.sim.model_xml
    assert demo.sim.model_xml.count('pos="0 0 0.005"') == 100
    (note,) = demo.notes
    assert note.code == "D114"
    assert "written as a Python list; brackets removed (100 times" in note.message


def test_real_controller_torques_are_the_effort_channel(shared_data):
    demo = read(shared_data / "robosuite_demos/robosuite-1.0.1/lift/panda/demo.hdf5")
    assert demo.effort.names == tuple(f"joint_torques[{i}]" for i in range(7))
    assert set(demo.effort.units) == {"N m"}
    assert demo.action_kind is ActionKind.OTHER
    assert set(demo.action.units) == {"unknown"}


def test_real_streams_of_another_length_are_left_alone(shared_data):
    path = shared_data / "robosuite_demos/robosuite-1.4.1/handover/panda_panda/demo.hdf5"
    demo = read(path)
    assert len(demo.action.values) == len(demo) == 641
    assert not demo.notes


def test_the_asset_folder_is_the_one_of_the_release(shared_data):
    data = shared_data / "robosuite_demos"
    found = read(data / "robosuite-1.4.1/lift/demo.hdf5", assets=data / "assets").sim.asset_root
    assert Path(found) == data / "assets/robosuite-1.4.1"
    given = data / "assets/robosuite-0.3.0"  # has no releases below it: taken as it is
    assert Path(read(data / "robosuite-1.4.1/lift/demo.hdf5", assets=given).sim.asset_root) == given
    # Without being told: from the folder of one file up through its release to the collection.
    assert Path(read(data / "robosuite-1.4.1/lift/demo.hdf5").sim.asset_root) == data / "assets/robosuite-1.4.1"


def test_assets_are_looked_for_four_folders_up_and_only_of_the_same_release(tmp_path):
    folder = tmp_path / "set/robosuite-1.4.1/a/b/c"
    (tmp_path / "set/assets/robosuite-1.4.1").mkdir(parents=True)
    found = asset_root(None, folder, "demo.hdf5", "")
    assert Path(found) == tmp_path / "set/assets/robosuite-1.4.1"
    assert asset_root(None, folder / "d", "demo.hdf5", "1.4.1") == ""  # five up
    assert asset_root(None, tmp_path / "set/mine/a", "demo.hdf5", "1.5.0") == ""  # another release
    assert (
        Path(asset_root(None, tmp_path / "set/mine/a", "demo.hdf5", "1.4.0")) == tmp_path / "set/assets/robosuite-1.4.1"
    )


def test_example_is_read_back(tmp_path):
    path = robosuite.write_example(tmp_path)
    assert robosuite.sniff(path)
    assert robosuite.sniff(tmp_path)
    dataset = robosuite.open_dataset(tmp_path, ReadOptions())
    assert dataset.episodes() == ["demo_0", "demo_1"]
    assert dataset.robot_type == "TwoHinges"
    first, second = map(dataset.read, dataset.episodes())
    model = mujoco.MjModel.from_xml_string(first.sim.model_xml)
    assert first.sim.state.shape == (60, model.nq + model.nv)
    np.testing.assert_allclose(
        np.gradient(first.sim.state[:, 0], first.time)[1:-1], first.sim.state[1:-1, 2], atol=1e-3
    )
    assert first.fingerprint != second.fingerprint
    assert pickle.loads(pickle.dumps(dataset)).read("demo_0").fingerprint == first.fingerprint


def test_demos_are_in_natural_order(tmp_path):
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        for number in (10, 2, 1):
            file.create_group(f"data/demo_{number}")
    assert robosuite.open_dataset(tmp_path, ReadOptions()).episodes() == ["demo_1", "demo_2", "demo_10"]


def test_several_files_name_their_folder(tmp_path):
    for folder in ("lift", "stack"):
        (tmp_path / folder).mkdir()
        write_demo(tmp_path / folder)
    (tmp_path / "stack/broken.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    dataset = robosuite.open_dataset(tmp_path, ReadOptions())
    assert dataset.episodes() == ["lift/demo/demo_0", "stack/demo/demo_0"]
    (note,) = dataset.notes
    assert (note.code, note.place) == ("D101", "stack/broken.hdf5")
    (tmp_path / "stack/broken.hdf5").unlink()
    assert robosuite.open_dataset(tmp_path, ReadOptions()).episodes() == ["lift/demo_0", "stack/demo_0"]


def test_actions_of_another_length_are_left_out(tmp_path):
    demo = read(write_demo(tmp_path, actions=np.zeros((5, 7))))
    assert demo.action is None
    assert [note.message for note in demo.notes] == ["has 5 rows, states have 6; not used"]


def test_model_by_file_name(tmp_path):
    path = write_demo(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/model_1.xml").write_text("<mujoco model='m'/>")
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = "model_1.xml"
    assert read(path).sim.model_xml == "<mujoco model='m'/>"


@pytest.mark.parametrize("name", ["../secret.xml", "/etc/passwd", "link.xml"])
def test_model_outside_the_dataset_is_refused(tmp_path, name):
    (tmp_path / "secret.xml").write_text("<mujoco/>")
    (tmp_path / "data/models").mkdir(parents=True)
    (tmp_path / "data/models/link.xml").symlink_to(tmp_path / "secret.xml")
    path = write_demo(tmp_path / "data")
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = name
    with pytest.raises((RefusedError, FormatError), match=r"out of the dataset|does not exist"):
        read(path)


def test_only_numeric_lists_lose_their_brackets(tmp_path):
    path = write_demo(tmp_path)
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = (
            """<mujoco><a pos="[0, 0, 0.005]" quat='[1 0 0 0]' name="[left]" text="see [1, 2]"/></mujoco>"""
        )
    xml = read(path).sim.model_xml
    assert xml == """<mujoco><a pos="0 0 0.005" quat='1 0 0 0' name="[left]" text="see [1, 2]"/></mujoco>"""


def observed(folder: Path, env: object = None, **obs: np.ndarray) -> Path:
    path = write_demo(folder, states=None, **{f"obs/{key}": values for key, values in obs.items()})
    with h5py.File(path, "a") as file:
        if env is not None:
            file["data"].attrs["env_args"] = json.dumps(env)
    return path


def test_observations_serve_where_there_are_no_states(tmp_path):
    rng = np.random.default_rng(0)
    turn = np.tile([0.1, 0.2, 0.3, 0.9], (4, 1))
    path = observed(
        tmp_path,
        {"env_kwargs": {"robots": ["Panda"], "control_freq": 10}},
        robot0_joint_pos=rng.normal(size=(4, 7)),
        robot0_joint_vel=rng.normal(size=(4, 7)),
        robot0_gripper_qpos=rng.normal(size=(4, 2)),
        robot0_eef_pos=rng.normal(size=(4, 3)),
        robot0_eef_quat=turn,
        cube_pos=rng.normal(size=(4, 3)),
        cube_quat=turn,
        gripper_to_cube_pos=rng.normal(size=(4, 3)),
        gripper_to_cube_quat=turn,
        late_pos=rng.normal(size=(3, 3)),
    )
    demo = read(path)
    assert demo.sim is None
    assert demo.time_base is TimeBase.NOMINAL
    np.testing.assert_allclose(demo.time, [0, 0.1, 0.2, 0.3])
    assert demo.position.units == ("rad",) * 7 + ("unknown",) * 2
    assert demo.position.names[7] == "robot0_gripper_qpos[0]"
    assert demo.velocity.units == ("rad/s",) * 7
    np.testing.assert_array_equal(demo.ee["robot0_eef"].quaternion[0], [0.9, 0.1, 0.2, 0.3])
    assert not demo.ee_frame_known
    assert list(demo.objects) == ["cube"]
    assert [note.place for note in demo.notes] == ["obs/late_pos"]
    assert demo.robot_type == "Panda"


def test_libero_observations(tmp_path):
    half_turn = np.tile([0.0, 0.0, np.pi], (3, 1))
    demo = read(observed(tmp_path, joint_states=np.ones((3, 7)), ee_states=np.hstack([np.ones((3, 3)), half_turn])))
    assert demo.position.names[0] == "joint_states[0]"
    np.testing.assert_allclose(demo.ee["ee"].quaternion[0], [0, 0, 0, 1], atol=1e-15)
    assert "20 Hz assumed" in demo.notes[0].message


def test_states_of_another_simulator_are_refused_by_name(tmp_path):
    path = write_demo(tmp_path, **{"states": None, "states/articulation/robot/joint_position": np.zeros((6, 7))})
    with pytest.raises(FormatError, match=r"states: is a group with states/articulation/robot/joint_position"):
        read(path)


def test_states_nested_once_are_read(tmp_path):
    assert read(write_demo(tmp_path, **{"states": None, "states/states": np.zeros((6, 5))})).sim.state.shape == (6, 4)


def test_nothing_to_read_says_what_was_found(tmp_path):
    path = write_demo(tmp_path, states=None, actions=np.zeros((6, 7)))
    with pytest.raises(FormatError, match=r"found actions; expected 'states' \(T, 1 \+ nq \+ nv\)"):
        read(path)


def test_wrong_unit_name_is_refused_when_opening(tmp_path):
    path = write_demo(tmp_path, joint_torques=np.zeros((6, 7)))
    with pytest.raises(UsageError, match="efort"):
        read(path, units={"efort": "N m"})


# ------------------------------------------------------------------------------------- untrusted files


def _other(demo: h5py.Group) -> str:
    return str(Path(demo.file.filename).with_name("other.h5"))


def _virtual(demo: h5py.Group) -> None:
    layout = h5py.VirtualLayout((3, 3), dtype="f8")
    layout[:] = h5py.VirtualSource(_other(demo), "x", (3, 3))
    demo.create_virtual_dataset("states", layout)


HOSTILE = {
    "is a link into another file": lambda demo: demo.__setitem__("states", h5py.ExternalLink(_other(demo), "/x")),
    "is a soft link": lambda demo: demo.__setitem__("states", h5py.SoftLink("/data")),
    "virtual dataset": _virtual,
    "external file": lambda demo: demo.create_dataset("states", (2, 3), "f8", external=[(_other(demo), 0, 48)]),
    "nothing was ever written": lambda demo: demo.create_dataset("states", (1 << 37, 8), "f8", chunks=(64, 8)),
    "at most 200 times": lambda demo: demo.create_dataset("states", data=np.zeros((1 << 20, 9)), compression="gzip"),
    "holds objects": lambda demo: demo.create_dataset("states", data=["a", "b"], dtype=h5py.string_dtype()),
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_file_is_refused(tmp_path, reason):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros((3, 3))
    path = write_demo(tmp_path, states=None)
    with h5py.File(path, "a") as file:
        HOSTILE[reason](file["data/demo_0"])
    with pytest.raises((RefusedError, FormatError), match=reason):
        read(path)


def test_a_group_that_contains_itself_is_walked_once(tmp_path):
    path = write_demo(tmp_path)
    with h5py.File(path, "a") as file:
        file["data/demo_0/again"] = file["data/demo_0"]
    assert len(read(path)) == 6


def test_truncated_and_locked_files_say_so(tmp_path):
    path = write_demo(tmp_path)
    whole = path.read_bytes()
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)  # what HDF5 takes while it writes
        with pytest.raises(FormatError, match="locked by a program that writes to it"):
            read(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="truncated or damaged"):
        read(path)
    assert not robosuite.sniff(path)
    path.write_bytes(b"not hdf5")
    assert not robosuite.sniff(path)


def test_a_text_heap_without_end_is_refused_before_it_hangs(tmp_path):
    path = robosuite.write_example(tmp_path)
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    data[heap + 8] = 0xE9  # the heap's size: found by damaging bytes at random, the library never came back
    path.write_bytes(data)
    with pytest.raises(FormatError, match="text heap at byte [0-9]+ has no end"):
        robosuite.open_dataset(path, ReadOptions())


def test_an_attribute_that_is_no_text_is_refused(tmp_path):
    path = write_demo(tmp_path)
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = np.arange(3)
    with pytest.raises(RefusedError, match=r"attribute 'model_file' is int64 of shape \(3,\); expected one text"):
        read(path)


def test_arrays_without_rows_are_not_taken_for_channels(tmp_path):
    path = write_demo(tmp_path, joint_torques=3.0, rewards=h5py.Empty("f8"))
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["num_samples"] = 7
    demo = read(path)
    assert demo.effort is None
    assert [note.message for note in demo.notes] == [
        "has 0 rows, states have 6; not used",
        "has 0 rows, states have 6; not used",
        "num_samples says 7, there are 6 frames",
    ]
