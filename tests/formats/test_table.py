"""Generic tables: the mapping says everything, and a wrong mapping says what would be right."""

import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from simcheck.errors import FormatError, RefusedError, UsageError
from simcheck.flags import Evidence
from simcheck.formats import ReadOptions, _columns, modules, open_dataset, table
from simcheck.formats._mapping import TableMapping, load_mapping
from simcheck.formats._table_read import held
from simcheck.trajectory import ActionKind, TimeBase

EXAMPLES = Path(__file__).parents[2] / "examples/mappings"
BASIC = """
files = "*.csv"
[time]
column = "t"
[position]
columns = ["q1", "q2"]
unit = "rad"
"""


def with_mapping(folder: Path, text: str = BASIC, **files: str) -> Path:
    (folder / "mapping.toml").write_text(text)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    return folder


def read(path: Path, **options: object):
    dataset = open_dataset(path, ReadOptions(**options))
    return dataset.read(dataset.episodes()[0])


# --------------------------------------------------------------------------------------- shipped mappings


def test_sage_so101(shared_data):
    dataset = open_dataset(shared_data / "so101_sage", ReadOptions(mapping=EXAMPLES / "so101_sage.toml"))
    assert "pick_place" in dataset.episodes()
    assert sum(len(dataset.read(episode)) for episode in dataset.episodes()) == 36640
    motion = dataset.read("static_holding")
    assert motion.position.units == ("rad",) * 5 + ("unit",)
    assert motion.position.names[0] == "shoulder_pan"
    assert motion.time_base is TimeBase.MEASURED
    steps = np.diff(motion.time)
    assert steps.min() > 0.02001
    assert steps.max() < 0.02063
    assert motion.effort.evidence is Evidence.INFERRED
    assert np.count_nonzero((motion.effort.values > 2.94).any(axis=1)) == 3
    assert motion.effort.values.min() >= 0.0
    assert motion.action_kind is ActionKind.ABS_JOINT
    assert np.abs(motion.action.values - motion.position.values)[:, :5].max() == pytest.approx(0.32, abs=0.005)
    assert motion.notes == ()


def test_ur10e_identification(shared_data):
    mapping = EXAMPLES / "ur10e_identification.toml"
    dataset = open_dataset(shared_data / "ur10e_identification", ReadOptions(mapping=mapping))
    lengths = [len(dataset.read(episode)) for episode in dataset.episodes()]
    assert sorted(lengths) == [875, 918, 2036, 2506, 2623, 2881]
    unload = dataset.read("ur-20_01_31-unload")
    assert unload.time[0] == 777.117
    assert np.diff(unload.time).max() == pytest.approx(0.03)
    assert set(unload.effort.units) == {"N m"}


def test_panda_identification_is_read_within_a_second(shared_data):
    path = shared_data / "panda_identification/panda_exciting_1khz.csv"
    start = time.perf_counter()
    motion = read(path, mapping=EXAMPLES / "panda_identification.toml")
    assert time.perf_counter() - start < 1.0
    assert motion.position.values.shape == (20544, 7)
    assert motion.effort.evidence is Evidence.MEASURED
    assert np.diff(motion.time).max() == pytest.approx(8.81e-3, abs=1e-5)
    assert motion.position.values[0, 0] == -0.9584


def test_holosoma_box(shared_data):
    dataset = open_dataset(shared_data / "g1_box", ReadOptions(mapping=EXAMPLES / "holosoma_g1_box.toml"))
    assert dataset.episodes() == ["sub3_largebox_003_mj_w_obj"]
    motion = dataset.read(dataset.episodes()[0])
    assert motion.time[50] == 1.0
    assert motion.position.names[0] == "left_hip_pitch_joint"
    assert motion.position.values.shape == (325, 29)
    box = motion.objects["largebox"]
    assert (box.position[:, 2].min(), box.position[:, 2].max()) == pytest.approx((0.183, 0.845), abs=1e-3)
    np.testing.assert_allclose(np.linalg.norm(motion.base.quaternion, axis=1), 1.0, atol=1e-6)
    assert motion.time_base is TimeBase.NOMINAL


