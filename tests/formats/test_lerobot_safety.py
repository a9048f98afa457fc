import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lerobot_sets import (
    ACTION,
    DATA,
    EPISODES,
    JOINTS,
    STATE,
    edit_info,
    episode,
    opened,
    plain,
)

from simcheck.errors import FormatError, InputError, RefusedError
from simcheck.formats import _lerobot_parquet
from simcheck.formats._lerobot_write import FeatureSpec, NewEpisode, write_dataset

ONE, TWO, THREE = "episode_000000", "episode_000001", "episode_000002"


# Unsafe and damaged.


@pytest.mark.parametrize(
    "path", ["/etc/{file_index}", "../{file_index}", "{chunk_index.__class__}", "{x}", "{file_index:9999999d}"]
)
def test_a_data_path_that_reaches_for_more_is_refused(tmp_path, path):
    plain(tmp_path)
    edit_info(tmp_path, data_path=path)
    with pytest.raises(RefusedError, match=r"meta/info.json"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v4.0"}, "codebase_version v4.0 is not known"),
        ({"codebase_version": 3}, "codebase_version is 3"),
        ({"codebase_version": "v1.6"}, "LeRobot v1 dataset"),
        ({"features": []}, "'features' is"),
        ({"data_path": 3}, "'data_path' is 3"),
    ],
)
def test_metadata_without_which_nothing_can_be_read(tmp_path, changes, message):
    plain(tmp_path)
    edit_info(tmp_path, **changes)
    with pytest.raises(FormatError, match=message):
        opened(tmp_path)


def test_one_damaged_byte_of_a_page_is_found_by_its_checksum(tmp_path):
    plain(tmp_path, *(episode(300, i) for i in range(2)), episodes_per_file=1)
    file = tmp_path / DATA
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 4] ^= 1
    file.write_bytes(whole)
    dataset = opened(tmp_path)
    with pytest.raises(FormatError, match=rf"{DATA}: not a readable Parquet file"):
        dataset.read(ONE)
    assert len(dataset.read(TWO)) == 300


def test_a_file_without_footer_is_an_error_that_says_why(tmp_path):
    plain(tmp_path)
    file = tmp_path / DATA
    file.write_bytes(file.read_bytes()[:-200])
    dataset = opened(tmp_path)
    with pytest.raises(FormatError, match=r"not finalised by its writer"):
        dataset.read(ONE)
    assert "D101" in {n.code for n in dataset.notes}


def test_more_numbers_than_fit_in_memory_are_refused_before_decoding(tmp_path, monkeypatch):
    plain(tmp_path)
    monkeypatch.setattr(_lerobot_parquet, "MAX_VALUES", 30)
    with pytest.raises(RefusedError, match=r"numbers to decode at once; expected at most 30"):
        opened(tmp_path).read(ONE)


# Speed: each row group is decoded once, and only if an episode in it is read.


@pytest.fixture
def decoded(monkeypatch):
    """The row groups decoded so far, and the columns asked for."""
    seen = []
    original = pq.ParquetFile.read_row_group

    def spy(self, i, columns=None, **options):
        seen.append((i, tuple(columns)))
        return original(self, i, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    return seen


def test_opening_decodes_nothing(tmp_path, decoded):
    opened(plain(tmp_path)).episodes()
    assert not decoded


def test_one_episode_decodes_its_own_row_group_and_no_images(tmp_path, decoded):
    plain(tmp_path)
    images = pa.array([b"x" * 100] * 29)
    pq.write_table(
        pq.read_table(tmp_path / DATA).append_column("observation.images.top", images),
        tmp_path / DATA,
        row_group_size=8,
    )
    opened(tmp_path).read(ONE)
    [(group, columns)] = decoded
    assert group == 0
    assert set(columns) == {STATE, ACTION, "timestamp", "episode_index", "frame_index", "index", "task_index"}


@pytest.mark.parametrize("rows", [1000, 29, 10, 3])
def test_reading_in_order_decodes_each_row_group_once(tmp_path, decoded, rows):
    plain(tmp_path)
    clean = [opened(tmp_path).read(e).fingerprint for e in (ONE, TWO, THREE)]
    pq.write_table(pq.read_table(tmp_path / DATA), tmp_path / DATA, row_group_size=rows)
    decoded.clear()
    dataset = opened(tmp_path)
    assert [dataset.read(e).fingerprint for e in dataset.episodes()] == clean
    assert sorted(i for i, _ in decoded) == list(range(-(-29 // rows)))


def test_threads_can_share_a_dataset(tmp_path):
    dataset = opened(plain(tmp_path, *(episode(20, i) for i in range(12)), episodes_per_file=3))
    expected = {e: dataset.read(e).fingerprint for e in dataset.episodes()}
    wrong = []

    def read():
        wrong.extend(e for e in list(expected) * 5 if dataset.read(e).fingerprint != expected[e])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_scalar_state_is_one_column(tmp_path):
    values = {STATE: np.arange(5.0), "observation.images.top": np.zeros(5)}
    features = {STATE: FeatureSpec(JOINTS[:1]), "observation.images.top": FeatureSpec(["x"])}
    t = opened(write_dataset(tmp_path, [NewEpisode(values)], features)).read(ONE)
    assert t.position.values.shape == (5, 1)


def test_a_dataset_without_episodes_is_an_error(tmp_path):
    plain(tmp_path)
    pq.write_table(pq.read_table(tmp_path / EPISODES).slice(0, 0), tmp_path / EPISODES)
    with pytest.raises(FormatError, match=r"meta/episodes: lists no episode"):
        opened(tmp_path)
    (tmp_path / EPISODES).unlink()
    with pytest.raises(InputError, match=r"meta/episodes: holds no Parquet file"):
        opened(tmp_path)
