import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lerobot_sets import ACTION, JOINTS, STATE, as_v21, edit_feature, edit_table, episode, messages, opened, plain

from simcheck.errors import FormatError, UsageError
from simcheck.formats._lerobot_write import FeatureSpec, NewEpisode, write_dataset
from simcheck.formats.lerobot import sniff, write_example
from simcheck.trajectory import ActionKind, TimeBase

# Real recordings: what is asserted here is in the README of that folder.


def test_so101_has_names_but_no_units(shared_data):
    dataset = opened(shared_data / "so101_lerobot_v30")
    assert (dataset.format, dataset.robot_type) == ("LeRobot v3.0", "so101_follower")
    trajectories = [dataset.read(e) for e in dataset.episodes()]
    assert [len(t) for t in trajectories] == [373, 374, 372, 373]
    first = trajectories[0]
    assert first.position.names[0] == "shoulder_pan.pos"
    assert set(first.position.units) == {"unknown"}
    assert first.position.named
    assert first.action_kind is ActionKind.ABS_JOINT
    assert first.time_base is TimeBase.NOMINAL
    np.testing.assert_array_equal(first.time, np.arange(373) / 30)
    assert first.task == "Pick the orange cube and place it in the box"
    assert max(t.action.values.max() for t in trajectories if t.action) == 100.0
    assert not any(t.notes for t in trajectories)
    [note] = messages(dataset.notes)
    assert note == "declares video for observation.images.front, observation.images.top; videos/ holds no file"


def test_so101_in_units_the_user_declares(shared_data):
    dataset = opened(shared_data / "so101_lerobot_v30", **{STATE: "m100", "*gripper.pos": "percent"})
    position = dataset.read("episode_000000").position
    assert position
    assert position.units == ("m100",) * 5 + ("percent",)


def test_reachy_metadata_contradicts_its_rows(shared_data):
    dataset = opened(shared_data / "reachy2_lerobot_v30_broken")
    assert messages(dataset.notes)[:2] == [
        "total_frames is 14983; the data files hold 899 rows",
        "split 'train' is 0:50; meta/episodes lists 3 episodes",
    ]
    trajectories = [dataset.read(e) for e in dataset.episodes()]
    assert [len(t) for t in trajectories] == [299, 300, 300]
    position = trajectories[0].position
    assert position
    assert not position.named
    assert position.names[18] == "observation.state[18]"
    assert trajectories[0].action_kind is ActionKind.UNKNOWN


def test_gr1_columns_are_named_by_modality_slices(shared_data):
    dataset = opened(shared_data / "groot_gr1_lerobot_v20")
    assert dataset.format == "LeRobot v2.0"
    trajectories = [dataset.read(e) for e in dataset.episodes()]
    assert [len(t) for t in trajectories] == [416, 470, 470, 412, 328]
    first = trajectories[0]
    assert first.position
    assert first.position.names[:8] == (*(f"left_arm[{i}]" for i in range(7)), "left_hand[0]")
    assert first.position.names[41:] == ("waist[0]", "waist[1]", "waist[2]")
    assert first.position.named
    assert first.time_base is TimeBase.NOMINAL  # (frame + 1) × 0.04999995 s: no clock
    np.testing.assert_allclose(first.time, (np.arange(416) + 1) / 20, rtol=0, atol=1e-12)
    assert first.task == "pick the pear from the counter and place it in the plate"
    assert messages(dataset.notes)[:2] == [
        "total_chunks is 0; data files lie in 1",
        "split 'train' is 0:100; meta/episodes.jsonl lists 5 episodes",
    ]


def test_g1_is_clean_but_for_its_videos(shared_data):
    dataset = opened(shared_data / "g1_inspire_lerobot_v21")
    assert messages(dataset.notes) == ["declares video for observation.images.cam_high; videos/ holds no file"]
    trajectories = [dataset.read(e) for e in dataset.episodes()]
    assert len(trajectories) == 100
    assert sum(map(len, trajectories)) == 35965
    assert not any(t.notes for t in trajectories)
    assert len({t.fingerprint for t in trajectories}) == 100
    position = trajectories[0].position
    assert position
    assert (position.names[0], len(position.names)) == ("kLeftShoulderPitch", 26)


@pytest.mark.parametrize("name", ["aloha_sim_insertion_human", "umi_cup_in_the_wild"])
def test_v1_is_recognised_and_refused_with_what_to_do(shared_data, name):
    folder = shared_data / "lerobot_v1_arrow" / name
    assert sniff(folder)
    with pytest.raises(FormatError, match=r"LeRobot v1 dataset: .*convert_dataset_v1_to_v2"):
        opened(folder)