# ------------------------------------------------------------------------------------------- recognition


def test_example_is_read_back_in_si_units(tmp_path):
    assert table.sniff(table.write_example(tmp_path))
    dataset = open_dataset(tmp_path)
    assert dataset.episodes() == ["episode_0", "episode_1"]
    motion = dataset.read("episode_1")
    assert motion.position.units == ("rad", "rad")
    expected = np.sin(1.5 * motion.time)[:, None] * [0.4, 0.3]
    np.testing.assert_allclose(motion.position.values, expected, atol=1e-9)
    np.testing.assert_allclose(motion.time, np.arange(50) * 0.02)
    single = open_dataset(tmp_path / "episode_1.csv")
    assert single.read(*single.episodes()).fingerprint == motion.fingerprint


def test_without_mapping_it_says_how_to_write_one(tmp_path):
    (tmp_path / "run.csv").write_text("t,q1\n0,0\n")
    with pytest.raises(FormatError, match=f"simcheck map {tmp_path}`, correct it"):
        open_dataset(tmp_path)


def test_no_other_format_is_shadowed(tmp_path, shared_data):
    for module in modules():
        folder = tmp_path / module.NAME
        folder.mkdir()
        path = module.write_example(folder)
        assert table.sniff(path) is (module.NAME == "table")
    assert not table.sniff(shared_data / "g1_lafan1")
    assert not table.sniff(tmp_path / "absent")


def test_a_mapping_decides_for_the_table(shared_data, tmp_path):
    numbers = ", ".join(map(str, range(7, 36)))
    mapping = tmp_path / "m.toml"
    mapping.write_text(f'files = "*.csv"\nheader = false\ntime = {{fps = 30}}\nposition = {{columns = [{numbers}]}}')
    motion = read(shared_data / "g1_lafan1", mapping=mapping)
    assert motion.position.units == ("unknown",) * 29
    assert not motion.position.named
    assert motion.position.names[0] == "column[7]"


# ---------------------------------------------------------------------------------------------- contents


def test_commands_of_a_second_file_are_held_not_zipped(tmp_path):
    mapping = BASIC.replace("*.csv", "*/state.csv") + (
        '[action]\nfile = "cmd.csv"\ntime = {column = "t", unit = "ms"}\ncolumns = ["a"]\nunit = "rad"\n'
    )
    (tmp_path / "run_1").mkdir()
    (tmp_path / "run_1/state.csv").write_text("t,q1,q2\n0,0,0\n0.1,1,1\n0.2,2,2\n0.3,3,3\n")
    (tmp_path / "run_1/cmd.csv").write_text("t,a\n100,7\n250,8\n")
    dataset = open_dataset(with_mapping(tmp_path, mapping))
    assert dataset.episodes() == ["run_1"]
    motion = dataset.read("run_1")
    np.testing.assert_array_equal(motion.action.values[:, 0], [7, 7, 7, 8])
    (note,) = motion.notes
    assert note.frames == (0, 0)
    assert note.message == "the first 1 frames precede the first command; they were given that command"


def test_held_agrees_with_a_plain_loop():
    rng = np.random.default_rng(0)
    sent, frames = np.sort(rng.uniform(size=20)), np.sort(rng.uniform(size=50))
    commands = rng.normal(size=(20, 2))
    values, early = held(commands, sent, frames)
    assert early == np.count_nonzero(frames < sent[0])
    for t, value in zip(frames, values, strict=True):
        before = [c for s, c in zip(sent, commands, strict=True) if s <= t]
        np.testing.assert_array_equal(value, before[-1] if before else commands[0])


