"""Holding the pose still already needs more torque than the drive has.

What:
    The static part of the torque in every recorded pose against the effort limit. No drive can rest there, however
    slow the motion is.

How:
    min over m in [0, rated payload] of |g_j + m p_j|, − 2.5 σ_j > τ_max,j        [N m, N]
    g needs positions only, so σ is the smallest of the episode: model error and dry friction, no differentiation.
    Only sure excess is reported; a range that straddles is F101's, which adds the dynamic part. F101 leaves out the
    ranges reported here.

Silent when:
    no effort limit is declared; within 0.5 s of a teleport (K105). In contact with something that may carry the
    arm: UNDECIDED at most.

Fails to see:
    springs and counterweights that the model lacks: a PR2 shoulder needs 49 N m by its model and its URDF grants 30.

References:
    numerics: the static check is a noise-free lower bound; the dynamic part it leaves out is 0.5 % of the limit in
    the median of slow motions and 14.6 % at the 95th percentile of fast ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.checks._effort import declared_limit, effort_units, example_needing, judged_limit, static_at_least
from simcheck.decide import COVERAGE, Signal
from simcheck.flags import Evidence, Finding, Severity, Skipped
from simcheck.quantities import Quantities, example

CODE = "F104"
NAME = "static-effort-limit"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "limits", "effort")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find poses that no drive of this robot can hold."""
    assert q.joints and q.limits and q.effort
    declared, skipped = declared_limit(q, tolerance.scale)
    if skipped:
        yield skipped
        if not skipped.partly:
            return
    value, sigma = static_at_least(q)
    surely = np.greater(value - COVERAGE * sigma, declared)
    possibly = np.greater(value + COVERAGE * sigma, declared)
    straddling = possibly.any(axis=0) & ~surely.any(axis=0)
    if straddling.any():
        names = ", ".join(q.joints.names[c] for c in np.flatnonzero(straddling))
        yield Skipped(f"static effort of {names} straddles its limit: see F101", partly=True)
    limit = np.where(surely, judged_limit(q, declared), np.nan)
    touching = q.effort.in_contact[:, None]
    held = Signal(
        derived=False, value=value, sigma=sigma, limit=np.where(touching, np.nan, limit), names=q.joints.names,
        unit=effort_units(q), evidence=q.joints.effort_evidence,
        what="effort of holding still", source=q.limits.source.get("effort", ""),
    )  # fmt: skip
    yield from held.exceeding(q, lambda *_: "no slowing helps")
    rest = np.isnan(held.limit).all(axis=0)
    supported = replace(
        held, limit=np.where(touching & rest, limit, np.nan), what="effort of holding still without the contact",
        evidence=(Evidence.INFERRED,) * len(q.joints.names),
    )  # fmt: skip
    yield from supported.exceeding(q)


def _elbow_holds(peak: float) -> Quantities:
    base = example()
    assert base.effort
    gravity = np.array(base.effort.gravity)
    bump = np.exp(-(((base.time - 1.5) / 0.25) ** 2))
    gravity[:, 1] += bump * (peak - gravity[45, 1])
    return example_needing(needed=gravity, gravity=gravity)


def example_flagged() -> Quantities:
    """Holding the elbow in the middle of the motion needs 56 N m; its drive has 50."""
    return _elbow_holds(56.0)


def example_clean() -> Quantities:
    """44 N m: with a payload of 1 kg it just fits."""
    return _elbow_holds(44.0)
