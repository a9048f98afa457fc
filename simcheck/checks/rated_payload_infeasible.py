"""The motion cannot be done with the load the robot is rated for.

What:
    Torque that the motion would need with the rated payload at the end effector. Information: the recorded motion
    may have carried less; the remedy says how much it leaves room for.

How:
    |τ_j + m_rated p_j| ± 2.5 σ_τ,j > τ_max,j        [N m, N]
    p is the torque per kilogram of point mass at the end effector frame, of its weight and its acceleration. Room
    is left for m = min over frames of (τ_max − τ sgn p) / |p|.

Silent when:
    no payload is rated, no effort limit is declared, or the joint fails empty-handed (F101, F104). Frames in
    contact and frames near a teleport (K105).

Fails to see:
    a load's inertia and its centre beyond the end effector frame; the second hand of a two-armed robot, as payload
    is only known at the first.

References:
    numerics: an unknown kilogram at the flange is 10.9 % of a Panda's torque limit at the 95th percentile, more
    than all differentiation error, so the motion's room for it is worth stating.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._effort import RISING, effort_units, judged_joints, judged_limit, needed_at_least, rated_payload
from simcheck.decide import COVERAGE, Signal
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered

CODE = "F107"
NAME = "rated-payload-infeasible"
SEVERITY = Severity.INFO
NEEDS = ("joints", "limits", "effort")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    share: float = 1.0  # [1] of the rated payload that the motion should leave room for: what the vendor promises


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges that the rated payload makes infeasible."""
    assert q.joints and q.limits and q.effort
    mass = rated_payload(q) * tolerance.share
    if mass <= 0 or not np.isfinite(q.effort.per_payload).any():
        yield Skipped("the robot has no rated payload, or no end effector to carry it")
        return
    declared = np.where(judged_joints(q), q.limits.effort, np.nan)
    if not np.isfinite(declared).any():
        yield Skipped("no effort limit is declared for any observed drive")
        return
    limit = np.where(q.effort.in_contact[:, None], np.nan, judged_limit(q, declared))
    fails_empty = (np.abs(needed_at_least(q)[0]) - COVERAGE * q.effort.sigma > limit).any(axis=0)
    limit = np.where(fails_empty, np.nan, limit)
    needed, p = q.effort.needed, np.nan_to_num(q.effort.per_payload)
    loaded = Signal(
        value=np.abs(needed + mass * p), sigma=q.effort.sigma, limit=np.where(np.abs(p) > RISING, limit, np.nan),
        names=q.joints.names, unit=effort_units(q),
        evidence=q.joints.effort_evidence, what=f"effort with {mass:g} kg", source=q.limits.source.get("effort", ""),
    )  # fmt: skip
    room = np.divide(limit - needed * np.sign(p), np.abs(p), out=np.full(p.shape, np.inf), where=np.abs(p) > RISING)
    most = np.maximum(np.fmin.reduce(room, axis=0, initial=np.inf), 0.0)
    yield from loaded.exceeding(q, lambda joint, _: f"feasible with payload ≤ {np.floor(most[joint] * 100) / 100:g} kg")


def example_flagged() -> Quantities:
    """A kilogram adds 45 N m to the 10 that the motion needs; the drives have 50."""
    return altered("effort", per_payload=np.full((90, 2), 45.0))


def example_clean() -> Quantities:
    """A kilogram adds 30 N m."""
    return altered("effort", per_payload=np.full((90, 2), 30.0))
