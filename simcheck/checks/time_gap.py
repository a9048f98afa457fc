"""Samples are missing: two neighbouring frames are far apart in time.

What:
    The time between neighbouring frames against the usual one, where a clock was read.

How:
    Δt_i > max(3 · median Δt, 50 ms)        [s]
    missing samples = round(Δt_i / median Δt) − 1.
    3 · median: two or more samples are missing; one (2 · median) is the scheduling of an ordinary logger.
    50 ms: samples 50 ms apart still determine motion up to 10 Hz, and nothing a person or an arm does
    voluntarily is faster, so a shorter gap hides nothing whatever the rate.

Silent when:
    time is nominal (frame number / rate): such a time base has no gaps, whatever was lost.

Fails to see:
    lost samples after which the remaining ones were numbered again, and single lost samples.

References:
    peers 6 (1.5 × and 2 × the nominal step elsewhere; both flag clean real logs: 8.8 ms at 1 kHz, 30 ms at
    100 Hz, 24 ms at 100 Hz). 10 Hz: cut-off of the spectral-arc-length measure of human movement, peers 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import exact
from simcheck.decide import MOST_RANGES
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import TimeBase

CODE = "D104"
NAME = "time-gap"
SEVERITY = Severity.WARNING
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    steps: float = 3.0  # [1] of the median step: two samples are missing; clean real logs reach 2.4 at 100 Hz
    shortest: float = 0.05  # [s] 1 / (2 · 10 Hz), 10 Hz being the cut-off for voluntary movement (peers 6)


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find steps of time that are too long."""
    if q.trajectory.time_base is not TimeBase.MEASURED:
        yield Skipped("the time base is nominal: frame number / rate has no gaps")
        return
    time = q.trajectory.time
    frame = np.flatnonzero(np.isfinite(time))
    step = np.diff(time[frame])
    if len(step) < 2:
        yield Skipped("fewer than three frames have a time")
        return
    median = float(np.median(step))
    limit = max(tolerance.steps * median, tolerance.shortest)
    rows = np.flatnonzero(step > limit * (1 + 1e-9))  # three whole steps of a rounded clock are not more than three
    rows = rows[np.argsort(-step[rows], kind="stable")]
    for k, i in enumerate(rows[:MOST_RANGES]):
        lost = f"{round(float(step[i]) / median) - 1} samples are missing" if median > 0 else "the usual step is 0"
        message = f"{step[i] * 1e3:.3g} ms between frames, usually {median * 1e3:.3g} ms: {lost}"
        more = len(rows) - MOST_RANGES
        message += f"; {more} more gaps" if k == 0 and more > 0 else ""
        yield exact((int(frame[i]), int(frame[i + 1])), "time", float(step[i]), limit, "s", message)


def _with_gap(steps: float) -> Quantities:
    time = np.array(example().time)
    time[50:] += (steps - 1) / 30
    return altered("trajectory", time=time)


def example_flagged() -> Quantities:
    """Three samples are missing before frame 50."""
    return _with_gap(4.0)


def example_clean() -> Quantities:
    """One is."""
    return _with_gap(2.0)
