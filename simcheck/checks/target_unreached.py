"""A joint rests away from where it was told to be.

What:
    Distance between commanded and actual position while both stand still. Something held the arm, the drive is too
    weak for the pose, or command and state have different zeros.

How:
    |q_cmd,j − q_j| − 2.5 σ_q,j > tolerance        [rad, m]
    for at least 0.5 s, in frames where |q̇_j| and |dq_cmd,j/dt| are below 0.05 rad/s (5 mm/s).

Silent when:
    no joint positions are commanded; the joint or its target moves. Grippers, found by their names: one that holds
    something stays short of its target.

Fails to see:
    which of the three causes it is; lag while moving.

References:
    tolerance: hobby servos under static load rest 0.09 rad off as a rule and 0.32 rad at most (SAGE, SO-101,
    static holding), so 0.2 rad is twice the ordinary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.decide import Signal, spans
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import by_unit, grippers
from simcheck.quantities import Quantities, example

CODE = "K112"
NAME = "target-unreached"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "position", "target", "motion")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    rad: float = 0.2  # [rad] twice the ordinary steady error of a hobby servo under load (SAGE: 0.09)
    m: float = 0.02  # [m] as much at 0.1 m
    hold: float = 0.5  # [s] shorter rests may still be settling
    still_rad: float = 0.05  # [rad/s] slower is at rest: 3° per second
    still_m: float = 0.005  # [m/s]


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find rests away from the target."""
    assert q.joints
    assert q.motion
    assert q.position is not None
    assert q.target is not None
    joints = q.joints
    judged = joints.robot & joints.observed & np.isfinite(q.target).any(axis=0) & ~grippers(joints)
    if not judged.any() or len(q.time) < 2:
        yield Skipped("no observed joint is commanded by position")
        return
    distance = np.abs(q.target - q.position)
    still = by_unit(joints, tolerance.still_rad, tolerance.still_m)
    at_rest = (np.abs(q.motion.qvel) < still) & (np.abs(np.gradient(q.target, q.time, axis=0)) < still)
    limit = by_unit(joints, tolerance.rad, tolerance.m)
    long = np.zeros(distance.shape, dtype=bool)
    for c in np.flatnonzero(judged):
        for s in spans(at_rest[:, c] & (distance[:, c] > limit[c]), distance[:, c], q.time):
            long[s.first : s.last + 1, c] = q.time[s.last] - q.time[s.first] >= tolerance.hold
    error = Signal(
        derived=False, value=distance, sigma=np.broadcast_to(q.motion.sigma_qpos, distance.shape),
        limit=np.where(long & at_rest, limit, np.nan), names=joints.names, unit=joints.units,
        evidence=joints.evidence, what="distance at rest from the target",
    )  # fmt: skip
    yield from error.exceeding(q)


def _elbow_rests(off: float) -> Quantities:
    base = example()
    assert base.motion
    assert base.position is not None
    assert base.target is not None
    position, target, qvel = np.array(base.position), np.array(base.target), np.array(base.motion.qvel)
    position[:, 1], target[:, 1], qvel[:, 1] = 0.1, 0.1 + off, 0.0
    motion = replace(base.motion, qvel=qvel, velocity_recorded=np.full_like(qvel, np.nan))
    return replace(base, position=position, qpos=position, target=target, motion=motion)


def example_flagged() -> Quantities:
    """The elbow rests 0.3 rad from its target for 3 s."""
    return _elbow_rests(0.3)


def example_clean() -> Quantities:
    """It rests 0.15 rad away."""
    return _elbow_rests(0.15)
