"""The clock of the recording ticks irregularly.

What:
    The spread of the time between frames, where a clock was read.

How:
    σ_Δt / mean Δt > 0.1        [1]
    over the steps with 0 < Δt < 1.5 · median Δt: a lost sample is no jitter (D104), nor is a reversed step (D103).
    Whoever takes the frames for equally spaced misplaces a joint of speed q̇ by about |q̇| · σ_Δt; the message
    gives it for the fastest joint. simcheck itself uses the recorded times.

Silent when:
    time is nominal (frame number / rate): such a time base has no jitter, whatever happened.

Fails to see:
    whether the stamp or the sampling is irregular: both look alike; stamps that were smoothed afterwards.

References:
    peers 6 (σ/μ > 0.1). Real controller logs at 100 Hz have 0.09, a jittery 1 kHz log 0.14.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import exact, whole
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import TimeBase

CODE = "D105"
NAME = "time-jitter"
SEVERITY = Severity.INFO
NEEDS = ()

_LOST = 1.5  # [1] of the median step: half-way to one lost sample
_FEWEST = 20  # steps; the standard deviation of fewer is uncertain by more than 16 %


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    jitter: float = 0.1  # [1] standard deviation over mean of the time step (peers 6, forge)


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Compare the spread of the time step with its mean."""
    if q.trajectory.time_base is not TimeBase.MEASURED:
        yield Skipped("the time base is nominal: frame number / rate has no jitter")
        return
    step = np.diff(q.trajectory.time[np.isfinite(q.trajectory.time)])
    step = step[step > 0]
    step = step[step < _LOST * np.median(step)] if len(step) else step
    if len(step) < _FEWEST:
        yield Skipped(f"{len(step)} usable time steps; {_FEWEST} are needed to tell their spread")
        return
    sigma, mean = float(step.std()), float(step.mean())
    if sigma > tolerance.jitter * mean:
        message = f"time step is {mean * 1e3:.3g} ± {sigma * 1e3:.2g} ms{_consequence(q, sigma)}"
        remedy = "use the recorded times, or resample to equal steps before use"
        yield exact(whole(q.trajectory), "time", sigma / mean, tolerance.jitter, "1", message, remedy=remedy)


def _consequence(q: Quantities, sigma: float) -> str:
    if q.motion is None or q.joints is None or not q.motion.qvel.size:
        return ""
    speed = np.where(q.joints.robot, np.abs(q.motion.qvel).max(axis=0), 0)
    j = int(speed.argmax())
    return f": read as equal steps, {q.joints.names[j]} is off by up to {speed[j] * sigma:.2g} {q.joints.units[j]}"


def _with_jitter(share: float) -> Quantities:
    rhythm = np.array([-1.0, 1.0, 1.0, -1.0])  # late and early stamps, no step reversed
    return altered("trajectory", time=example().time + share / 30 * np.resize(rhythm, 90))


def example_flagged() -> Quantities:
    """Stamps are early or late by 15 % of a step."""
    return _with_jitter(0.15)


def example_clean() -> Quantities:
    """By 5 %."""
    return _with_jitter(0.05)