@pytest.mark.parametrize("mark", ["[0.5, -1e-3]", "(0.5;-1e-3)", "[ 0.5  -1e-3 ]"])
def test_bracketed_vectors(tmp_path, mark):
    mapping = BASIC.replace('["q1", "q2"]', '{key = "q"}')
    motion = read(with_mapping(tmp_path, mapping, run=f't,q\n0,"{mark}"\n1,"{mark}"\n'))
    np.testing.assert_array_equal(motion.position.values, [[0.5, -1e-3]] * 2)
    assert motion.position.names == ("q[0]", "q[1]")


def test_bracketed_vectors_of_different_width_are_refused(tmp_path):
    mapping = BASIC.replace('["q1", "q2"]', '{key = "q"}')
    with pytest.raises(FormatError, match="column 'q': rows hold 2, 3 numbers"):
        read(with_mapping(tmp_path, mapping, run='t,q\n0,"[1, 2]"\n1,"[1, 2, 3]"\n'))


def test_parquet_with_list_columns(tmp_path):
    values = [[0.0, 1.0], [0.1, 1.1]]
    parquet.write_table(pa.table({"t": [0.0, 0.1], "q": values}), tmp_path / "run.parquet")
    mapping = BASIC.replace("*.csv", "*.parquet").replace('["q1", "q2"]', '{key = "q", slice = [1, 2]}')
    motion = read(with_mapping(tmp_path, mapping))
    np.testing.assert_array_equal(motion.position.values, [[1.0], [1.1]])
    assert motion.position.names == ("q[1]",)


def test_semicolons_rows_and_empty_cells(tmp_path):
    mapping = 'delimiter = ";"\nrows = {column = "k", equals = "S"}\n' + BASIC
    motion = read(with_mapping(tmp_path, mapping, run="t;k;q1;q2\n0;S;1;2\n1;X;9;9\n2;S;3;\n"))
    np.testing.assert_array_equal(motion.time, [0, 2])
    np.testing.assert_array_equal(motion.position.values, [[1, 2], [3, np.nan]])
    with pytest.raises(FormatError, match="no row has k = 'Q'; found 'S', 'X'"):
        read(with_mapping(tmp_path, mapping.replace('"S"', '"Q"')))


def test_poses_in_millimetres_and_xyzw(tmp_path):
    mapping = """
files = "*.npz"
time = {fps = 10}
[ee.tool]
position = ["x", "y", "z"]
quaternion = {key = "turn"}
order = "xyzw"
unit = "mm"
frame = "base"
"""
    np.savez(
        tmp_path / "a.npz", x=np.full(3, 100.0), y=np.zeros(3), z=np.zeros((3, 1)), turn=[[0.1, 0.2, 0.3, 0.9]] * 3
    )
    motion = read(with_mapping(tmp_path, mapping))
    np.testing.assert_array_equal(motion.ee["tool"].position[0], [0.1, 0.0, 0.0])
    np.testing.assert_array_equal(motion.ee["tool"].quaternion[0], [0.9, 0.1, 0.2, 0.3])
    assert motion.ee_frame_known
    np.testing.assert_allclose(motion.time, [0, 0.1, 0.2])


def test_the_users_unit_wins_and_is_declared(tmp_path):
    mapping = BASIC + 'evidence = "inferred"\n'
    folder = with_mapping(tmp_path, mapping, run="t,q1,q2\n0,180,1\n")
    assert read(folder).position.evidence is Evidence.INFERRED
    motion = read(folder, units={"position": "deg"})
    assert motion.position.values[0, 0] == pytest.approx(np.pi)
    assert motion.position.evidence is Evidence.DECLARED
    with pytest.raises(UsageError, match="q3"):
        read(folder, units={"q3": "deg"})


