"""The recorded velocity is not the derivative of the recorded position.

What:
    Velocity columns that the estimator did not use because they disagree with the positions.

How:
    e = rms(v − q̇) / rms(q̇) > 0.5, ± 2.5 rms(σ_q̇) / rms(q̇)        [1]
    v recorded, q̇ and σ_q̇ from the local quartic fit of the positions. The message gives the slope Σ v q̇ / Σ q̇²
    (57.3: degrees; 0: dead; −1: sign) and the correlation. e = 0.5 is what a pure delay of 80 ms makes of a
    1 Hz motion, or a correlation of 0.87 at the right scale.

Silent when:
    the state is a simulator's own (its velocities are exact; what differs was too fast for the log); no velocity was
    recorded, every recorded column entered the estimate, or the joint does not move by more
    than its noise (rms(q̇) ≤ 2.5 rms(σ_q̇)).

Fails to see:
    which of the two is wrong; velocity content above the fit's bandwidth counts as disagreement. Velocities that
    were themselves computed from the positions agree and add nothing.

References:
    hazards 7: SO-101 wrist roll, correlation 0.34; others elsewhere 0.53–0.63.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import several
from simcheck.decide import COVERAGE
from simcheck.flags import Evidence, Finding, Severity, Skipped, Status
from simcheck.quantities import Quantities, altered, example

CODE = "D117"
NAME = "velocity-contradicts-position"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "motion")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    disagreement: float = 0.5  # [1] rms difference over rms velocity: 80 ms of delay at 1 Hz, 2 sin(π · 1 Hz · 80 ms)


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Compare recorded velocities that were not used with the derivative of the positions."""
    assert q.joints
    assert q.motion
    recorded = np.isfinite(q.motion.velocity_recorded)
    if not recorded.any():
        yield Skipped("no velocity was recorded")
        return
    if q.trajectory.sim is not None:
        yield Skipped("positions and velocities are one simulator's: what differs was too fast for the log")
        return
    unclear = []
    for j in np.flatnonzero(recorded.any(axis=0) & ~q.motion.velocity_used & q.joints.robot):
        finding = _joint(q, int(j), recorded[:, j], tolerance.disagreement)
        if finding is None:
            unclear.append(q.joints.names[j])
        else:
            yield from finding
    if unclear:
        yield Skipped(f"{several(unclear)} moves too little to compare", partly=True)


def _joint(q: Quantities, j: int, rows: np.ndarray, limit: float) -> list[Finding] | None:
    """The finding on one joint if there is one; None if it does not move enough to tell."""
    assert q.joints
    assert q.motion
    v, derived, sigma = q.motion.velocity_recorded[rows, j], q.motion.qvel[rows, j], q.motion.sigma_qvel[rows, j]
    speed, noise = float(np.sqrt(np.mean(derived**2))), float(np.sqrt(np.mean(sigma**2)))
    if not speed > COVERAGE * noise:
        return None
    error, half = float(np.sqrt(np.mean((v - derived) ** 2))) / speed, COVERAGE * noise / speed
    if not error + half > limit:
        return []
    sure = error - half > limit and q.joints.evidence[j] is not Evidence.INFERRED
    slope = float(v @ derived / (derived @ derived))
    size = float(np.linalg.norm(v - v.mean()) * np.linalg.norm(derived - derived.mean()))
    correlation = float((v - v.mean()) @ (derived - derived.mean())) / size if size > 0 else 0.0
    name, unit = q.joints.names[j], f"{q.joints.units[j]}/s"
    message = (
        f"recorded velocity of {name} differs from its derivative by {error * speed:.3g} {unit} rms of {speed:.3g}: "
        f"slope {slope:.2f}, correlation {correlation:.2f}; not used"
    )
    frame = q.frame[rows]
    return [Finding(
        Status.FLAGGED if sure else Status.UNDECIDED, (int(frame[0]), int(frame[-1])), name, error, limit,
        (error - half, error + half), "1", q.joints.evidence[j], message,
    )]  # fmt: skip


def _scaled(slope: float) -> Quantities:
    motion = example().motion
    assert motion
    recorded = motion.velocity_recorded * np.array([1.0, slope])
    return altered("motion", velocity_recorded=recorded, velocity_used=np.array([True, False]))


def example_flagged() -> Quantities:
    """The elbow's velocity is 0.4 of what it should be."""
    return _scaled(0.4)


def example_clean() -> Quantities:
    """It is 0.6 of it: not used, not reported."""
    return _scaled(0.6)
