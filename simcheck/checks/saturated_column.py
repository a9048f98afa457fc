"""A column is cut off: it runs into one value at speed and stays there.

What:
    Position and action columns that sit at exactly their largest or smallest value.

How:
    A plateau is ≥ 10 consecutive frames at exactly the extreme x* of the column that starts in motion:
        (x_{s−1} − x_{s−2}) sign(x* − x_{s−2}) ≥ max(½ · median non-zero step, 5 · resolution, 0.6 · mean of 4 before)
    for its first frame s: a clip cuts off a motion that was not slowing down. Reported where the plateaus of one
    extreme hold > 5 % of the frames and other columns of the channel change in at least half of their frames.
    x* = 0 is an idle command, not a bound. UNDECIDED where the columns have no names: it may be a gripper.

Silent when:
    the column is constant, or belongs to a gripper or hand (by name, or by a unit of share), which rest at their
    ends by design.

Fails to see:
    clipping while everything else rests (a folded arm pressed against its end); clipping of noisy readings,
    which do not repeat exactly; clipping that starts slowly; the cause: a clamp, a mechanical end, or a driver.

References:
    formats 2.4 (a leader arm clipped at exactly 100.0); exact ±1 in normalised actions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.columns import channel_of, exact, finite_part, grippers, resolution, runs, span_of, tables, with_values
from simcheck.flags import Finding, Severity, Skipped, Status
from simcheck.quantities import Quantities, altered, example

CODE = "D116"
NAME = "saturated-column"
SEVERITY = Severity.WARNING
NEEDS = ()

_OTHERS = 0.5  # [1] share of a plateau in which other columns change: a robot at rest is no clipping
_ENTRY = 0.5  # [1] of the median step: a smooth stop arrives slower, its last steps go to zero
_BRAKING = 0.6  # [1] of the mean of the 4 steps before: a planned stop halves its steps, a clip keeps them
_NOISE = 5.0  # [1] of the resolution: a quantised joint that creeps arrives by 1–2 steps


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    share: float = 0.05  # [1] of the frames; ≥ 5 % of an episode is what others call frozen (peers 6, doctor)
    frames: int = 10  # [frames] 1/3 s at 30 Hz: longer than the turning point of any teleoperated motion


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find columns that are cut off."""
    judged = [t for t in tables(q.trajectory) if t.key in ("position", "action")]
    if not judged:
        yield Skipped("neither positions nor actions were recorded as columns")
        return
    for table in judged:
        channel = channel_of(q.trajectory, table.key)
        assert channel
        ends = dict(zip(channel.names, grippers(channel.names, channel.units), strict=True))
        frame, table = finite_part(table)
        changes = np.r_[False, (np.diff(table.values, axis=0) != 0).any(axis=1)] if len(frame) else np.zeros(0, bool)
        quantum = resolution(table.values)
        for c in np.flatnonzero(span_of(table.values) > 0):
            if not ends[table.names[c]]:
                place = f"{table.key} {table.names[c]}"
                for finding in _column(table.values[:, c], float(quantum[c]), changes, frame, place, tolerance):
                    yield finding if channel.named else replace(finding, status=Status.UNDECIDED)


def _column(
    x: np.ndarray, quantum: float, changes: np.ndarray, frame: np.ndarray, place: str, tolerance: Tolerance
) -> Iterator[Finding]:
    steps = np.abs(np.diff(x))
    slowest = max(_ENTRY * float(np.median(steps[steps > 0])), _NOISE * quantum)
    for end in (float(x.max()), float(x.min())):
        if end == 0:
            continue
        found = [r for r in runs(x == end) if r[1] - r[0] + 1 >= tolerance.frames and _arrives(x, r[0], end, slowest)]
        rows = np.concatenate([np.arange(a, b + 1) for a, b in found]) if found else np.zeros(0, int)
        share = len(rows) / len(x)
        if share > tolerance.share and changes[rows].mean() >= _OTHERS:
            first, last = max(found, key=lambda r: r[1] - r[0])
            message = f"{place} runs into exactly {end:.6g} and stays there in {share:.1%} of the frames"
            yield exact((int(frame[first]), int(frame[last])), place, share, tolerance.share, "1", message)


def _arrives(x: np.ndarray, start: int, end: float, slowest: float) -> bool:
    """Whether the motion ran into the end: its last free step is neither slow nor slower than those before."""
    if start < 2:
        return False
    steps = np.diff(x[max(start - 6, 0) : start]) * np.sign(end - x[start - 2])
    return bool(steps[-1] >= max(slowest, _BRAKING * float(steps[:-1].mean() if len(steps) > 1 else 0.0)))


def _clipped(end: float) -> Quantities:
    trajectory = example().trajectory
    assert trajectory.action
    values = np.array(trajectory.action.values)
    values[:, 1] = np.minimum(values[:, 1], end)
    return altered("trajectory", action=with_values(trajectory, "action", values).action)


def example_flagged() -> Quantities:
    """The elbow's command is cut off at 0.3 rad of 0.41."""
    return _clipped(0.3)


def example_clean() -> Quantities:
    """It is not."""
    return _clipped(1.0)