# ------------------------------------------------------------------------------------------ wrong inputs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("unit =", "units ="), "unknown key 'position.units', did you mean 'unit'"),
        (("[position]", "[positon]"), "unknown key 'positon', did you mean 'position'"),
        (('"rad"', '"radd"'), "'radd' is not a unit, did you mean 'rad'"),
        (('column = "t"', 'column = "t"\nfps = 3'), "time: expected exactly one of column, fps and fps_key"),
        (('column = "t"', 'fps = 30\nbase = "measured"'), 'base = "measured" needs a column of time'),
        (('files = "*.csv"', 'files = "../*.csv"'), "leads out of the dataset"),
        (('files = "*.csv"', ""), "key 'files' is missing"),
        (('["q1", "q2"]', "{slice = [0, 2]}"), "expected either a list of columns or {key"),
        (("[position]", "[action]"), "nothing to check: expected"),
        (("[position]", "[effort]"), "'rad' is not a unit of effort; units of effort: N m, N"),
        (("[position]", "[velocity]"), "'rad' is not a unit of velocity; units of velocity: rad/s, deg/s"),
        (('unit = "rad"', 'unit = "N m"'), "'N m' is not a unit of position; units of position: rad, deg, m"),
        (('unit = "rad"', 'unit = "degs"'), "'degs' is not a unit, did you mean 'deg'?"),
        (('unit = "rad"', 'names = ["a", "a"]'), "a appears more than once"),
        (("[time]", "[objects.box]\nposition = ['q1']\nquaternion = ['q2']\n[time]"), "quaternion and order"),
        (("[time]", "[objects.box]\npositions = ['q1']\n[time]"), "'objects.box.positions', did you mean 'position'"),
        (("[time]", "[time"), "not TOML"),
    ],
)
def test_a_wrong_mapping_names_the_key_and_what_would_be_right(tmp_path, change, message):
    path = tmp_path / "m.toml"
    path.write_text(BASIC.replace(*change))
    with pytest.raises(UsageError) as error:
        load_mapping(path)
    assert message in str(error.value)
    assert "m.toml" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("t,q1\n0,1\n", "column 'q2' is not there; it has t, q1"),
        ("t,q1,q2\n0,1,2\n1,1\n", "Expected 3 columns, got 2"),
        ("t,q1,q2\n0,1,two\n", "column 'q2': holds string such as 'two'; expected numbers"),
        ("t,q1,q2,q2\n0,1,2,3\n", "column 'q2' appears more than once"),
        ("", "Empty CSV file"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, content, message):
    with pytest.raises(FormatError) as error:
        read(with_mapping(tmp_path, run=content))
    assert message in str(error.value)
    assert "run.csv" in str(error.value)


def test_names_that_do_not_fit_the_columns(tmp_path):
    folder = with_mapping(tmp_path, BASIC + 'names = ["a"]\n', run="t,q1,q2\n0,1,2\n")
    with pytest.raises(FormatError, match=r"\[position\] selects 2 columns, but has 1 names and 2 units"):
        read(folder)


NPZ = 'files = "*.npz"\ntime = {fps_key = "fps"}\nposition = {columns = {key = "q"}, unit = "rad"}\n'


def test_arrays_of_different_length_are_not_paired(tmp_path):
    np.savez(tmp_path / "a.npz", q=np.zeros((5, 2)), fps=[50], v=np.zeros((4, 2)))
    with pytest.raises(FormatError, match=r"a\.npz: \[velocity\] has 4 rows, time has 5"):
        read(with_mapping(tmp_path, NPZ + 'velocity = {columns = {key = "v"}}\n'))


def test_pickled_arrays_and_bombs_are_refused(tmp_path):
    folder = with_mapping(tmp_path, NPZ)
    np.savez(tmp_path / "a.npz", q=np.array([[1], {}], dtype=object), fps=[50])
    with pytest.raises(RefusedError, match="'q': holds pickled objects"):
        read(folder)
    np.savez_compressed(tmp_path / "a.npz", q=np.zeros((1 << 20, 9)), fps=[50])
    with pytest.raises(RefusedError, match="at most 200 times as many"):
        read(folder)


