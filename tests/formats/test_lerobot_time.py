import numpy as np
import pytest
from lerobot_sets import DATA, edit_feature, edit_info, edit_table, episode, messages, opened, plain

from simcheck.errors import FormatError
from simcheck.trajectory import TimeBase

ONE = "episode_000000"


def with_stamps(folder, stamps, **columns):
    plain(folder, episode(len(stamps)))
    edit_table(folder / DATA, timestamp=np.asarray(stamps), **columns)
    return opened(folder).read(ONE)


def test_frames_over_fps_is_nominal_whatever_its_precision(tmp_path):
    exact = np.arange(5000) / 30
    for i, stamps in enumerate((exact, exact.astype(np.float32), np.arange(5000) * np.float32(1 / 30))):
        t = with_stamps(tmp_path / str(i), stamps)
        assert t.time_base is TimeBase.NOMINAL
        np.testing.assert_array_equal(t.time, exact)


def test_an_episode_cut_from_a_longer_one_keeps_its_start(tmp_path):
    t = with_stamps(tmp_path, (np.arange(50) + 90) / 30)
    assert t.time_base is TimeBase.NOMINAL
    np.testing.assert_allclose(t.time, (np.arange(50) + 90) / 30, rtol=0, atol=1e-12)


def test_stamps_with_jitter_were_measured(tmp_path):
    stamps = np.arange(50) / 30 + np.random.default_rng(0).normal(0, 1e-4, 50)
    t = with_stamps(tmp_path, stamps)
    assert t.time_base is TimeBase.MEASURED
    np.testing.assert_array_equal(t.time, stamps)


def test_equal_steps_that_are_not_fps_are_nominal_and_noted(tmp_path):
    t = with_stamps(tmp_path, np.arange(50) / 25)
    assert t.time_base is TimeBase.NOMINAL
    np.testing.assert_allclose(t.time, np.arange(50) / 25)
    assert messages(t.notes) == ["time stamps step by 0.04 s exactly; meta/info.json says fps 30, 0.0333333 s"]


@pytest.mark.parametrize("stamps", [[1.7e9] * 5, [0, 0.1, np.nan, 0.3, 0.4], [4, 3, 2, 1, 0], [0, np.inf, 1, 2, 3]])
def test_stamps_that_cannot_be_time_are_passed_on_for_the_checks(tmp_path, stamps):
    t = with_stamps(tmp_path, stamps)
    assert t.time_base is TimeBase.MEASURED
    np.testing.assert_array_equal(t.time, stamps)


def test_without_stamps_time_is_nominal(tmp_path):
    plain(tmp_path)
    edit_feature(tmp_path, "timestamp", dtype="string")
    edit_table(tmp_path / DATA, timestamp=None)
    t = opened(tmp_path).read(ONE)
    assert t.time_base is TimeBase.NOMINAL
    np.testing.assert_array_equal(t.time, np.arange(8) / 30)
    assert not t.notes


def test_a_jump_of_frame_index_is_noted_at_its_frame(tmp_path):
    frames = np.array([0, 1, 2, 5, 6, 7])
    t = with_stamps(tmp_path, frames / 30, frame_index=frames)
    assert t.time_base is TimeBase.NOMINAL
    np.testing.assert_array_equal(t.time, frames / 30)
    [note] = t.notes
    assert (note.frames, note.message) == ((2, 3), "frame_index goes from 2 to 5; expected a step of 1")


def test_a_useless_frame_index_does_not_spoil_the_time(tmp_path):
    t = with_stamps(tmp_path, np.arange(6) / 30, frame_index=[0] * 6)
    assert t.time_base is TimeBase.NOMINAL
    np.testing.assert_array_equal(t.time, np.arange(6) / 30)


def test_one_frame_is_an_episode(tmp_path):
    t = with_stamps(tmp_path, [0.0])
    assert (len(t), t.time_base) == (1, TimeBase.NOMINAL)


@pytest.mark.parametrize("fps", [0, -30, "30", None, True, 1e9])
def test_fps_that_is_no_rate_is_an_error(tmp_path, fps):
    plain(tmp_path)
    edit_info(tmp_path, fps=fps)
    with pytest.raises(FormatError, match=r"meta/info.json: fps is .*; expected frames per second"):
        opened(tmp_path)
