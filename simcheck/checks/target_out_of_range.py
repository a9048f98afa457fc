"""A commanded joint position is beyond the joint's range.

What:
    Commanded positions against the range of the joint. The leader of a teleoperation pair turns farther than its
    follower, or a policy or retargeting asks for what the drive cannot do: action and state disagree from there on.

How:
    max(q_min,j − q_cmd,j, q_cmd,j − q_max,j) > tolerance        [rad, m]
    A command has no noise, so there is no interval.

Silent when:
    no joint positions are commanded, or the joint has no range. Grippers, found by their names: commanding one
    beyond closed is how it is made to press.

Fails to see:
    commands inside the range that the arm cannot follow (K112).

References:
    0.05 rad: the margin of retargeting validators (GMR) and five times K101's, as controllers clip small excess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.decide import Signal, not_judged
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import by_unit, grippers
from simcheck.quantities import Quantities, example

CODE = "K111"
NAME = "target-out-of-range"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "limits", "target")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    rad: float = 0.05  # [rad] margin of retargeting validators (GMR)
    m: float = 0.005  # [m] five times that of K101


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which a joint is told to leave its range."""
    assert q.joints
    assert q.limits
    assert q.target is not None
    commanded = np.isfinite(q.target).any(axis=0)
    judged = q.joints.robot & commanded & ~grippers(q.joints)
    low, high = np.where(judged[:, None], q.limits.position, np.nan).T
    bound = np.fmax(np.abs(low), np.abs(high))
    if not np.isfinite(bound).any():
        yield Skipped("no joint with a declared range is commanded by position")
        return
    if reason := not_judged(q.joints.names, bound, judged):
        yield Skipped(reason, partly=True)
    overshoot = Signal(
        derived=False, value=np.fmax(low - q.target, q.target - high), sigma=np.zeros(q.target.shape),
        limit=np.where(np.isnan(bound), np.nan, by_unit(q.joints, tolerance.rad, tolerance.m)), names=q.joints.names,
        unit=q.joints.units, evidence=q.joints.evidence,
        what="overshoot of the target beyond the range", source=q.limits.source.get("position", ""),
    )  # fmt: skip
    yield from overshoot.exceeding(q)


def _elbow_told(target: float) -> Quantities:
    base = example()
    told = np.array(base.target)
    told[40:50, 1] = target
    return replace(base, target=told)


def example_flagged() -> Quantities:
    """The elbow is told 2.1 rad; its range ends at 2."""
    return _elbow_told(2.1)


def example_clean() -> Quantities:
    """2.04 rad."""
    return _elbow_told(2.04)
