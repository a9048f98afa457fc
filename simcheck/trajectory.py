"""One episode as named arrays over time, with the unit and the evidence of every column.

Formats fill it, at their edge: SI units where the unit is known, quaternions wxyz. Columns whose unit the
dataset does not declare keep their raw numbers and say so; binding to a robot (`physics.bind`) decides what
they mean. Everything is read-only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from simcheck.flags import Evidence

UNKNOWN = "unknown"  # a column whose unit the dataset does not declare

# Units a column can be declared in, and the factor to the SI unit that simcheck computes in.
# `m100` (−100…100 over the joint's calibrated range) and `unit` (0…1 over a gripper's stroke) need the
# robot to become angles; `percent` is `unit` × 100.
SI_FACTOR = {
    "rad": 1.0, "deg": np.pi / 180, "m": 1.0, "mm": 1e-3,
    "rad/s": 1.0, "deg/s": np.pi / 180, "m/s": 1.0, "mm/s": 1e-3,
    "N m": 1.0, "N": 1.0, "s": 1.0,
}  # fmt: skip
NORMALISED = ("m100", "unit", "percent")


class TimeBase(StrEnum):
    """Where the time of a frame comes from."""

    MEASURED = "measured"  # a clock was read: jitter, gaps and drops can be judged
    NOMINAL = "nominal"  # frame number / fps: timing checks have nothing to say


class ActionKind(StrEnum):
    """What the dataset's `action` means."""

    ABS_JOINT = "absolute joint target"
    OTHER = "other"
    UNKNOWN = "unknown"


def read_only(values: np.ndarray) -> np.ndarray:
    """A contiguous float64 copy that nobody can write to."""
    out = np.array(values, dtype=np.float64, order="C")
    out.setflags(write=False)
    return out


@dataclass(frozen=True, slots=True)
class Channel:
    """Named columns over time.

    Attributes:
        names: one name per column, as the dataset spells them; unnamed columns are called "<key>[i]".
        values: (T, n), float64, read-only.
        units: one unit per column: a key of SI_FACTOR, one of NORMALISED, or UNKNOWN.
        evidence: how the unit became known.
        named: False where the dataset gave no names, only positions.
    """

    names: tuple[str, ...]
    values: np.ndarray
    units: tuple[str, ...]
    evidence: Evidence = Evidence.DECLARED
    named: bool = True

    def __post_init__(self) -> None:
        """Freeze the array and hold names, units and width together."""
        object.__setattr__(self, "values", read_only(self.values))
        if self.values.ndim != 2 or len(self.names) != self.values.shape[1] or len(self.units) != len(self.names):
            raise ValueError(
                f"channel has {len(self.names)} names and {len(self.units)} units "
                f"for values of shape {self.values.shape}; expected (T, {len(self.names)})"
            )


@dataclass(frozen=True, slots=True)
class Poses:
    """Position [m] and orientation (unit quaternion wxyz) of one frame over time, in the world or base frame."""

    position: np.ndarray  # (T, 3)
    quaternion: np.ndarray | None  # (T, 4) wxyz; None where only a position was recorded

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "position", read_only(self.position))
        if self.quaternion is not None:
            object.__setattr__(self, "quaternion", read_only(self.quaternion))


@dataclass(frozen=True, slots=True)
class SimState:
    """Full simulator state per frame, with the model that gives it meaning.

    Attributes:
        state: (T, nq + nv), qpos then qvel, as MuJoCo lays them out for `model_xml`.
        model_xml: the MJCF text the state was recorded with.
        asset_root: folder that replaces the recording machine's asset paths; empty if none was given.
    """

    state: np.ndarray
    model_xml: str
    asset_root: str = ""

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "state", read_only(self.state))


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader found wrong, kept as data so that a D check can report it.

    Attributes:
        code: the D code it belongs to, such as "D101".
        place: file or key.
        message: what was found, what was expected.
        frames: first and last frame, or None for the whole episode.
    """

    code: str
    place: str
    message: str
    frames: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One episode. Absent channels are None; nothing is invented.

    Attributes:
        episode: name of the episode, unique in its dataset.
        time: (T,) [s].
        time_base: whether a clock was read for it.
        position, velocity, effort, action: joint-space channels.
        base: pose of a floating base.
        ee: recorded end-effector poses by name, in the robot's base frame unless `ee_frame_known` is False.
        ee_frame_known: whether the dataset says in which frame `ee` is.
        objects: recorded object poses by name, in the world.
        sim: simulator state and its model, where the format ships one.
        robot_type: what the dataset calls its robot; empty if it does not say.
        task: language instruction, if any.
        success: the dataset's own label, if any.
        notes: what the reader found wrong.
        fingerprint: sha256 of the episode's raw numbers, to find duplicates.
    """

    episode: str
    time: np.ndarray
    time_base: TimeBase
    position: Channel | None = None
    velocity: Channel | None = None
    effort: Channel | None = None
    action: Channel | None = None
    action_kind: ActionKind = ActionKind.UNKNOWN
    base: Poses | None = None
    ee: dict[str, Poses] = field(default_factory=dict)
    ee_frame_known: bool = False
    objects: dict[str, Poses] = field(default_factory=dict)
    sim: SimState | None = None
    robot_type: str = ""
    task: str = ""
    success: bool | None = None
    notes: tuple[Note, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        """Freeze time and hold every channel to its length."""
        object.__setattr__(self, "time", read_only(self.time))
        for name in ("position", "velocity", "effort", "action"):
            channel: Channel | None = getattr(self, name)
            if channel is not None and len(channel.values) != len(self.time):
                raise ValueError(f"{name} has {len(channel.values)} rows, time has {len(self.time)}")

    def __len__(self) -> int:
        return len(self.time)

    def with_notes(self, *notes: Note) -> Trajectory:
        """The same episode with more notes."""
        return replace(self, notes=self.notes + notes)