def test_an_array_that_lies_about_its_size(tmp_path):
    folder = with_mapping(tmp_path, NPZ)
    np.save(tmp_path / "q.npy", np.zeros((2, 3)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("q.npy", (tmp_path / "q.npy").read_bytes().replace(b"(2, 3)", b"(9, 9)"))
    with pytest.raises(FormatError, match="header declares 648 bytes"):
        read(folder)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(FormatError, match="not an NPZ archive"):
        read(folder)


@pytest.mark.parametrize("rate", [[0.0], [np.nan], [30.0, 50.0]])
def test_a_rate_must_be_one_positive_number(tmp_path, rate):
    np.savez(tmp_path / "a.npz", q=np.zeros((5, 2)), fps=rate)
    with pytest.raises(FormatError, match=r"expected one rate above 0 \[Hz\]"):
        read(with_mapping(tmp_path, NPZ))


def test_a_link_out_of_the_dataset_is_refused(tmp_path):
    (tmp_path / "secret.csv").write_text("t,q1,q2\n0,1,2\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/run.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(RefusedError, match="link out of the dataset"):
        read(with_mapping(tmp_path / "set"))


def test_broken_parquet(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no footer")
    with pytest.raises(FormatError, match="not readable Parquet"):
        read(with_mapping(tmp_path, BASIC.replace("*.csv", "*.parquet")))


# ------------------------------------------------------------------------------------------- suggestions


@pytest.mark.parametrize(
    ("file", "channels", "unit"),
    [
        ("so101_sage/pick_place/state_motor.csv", {"position", "velocity", "effort"}, "us"),
        ("ur10e_identification/ur-20_01_17-p1.csv", {"position"}, "s"),
        ("panda_identification/panda_exciting_1khz.csv", {"position", "velocity", "effort"}, "s"),
        ("g1_box/sub3_largebox_003_mj_w_obj.npz", {"position"}, "s"),
    ],
)
def test_a_suggestion_reads_the_file_it_was_made_for(shared_data, tmp_path, file, channels, unit):
    path = tmp_path / "guess.toml"
    path.write_text(table.suggest_mapping(shared_data / file))
    mapping = load_mapping(path)
    assert {key for key in ("position", "velocity", "effort", "action") if getattr(mapping, key)} == channels
    assert mapping.time.unit == unit
    motion = read(shared_data / file, mapping=path)
    assert set(motion.position.units) == {"unknown"}


def test_a_suggestion_finds_commands_and_a_free_base(tmp_path):
    (tmp_path / "a.tsv").write_text("time_s\tjoint_pos_0\tjoint_pos_1\tcmd_0\tcmd_1\tnote\n0\t0\t0\t0\t0\tx\n")
    text = table.suggest_mapping(tmp_path / "a.tsv")
    assert 'columns = ["joint_pos_0", "joint_pos_1"]' in text
    assert 'columns = ["cmd_0", "cmd_1"]' in text
    assert "# not used: note" in text
    np.savez(tmp_path / "b.npz", qpos=np.zeros((3, 9)), joint_names=["a", "b"])
    assert "slice = [7, 9]" in table.suggest_mapping(tmp_path / "b.npz")


def test_nothing_like_positions_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("t,colour\n0,red\n")
    with pytest.raises(FormatError, match="no column looks like a joint position; it has t, colour"):
        table.suggest_mapping(tmp_path / "a.csv")


def test_every_shipped_mapping_states_its_robot_and_units():
    paths = sorted(EXAMPLES.glob("*.toml"))
    assert len(paths) == 4
    for path in paths:
        mapping: TableMapping = load_mapping(path)
        assert mapping.robot
        assert mapping.position is not None
        assert "unknown" not in mapping.position.unit


def test_columns_are_not_unpacked_by_suffix(tmp_path):
    (tmp_path / "a.csv.gz").write_text("t,q\n0,1\n")  # a name alone must not choose a decoder
    assert _columns.open_source(tmp_path / "a.csv.gz").names() == ["t", "q"]
