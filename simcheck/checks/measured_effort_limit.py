"""A recorded torque is beyond what the drive has.

What:
    Measured (or estimated) effort of every recorded joint, grippers too, against its effort limit: overload, a
    wrong unit, a wrong scale, or another drive than the card's.

How:
    |τ_measured,j| ± 2.5 σ > τ_max,j        [N m, N]
    single samples as recorded; σ is the noise of the recording after smoothing, the least that is sure.

Silent when:
    no effort was recorded, or no limit is declared. Effort inferred from current is UNDECIDED at most.

Fails to see:
    torque that was clipped before it was recorded; overload shorter than a sample.

References:
    SAGE, SO-101 static holding: 3 rows above the 2.94 N m stall torque, at most 6.50, estimated from current.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._effort import effort_units
from simcheck.decide import Signal, not_judged
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "F105"
NAME = "measured-effort-limit"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "limits", "measured_effort")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find samples of effort that the drive cannot give."""
    assert q.joints and q.limits and q.measured_effort
    measured = q.measured_effort
    recorded = q.joints.robot & np.isfinite(measured.raw).any(axis=0)
    limit = np.where(recorded, q.limits.effort, np.nan) * tolerance.scale
    if not np.isfinite(limit).any():
        yield Skipped("no effort limit is declared for any joint whose effort was recorded")
        return
    if reason := not_judged(q.joints.names, limit, recorded):
        yield Skipped(reason, partly=True)
    effort = Signal(
        derived=False,
        value=np.abs(measured.raw), sigma=np.broadcast_to(np.nan_to_num(measured.sigma), measured.raw.shape),
        limit=limit, names=q.joints.names, unit=effort_units(q),
        evidence=(measured.evidence,) * len(limit), what="recorded effort", source=q.limits.source.get("effort", ""),
    )  # fmt: skip
    yield from effort.exceeding(q)


def _elbow_measures(peak: float) -> Quantities:
    base = example()
    assert base.measured_effort
    raw = np.array(base.measured_effort.raw)
    raw[40:43, 1] = peak
    return altered("measured_effort", raw=raw)


def example_flagged() -> Quantities:
    """Three samples of 60 N m; the drive has 50."""
    return _elbow_measures(60.0)


def example_clean() -> Quantities:
    """48 N m."""
    return _elbow_measures(48.0)
