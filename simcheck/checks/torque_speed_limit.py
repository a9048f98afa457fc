"""A drive is asked for torque and speed that it has only one at a time.

What:
    Torque and speed together, for drives whose two limits are the ends of a torque–speed line: stall torque and
    no-load speed of a direct-current servo.

How:
    |τ_j| / τ_stall,j + |q̇_j| / ω_0,j > 1        [1],  where τ_j q̇_j > 0 (driving, not braking)
    σ² = (σ_τ / τ_stall)² + (σ_q̇ / ω_0)²; the unknown payload counts as in F101. Slowed by s,
    |g + d/s + r/s²| / τ_stall + |q̇| / (s ω_0).

Silent when:
    the card's sources do not say "stall" for the effort and "no-load" for the speed. Limits of servo drives with
    reserve are not ends of one line: 87 N m and 2.175 rad/s of a Panda would allow 47 W, which its drives exceed.
    Also where torque or speed alone is too high (F101, K102, F104), in contact, and near a teleport (K105).

Fails to see:
    sagging supply voltage, which shortens the line at both ends.

References:
    the torque–speed line of a DC motor; STS3215 at 12 V: stall 2.942 N m, no-load 5.216 rad/s (SO-ARM100, pull
    request 157).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.checks._effort import (
    certainty,
    judged_joints,
    judged_limit,
    needed_at_least,
    parts,
    slowed,
    slowing,
    slowing_text,
)
from simcheck.decide import COVERAGE, Signal, Span
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "F106"
NAME = "torque-speed-limit"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "limits", "motion", "effort")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the line that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges beyond the torque–speed line."""
    assert q.joints and q.limits and q.motion and q.effort
    source = q.limits.source
    stall, no_load = q.limits.effort, q.limits.velocity
    if "stall" not in source.get("effort", "").lower() or "no-load" not in source.get("velocity", "").lower():
        yield Skipped("the limits' sources do not say that they are stall torque and no-load speed")
        return
    if not np.isfinite(np.where(judged_joints(q), stall * no_load, np.nan)).any():
        yield Skipped("no observed drive has both limits")
        return
    needed, load = needed_at_least(q)
    torque, speed = np.abs(needed) / stall, np.abs(q.motion.qvel) / no_load
    sigma_torque, sigma_speed = q.effort.sigma / stall, q.motion.sigma_qvel / no_load
    alone = (torque + COVERAGE * sigma_torque > 1) | (speed + COVERAGE * sigma_speed > 1)
    judged = (needed * q.motion.qvel > 0) & ~alone & ~q.effort.in_contact[:, None]
    limit = judged_limit(q, np.where(np.isfinite(stall * no_load), tolerance.scale, np.nan))
    use = Signal(
        value=torque + speed, sigma=np.hypot(sigma_torque, sigma_speed), limit=np.where(judged, limit, np.nan),
        names=q.joints.names, unit=("1",) * len(stall), evidence=q.joints.effort_evidence,
        what="share of the torque–speed line", source=f"{source['effort']}; {source['velocity']}",
    )  # fmt: skip
    terms, halves = parts(q, load), certainty(q)

    def slower(joint: int, span: Span) -> str:
        rows = slice(span.first, span.last + 1)
        here, v = [term[rows, joint] for term in terms], (speed + COVERAGE * sigma_speed)[rows, joint]
        sure, noise = (half[rows, joint] for half in halves)

        def share(s: float) -> float:
            return float(np.max((np.abs(slowed(here, s)) + sure + noise / s**2) / stall[joint] + v / s))

        factor = slowing(share, tolerance.scale)
        return slowing_text(factor, "no slowing helps: holding still alone takes it")

    yield from use.exceeding(q, slower)


def _elbow_turns(rate: float) -> Quantities:
    base = example()
    assert base.motion
    assert base.limits
    qvel = np.array(base.motion.qvel)
    qvel[40:50, 1] = rate
    servo = replace(base.limits, source={**base.limits.source, "effort": "stall torque", "velocity": "no-load speed"})
    return replace(altered("motion", qvel=qvel, velocity_recorded=np.full_like(qvel, np.nan)), limits=servo)


def example_flagged() -> Quantities:
    """The elbow drives 9 of 50 N m at 4.5 of 5 rad/s."""
    return _elbow_turns(4.5)


def example_clean() -> Quantities:
    """At 3.5 rad/s."""
    return _elbow_turns(3.5)
