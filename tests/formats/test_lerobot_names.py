import pytest

from simcheck.formats._lerobot_names import Role, parse_feature, roles


@pytest.mark.parametrize(
    ("raw", "names", "named"),
    [
        (["a", "b"], ("a", "b"), True),
        ([["a", "b"]], ("a", "b"), True),
        ({"axes": ["a", "b"]}, ("a", "b"), True),
        ({"motors": ["a", "b"]}, ("a", "b"), True),
        ({"left": ["a"], "right": ["b"]}, ("a", "b"), True),
        ({"b": 1, "a": 0}, ("a", "b"), True),
        (None, ("k[0]", "k[1]"), False),
        (["motor_0", "motor_1"], ("motor_0", "motor_1"), False),
        (["joint_0", "joint_1"], ("joint_0", "joint_1"), True),
    ],
)
def test_names_of_every_shape(raw, names, named):
    feature, notes = parse_feature("k", {"dtype": "float32", "shape": [2], "names": raw}, {})
    assert feature
    assert (feature.names, feature.named, notes) == (names, named, [])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (["a"], "1 names for 2 numbers per frame; taken as unnamed"),
        ([1, 2], "names is neither a list of texts"),
        ("ab", "names is neither a list of texts"),
        (["a", "a"], "names appear twice: a"),
    ],
)
def test_names_that_cannot_be_right_are_noted(raw, message):
    feature, [note] = parse_feature("k", {"dtype": "float32", "shape": [2], "names": raw}, {})
    assert feature
    assert note.message.startswith(message)
    assert note.place == "meta/info.json features.k"


@pytest.mark.parametrize("shape", [None, [0], [2, 7], ["2"], [-1], [1 << 40], [True]])
def test_a_shape_that_is_no_vector_is_left_out_with_a_note(shape):
    feature, [note] = parse_feature("k", {"dtype": "float32", "shape": shape}, {})
    assert feature is None
    assert note.message.startswith("shape is")


def test_slices_name_columns_without_names_and_leave_others():
    entry = {"dtype": "float64", "shape": [4], "names": [f"motor_{i}" for i in range(4)]}
    slices = {"arm": {"start": 0, "end": 2}, "hand": {"start": 3, "end": 4}}
    feature, notes = parse_feature("k", entry, slices)
    assert feature
    assert (feature.names, feature.named, notes) == (("arm[0]", "arm[1]", "motor_2", "hand[0]"), True, [])
    informative, _ = parse_feature("k", entry | {"names": ["a", "b", "c", "d"]}, slices)
    assert informative
    assert informative.names == ("a", "b", "c", "d")


@pytest.mark.parametrize("bad", [{"start": 1, "end": 3}, {"start": 2, "end": 9}, {"start": -1, "end": 1}, {}, 3])
def test_a_slice_that_overlaps_or_leaves_the_vector_is_noted_and_ignored(bad):
    feature, [note] = parse_feature("k", {"dtype": "float32", "shape": [4]}, {"a": {"start": 0, "end": 2}, "b": bad})
    assert feature
    assert feature.names == ("a[0]", "a[1]", "k[2]", "k[3]")
    assert note.place == "meta/modality.json"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("pan.pos", "pan.vel", "pan.torque"), "PVE"),
        (("j1", "j1_velocity", "j1_tau_est", "j1/cur", "j1.dq"), "PVEEV"),
        (("x", "y", "z", "roll", "pitch", "yaw", "gripper"), "CCCCCCP"),
        (("ee.x", "ee.y", "ee.z", "ee.wx", "ee.wy", "ee.wz", "ee.gripper_pos"), "CCCCCCP"),
        (("left_x.pos", "left_y.pos", "left_z.pos", "right_yaw"), "CCCP"),
        (("x.vel", "y.vel", "theta.vel", "arm_pan.pos"), "CCCP"),
        (("waist_yaw", "waist_roll", "waist_pitch", "kLeftWristYaw", "wrist_roll.pos"), "PPPPP"),
        (("yaw", "pitch"), "PP"),
        (("arm[0]", "eef_position[0]", "base_rotation[0]", "arm_velocity[0]", "left_eef[1]"), "PCCVC"),
        (("reel", "pos", "velvet", "current_limiter"), "PPPP"),
    ],
)
def test_the_role_of_a_column_is_in_its_name(names, expected):
    letter = {Role.POSITION: "P", Role.VELOCITY: "V", Role.EFFORT: "E", Role.CARTESIAN: "C"}
    assert "".join(letter[r] for r in roles(names)) == expected
