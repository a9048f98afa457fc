"""A joint accelerates harder than its drive can.

What:
    Acceleration of each robot joint against the acceleration limit of its card.

How:
    |q̈_j| ± 2.5 σ_q̈,j > q̈_max,j        [rad/s², m/s²]
    q̈ from the local quartic fit of the recorded positions; σ from sample noise and fit bias.
    Slowing the motion by s divides q̈ by s², so s = √((|q̈_j| + 2.5 σ) / q̈_max,j).

Silent when:
    no acceleration limit is declared for the joint (no model file has one; cards do); within 0.5 s of a teleport
    of the joint (K105).

Fails to see:
    peaks shorter than the fit's window (0.5 s, at least 7 samples): the estimate is of the band-limited motion and
    understates a step in acceleration; limits that depend on pose or load.

References:
    numerics: a raw second difference at 50 Hz with 1 mrad of noise is wrong by 6 rad/s², the fit by 0.02;
    the limit's own source is quoted in the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.decide import Signal, not_judged
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import slower, spoiled
from simcheck.quantities import Quantities, altered, example

CODE = "K103"
NAME = "joint-acceleration-limit"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "limits", "motion")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which a joint accelerates too hard."""
    assert q.joints
    assert q.limits
    assert q.motion
    judged = q.joints.robot & q.joints.observed
    limit = np.where(judged, q.limits.acceleration, np.nan) * tolerance.scale
    if not np.isfinite(limit).any():
        yield Skipped("no acceleration limit is declared for any observed joint")
        return
    if reason := not_judged(q.joints.names, limit, judged):
        yield Skipped(reason, partly=True)
    acceleration = Signal(
        value=np.abs(q.motion.qacc), sigma=q.motion.sigma_qacc,
        limit=np.where(spoiled(q), np.nan, limit), names=q.joints.names,
        unit=tuple(f"{u}/s²" for u in q.joints.units), evidence=q.joints.evidence,
        what="acceleration", source=q.limits.source.get("acceleration", ""),
    )  # fmt: skip
    yield from acceleration.exceeding(q, slower(acceleration, 2))


def example_flagged() -> Quantities:
    """The elbow accelerates with 22 rad/s² for a third of a second; its limit is 20."""
    qacc = np.array(example().motion.qacc)  # pyright: ignore[reportOptionalMemberAccess]
    qacc[40:50, 1] = 22.0
    return altered("motion", qacc=qacc)


def example_clean() -> Quantities:
    """The same with 19 rad/s²."""
    qacc = np.array(example().motion.qacc)  # pyright: ignore[reportOptionalMemberAccess]
    qacc[40:50, 1] = 19.0
    return altered("motion", qacc=qacc)
