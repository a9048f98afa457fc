"""The episode is too short to be judged.

What:
    The number of frames that can be judged: all recorded ones without a non-finite number.

How:
    frames < 7
    Velocity and acceleration come from a local quartic fit (5 coefficients) that needs at least 7 samples to
    have residuals, and so an uncertainty.

Silent when:
    there are enough frames.

Fails to see:
    episodes that are long enough to compute with and too short to mean anything.

References:
    numerics (local quartic fit and its residuals); hazards 5C (zero and one frame).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from simcheck.columns import exact, whole
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, example

CODE = "D115"
NAME = "too-few-frames"
SEVERITY = Severity.ERROR
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    fewest: int = 7  # [frames] smallest window of the estimator


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Count the frames."""
    judged, recorded = len(q.frame), len(q.trajectory)
    if judged < tolerance.fewest:
        message = f"{judged} of {recorded} recorded frames can be judged; {tolerance.fewest} are needed"
        yield exact(whole(q.trajectory), "recording", float(judged), float(tolerance.fewest), "frames", message)


def _shortened(value: Any, rows: int, frames: int) -> Any:
    """The first `rows` of every array over time, in all groups."""
    if isinstance(value, np.ndarray):
        return value[:rows] if value.shape[:1] == (frames,) else value
    if isinstance(value, dict):
        return {k: _shortened(v, rows, frames) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        changes = {f.name: _shortened(getattr(value, f.name), rows, frames) for f in fields(value)}
        return replace(value, **changes)
    return value


def example_flagged() -> Quantities:
    """Six frames."""
    return _shortened(example(), 6, 90)


def example_clean() -> Quantities:
    """Seven."""
    return _shortened(example(), 7, 90)
