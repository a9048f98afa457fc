"""The recorded end-effector pose is not where the recorded joints put it.

What:
    Recorded end-effector pose against forward kinematics of the recorded joints. A zero offset of one joint, a lag
    between the two recordings, another base frame or a model of other link lengths look like this.

How:
    e = Rᵀ(p_recorded − p_FK) in the end effector's frame; |e − median(e)| − 2.5 σ > tolerance        [m]
    and the same for the angle of R⁻¹R_recorded about its mean [rad]. A constant e is what another tool frame looks
    like; no recording says which tool frame it means, so a constant offset beyond the tolerance is UNDECIDED.
    The flag says whether a delay (e ≈ −τ v) or a constant offset in the base frame explains more than 80 % of it.

Silent when:
    no pose was recorded, or the recording does not say that it is in the base frame.

Fails to see:
    a wrong joint zero in an episode that hardly moves; poses that were computed from the same joints.

References:
    10 mm: retargeting mismatch that its authors accept (holosoma); a 17° offset of one joint of a leader–follower
    pair moved the hand 6 cm (lerobot issue 3758).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.decide import Signal
from simcheck.flags import Evidence, Finding, Severity, Skipped
from simcheck.kinematics import relative_rotation, rotation_angle, unrotated
from simcheck.quantities import EndEffector, Quantities, example
from simcheck.trajectory import Poses

CODE = "K109"
NAME = "ee-pose-drift"
SEVERITY = Severity.ERROR
NEEDS = ("ee",)
EXPLAINED = 0.8  # [1] share of the squared deviation a cause must explain to be named


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    m: float = 0.01  # [m] what retargeting accepts (holosoma); a 17° joint offset gives 60 mm
    rad: float = np.pi / 36  # [rad] 5°: moves a point 0.1 m away by the same 10 mm


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which recorded pose and joints disagree."""
    judged = 0
    for name, end in (q.ee or {}).items():
        if end.recorded is None or not end.recorded_frame_known or end.recorded.position.shape != end.position.shape:
            continue
        if not np.isfinite(end.recorded.position).all(axis=1).any():
            continue
        judged += 1
        yield from _position(q, name, end, end.recorded, tolerance)
        if end.recorded.quaternion is not None and end.recorded.quaternion.shape == end.quaternion.shape:
            yield from _orientation(q, name, end, end.recorded.quaternion, tolerance)
    if not judged:
        yield Skipped("no end-effector pose in the base frame was recorded")


def _position(q: Quantities, name: str, end: EndEffector, recorded: Poses, tolerance: Tolerance) -> Iterator[Finding]:
    error = recorded.position - end.position
    in_tool = unrotated(end.quaternion, error)
    constant = np.nanmedian(in_tool, axis=0)
    away = np.linalg.norm(in_tool - constant, axis=1)
    sigma, offset = end.sigma_position, float(np.linalg.norm(constant))
    drift = Signal(away[:, None], sigma[:, None], np.array([tolerance.m]), (name,), ("m",), (end.evidence,),
                   "change of the distance between recorded pose and forward kinematics")  # fmt: skip
    cause = _cause(q.time, end.position, error)
    rms = float(np.sqrt(np.nanmean(away**2)))
    found = list(drift.exceeding(q, lambda *_: cause))
    for f in found:
        yield replace(f, message=f"{f.message}; {rms * 1e3:.1f} mm rms about a constant {offset * 1e3:.1f} mm")
    constantly = Signal(np.full((len(q.time), 1), offset), sigma[:, None], np.array([tolerance.m]), (name,), ("m",),
                        (Evidence.INFERRED,), "constant offset of the recorded pose")  # fmt: skip
    if not found:
        where = ", ".join(f"{x * 1e3:.0f}" for x in constant)
        remedy = f"explained by a tool frame at [{where}] mm in the model's {name} frame, else a joint zero is off"
        yield from constantly.exceeding(q, lambda *_: remedy)


def _cause(time: np.ndarray, position: np.ndarray, error: np.ndarray) -> str:
    """What explains the error: a delay, an offset of the base, or growth over time."""
    known = np.isfinite(error).all(axis=1)
    t, p, e = time[known], position[known], error[known]
    if len(t) < 3:
        return ""
    velocity = np.gradient(p, t, axis=0)
    total = np.sum((e - e.mean(axis=0)) ** 2)
    delay = -np.sum(e * velocity) / max(float(np.sum(velocity**2)), 1e-12)
    if np.sum((e + delay * velocity) ** 2) < (1 - EXPLAINED) * np.sum(e**2):
        return f"explained by the recorded pose being {abs(delay) * 1e3:.0f} ms {'late' if delay > 0 else 'early'}"
    if total < (1 - EXPLAINED) * np.sum(e**2):
        where = ", ".join(f"{x * 1e3:.0f}" for x in e.mean(axis=0))
        return f"explained by a base frame offset of [{where}] mm"
    trend = np.polyfit(t - t.mean(), e, 1)[0]
    grown = np.sum((t - t.mean()) ** 2) * np.sum(np.square(trend)) > EXPLAINED * total
    return "it grows steadily: drift" if grown else "it varies with the pose: a joint zero offset or other link lengths"


def _orientation(
    q: Quantities, name: str, end: EndEffector, recorded: np.ndarray, tolerance: Tolerance
) -> Iterator[Finding]:
    relative = relative_rotation(end.quaternion, recorded)
    known = np.flatnonzero(np.isfinite(relative).all(axis=1))
    if not len(known):
        return
    aligned = relative * np.where(relative @ relative[known[0]] < 0, -1.0, 1.0)[:, None]
    mean = np.nanmean(aligned, axis=0)
    mean = np.broadcast_to(mean / max(float(np.linalg.norm(mean)), 1e-12), relative.shape)
    away = rotation_angle(relative_rotation(mean, relative))
    # each joint's noise turns the tool by at most itself
    noise = np.sqrt(np.sum(q.motion.sigma_qpos[q.joints.robot] ** 2)) if q.motion and q.joints else 0.0
    turned = Signal(away[:, None], np.full((len(away), 1), noise), np.array([tolerance.rad]), (name,), ("rad",),
                    (end.evidence,), "change of the angle between recorded pose and forward kinematics")  # fmt: skip
    yield from turned.exceeding(q)


def _drifts(to: float) -> Quantities:
    base = example()
    end = (base.ee or {})["ee"]
    off = np.linspace(0, to, len(base.time))[:, None] * np.array([0.0, 0.0, 1.0])
    return replace(base, ee={"ee": replace(end, recorded=Poses(end.position + off, None))})


def example_flagged() -> Quantities:
    """The recorded pose rises 40 mm above the joints' in 3 s."""
    return _drifts(0.04)


def example_clean() -> Quantities:
    """It rises 15 mm: 7.5 mm either side of its median."""
    return _drifts(0.015)
