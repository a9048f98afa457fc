"""The recorded columns of one episode as tables, and what several data checks ask of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simcheck.flags import Evidence, Finding, Status
from simcheck.trajectory import NORMALISED, Channel, Trajectory

CHANNELS = ("position", "velocity", "effort", "action")
_GRIPPER_WORDS = ("gripper", "jaw", "finger", "hand", "thumb", "claw")
_ROUNDING = 1e-6  # [1] of a column's magnitude: single precision rounds at 6e-8, unit conversion a little above


@dataclass(frozen=True, slots=True)
class Table:
    """Recorded columns: `values` (T, n), one name each; `key` says what they are."""

    key: str
    names: tuple[str, ...]
    values: np.ndarray


def tables(trajectory: Trajectory) -> Iterator[Table]:
    """Everything numeric in the recording, time first."""
    yield Table("time", ("t",), trajectory.time[:, None])
    for key in CHANNELS:
        if channel := channel_of(trajectory, key):
            yield Table(key, channel.names, channel.values)
    poses = {"base": trajectory.base} if trajectory.base else {}
    poses |= {f"ee {k}": v for k, v in trajectory.ee.items()}
    poses |= {f"object {k}": v for k, v in trajectory.objects.items()}
    for key, pose in poses.items():
        yield Table(f"{key} position", ("x", "y", "z"), pose.position)
        if pose.quaternion is not None:
            yield Table(f"{key} quaternion", ("w", "x", "y", "z"), pose.quaternion)
    if trajectory.sim is not None:
        state = trajectory.sim.state
        yield Table("simulator state", tuple(f"[{i}]" for i in range(state.shape[1])), state)


def channel_of(trajectory: Trajectory, key: str) -> Channel | None:
    """A joint-space channel by its key."""
    return {
        "position": trajectory.position, "velocity": trajectory.velocity,
        "effort": trajectory.effort, "action": trajectory.action,
    }[key]  # fmt: skip


def quaternions(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """Recorded orientations (T, 4) wxyz by the name of their pose."""
    return {t.key.removesuffix(" quaternion"): t.values for t in tables(trajectory) if t.key.endswith(" quaternion")}


def configuration(trajectory: Trajectory) -> Table | None:
    """What says where the joints are: the position columns, else the simulator state; None without either."""
    found = {t.key: t for t in tables(trajectory)}
    return found.get("position") or found.get("simulator state")


def finite_part(table: Table) -> tuple[np.ndarray, Table]:
    """Frames without a non-finite number, and the table on them; columns that are mostly non-finite are left out."""
    finite = np.isfinite(table.values)
    columns = 2 * finite.sum(axis=0) > len(finite)
    rows = np.flatnonzero(finite[:, columns].all(axis=1))
    names = tuple(n for n, c in zip(table.names, columns, strict=True) if c)
    return rows, Table(table.key, names, table.values[rows][:, columns])


def fresh_rows(values: np.ndarray) -> np.ndarray:
    """Rows that differ from the row before them in any column; the first one counts."""
    return np.flatnonzero(np.r_[True, (np.diff(values, axis=0) != 0).any(axis=1)][: len(values)])


def resolution(values: np.ndarray) -> np.ndarray:
    """(n,) smallest step of each column that is not rounding; inf for a constant column.

    For a quantised sensor it is the quantum; for a fine one it is below anything that matters.
    """
    steps = np.abs(np.diff(values, axis=0))
    rounding = _ROUNDING * np.abs(values).max(axis=0, initial=0)
    return np.where(steps > rounding, steps, np.inf).min(axis=0, initial=np.inf)


def span_of(values: np.ndarray) -> np.ndarray:
    """(n,) largest minus smallest value of each column; 0 for an empty table."""
    return np.ptp(values, axis=0) if len(values) else np.zeros(values.shape[1])


def grippers(names: Sequence[str], units: Sequence[str]) -> np.ndarray:
    """(n,) bool: columns of grippers and hands, which rest at their ends by design."""
    by_name = (any(word in n.lower() for word in _GRIPPER_WORDS) for n in names)
    return np.array([n or u in ("unit", "percent") for n, u in zip(by_name, units, strict=True)], dtype=bool)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last row of every run of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def several(names: Sequence[str], most: int = 6) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def whole(trajectory: Trajectory) -> tuple[int, int]:
    """First and last frame of the recording; (0, 0) for an empty one."""
    return 0, max(0, len(trajectory) - 1)


def exact(
    frames: tuple[int, int], place: str, value: float, limit: float, unit: str, message: str, *,
    status: Status = Status.FLAGGED, evidence: Evidence = Evidence.MEASURED, remedy: str = "",
) -> Finding:  # fmt: skip
    """A finding about the recorded numbers themselves: the value has no uncertainty."""
    return Finding(status, frames, place, value, limit, (value, value), unit, evidence, message, remedy)


def noted(trajectory: Trajectory, code: str) -> Iterator[Finding]:
    """What the reader found wrong under this code, one finding per note."""
    for note in trajectory.notes:
        if note.code == code:
            frames = note.frames or whole(trajectory)
            message = f"{note.place}: {note.message}"
            yield exact(frames, note.place or "recording", np.nan, np.nan, "", message, evidence=Evidence.DECLARED)


def with_values(trajectory: Trajectory, key: str, values: np.ndarray) -> Trajectory:
    """The same episode with other numbers in one joint-space channel, for examples and tests."""
    channel = channel_of(trajectory, key)
    assert channel
    return replace(trajectory, **{key: replace(channel, values=values)})


def normalised(units: Sequence[str]) -> np.ndarray:
    """(n,) bool: columns in shares of a range, which need the robot to become angles."""
    return np.array([u in NORMALISED for u in units], dtype=bool)
