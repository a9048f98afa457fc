"""The motion heats a drive more than it bears for ever.

What:
    Root mean square of the needed torque over the episode against the continuous limit. A warning: a drive bears
    an overload for the minutes it takes to warm up, so this speaks about repeating the motion without pauses.

How:
    min over m in [0, rated payload] of √(mean (τ_j + m p_j)²), ± 2.5 σ > τ_cont,j        [N m, N]
    over time; σ = √(mean σ_τ²), as if all errors pulled one way. Frames in contact, whose torque is unknown, and
    frames spoiled by a teleport (K105) count as zero for what is sure: the true value is at least as high. If it
    exceeds only with the estimates in contact, it is UNDECIDED. Slowed by s, τ(s) = g + d/s + (τ − g − d)/s².

Silent when:
    no continuous limit is declared.

Fails to see:
    pauses between episodes; drives that were warm before; losses at standstill other than holding torque.

References:
    servo drive sizing: copper loss grows with the square of the torque, so its rms is what heats. The limit's own
    source is quoted in the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.checks._effort import effort_units, judged_joints, parts, rated_payload, slowed, slowing, slowing_text
from simcheck.decide import COVERAGE, Signal, Span, not_judged
from simcheck.flags import Evidence, Finding, Severity, Skipped
from simcheck.kinematics import spoiled_rows
from simcheck.quantities import Quantities, altered

CODE = "F102"
NAME = "rms-effort-limit"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "limits", "effort")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find drives that would overheat."""
    assert q.joints and q.limits and q.effort
    limit = np.where(judged_joints(q), q.limits.effort_continuous, np.nan) * tolerance.scale
    if not np.isfinite(limit).any() or len(q.time) < 2:
        yield Skipped("no continuous effort limit is declared for any observed drive")
        return
    if reason := not_judged(q.joints.names, limit, judged_joints(q)):
        yield Skipped(reason, partly=True)
    usable = ~spoiled_rows(q)
    weight = np.gradient(q.time) / np.sum(np.gradient(q.time))
    free = weight * (usable & ~q.effort.in_contact)
    known, load = _rms(q, free)
    surely = Signal(
        value=known, sigma=np.broadcast_to(np.sqrt(free @ q.effort.sigma**2), known.shape), limit=limit,
        names=q.joints.names, unit=effort_units(q),
        evidence=q.joints.effort_evidence, what="rms effort", source=q.limits.source.get("effort_continuous", ""),
    )  # fmt: skip
    terms = parts(q, load)

    def slower(joint: int, _: Span) -> str:
        half = COVERAGE * surely.sigma[0, joint]
        here = [term[:, joint] for term in terms]
        factor = slowing(lambda s: float(np.sqrt(free @ slowed(here, s) ** 2)) + half, limit[joint])
        held = float(np.sqrt(free @ here[0] ** 2))
        return slowing_text(factor, f"no slowing helps: holding still alone needs {held:.3g} {surely.unit[joint]} rms")

    found = list(surely.exceeding(q, slower))
    yield from found
    seen = np.isin(q.joints.names, [f.place for f in found])
    if not q.effort.in_contact.any():
        return
    estimate, _ = _rms(q, weight * usable)
    with_contact = replace(
        surely, value=estimate, limit=np.where(seen, np.nan, limit), evidence=(Evidence.INFERRED,) * len(seen),
        what="rms effort without the unknown contact force",
    )  # fmt: skip
    yield from with_contact.exceeding(q)


def _rms(q: Quantities, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, nv) rms, the same in every row, under the one load of the episode that asks least, and that load."""
    assert q.effort
    p = np.nan_to_num(q.effort.per_payload)
    cross, square = weight @ (q.effort.needed * p), weight @ p**2
    mass = np.divide(-cross, square, out=np.zeros_like(cross), where=square > 1e-12)
    load = np.clip(mass, 0.0, rated_payload(q)) * p
    return np.broadcast_to(np.sqrt(weight @ (q.effort.needed + load) ** 2), p.shape), load


def example_flagged() -> Quantities:
    """The elbow needs 9.6 N m rms; its drive bears 8 for ever."""
    return altered("limits", effort_continuous=np.array([30.0, 8.0]))


def example_clean() -> Quantities:
    """It bears 12 N m."""
    return altered("limits", effort_continuous=np.array([30.0, 12.0]))
