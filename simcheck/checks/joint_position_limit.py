"""A joint is beyond the end of its range.

What:
    Position of each robot joint against the range of its card or model.

How:
    max(q_min,j − q_j, q_j − q_max,j) ± 2.5 σ_q,j > tolerance        [rad, m]
    The value reported is the overshoot beyond the end of the range; σ_q is the noise of one sample. A sample that was
    recorded inside the range is inside, however noisy.

Silent when:
    no range is declared for the joint (continuous joints), or it is not in the recording.

Fails to see:
    ranges that depend on another joint; a zero offset that keeps the joint inside its range (K109 may see it).

References:
    tolerance: MoveIt accepts a start state within 0.01 rad; simulators' soft stops give as much under load.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.decide import Signal, Span, not_judged
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import by_unit
from simcheck.quantities import Quantities, altered

CODE = "K101"
NAME = "joint-position-limit"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "limits", "position")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    rad: float = 0.01  # [rad] MoveIt's start state tolerance
    m: float = 0.001  # [m] the same share of a 0.1 m stroke


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which a joint is out of its range."""
    assert q.joints
    assert q.limits
    assert q.position is not None
    judged = q.joints.robot & q.joints.observed
    low, high = np.where(judged[:, None], q.limits.position, np.nan).T
    bound = np.fmax(np.abs(low), np.abs(high))  # nan only where neither end is declared
    if not np.isfinite(bound).any():
        yield Skipped("no position range is declared for any observed joint")
        return
    if reason := not_judged(q.joints.names, bound, judged):
        yield Skipped(reason, partly=True)
    sigma = q.motion.sigma_qpos if q.motion else np.zeros(len(judged))
    beyond = np.fmax(low - q.position, q.position - high)
    overshoot = Signal(
        derived=False, value=beyond, sigma=np.broadcast_to(sigma, beyond.shape),
        limit=np.where(beyond > 0, by_unit(q.joints, tolerance.rad, tolerance.m), np.nan), names=q.joints.names,
        unit=q.joints.units, evidence=q.joints.evidence,
        what="overshoot beyond the range", source=q.limits.source.get("position", ""),
    )  # fmt: skip

    def inside(joint: int, span: Span) -> str:
        assert q.position is not None
        assert q.joints is not None
        unit, reached = q.joints.units[joint], q.position[span.worst, joint]
        return f"keep it within [{low[joint]:.4g}, {high[joint]:.4g}] {unit}; it reached {reached:.4g} {unit}"

    yield from overshoot.exceeding(q, inside)


def example_flagged() -> Quantities:
    """The joints swing to 0.4 rad; their range ends at 0.38."""
    return altered("limits", position=np.array([[-0.38, 0.38]] * 2))


def example_clean() -> Quantities:
    """The range ends at 0.395 rad."""
    return altered("limits", position=np.array([[-0.395, 0.395]] * 2))
