"""What nothing recognises is named, with what would be right; of several datasets none is taken silently."""

import os
import pickle
import shutil
import signal

import numpy as np
import pytest
from lerobot_sets import STATE, FeatureSpec, NewEpisode, opened, plain, write_dataset

from simcheck.errors import FormatError, RefusedError, UsageError
from simcheck.formats import ReadOptions, lafan1, lerobot, open_dataset, robosuite, table


def said(path, error=FormatError, **options) -> str:
    with pytest.raises(error) as caught:
        open_dataset(path, ReadOptions(**options))
    return str(caught.value)


def touch(folder, *names, content=b"\x01\x00"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1.0.0/bridge-train.tfrecord-00000-of-00001", ("RLDS (TFRecord)", "convert it to LeRobot v2 or v3")),
        ("run_0.mcap", ("MCAP recording", "export the joint states")),
        ("run.bag", ("ROS 1 bag", "export the joint states")),
        ("motion.pkl", ("pickle", "can run code", "ASAP and GMR")),
        ("train/data-00000-of-00001.arrow", ("LeRobot v1", "v2 or v3")),
        ("notes.md", ("holds files .md, such as notes.md",)),
    ],
)
def test_a_foreign_folder_is_named_with_what_would_be_right(tmp_path, name, expected):
    text = said(touch(tmp_path, name))
    assert all(part in text for part in ("not recognised", *expected))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.bin", pickle.dumps({"dof": 1}), "pickle: refused, since a pickle can run code"),
        ("a.log", b"\x89MCAP0\r\n", "MCAP recording"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("a.txt", b"t,q\n0,1\n", "`simcheck map a.txt`"),
        ("a.txt", b"", "empty"),
    ],
)
def test_a_foreign_file_is_named_with_what_would_be_right(tmp_path, name, content, expected):
    assert expected in said(touch(tmp_path, name, content=content) / name)


def test_an_empty_folder_and_a_pipe(tmp_path):
    assert "holds no file" in said(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe" in said(tmp_path / "pipe")


def test_the_working_folder_is_called_by_its_name(tmp_path, monkeypatch):
    folder = touch(tmp_path / "logs", "a.csv", content=b"t,q1\n0,1\n")
    monkeypatch.chdir(folder)
    assert said(".").startswith("logs: a table does not say what its columns are")


def test_lerobot_v1_says_how_to_convert(tmp_path):
    touch(tmp_path, "meta_data/info.json", "train/data-00000-of-00001.arrow")
    assert "Convert it first" in said(tmp_path)


def test_several_datasets_are_listed_and_none_is_taken(tmp_path):
    for name in ("b", "a"):
        plain(tmp_path / name)
    (tmp_path / "sims").mkdir()
    robosuite.write_example(tmp_path / "sims")
    assert "holds several datasets: a (lerobot), b (lerobot), sims (robosuite); name the one" in said(tmp_path)
    shutil.rmtree(tmp_path / "sims")
    shutil.rmtree(tmp_path / "b")
    assert "holds a dataset: a (lerobot)" in said(tmp_path)


def test_two_formats_in_one_folder_are_not_chosen_between(tmp_path):
    lafan1.write_example(tmp_path)
    robosuite.write_example(tmp_path)
    assert "files of its own (lafan1), files of its own (robosuite)" in said(tmp_path)


def test_a_mapping_beside_data_of_another_format_must_be_passed(tmp_path):
    table.write_example(tmp_path)
    assert open_dataset(tmp_path).format == "table"
    robosuite.write_example(tmp_path)
    assert "tables (mapping.toml; pass it with --mapping)" in said(tmp_path)
    assert open_dataset(tmp_path, ReadOptions(mapping=tmp_path / "mapping.toml")).format == "table"


def test_a_lerobot_dataset_owns_its_folder(tmp_path):
    plain(tmp_path)
    robosuite.write_example(tmp_path)
    assert open_dataset(tmp_path).format == "LeRobot v3.0"


@pytest.mark.parametrize(
    ("damage", "error", "expected"),
    [
        (lambda p: p.unlink(), FormatError, "meta/info.json: does not exist"),
        (lambda p: p.write_text("{"), FormatError, "meta/info.json: line 1, column 2"),
        (lambda p: p.write_text("{}"), FormatError, "codebase_version is None"),
        (lambda p: (p.unlink(), os.mkfifo(p)), RefusedError, "meta/info.json: is a pipe"),
    ],
)
def test_a_damaged_info_json_is_still_lerobot_and_named(tmp_path, damage, error, expected):
    plain(tmp_path)
    damage(tmp_path / "meta/info.json")
    signal.alarm(10)  # a pipe that is opened would wait for ever
    assert lerobot.sniff(tmp_path)
    assert expected in said(tmp_path, error)
    signal.alarm(0)


def test_assets_that_do_not_exist_are_refused(tmp_path):
    plain(tmp_path)
    assert "--assets" in said(tmp_path, UsageError, assets=tmp_path / "nope")


@pytest.mark.parametrize(
    ("key", "unit", "allowed"),
    [(STATE, "rad/s", False), (STATE, "deg", True), ("pan.vel", "rad", False), ("pan.vel", "deg/s", True),
     ("action", "N m", True), ("action", "s", False)],
)  # fmt: skip
def test_a_unit_of_another_dimension_is_refused(tmp_path, key, unit, allowed):
    names = ("pan.pos", "lift.pos", "pan.vel") if key == "pan.vel" else ("pan.pos", "lift.pos", "grip.pos")
    values = np.zeros((5, 3))
    features = {STATE: FeatureSpec(names), "action": FeatureSpec(names)}
    write_dataset(tmp_path, [NewEpisode({STATE: values, "action": values}, "x")], features)
    if allowed:
        opened(tmp_path, **{key: unit})
    else:
        with pytest.raises(UsageError, match="is of another dimension; units by quantity are"):
            opened(tmp_path, **{key: unit})


def test_a_suggestion_for_a_folder_reads_its_first_table(tmp_path):
    for run in ("run_2", "run_10"):
        touch(tmp_path, f"{run}/log.csv", content=b"t,q1,q2\n0,1,2\n0.1,2,3\n")
    text = table.suggest_mapping(tmp_path)
    assert 'files = "*/*.csv"' in text
    (tmp_path / "mapping.toml").write_text(text)
    assert open_dataset(tmp_path).episodes() == ["run_2/log", "run_10/log"]
    with pytest.raises(FormatError, match="read as lerobot, which needs no mapping"):
        table.suggest_mapping(plain(tmp_path / "set"))


def test_a_suggestion_for_a_folder_without_tables_says_what_is_there(tmp_path):
    with pytest.raises(FormatError, match="holds MCAP recording"):
        table.suggest_mapping(touch(tmp_path, "a.mcap"))
    with pytest.raises(FormatError, match="does not exist; expected a table"):
        table.suggest_mapping(tmp_path / "nope")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", pickle.dumps([1]), "is pickle, no table"),
        ("a.pkl", b"anything", "is pickle, no table"),
        ("a.csv", b"\x07\x00\xff\x1b[31m", "is binary, no table"),
        ("a.csv", "t,q°\n0,1".encode("latin-1"), "is not UTF-8 text, no table: save it as UTF-8"),
    ],
)
def test_a_suggestion_for_no_table_echoes_none_of_it(tmp_path, name, content, expected):
    with pytest.raises(FormatError) as caught:
        table.suggest_mapping(touch(tmp_path, name, content=content) / name)
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()
