"""The model does not describe the robot whose effort was measured.

What:
    Measured effort against what the model needs for the recorded motion, over the whole episode. The finding is
    about the model (a missing or extra hand, another arm, wrong units of effort), not about the recording.

How:
    r = smooth measured − needed,   σ = √(σ_needed² + σ_measured²)        [N m, N]
    over the frames in which the robot touches nothing:
        min(rms(r), 1.4826 · median|r|) > 2.5 · rms(σ), and rms(r) > 1 % of the effort limit (5 % of the rms
        measured effort without one)
    The median holds it to what lasts: single events are the business of force checks. One finding names the
    joints. The point mass at the end effector that explains the residual best, with w the effort per kilogram,
        m̂ = Σ w r/σ² / Σ w²/σ²,   explained = 1 − Σ (r − m̂ w)²/σ² / Σ r²/σ²
    is given where it explains more than half.

Silent when:
    no effort was measured, or fewer than 20 frames are free of contact; the recorded effort is a magnitude (never
    negative where the model needs both signs), as drives report that only know their current.

Fails to see:
    errors smaller than the stated uncertainty of model and friction; errors that the motion does not excite (an
    inertia in a slow motion); unknown contacts, which look like a wrong model.

References:
    hazards 7; Panda at 1 kHz: rms .37 .63 .35 .60 .33 .19 .27 N m against its model without hand, .69 2.57 1.73
    3.0 .58 .65 .27 N m against the one with hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.decide import COVERAGE
from simcheck.flags import Evidence, Finding, Severity, Skipped, Status, weakest
from simcheck.quantities import Quantities, example

CODE = "X903"
NAME = "model-and-data-disagree"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "effort", "measured_effort")

_FEWEST = 20  # [frames]
_GAUSS = 1.4826  # median |r| of a Gaussian -> its σ
_OF_MEASURED = 0.05  # [1] material share of the rms measured effort where no limit is known: gauge accuracy


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    of_limit: float = 0.01  # [1] of the effort limit that is material; joint torque sensors resolve about 0.5 %
    explained: float = 0.5  # [1] share of the residual a payload must explain to be named


@dataclass(frozen=True, slots=True)
class _Residual:
    """Frames without contact, judged joints."""

    joints: np.ndarray
    r: np.ndarray
    sigma: np.ndarray
    measured: np.ndarray
    per_kg: np.ndarray


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Compare measured with needed effort over the whole episode."""
    assert q.joints
    assert q.measured_effort
    found = _residual(q)
    if found is None:
        yield Skipped(f"fewer than {_FEWEST} frames have a measured effort and no contact")
        return
    if _unsigned(found):
        yield Skipped("the recorded effort has no sign: a magnitude cannot be compared with what the model needs")
        return
    rms, sigma = _rms(found.r), _rms(found.sigma)
    lasting = np.minimum(rms, _GAUSS * np.median(np.abs(found.r), axis=0))
    limit = q.limits.effort[found.joints] if q.limits else np.full(len(rms), np.nan)
    material = np.where(np.isfinite(limit), tolerance.of_limit * limit, _OF_MEASURED * _rms(found.measured))
    wrong = np.flatnonzero((lasting > COVERAGE * sigma) & (rms > material))
    if not len(wrong):
        return
    worst = wrong[(rms[wrong] / sigma[wrong]).argmax()]
    dofs = [int(found.joints[k]) for k in wrong]
    evidence = weakest(q.measured_effort.evidence, *(q.joints.effort_evidence[j] for j in dofs))
    listed = ", ".join(f"{q.joints.names[j]} {rms[k]:.2g} ± {sigma[k]:.2g}" for j, k in zip(dofs, wrong, strict=True))
    unit = "N m" if q.joints.units[found.joints[worst]] == "rad" else "N"
    payload = _payload(found, tolerance.explained)
    half = COVERAGE * float(sigma[worst]) / np.sqrt(len(found.r))
    yield Finding(
        status=Status.UNDECIDED if evidence is Evidence.INFERRED else Status.FLAGGED,
        frames=(int(q.frame[0]), int(q.frame[-1])), place=q.joints.names[found.joints[worst]],
        value=float(rms[worst]), limit=float(max(COVERAGE * sigma[worst], material[worst])),
        interval=(float(rms[worst]) - half, float(rms[worst]) + half), unit=unit, evidence=evidence,
        message=f"the model does not give the measured effort; rms difference {listed} {unit}{payload}",
        remedy="use the model of the robot that was recorded, with its hand and payload",
    )  # fmt: skip


def _residual(q: Quantities) -> _Residual | None:
    assert q.joints
    assert q.effort
    assert q.measured_effort
    free = ~q.effort.in_contact
    measured = q.measured_effort.smooth
    joints = np.flatnonzero(q.joints.robot & q.joints.actuated & np.isfinite(measured).any(axis=0))
    r = measured[:, joints] - q.effort.needed[:, joints]
    rows = free & np.isfinite(r).all(axis=1)
    if rows.sum() < _FEWEST or not len(joints):
        return None
    sigma = np.hypot(q.effort.sigma, q.measured_effort.sigma)[rows][:, joints]
    return _Residual(joints, r[rows], sigma, measured[rows][:, joints], q.effort.per_payload[rows][:, joints])


def _unsigned(found: _Residual) -> bool:
    """Whether a never negative effort stands for a need that is clearly negative in a tenth of the values."""
    needed = found.measured - found.r
    return bool(np.all(found.measured > -COVERAGE * found.sigma) and np.mean(needed < -COVERAGE * found.sigma) > 0.1)


def _payload(found: _Residual, enough: float) -> str:
    """What mass at the end effector would explain, in words; empty where it explains little."""
    if not np.isfinite(found.per_kg).all():
        return ""
    w, r = found.per_kg / found.sigma, found.r / found.sigma
    if not w.any():
        return ""
    mass = float(np.sum(w * r) / np.sum(w * w))
    explained = 1 - float(np.sum((r - mass * w) ** 2) / np.sum(r * r))
    if explained < enough:
        return ""
    says = "the model carries" if mass < 0 else "the model lacks"
    return f"; {says} {abs(mass):.2g} kg at the end effector, which explains {explained:.0%} of it"


def _rms(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(x**2, axis=0))


def _with_payload(mass: float) -> Quantities:
    q = example()
    assert q.effort
    assert q.measured_effort
    measured = q.effort.needed + mass * q.effort.per_payload
    return replace(q, measured_effort=replace(q.measured_effort, raw=measured, smooth=measured))


def example_flagged() -> Quantities:
    """The arm carries 0.8 kg that the model does not have: 4 N m where 0.2 are explained."""
    return _with_payload(0.8)


def example_clean() -> Quantities:
    """It carries 20 g."""
    return _with_payload(0.02)
