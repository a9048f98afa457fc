"""The recording stands still although the robot was told to move, or contains no motion at all.

What:
    Runs of identical rows of joint positions (of the simulator state where there are none).

How:
    (a) every column of position, velocity, effort, action and simulator state is constant over the episode;
    (b) no joint position changes for ≥ 2 s, while an action column changes by more than 10 % of its range over
        the episode before the last 0.5 s of the run (a follower may lag that long behind its leader).

Silent when:
    neither positions nor a simulator state were recorded. A recording of a robot at rest whose velocity or
    effort still shows sensor noise is alive.

Fails to see:
    a frozen camera or a single frozen joint (D118 lists columns that are constant throughout); freezes shorter
    than 2 s (D106 sees the jump at their end); freezes where no action was recorded.

References:
    peers 6 (≥ 2 s is an error elsewhere too); formats 2.6 (public episodes without motion).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import CHANNELS, configuration, exact, fresh_rows, several, span_of, tables, whole, with_values
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "D107"
NAME = "frozen-recording"
SEVERITY = Severity.ERROR
NEEDS = ()

_ALIVE = (*CHANNELS, "simulator state")  # channels in which a live recording shows at least noise


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    duration: float = 2.0  # [s] no answer to a command; peers 6, lerobot-lint
    commanded: float = 0.1  # [1] of the action's range: beyond dead band, backlash (≈ 1° of 180°) and leader noise
    lag: float = 0.5  # [s] a command this late in the run may be answered after it; servo followers lag 0.1–0.3 s


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find stretches in which nothing moves and should."""
    table = configuration(q.trajectory)
    if table is None or len(q.trajectory) < 2:
        yield Skipped("no joint positions were recorded" if table is None else "fewer than two frames")
        return
    if not any(span_of(t.values).any() for t in tables(q.trajectory) if t.key in _ALIVE):
        message = f"nothing changes in any of the {len(q.trajectory)} frames"
        yield exact(whole(q.trajectory), table.key, 0.0, 0.0, "", message)
        return
    yield from _unanswered(q, table.values, table.key, tolerance)


def _unanswered(q: Quantities, values: np.ndarray, place: str, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    if q.trajectory.action is None:
        yield Skipped("no action was recorded: only a wholly constant recording was looked for", partly=True)
        return
    time, action = q.trajectory.time, q.trajectory.action
    allowed = tolerance.commanded * span_of(action.values)
    fresh = fresh_rows(values)
    last = np.r_[fresh[1:], len(time)] - 1
    long = time[last] - time[fresh] >= tolerance.duration
    for a, b in zip(fresh[long], last[long], strict=True):  # runs of identical rows
        seen = (time[a : b + 1] <= time[b] - tolerance.lag).nonzero()[0]
        told = span_of(action.values[a + seen]) > allowed
        if told.any():
            names = several([action.names[c] for c in np.flatnonzero(told)])
            held = float(time[b] - time[a])
            message = f"no joint moves for {held:.3g} s while the action moves {names}"
            yield exact((int(a), int(b)), place, held, tolerance.duration, "s", message)


def _frozen(frames: int) -> Quantities:
    """The last `frames` frames repeat one row; the action goes on."""
    trajectory = example().trajectory
    assert trajectory.position
    values = np.array(trajectory.position.values)
    values[-frames:] = values[-frames]
    return altered("trajectory", position=with_values(trajectory, "position", values).position)


def example_flagged() -> Quantities:
    """Positions freeze for the last 2.1 s."""
    return _frozen(64)


def example_clean() -> Quantities:
    """They rest for the last 1.9 s."""
    return _frozen(58)
