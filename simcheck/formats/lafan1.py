"""Motion capture retargeted to the Unitree G1 (29 joints): CSV files as in Unitree's LAFAN1 set.

No header, 36 columns per frame at 30 fps:

    0–2    root position [m], world
    3–6    root orientation, quaternion in the order x y z w
    7–35   joint angles [rad], legs, waist, left arm, right arm

The format fixes units and order, so both count as declared; no clock was read, so time is nominal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simcheck.errors import FormatError
from simcheck.formats import ReadOptions
from simcheck.formats._columns import as_numbers, read_csv
from simcheck.formats._files import check_units, fingerprint, inside, make_channel, named_file, natural_key
from simcheck.trajectory import Note, Poses, TimeBase, Trajectory

NAME = "lafan1"
RATE = 30.0  # frames per second
COLUMNS = 36
JOINTS = (
    "left_hip_pitch_joint", "left_hip_roll_joint", "left_hip_yaw_joint",
    "left_knee_joint", "left_ankle_pitch_joint", "left_ankle_roll_joint",
    "right_hip_pitch_joint", "right_hip_roll_joint", "right_hip_yaw_joint",
    "right_knee_joint", "right_ankle_pitch_joint", "right_ankle_roll_joint",
    "waist_yaw_joint", "waist_roll_joint", "waist_pitch_joint",
    "left_shoulder_pitch_joint", "left_shoulder_roll_joint", "left_shoulder_yaw_joint",
    "left_elbow_joint", "left_wrist_roll_joint", "left_wrist_pitch_joint", "left_wrist_yaw_joint",
    "right_shoulder_pitch_joint", "right_shoulder_roll_joint", "right_shoulder_yaw_joint",
    "right_elbow_joint", "right_wrist_roll_joint", "right_wrist_pitch_joint", "right_wrist_yaw_joint",
)  # fmt: skip
_WXYZ = [6, 3, 4, 5]  # columns of the quaternion in the order simcheck computes in
_NORM_TOLERANCE = 1e-3  # four cosines printed with 6 digits are off by 1e-6; joint angles are off by about 1


def sniff(path: Path) -> bool:
    """Whether the first rows are 36 numbers with a unit quaternion in columns 3 to 6; never raises."""
    try:
        file = path if path.is_file() else next((path / name for name in _csv_names(path)), None)
        if file is None or file.suffix != ".csv":
            return False
        with file.open("rb") as opened:
            lines = [opened.readline(4096).decode("ascii").strip() for _ in range(5)]
        rows = [[float(cell) for cell in line.split(",")] for line in lines if line]
        if not rows or {len(row) for row in rows} != {COLUMNS}:
            return False
        norms = np.linalg.norm(np.array(rows)[:, 3:7], axis=1)
        return bool(np.all(np.abs(norms - 1.0) < _NORM_TOLERANCE))
    except (OSError, ValueError):
        return False


def open_dataset(path: Path, options: ReadOptions) -> Lafan1Dataset:
    """One CSV file, or a folder of them: an episode is a file."""
    root, names = (path.parent, [path.name]) if path.is_file() else (path, _csv_names(path))
    if not names:
        raise FormatError(f"{path.name}: no CSV file; expected files of {COLUMNS} columns without header")
    check_units(options, {"position": JOINTS})
    single = named_file(path) if path.is_file() else None
    return Lafan1Dataset(path.absolute().name, root, tuple(names), options, single)


@dataclass(frozen=True, slots=True)
class Lafan1Dataset:
    """CSV files of one folder."""

    name: str
    root: Path
    files: tuple[str, ...]
    options: ReadOptions
    single: Path | None  # the file the user named, which may be a link out of its folder
    format: str = "Unitree G1 motion CSV (LAFAN1)"
    robot_type: str = "g1"
    notes: Sequence[Note] = ()

    def episodes(self) -> Sequence[str]:
        """File names without suffix."""
        return [Path(file).stem for file in self.files]

    def read(self, episode: str) -> Trajectory:
        """One file."""
        if episode not in self.episodes():
            raise FormatError(f"{self.name}: no episode {episode!r}; it has {', '.join(self.episodes()[:5])}, …")
        name = f"{episode}.csv"
        table = read_csv(self.single or inside(self.root, name), header=False)
        if table.num_columns != COLUMNS:
            raise FormatError(
                f"{name}: {table.num_columns} columns; expected {COLUMNS}: "
                f"root position 3, quaternion x y z w 4, joints {len(JOINTS)}"
            )
        columns = [as_numbers(column, f"{name}: column {i}") for i, column in enumerate(table.columns)]
        values = np.stack(columns, axis=1)
        joints = make_channel(self.options, "position", JOINTS, values[:, 7:], declared=("rad",) * len(JOINTS))
        return Trajectory(
            episode=episode,
            time=np.arange(len(values)) / RATE,
            time_base=TimeBase.NOMINAL,
            position=joints,
            base=Poses(values[:, :3], values[:, _WXYZ]),
            robot_type=self.robot_type,
            fingerprint=fingerprint(values),
        )


def _csv_names(folder: Path) -> list[str]:
    return sorted((p.name for p in folder.iterdir() if p.suffix == ".csv" and p.is_file()), key=natural_key)


def write_example(folder: Path) -> Path:
    """Two seconds of a robot that sways about its standing pose."""
    time = np.arange(60) / RATE
    values = np.zeros((len(time), COLUMNS))
    values[:, 2] = 0.793  # pelvis height [m] of the standing robot
    half = 0.5 * 0.1 * np.sin(2.0 * time)  # yaw ±0.1 rad
    values[:, 5], values[:, 6] = np.sin(half), np.cos(half)
    values[:, 7 + JOINTS.index("left_elbow_joint")] = 0.5 + 0.2 * np.sin(3.0 * time)
    np.savetxt(folder / "sway.csv", values, delimiter=",", fmt="%.9f")
    return folder
