"""The motion needs more torque than the drive has.

What:
    Torque (force, for slides) that the recorded motion needs at each driven joint, against its effort limit.

How:
    min over m in [0, rated payload] of |τ_j + m p_j|, ± 2.5 σ_τ,j > τ_max,j        [N m, N]
    τ = M(q) q̈ + c(q, q̇) + g(q) + damping, without contact forces, of the band-limited motion; p is the torque per
    kilogram at the end effector. σ holds differentiation noise, model error and dry friction. Slowed by s,
    τ(s) = g + d/s + (τ − g − d)/s²; the remedy is the smallest s for which |τ(s)| + 2.5 σ fits in every frame.

Silent when:
    no effort limit is declared; holding still already needs too much (F104); within 0.5 s of a teleport (K105).
    In contact with something, or at the joint's end stop, the force of the contact is unknown: UNDECIDED at most.

Fails to see:
    peaks faster than the fit: content above about 1.5 / 0.5 s is not in the samples, and raw peaks are 1.0–2.7 × as
    high. Loads beyond the rated payload. Contacts with things the scene does not model.

References:
    numerics: the estimate is within 0.4 % of truth low-passed alike (95th percentile); model and payload error
    exceed that 10 ×. The limit's own source is quoted in the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.checks._effort import (
    certainty,
    declared_limit,
    effort_units,
    example_needing,
    judged_limit,
    needed_at_least,
    parts,
    slowed,
    slowing,
    slowing_text,
    too_heavy,
)
from simcheck.decide import Signal, Span
from simcheck.flags import Evidence, Finding, Severity, Skipped, Status
from simcheck.quantities import Quantities, example

CODE = "F101"
NAME = "peak-effort-limit"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "limits", "effort")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which a joint needs too much torque."""
    assert q.joints and q.limits and q.effort
    declared, skipped = declared_limit(q, tolerance.scale)
    if skipped:
        yield skipped
        if not skipped.partly:
            return
    needed, load = needed_at_least(q)
    limit = np.where(too_heavy(q, declared), np.nan, judged_limit(q, declared))
    touching = q.effort.in_contact[:, None] | q.effort.at_stop
    free = Signal(
        value=np.abs(needed), sigma=q.effort.sigma, limit=np.where(touching, np.nan, limit), names=q.joints.names,
        unit=effort_units(q), evidence=q.joints.effort_evidence,
        what="band-limited effort", source=q.limits.source.get("effort", ""),
    )  # fmt: skip
    terms, halves = parts(q, load), certainty(q)

    def slower(joint: int, span: Span) -> str:
        rows = slice(span.first, span.last + 1)
        here = [term[rows, joint] for term in terms]
        sure, noise = (half[rows, joint] for half in halves)
        factor = slowing(lambda s: float(np.max(np.abs(slowed(here, s)) + sure + noise / s**2)), declared[joint])
        held = float(np.max(np.abs(here[0])))
        return slowing_text(factor, f"no slowing helps: holding still alone needs {held:.3g} {free.unit[joint]}")

    found = list(free.exceeding(q, slower))
    yield from found
    sure = [f.place for f in found if f.status is Status.FLAGGED]
    rest = np.array([name not in sure for name in q.joints.names])
    in_contact = replace(
        free, limit=np.where(touching & rest, limit, np.nan), what="effort without the unknown contact force",
        evidence=(Evidence.INFERRED,) * len(rest),
    )  # fmt: skip
    yield from in_contact.exceeding(q)


def _elbow_needs(peak: float) -> Quantities:
    base = example()
    assert base.effort
    needed = np.array(base.effort.needed)
    bump = np.exp(-(((base.time - 1.5) / 0.25) ** 2))
    needed[:, 1] += bump * (peak - needed[45, 1])
    return example_needing(needed)


def example_flagged() -> Quantities:
    """The elbow needs 56 N m for a moment; its drive has 50."""
    return _elbow_needs(56.0)


def example_clean() -> Quantities:
    """44 N m: with a payload of 1 kg it just fits."""
    return _elbow_needs(44.0)