# Round trip and layouts.


def test_what_is_written_is_read(tmp_path):
    dataset = opened(write_example(tmp_path))
    first, second = (dataset.read(e) for e in dataset.episodes())
    assert (len(first), len(second), first.robot_type, first.task) == (40, 40, "panda", "swing")
    assert first.position.units == ("rad",) * 7
    assert first.position.names[0] == "panda_joint1"
    assert first.fingerprint != second.fingerprint
    assert not dataset.notes


def test_v21_and_v30_give_the_same_episode(tmp_path):
    new = opened(plain(tmp_path / "new"))
    old = opened(as_v21(tmp_path / "old", tmp_path / "new"))
    assert old.format == "LeRobot v2.1"
    assert not old.notes
    for name in new.episodes():
        a, b = new.read(name), old.read(name)
        assert a.fingerprint == b.fingerprint
        assert (a.task, a.notes, b.notes) == (b.task, (), ())
        np.testing.assert_array_equal(a.time, b.time)


def test_episodes_over_several_files_and_chunks(tmp_path):
    dataset = opened(plain(tmp_path, *(episode(4, i) for i in range(7)), episodes_per_file=2))
    assert len(list((tmp_path / "data").rglob("*.parquet"))) == 4
    assert not dataset.notes
    assert [len(dataset.read(e)) for e in dataset.episodes()] == [4] * 7


def test_task_text_of_either_spelling(tmp_path):
    plain(tmp_path)
    edit_table(tmp_path / "meta/tasks.parquet", task=None, __index_level_0__=None)
    pq.write_table(pa.table({"task_index": [0], "__index_level_0__": ["push"]}), tmp_path / "meta/tasks.parquet")
    assert opened(tmp_path).read("episode_000000").task == "push"


def test_a_task_without_text_is_noted(tmp_path):
    plain(tmp_path)
    pq.write_table(pa.table({"task_index": [5], "task": ["push"]}), tmp_path / "meta/tasks.parquet")
    trajectory = opened(tmp_path).read("episode_000000")
    assert trajectory.task == "lift"
    assert messages(trajectory.notes) == ["task_index 0 is used by the rows and has no text"]


@pytest.mark.parametrize("reached", [True, False])
def test_success_is_the_last_value_of_next_success(tmp_path, reached):
    done = np.zeros(5, bool)
    done[-1] = reached
    state = np.zeros((5, 3))
    features = {STATE: FeatureSpec(JOINTS), "next.success": FeatureSpec(["success"], dtype="bool")}
    write_dataset(tmp_path, [NewEpisode({STATE: state, "next.success": done})], features)
    assert opened(tmp_path).read("episode_000000").success is reached


def test_success_is_unknown_where_nobody_said(tmp_path):
    assert opened(plain(tmp_path)).read("episode_000000").success is None


# Channels.


def test_a_state_vector_is_divided_by_role(tmp_path):
    names = ("a.pos", "a.vel", "a.cur", "ee.x", "ee.y", "ee.z")
    values = np.arange(30.0).reshape(5, 6)
    write_dataset(tmp_path, [NewEpisode({STATE: values})], {STATE: FeatureSpec(names)})
    t = opened(tmp_path).read("episode_000000")
    assert (t.position.names, t.velocity.names, t.effort.names) == (("a.pos",), ("a.vel",), ("a.cur",))
    np.testing.assert_array_equal(t.effort.values[:, 0], values[:, 2])
    assert t.effort.units == ("unknown",)  # a current is not N m


def test_own_features_for_velocity_and_effort_win(tmp_path):
    names = ("a", "b")
    columns = {
        STATE: np.zeros((5, 2)),
        "observation.velocity": np.ones((5, 2)),
        "observation.effort": np.full((5, 2), 2),
    }
    features = {k: FeatureSpec(names) for k in columns} | {"observation.effort": FeatureSpec(names, ["N m"] * 2)}
    write_dataset(tmp_path, [NewEpisode(columns)], features)
    t = opened(tmp_path).read("episode_000000")
    assert t.velocity.names == t.effort.names == t.position.names == names
    assert t.effort.units == ("N m", "N m")
    assert t.velocity.values[0, 0] == 1


