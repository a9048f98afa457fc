"""The arm moves where some directions cost more joint speed than it has.

What:
    Joint speed needed to move the end effector in its worst direction, while it is moving.

How:
    v / σ_min(J) > min_j q̇_max,j        [rad/s],  v = 0.1 m/s
    σ_min is the smallest singular value of the Jacobian with angular rows scaled by the reach [m]. A unit of joint
    velocity moves the worst direction by σ_min, so v in that direction takes at least v / σ_min of joint speed.

Silent when:
    no velocity limit is declared; the end effector moves slower than 0.02 m/s (resting near a singularity harms
    nothing); a joint position is only inferred (UNDECIDED).

Fails to see:
    whether the worst direction is needed. An arm with fewer than 6 joints is judged in the directions it has.

References:
    0.1 m/s: a slow hand movement in teleoperation; 0.02 m/s: above what 1 mrad of joint noise at 0.8 m gives in
    0.05 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.decide import Signal
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import ee_columns, ee_places
from simcheck.quantities import Quantities, example

CODE = "K110"
NAME = "near-singular"
SEVERITY = Severity.INFO
NEEDS = ("joints", "limits", "ee")
LEAST = 1e-3  # [m] below this the number says nothing more: 0.1 m/s would take over 100 rad/s


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    speed: float = 0.1  # [m/s] that must be possible in every direction
    moving: float = 0.02  # [m/s] slower is at rest


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which the arm moves near a singularity."""
    assert q.joints
    assert q.limits
    assert q.ee is not None
    hinge = q.joints.robot & q.joints.observed & (np.array(q.joints.units) == "rad")
    slowest = np.fmin.reduce(q.limits.velocity[hinge], initial=np.inf)
    if not np.isfinite(slowest) or not q.ee:
        yield Skipped("no velocity limit is declared for any hinge" if q.ee else "the robot has no end-effector frame")
        return
    names, evidence = ee_places(q)
    moving = ee_columns(q, "speed") > tolerance.moving
    needed = Signal(
        derived=False,
        value=tolerance.speed / np.maximum(ee_columns(q, "dexterity"), LEAST), sigma=np.zeros(moving.shape),
        limit=np.where(moving, slowest, np.nan), names=names, unit=("rad/s",) * len(names), evidence=evidence,
        what=f"joint speed for {tolerance.speed:g} m/s in the worst direction",
        source="slowest joint: " + q.limits.source.get("velocity", ""),
    )  # fmt: skip
    worst: dict[str, Finding] = {}
    for finding in needed.exceeding(q):  # worst first: one remark per end effector is enough
        worst.setdefault(finding.place, finding)
    yield from worst.values()


def _dexterity(value: float) -> Quantities:
    base = example()
    end = (base.ee or {})["ee"]
    dexterity = np.array(end.dexterity)
    dexterity[40:50] = value
    return replace(base, ee={"ee": replace(end, dexterity=dexterity)})


def example_flagged() -> Quantities:
    """A smallest singular value of 0.01 m asks for 10 rad/s; the joints have 5."""
    return _dexterity(0.01)


def example_clean() -> Quantities:
    """0.025 m asks for 4 rad/s."""
    return _dexterity(0.025)
