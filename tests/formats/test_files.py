import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simcheck.errors import FormatError, InputError, RefusedError, UsageError
from simcheck.formats import ReadOptions
from simcheck.formats._files import (
    check_units,
    fill_template,
    fingerprint,
    inside,
    known_unit,
    make_channel,
    named_file,
    natural_key,
    parse_json,
    read_json,
    read_json_lines,
    read_text,
    template_pattern,
    walk,
)

NAMES = ("shoulder.pos", "elbow.pos", "gripper.pos")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "set"
    (folder / "meta").mkdir(parents=True)
    (folder / "meta/info.json").write_text('{"fps": 30}')
    (tmp_path / "secret.txt").write_text("secret")
    return folder


def test_a_file_of_the_dataset_is_found(root):
    assert inside(root, "meta/info.json").read_text() == '{"fps": 30}'


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.txt", "meta/../../secret.txt", "a\0b", "..\\x", ""])
def test_a_path_that_leads_out_is_refused(root, name):
    with pytest.raises(RefusedError, match="leads out of the dataset"):
        inside(root, name)


def test_a_very_long_path_is_refused(root):
    with pytest.raises(RefusedError, match="path of 5000 characters"):
        inside(root, "x" * 5000)


def test_a_name_too_long_for_the_file_system_is_an_input_error(root):
    with pytest.raises(InputError):
        inside(root, "x" * 600)


def test_a_link_out_of_the_dataset_is_refused(root):
    (root / "data.bin").symlink_to(root.parent / "secret.txt")
    with pytest.raises(RefusedError, match=r"data.bin: is a link out of the dataset"):
        inside(root, "data.bin")


def test_a_linked_folder_out_of_the_dataset_is_refused(root):
    (root / "data").symlink_to(root.parent)
    with pytest.raises(RefusedError, match="link out of the dataset"):
        inside(root, "data/secret.txt")


def test_a_link_within_the_dataset_is_read(root):
    (root / "copy.json").symlink_to("meta/info.json")
    assert inside(root, "copy.json").name == "info.json"


def test_a_link_loop_is_refused(root):
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(InputError):
        inside(root, "a")


def test_links_of_the_hub_cache_into_its_blobs_are_read(tmp_path):
    snapshot = tmp_path / "datasets--x/snapshots/abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "datasets--x/blobs").mkdir()
    (tmp_path / "datasets--x/blobs/123").write_text("{}")
    (snapshot / "info.json").symlink_to("../../blobs/123")
    (snapshot / "out").symlink_to("../../../elsewhere")
    (tmp_path / "elsewhere").write_text("secret")
    assert read_json(snapshot, "info.json") == {}
    with pytest.raises(RefusedError, match="link out"):
        inside(snapshot, "out")


def test_a_pipe_is_refused_without_waiting_for_a_writer(root):
    os.mkfifo(root / "pipe")
    for read in (lambda: inside(root, "pipe"), lambda: named_file(root / "pipe")):
        with pytest.raises(RefusedError, match="pipe: is a pipe, socket or device"):
            read()


def test_a_device_is_refused():
    with pytest.raises(RefusedError, match="null: is a pipe, socket or device"):
        named_file(Path("/dev/null"))


def test_a_folder_and_a_missing_file_are_format_errors(root):
    with pytest.raises(FormatError, match="meta: is a folder"):
        inside(root, "meta")
    with pytest.raises(FormatError, match=r"meta/none.json: does not exist"):
        inside(root, "meta/none.json")


def test_a_file_beyond_the_limit_is_refused(root):
    with pytest.raises(RefusedError, match=r"info.json: has 11 bytes; expected at most 10"):
        inside(root, "meta/info.json", limit=10)


def test_a_file_the_user_names_may_be_a_link(root):
    (root / "link").symlink_to(root.parent / "secret.txt")
    assert named_file(root / "link").read_text() == "secret"


def test_walk_lists_files_in_order_and_does_not_follow_linked_folders(root):
    (root / "meta/b").write_text("")
    (root / "meta/up").symlink_to(root.parent)
    assert list(walk(root, "meta")) == ["meta/b", "meta/info.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1e999}', "1e999 is larger than any float64"),
        ('{"a": 1, "a": 2}', "key 'a' appears twice"),
        ('{"a": 1,\n "b" 2}', "line 2, column 6"),
        ("[" * 100_000, "expected strict JSON"),
        ('{"a": ' + "9" * 5000 + "}", "expected strict JSON"),
    ],
)
def test_json_that_is_not_strict_is_refused_with_its_place(text, message):
    with pytest.raises(FormatError, match=message) as error:
        parse_json(text, "meta/info.json")
    assert str(error.value).startswith("meta/info.json")


