import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lerobot_sets import (
    DATA,
    EPISODES,
    STATE,
    as_v21,
    edit_feature,
    edit_info,
    edit_table,
    episode,
    messages,
    opened,
    plain,
)

from simcheck.errors import FormatError, UsageError

ONE, TWO, THREE = "episode_000000", "episode_000001", "episode_000002"


# Where metadata and rows disagree, the rows win.


def test_rows_count_where_the_table_says_another_length(tmp_path):
    plain(tmp_path)
    edit_table(tmp_path / EPISODES, length=[8, 99, 9])
    dataset = opened(tmp_path)
    t = dataset.read(TWO)
    assert len(t) == 12
    assert messages(t.notes) == ["12 rows; the table says length 99"]
    assert not dataset.read(ONE).notes
    assert messages(dataset.notes) == [
        f"1 data files do not hold as many rows as their episodes have: {DATA}: 29 rows, the episodes in it have 116",
        "1 episode boundaries contradict each other: episode_000001 is rows 8 to 20 with length 99",
    ]


def test_gaps_and_overlaps_between_episodes_are_noted(tmp_path):
    plain(tmp_path)
    edit_table(tmp_path / EPISODES, dataset_from_index=[0, 9, 19], dataset_to_index=[8, 21, 28])
    dataset = opened(tmp_path)
    assert messages(dataset.notes) == [
        "2 episode boundaries contradict each other: "
        "episode_000001 is rows 9 to 21 and leaves a gap after episode_000000, which ends at 8, "
        "episode_000002 is rows 19 to 28 and overlaps episode_000001, which ends at 21"
    ]
    assert messages(dataset.read(TWO).notes) == ["the first frame has index 8; the table says dataset_from_index 9"]


def test_an_episode_is_found_in_another_file_than_the_table_says(tmp_path):
    plain(tmp_path, *(episode(5, i) for i in range(4)), episodes_per_file=2)
    clean = opened(tmp_path).read(THREE)
    edit_table(tmp_path / EPISODES, data__file_index=[0, 0, 0, 1])  # stale at rollover, as a converter wrote it
    dataset = opened(tmp_path)
    t = dataset.read(THREE)
    assert t.fingerprint == clean.fingerprint
    moved = "the rows are in data/chunk-000/file-001.parquet; the table says data/chunk-000/file-000.parquet"
    assert messages(t.notes) == [moved]
    assert "1 episodes are not in the data file that is listed for them: episode_000002" in messages(dataset.notes)


def test_an_episode_whose_file_is_missing_is_an_error_for_it_alone(tmp_path):
    plain(tmp_path, *(episode(5, i) for i in range(4)), episodes_per_file=2)
    (tmp_path / "data/chunk-000/file-001.parquet").unlink()
    dataset = opened(tmp_path)
    assert len(dataset.read(ONE)) == 5
    with pytest.raises(FormatError, match=r"file-001.parquet: does not exist"):
        dataset.read(THREE)
    assert messages(dataset.notes)[0].startswith("1 of 2 data files are not there: data/chunk-000/file-001.parquet")


def test_an_episode_without_rows_is_an_error_that_says_what_is_there(tmp_path):
    plain(tmp_path)
    table = pq.read_table(tmp_path / DATA)
    pq.write_table(table.filter(pc.not_equal(table["episode_index"], 1)), tmp_path / DATA)
    dataset = opened(tmp_path)
    assert len(dataset.read(THREE)) == 9
    with pytest.raises(FormatError, match=r"holds rows of episodes 0 to 2; expected rows of episode 1"):
        dataset.read(TWO)


def test_a_v2_file_with_rows_of_another_episode_is_an_error(tmp_path):
    as_v21(tmp_path / "old", plain(tmp_path / "new"))
    file = tmp_path / "old/data/chunk-000/episode_000001.parquet"
    edit_table(file, episode_index=[7] * 12)
    with pytest.raises(FormatError, match=r"holds rows of episodes 7 to 7; expected rows of episode 1"):
        opened(tmp_path / "old").read(TWO)


def test_a_v2_file_needs_no_episode_index_but_a_v3_file_does(tmp_path):
    as_v21(tmp_path / "old", plain(tmp_path / "new"))
    edit_table(tmp_path / "old/data/chunk-000/episode_000001.parquet", episode_index=None, frame_index=None)
    assert len(opened(tmp_path / "old").read(TWO)) == 12
    edit_table(tmp_path / "new" / DATA, episode_index=None)
    with pytest.raises(FormatError, match=r"has no column episode_index"):
        opened(tmp_path / "new").read(TWO)


def test_rows_of_one_episode_between_those_of_another_are_found_and_noted(tmp_path):
    plain(tmp_path)
    clean = opened(tmp_path).read(ONE)
    table = pq.read_table(tmp_path / DATA)
    order = [*range(4), *range(8, 29), *range(4, 8)]
    pq.write_table(table.take(order), tmp_path / DATA)
    t = opened(tmp_path).read(ONE)
    assert t.fingerprint == clean.fingerprint
    assert messages(t.notes) == ["rows of episode 0 lie between rows of other episodes"]


