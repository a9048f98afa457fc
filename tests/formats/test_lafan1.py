"""G1 motion CSV: 36 columns, xyzw on disk, wxyz in memory."""

from pathlib import Path

import numpy as np
import pytest

from simcheck.errors import FormatError, UsageError
from simcheck.formats import ReadOptions, lafan1, open_dataset
from simcheck.trajectory import TimeBase

FRAMES = {
    "dance1_subject1": 3945,
    "fallAndGetUp1_subject1": 5047,
    "jumps1_subject1": 7334,
    "run1_subject2": 7135,
    "walk1_subject1": 7840,
    "walk3_subject2": 7399,
}


def test_every_real_file_is_read(shared_data):
    dataset = open_dataset(shared_data / "g1_lafan1")
    lengths = {}
    for episode in dataset.episodes():
        motion = dataset.read(episode)
        lengths[episode] = len(motion)
        assert np.abs(np.linalg.norm(motion.base.quaternion, axis=1) - 1).max() < 1e-6
        assert motion.base.position[:, 2].max() < 1.6  # jumps
        assert np.abs(motion.position.values).max() < np.pi
        assert set(motion.position.units) == {"rad"}
    assert lengths == FRAMES


def test_real_first_frame_is_reordered(shared_data):
    motion = open_dataset(shared_data / "g1_lafan1/walk1_subject1.csv").read("walk1_subject1")
    np.testing.assert_array_equal(motion.base.quaternion[0], [0.999709, 0.001059, 0.016020, 0.018009])
    np.testing.assert_array_equal(motion.base.position[0], [0.000480, -0.000023, 0.796553])
    assert motion.position.names[0] == "left_hip_pitch_joint"
    assert motion.position.values[0, 0] == -0.119781
    assert motion.time_base is TimeBase.NOMINAL
    assert motion.time[30] == 1.0


def test_example_is_read_back(tmp_path):
    assert lafan1.sniff(lafan1.write_example(tmp_path))
    (episode,) = open_dataset(tmp_path).episodes()
    motion = open_dataset(tmp_path / "sway.csv").read(episode)
    elbow = motion.position.names.index("left_elbow_joint")
    np.testing.assert_allclose(motion.position.values[:, elbow], 0.5 + 0.2 * np.sin(3 * motion.time), atol=1e-9)
    yaw = 2 * np.arctan2(motion.base.quaternion[:, 3], motion.base.quaternion[:, 0])
    np.testing.assert_allclose(yaw, 0.1 * np.sin(2 * motion.time), atol=1e-8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b,c\n1,2,3\n",
        ",".join(["0.1"] * 36) + "\n",  # no unit quaternion
        ",".join(["0"] * 6 + ["1"] + ["0"] * 28) + "\n",  # 35 columns
        "\xff\xfe",
    ],
)
def test_other_tables_are_not_taken(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="latin-1")
    assert not lafan1.sniff(tmp_path / "a.csv")
    assert not lafan1.sniff(tmp_path)
    assert not lafan1.sniff(tmp_path / "absent")


def rows(folder: Path, *extra: str) -> Path:
    row = ",".join(["0"] * 6 + ["1"] + ["0"] * 29)
    (folder / "a.csv").write_text("\n".join([row] * 8 + list(extra)) + "\n")
    return folder


def test_a_row_cut_short_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"a\.csv: CSV parse error: Row #9: Expected 36 columns, got 2"):
        open_dataset(rows(tmp_path, "0,0")).read("a")


def test_text_among_the_numbers_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"a\.csv: column 35: holds string such as 'oops'; expected numbers"):
        open_dataset(rows(tmp_path, "0," * 35 + "oops")).read("a")


def test_unknown_episode_and_unit_channel(tmp_path):
    with pytest.raises(FormatError, match="no episode 'b'; it has a"):
        open_dataset(rows(tmp_path)).read("b")
    with pytest.raises(UsageError, match="did you mean 'position'"):
        open_dataset(rows(tmp_path), ReadOptions(units={"positions": "deg"}))
