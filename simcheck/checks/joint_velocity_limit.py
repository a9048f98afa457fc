"""A joint moves faster than its drive can turn it.

What:
    Speed of each robot joint against the velocity limit of its card or model.

How:
    |q̇_j| ± 2.5 σ_q̇,j > q̇_max,j        [rad/s, m/s]
    q̇ from the local quartic fit of the recorded positions (recorded velocities enter where they agree);
    σ from sample noise and fit bias. Slowing the motion by s divides q̇ by s, so s = (|q̇_j| + 2.5 σ) / q̇_max,j.

Silent when:
    no velocity limit is declared for the joint (MJCF has none; URDF and cards do); within 0.5 s of a teleport
    of the joint (K105), which the fit would smear into a burst of speed.

Fails to see:
    peaks shorter than the fit's window (0.5 s, at least 7 samples); limits that depend on position or torque.

References:
    numerics: estimator and its interval; the limit's own source is quoted in the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.decide import Signal, not_judged
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import slower, spoiled
from simcheck.quantities import Quantities, altered, example

CODE = "K102"
NAME = "joint-velocity-limit"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "limits", "motion")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which a joint is too fast."""
    assert q.joints
    assert q.limits
    assert q.motion
    judged = q.joints.robot & q.joints.observed
    limit = np.where(judged, q.limits.velocity, np.nan) * tolerance.scale
    if not np.isfinite(limit).any():
        yield Skipped("no velocity limit is declared for any observed joint")
        return
    if reason := not_judged(q.joints.names, limit, judged):
        yield Skipped(reason, partly=True)
    speed = Signal(
        value=np.abs(q.motion.qvel), sigma=q.motion.sigma_qvel,
        limit=np.where(spoiled(q), np.nan, limit), names=q.joints.names,
        unit=tuple(f"{u}/s" for u in q.joints.units), evidence=q.joints.evidence,
        what="speed", source=q.limits.source.get("velocity", ""),
    )  # fmt: skip
    yield from speed.exceeding(q, slower(speed, 1))


def example_flagged() -> Quantities:
    """The elbow turns at 6 rad/s for a third of a second; its limit is 5."""
    qvel = np.array(example().motion.qvel)  # pyright: ignore[reportOptionalMemberAccess]
    qvel[40:50, 1] = 6.0
    return altered("motion", qvel=qvel, velocity_recorded=np.full_like(qvel, np.nan))


def example_clean() -> Quantities:
    """The same at 4.9 rad/s."""
    qvel = np.array(example().motion.qvel)  # pyright: ignore[reportOptionalMemberAccess]
    qvel[40:50, 1] = 4.9
    return altered("motion", qvel=qvel, velocity_recorded=np.full_like(qvel, np.nan))