def test_rows_that_no_listed_episode_owns_are_noted(tmp_path):
    plain(tmp_path)
    pq.write_table(pq.read_table(tmp_path / EPISODES).slice(0, 2), tmp_path / EPISODES)
    notes = messages(opened(tmp_path).notes)
    assert "total_episodes is 3; meta/episodes lists 2" in notes
    assert "split 'train' is 0:3; meta/episodes lists 2 episodes" in notes
    assert "the data files hold rows of episodes that are not listed: 2" in notes


def test_counts_in_info_are_compared_with_what_is_there(tmp_path):
    plain(tmp_path)
    edit_info(tmp_path, total_frames=7, total_episodes=8, total_chunks=4, splits={"a": "0:3", "b": "x"}, total_videos=0)
    assert messages(opened(tmp_path).notes) == [
        "total_episodes is 8; meta/episodes lists 3",
        "total_frames is 7; the data files hold 29 rows",
        "total_chunks is 4; data files lie in 1",
        "split 'b' is 'x'; expected \"first:end\", such as \"0:50\"",
    ]


def test_a_number_missing_between_episodes_is_noted(tmp_path):
    plain(tmp_path)
    edit_table(tmp_path / EPISODES, episode_index=[0, 1, 5])
    assert "lists 3 episodes with numbers up to 5: some numbers are missing" in messages(opened(tmp_path).notes)


def test_an_episode_listed_twice_or_without_number_is_noted(tmp_path):
    plain(tmp_path)
    edit_table(tmp_path / EPISODES, episode_index=[0, 0, None])
    dataset = opened(tmp_path)
    assert dataset.episodes() == (ONE,)
    assert messages(dataset.notes)[:2] == [
        "row 1: episode 0 is listed twice; the first row is used",
        "row 2: episode_index is None; expected 0, 1, …; the row is ignored",
    ]


def test_a_column_that_info_declares_and_the_file_lacks_is_noted(tmp_path):
    plain(tmp_path)
    edit_table(tmp_path / DATA, action=None)
    t = opened(tmp_path).read(ONE)
    assert t.action is None
    assert messages(t.notes) == ["has no column action; meta/info.json declares it"]


def test_a_name_that_is_no_episode_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"no episode 'demo_1'; they are episode_000000 to episode_000002"):
        opened(plain(tmp_path)).read("demo_1")


# Vectors.


def ragged(lengths):
    return pa.array([[0.5] * n for n in lengths], pa.list_(pa.float32()))


def test_vectors_of_variable_length_type_are_read(tmp_path):
    plain(tmp_path)
    clean = opened(tmp_path).read(TWO)
    table = pq.read_table(tmp_path / DATA)
    edit_table(tmp_path / DATA, **{STATE: table[STATE].combine_chunks().cast(pa.list_(pa.float64()))})
    assert opened(tmp_path).read(TWO).fingerprint == clean.fingerprint


@pytest.mark.parametrize("odd", [2, 0])
def test_a_frame_of_another_width_is_an_error_for_its_episode_alone(tmp_path, odd):
    plain(tmp_path)
    lengths = [3] * 29
    lengths[12] = odd
    edit_table(tmp_path / DATA, **{STATE: ragged(lengths)})
    dataset = opened(tmp_path)
    assert len(dataset.read(ONE)) == 8
    assert len(dataset.read(THREE)) == 9
    with pytest.raises(
        FormatError, match=rf"observation.state, episode 1: frame 4 holds {odd} numbers, frame 0 holds 3"
    ):
        dataset.read(TWO)


def test_a_frame_without_vector_is_an_error_for_its_episode_alone(tmp_path):
    plain(tmp_path)
    values = [[0.5] * 3 for _ in range(29)]
    values[0] = None
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), 3)):
        edit_table(tmp_path / DATA, **{STATE: pa.array(values, kind)})
        assert len(opened(tmp_path).read(TWO)) == 12
        with pytest.raises(FormatError, match=r"episode 0: frame 1 holds 3 numbers, frame 0 holds 0"):
            opened(tmp_path).read(ONE)


def test_a_width_other_than_declared_is_an_error(tmp_path):
    plain(tmp_path)
    edit_feature(tmp_path, STATE, shape=[4], names=["a", "b", "c", "d"])
    with pytest.raises(FormatError, match=r"frames hold 3 numbers; meta/info.json declares shape \[4\]"):
        opened(tmp_path).read(ONE)


def test_missing_numbers_become_nan_and_text_is_an_error(tmp_path):
    plain(tmp_path)
    edit_table(tmp_path / DATA, **{STATE: [[1.0, None, 2.0]] * 29})
    assert np.isnan(opened(tmp_path).read(ONE).position.values[:, 1]).all()
    edit_table(tmp_path / DATA, **{STATE: [["a", "b", "c"]] * 29})
    with pytest.raises(FormatError, match=r"observation.state: holds string; expected numbers"):
        opened(tmp_path).read(ONE)
