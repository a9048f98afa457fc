"""A frame repeats the one before while the robot is moving: the reading is stale.

What:
    Rows of joint positions (of the simulator state where there are none) that equal the row before in every
    column, although the robot moved on meanwhile. A robot that stands still repeats rows too, and is not meant.

How:
    Keep the rows that differ from their predecessor; D_i is the step to the next of them, n_i frames later,
    r = ½ (D_{i−1}/n_{i−1} + D_{i+1}/n_{i+1}) the rate around it, all in units of each column's resolution.
    If the robot rested for n_i − 1 frames, D_i is one frame's motion, about r; if the reading was stale, D_i
    makes up for all of it, about n_i r. The n_i − 1 repeated frames are stale where D_i is past the middle:
        D_i · r/|r| ≥ ½ (n_i + 1) |r|,    n_i > 1,    and both sides above noise: D_i · r/|r|, n_i |r| ≥ 5 steps
    Reported when the longest run has 3 stale frames (a 7-sample window then has fewer fresh samples than a
    quartic has coefficients), or more than 1 % of the frames are stale.

Silent when:
    neither positions nor a simulator state were recorded.

Fails to see:
    single stale columns; stale rows after which the motion goes on from where it was (frames inserted as
    padding); stale runs in which the motion turns round.

References:
    Real logs at rest: 73–227 repeats in 373 frames (SO-101), up to 5,732 in 6,000 (SO-101 holding), none stale;
    1,255 repeats in 20,544 frames (Panda, 1 kHz), of which 1.6 % stale in runs of up to 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import configuration, exact, finite_part, fresh_rows, resolution, with_values
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "D106"
NAME = "repeated-frame"
SEVERITY = Severity.WARNING
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    share: float = 0.01  # [1] of all frames; at 1 % one 7-sample window in 14 holds a stale frame
    run: int = 3  # [frames] 7-sample window − 3 = 4 fresh samples < 5 coefficients of the quartic
    steps: float = 5.0  # [1] of a column's resolution: quantised joints creep by 1–2 steps with pauses between


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find repeated rows inside motion."""
    table = configuration(q.trajectory)
    if table is None:
        yield Skipped("no joint positions were recorded")
        return
    frame, table = finite_part(table)
    start, count = stale_runs(table.values, tolerance.steps)
    if not len(start):
        return
    share, longest = float(count.sum() / len(frame)), int(count.max())
    if share <= tolerance.share and longest < tolerance.run:
        return
    worst = int(count.argmax())
    frames = (int(frame[start[worst]]), int(frame[start[worst] + longest - 1]))
    message = (
        f"{int(count.sum())} of {len(frame)} frames ({share:.1%}) repeat the frame before while the robot moves, "
        f"in {len(count)} runs of up to {longest}"
    )
    remedy = "remove the stale frames, and keep the times of the others"
    by_run = longest >= tolerance.run
    value, limit, unit = (longest, tolerance.run - 1, "frames") if by_run else (share, tolerance.share, "1")
    yield exact(frames, table.key, float(value), float(limit), unit, message, remedy=remedy)


def stale_runs(values: np.ndarray, steps: float) -> tuple[np.ndarray, np.ndarray]:
    """First row and number of the stale rows of every run of them, for `values` (T, n)."""
    quantum = resolution(values)
    fresh = fresh_rows(values)
    moving = np.isfinite(quantum)
    if len(fresh) < 4 or not moving.any():
        return np.zeros(0, int), np.zeros(0, int)
    step = np.diff(values[fresh][:, moving] / quantum[moving], axis=0)  # D_i
    n = np.diff(fresh)
    rate = step / n[:, None]
    around = 0.5 * (rate[:-2] + rate[2:])  # r
    size = np.linalg.norm(around, axis=1)
    along = np.einsum("ij,ij->i", step[1:-1], around) / np.where(size > 0, size, 1)
    between = n[1:-1]
    made_up = (along >= 0.5 * (between + 1) * size) & (along >= steps) & (between * size >= steps)
    stale = np.flatnonzero((between > 1) & made_up)
    return fresh[stale + 1] + 1, between[stale] - 1


def example_flagged() -> Quantities:
    """Three frames repeat the one before while both joints move."""
    trajectory = example().trajectory
    assert trajectory.position
    values = np.array(trajectory.position.values)
    values[40:43] = values[39]
    return altered("trajectory", position=with_values(trajectory, "position", values).position)


def example_clean() -> Quantities:
    """The robot slows down, stands still for half a second, and goes on."""
    trajectory = example().trajectory
    assert trajectory.position
    pace = np.ones(90)
    pace[20:31], pace[31:45], pace[45:56] = np.linspace(1, 0, 11), 0, np.linspace(0, 1, 11)
    way = np.r_[0, np.cumsum(pace)[:-1]]
    values = np.stack([np.interp(way, np.arange(90), column) for column in trajectory.position.values.T], axis=1)
    moved = with_values(trajectory, "position", values)
    return altered("trajectory", position=moved.position, action=with_values(moved, "action", values + 0.01).action)