def test_json_must_be_an_object_and_utf8(root):
    (root / "list.json").write_text("[1]")
    (root / "latin.json").write_bytes(b'{"a": "\xe9"}')
    (root / "bom.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    with pytest.raises(FormatError, match=r"list.json: holds a list; expected a JSON object"):
        read_json(root, "list.json")
    with pytest.raises(FormatError, match=r"latin.json: byte 7 is not UTF-8"):
        read_text(root, "latin.json")
    assert read_json(root, "bom.json") == {"a": 1}


def test_json_lines_name_the_line_that_is_wrong(root):
    (root / "good.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    (root / "bad.jsonl").write_text('{"a": 1}\n{"a": }\n')
    assert [row["a"] for row in read_json_lines(root, "good.jsonl")] == [1, 2]
    with pytest.raises(FormatError, match=r"bad.jsonl line 2: line 1, column 7"):
        list(read_json_lines(root, "bad.jsonl"))


def test_a_template_is_filled_and_recognised():
    template = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    fields = {"episode_chunk": 1, "episode_index": 1234}
    path = fill_template(template, fields, "info")
    assert path == "data/chunk-001/episode_001234.parquet"
    match = template_pattern(template, fields, "info").fullmatch(path)
    assert match
    assert match["episode_index"] == "001234"
    assert not template_pattern(template, fields, "info").fullmatch("data/chunk-001/other.parquet")


def test_a_field_may_appear_twice_in_a_template():
    pattern = template_pattern("{n:02d}/{n:02d}", ("n",), "info")
    assert pattern.fullmatch("01/01")
    assert not pattern.fullmatch("01/02")


@pytest.mark.parametrize(
    "template",
    [
        "{n.__class__}", "{n[0]}", "{0}", "{}", "{other}", "{n!r}", "{n:100000000d}", "{n:{n}}", "{n:x}",
        "/etc/{n}", "../{n}", "a/{n}/../../../b", "{n}\\x", "",
    ],
)  # fmt: skip
def test_a_template_that_reaches_for_more_is_refused(template):
    with pytest.raises(RefusedError, match="info"):
        fill_template(template, {"n": 3}, "info")


def test_a_text_field_cannot_climb_out():
    with pytest.raises(RefusedError, match="leads out"):
        fill_template("videos/{key}", {"key": "../../x"}, "info")


def test_a_broken_template_is_a_format_error():
    with pytest.raises(FormatError, match="not a path template"):
        fill_template("data/{n", {"n": 3}, "info")


@given(st.text(max_size=30))
def test_no_template_does_anything_but_fill_or_raise_an_input_error(template):
    try:
        path = fill_template(template, {"n": 3}, "info")
    except InputError:
        return
    assert ".." not in path.split("/")
    assert not path.startswith("/")


def test_names_sort_by_number():
    names = ["demo_10", "demo_2", "demo", "demo_1", "a" + "9" * 5000, "demo_002"]
    assert sorted(names, key=natural_key)[1:] == ["demo", "demo_1", "demo_002", "demo_2", "demo_10"]


@given(st.lists(st.text(max_size=8)))
def test_any_names_can_be_sorted(names):
    assert sorted(names, key=natural_key) == sorted(reversed(names), key=natural_key)


def test_a_fingerprint_is_of_numbers_not_of_their_storage():
    values = np.arange(6.0).reshape(3, 2)
    assert fingerprint(values) == fingerprint(values.astype(">f4")) == fingerprint(values.T.copy().T, None)
    assert fingerprint(values) != fingerprint(values.reshape(2, 3))
    assert fingerprint(values) != fingerprint(values + 1e-12)


def test_units_are_unknown_unless_someone_says_them():
    channel = make_channel(ReadOptions(), "state", NAMES, np.ones((2, 3)))
    assert channel.units == ("unknown",) * 3
    assert np.all(channel.values == 1)


def test_values_come_in_si_where_the_unit_is_known():
    options = ReadOptions(units={"state": "deg", "gripper.pos": "percent"})
    channel = make_channel(options, "state", NAMES, np.full((2, 3), 180.0))
    assert channel.units == ("rad", "rad", "percent")
    np.testing.assert_allclose(channel.values, [[np.pi, np.pi, 180]] * 2)


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({}, "m"),
        ({"st*": "deg"}, "deg"),
        ({"state": "rad/s", "st*": "deg"}, "rad/s"),
        ({"state": "deg", "gr*": "percent"}, "percent"),
        ({"gripper.pos": "unit", "*": "percent"}, "unit"),
        ({"gripper.pos": "unit", "state/gripper.pos": "m100"}, "m100"),
        ({"action/gripper.pos": "unit"}, "m"),
    ],
)
def test_the_most_specific_entry_wins(units, expected):
    channel = make_channel(ReadOptions(units=units), "state", NAMES, np.ones((1, 3)), declared=["rad", "rad", "m"])
    assert channel.units[2] == {"deg": "rad"}.get(expected, expected)


def test_a_name_with_brackets_is_not_taken_for_a_pattern():
    options = ReadOptions(units={"arm[0]": "deg"})
    assert make_channel(options, "state", ["arm[0]", "arm0"], np.ones((1, 2))).units == ("rad", "unknown")


def test_an_unknown_unit_is_refused_with_the_nearest_and_all_valid_ones():
    with pytest.raises(UsageError, match=r"'degree' is not a unit \(did you mean 'deg'\?\); units are rad, deg, m"):
        check_units(ReadOptions(units={"state": "degree"}), {"state": NAMES})


def test_a_unit_for_a_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        UsageError, match=r"no such channel or column \(did you mean 'gripper.pos'\?\); it has state: sh"
    ):
        check_units(ReadOptions(units={"griper.pos": "unit"}), {"state": NAMES})
    check_units(ReadOptions(units={"state": "deg", "*.pos": "deg", "state/elbow.pos": "rad"}), {"state": NAMES})


def test_units_as_datasets_spell_them():
    assert [known_unit(u) for u in ("rad", "degrees", "Nm", "furlong")] == ["rad", "deg", "N m", "unknown"]
