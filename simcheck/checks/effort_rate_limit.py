"""The needed torque changes faster than the drive's interface accepts.

What:
    Rate of the needed torque against the torque-rate limit on the robot's card. A warning: controllers limit the
    rate or stop.

How:
    |τ(t + h) − τ(t − h)| / 2h ± 2.5 σ > τ̇_max        [N m/s, N/s],  h ≥ 0.05 s
    σ = √(σ(t + h)² + σ(t − h)²) / 2h. By the mean value theorem the true rate is at least as high somewhere in
    between. The unknown payload counts as in F101. Slowed by s, τ̇(s) = ġ/s + ḋ/s² + ṙ/s³.

Silent when:
    no rate limit is declared; either end is in contact; within 0.5 s of a teleport (K105).

Fails to see:
    anything faster than 0.1 s, above all impacts.

References:
    libfranka include/franka/rate_limiting.h states such a limit (1000 N m/s).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.checks._effort import (
    example_needing,
    judged_joints,
    kindest_load,
    parts,
    rated_payload,
    slowed,
    slowing,
    slowing_text,
)
from simcheck.decide import COVERAGE, Signal, Span, not_judged
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import spoiled_rows
from simcheck.quantities import Quantities, example

CODE = "F103"
NAME = "effort-rate-limit"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "limits", "effort")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed
    half: float = 0.05  # [s] half the base line; the fit holds 3 Hz, of which 0.1 s keeps 86 %


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which torque must change too fast."""
    assert q.joints and q.limits and q.effort
    limit = np.where(judged_joints(q), q.limits.effort_rate, np.nan) * tolerance.scale
    if not np.isfinite(limit).any() or len(q.time) < 2:
        yield Skipped("no effort rate limit is declared for any observed drive")
        return
    if reason := not_judged(q.joints.names, limit, judged_joints(q)):
        yield Skipped(reason, partly=True)
    last = len(q.time) - 1
    before = np.maximum(np.searchsorted(q.time, q.time - tolerance.half, side="right") - 1, 0)
    after = np.minimum(np.searchsorted(q.time, q.time + tolerance.half), last)
    span = (q.time[after] - q.time[before])[:, None]

    def rate(x: np.ndarray) -> np.ndarray:
        return (x[after] - x[before]) / span

    unknown = q.effort.in_contact | spoiled_rows(q)
    unknown = unknown[before] | unknown[after]
    needed, per_payload = rate(q.effort.needed), rate(np.nan_to_num(q.effort.per_payload))
    needed = needed + kindest_load(needed, per_payload, rated_payload(q))
    change = Signal(
        value=np.abs(needed), sigma=np.hypot(q.effort.sigma[after], q.effort.sigma[before]) / span,
        limit=np.where(unknown[:, None], np.nan, limit), names=q.joints.names,
        unit=tuple("N m/s" if u == "rad" else "N/s" for u in q.joints.units), evidence=q.joints.effort_evidence,
        what="rate of effort", source=q.limits.source.get("effort_rate", ""),
    )  # fmt: skip
    terms = [np.zeros_like(needed), *(rate(part) for part in parts(q, np.zeros_like(needed)))]

    def slower(joint: int, at: Span) -> str:
        rows = slice(at.first, at.last + 1)
        here = [term[rows, joint] for term in terms]
        half = COVERAGE * change.sigma[rows, joint]
        factor = slowing(lambda s: float(np.max(np.abs(slowed(here, s)) + half / s)), limit[joint])
        return slowing_text(factor, "")

    yield from change.exceeding(q, slower)


def _limited(to: float) -> Quantities:
    base = example()
    assert base.effort
    wave = 5 * np.sin(2 * np.pi * 2 * base.time)[:, None]
    assert base.limits
    limits = replace(base.limits, effort_rate=np.full(2, to))
    return replace(example_needing(base.effort.needed + wave), limits=limits)


def example_flagged() -> Quantities:
    """The torque shakes by 5 N m at 2 Hz, 63 N m/s; the interface takes 40."""
    return _limited(40.0)


def example_clean() -> Quantities:
    """The interface takes 100 N m/s."""
    return _limited(100.0)
