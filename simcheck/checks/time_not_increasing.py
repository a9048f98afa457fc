"""Time stands still or runs backwards.

What:
    The recorded time of every frame against that of the frame before.

How:
    Δt_i = t_i − t_{i−1} ≤ 0        [s]
    One finding per range of such frames.

Silent when:
    the recording has fewer than two frames. A frame whose time is not finite is D102's.

Fails to see:
    a wrong clock that still increases; see D104 for gaps and D105 for jitter.

References:
    hazards 2.3 (unix time in single precision: all equal), 5C.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import exact, runs
from simcheck.decide import MOST_RANGES
from simcheck.flags import Evidence, Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import TimeBase

CODE = "D103"
NAME = "time-not-increasing"
SEVERITY = Severity.ERROR
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Nothing to set: no rate is so high that two frames share their time."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """Find frames that are not later than the one before."""
    time = q.trajectory.time
    frame = np.flatnonzero(np.isfinite(time))
    step = np.diff(time[frame])
    evidence = Evidence.MEASURED if q.trajectory.time_base is TimeBase.MEASURED else Evidence.DECLARED
    found = runs(step <= 0)
    for k, (first, last) in enumerate(found[:MOST_RANGES]):
        worst = float(step[first : last + 1].min())
        said = "repeats" if worst == 0 else f"goes back by {-worst:.6g} s"
        message = f"time {said} over {last - first + 1} steps from t = {time[frame[first]]:.6g} s"
        more = len(found) - MOST_RANGES
        message += f"; {more} more ranges" if k == 0 and more > 0 else ""
        yield exact((int(frame[first]), int(frame[last + 1])), "time", worst, 0.0, "s", message, evidence=evidence)


def _with_time(value: float) -> Quantities:
    time = np.array(example().time)
    time[40] = value
    return altered("trajectory", time=time)


def example_flagged() -> Quantities:
    """Frame 40 carries the time of frame 39."""
    return _with_time(39 / 30)


def example_clean() -> Quantities:
    """It is 1 ms late, and still in order."""
    return _with_time(40 / 30 + 1e-3)