def test_an_action_named_otherwise_is_of_unknown_kind(tmp_path):
    features = {STATE: FeatureSpec(JOINTS), ACTION: FeatureSpec(("x", "y", "z"))}
    write_dataset(tmp_path, [episode()], features)
    assert opened(tmp_path).read("episode_000000").action_kind is ActionKind.UNKNOWN


def test_end_effector_names_in_both_do_not_make_joint_targets(tmp_path):
    features = {STATE: FeatureSpec(("x", "y", "z")), ACTION: FeatureSpec(("x", "y", "z"))}
    t = opened(write_dataset(tmp_path, [episode()], features)).read("episode_000000")
    assert t.position is None
    assert t.action_kind is ActionKind.UNKNOWN


# Units.


def test_units_come_from_the_feature_or_the_user(tmp_path):
    plain(tmp_path)
    edit_feature(tmp_path, STATE, units=["degrees", "deg", "percent"])
    edit_feature(tmp_path, ACTION, unit="rad")
    t = opened(tmp_path, **{"action/grip.pos": "unit"}).read("episode_000000")
    raw = opened(plain(tmp_path / "raw")).read("episode_000000")
    assert t.position.units == ("rad", "rad", "percent")
    assert t.action.units == ("rad", "rad", "unit")
    np.testing.assert_allclose(t.position.values[:, :2], np.deg2rad(raw.position.values[:, :2]))
    assert t.fingerprint == raw.fingerprint  # of the recorded numbers, whatever they mean


def test_a_declared_unit_that_nobody_knows_is_noted(tmp_path):
    plain(tmp_path)
    edit_feature(tmp_path, STATE, units=["furlong", "rad", "rad"])
    dataset = opened(tmp_path)
    assert "furlong" in messages(dataset.notes)[0]
    position = dataset.read("episode_000000").position
    assert position
    assert position.units == ("unknown", "rad", "rad")


def test_a_unit_for_a_column_that_is_not_there_is_a_usage_error(tmp_path):
    plain(tmp_path)
    with pytest.raises(UsageError, match=r"did you mean 'pan.pos'"):
        opened(tmp_path, **{"pann.pos": "deg"})


# Poses.


def test_poses_come_in_metres_and_wxyz(tmp_path):
    xyzw = ("x", "y", "z", "qx", "qy", "qz", "qw")
    pose = np.tile([100.0, 200.0, 300.0, 0.1, 0.2, 0.3, 0.9], (5, 1))
    keys = ("observation.objects.cube", "object.mug.pose", "observation.ee_pose", "observation.base_pose")
    features = {
        STATE: FeatureSpec(JOINTS),
        keys[0]: FeatureSpec(xyzw, ["mm"] * 3 + ["unknown"] * 4),
        keys[1]: FeatureSpec(("pos_x", "pos_y", "pos_z", "quat_w", "quat_x", "quat_y", "quat_z")),
        keys[2]: FeatureSpec(xyzw, extra={"frame": "base"}),
        keys[3]: FeatureSpec([f"motor_{i}" for i in range(7)]),
    }
    write_dataset(tmp_path, [NewEpisode({STATE: np.zeros((5, 3)), **dict.fromkeys(keys, pose)})], features)
    t = opened(tmp_path, **{"observation.ee_pose": "mm"}).read("episode_000000")
    assert set(t.objects) == {"cube", "mug"}
    np.testing.assert_allclose(t.objects["cube"].position[0], [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(t.objects["cube"].quaternion[0], [0.9, 0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(t.objects["mug"].position[0], [100, 200, 300])
    np.testing.assert_allclose(t.objects["mug"].quaternion[0], [0.1, 0.2, 0.3, 0.9], rtol=1e-6)
    np.testing.assert_allclose(t.ee["ee"].position[0], [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(t.base.quaternion[0], [0.1, 0.2, 0.3, 0.9], rtol=1e-6)
    assert t.ee_frame_known


def test_a_pose_whose_order_is_not_clear_is_left_out_with_a_note(tmp_path):
    key = "observation.ee_pose.left"
    features = {STATE: FeatureSpec(JOINTS), key: FeatureSpec(("x", "y", "z", "a", "b", "c", "d"))}
    write_dataset(tmp_path, [NewEpisode({STATE: np.zeros((5, 3)), key: np.zeros((5, 7))})], features)
    dataset = opened(tmp_path)
    assert dataset.read("episode_000000").ee == {}
    assert "expected x, y, z, qw, qx, qy, qz in any order" in messages(dataset.notes)[0]
