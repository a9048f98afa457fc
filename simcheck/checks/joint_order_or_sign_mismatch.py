"""Joints are swapped or turn the wrong way: the end effector does not go where the recording says it went.

What:
    The shape of the end effector's path by forward kinematics of the recorded joints, against the recorded one.

How:
    p_i forward kinematics, r_i recorded, both without their mean; R the rotation that fits r best (Kabsch; no
    mirror):
        c = Σ p_i · R r_i / √(Σ|p_i|² Σ|r_i|²)        [1]
        FLAGGED c < 0.8, UNDECIDED c < 0.9, each with rms(p − R r) > 5 cm        [m]
    Where the recording says it is in the base frame, c < 0.8 with R = 1 is UNDECIDED too: a sign or order that a
    rotation can undo, or a rotated frame. A constant offset or a drift leaves the shape, and is K109's.

Silent when:
    no end-effector pose was recorded, or forward kinematics of its frame is not available.

Fails to see:
    swaps between joints that move alike or little, and short paths. On 400 random 10 s motions of a 7-joint arm:
    two joints swapped: 44 % flagged, 34 % undecided; one sign: 34 % and 40 %; all joints shuffled: 76 % and 23 %.
    None flagged, at most 1 % undecided: a joint offset of 17°, a tool 20 cm longer, 10 cm aside, a gain of 1.1.

References:
    W. Kabsch, Acta Cryst. A32 (1976) 922; formats 2.6 (axis flips, zero moved to mid-range, 17° = 6 cm).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.columns import exact
from simcheck.flags import Evidence, Finding, Severity, Skipped, Status
from simcheck.quantities import EndEffector, Quantities, example
from simcheck.trajectory import Poses

CODE = "D110"
NAME = "joint-order-or-sign-mismatch"
SEVERITY = Severity.ERROR
NEEDS = ("ee",)
BLOCKS = ("C", "F", "K", "M", "G", "B", "X903")  # would only repeat this cause

_FEWEST = 7  # [frames] D115


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set; see Fails to see for what the first two separate."""

    wrong: float = 0.8  # [1] correlation of the paths below which the shape is another one
    doubtful: float = 0.9  # [1] the lowest 1 % of harmless differences (a tool 20 cm longer) reach 0.91
    residual: float = 0.05  # [m] rms: a joint offset of 17° or a wrong tool frame stays near it (formats 2.6)


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Compare the paths' shapes."""
    assert q.ee is not None
    compared = {name: ee for name, ee in q.ee.items() if ee.recorded is not None}
    if not compared:
        yield Skipped("no end-effector pose was recorded")
    for name, ee in compared.items():
        yield from _compare(q, name, ee, tolerance)


def _compare(q: Quantities, name: str, ee: EndEffector, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    assert ee.recorded is not None
    rows = np.isfinite(ee.position).all(axis=1) & np.isfinite(ee.recorded.position).all(axis=1)
    if rows.sum() < _FEWEST:
        yield Skipped(f"{int(rows.sum())} frames have a pose of {name}", partly=True)
        return
    computed, recorded = _centred(ee.position[rows]), _centred(ee.recorded.position[rows])
    turned = recorded @ best_rotation(recorded, computed)
    c, residual = _agreement(computed, turned)
    status = Status.FLAGGED if c < tolerance.wrong else Status.UNDECIDED
    what = "in any orientation"
    if c >= tolerance.doubtful or residual <= tolerance.residual:
        c, residual = _agreement(computed, recorded)
        status, what = Status.UNDECIDED, "only if the frame is rotated"
        if not ee.recorded_frame_known or c >= tolerance.wrong or residual <= tolerance.residual:
            return
    if ee.evidence is Evidence.INFERRED:
        status = Status.UNDECIDED
    agrees = "does not match" if what == "in any orientation" else "matches"
    message = f"path of {name} from the joints {agrees} the recorded one {what}: correlation {c:.2f}"
    message += f", {residual * 100:.3g} cm rms apart; joint order or sign?"
    frame = q.frame[rows]
    limit = tolerance.doubtful if status is Status.UNDECIDED and c >= tolerance.wrong else tolerance.wrong
    yield exact((int(frame[0]), int(frame[-1])), name, c, limit, "1", message, status=status, evidence=ee.evidence)


def best_rotation(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """(3, 3) proper rotation R with `points` @ R closest to `onto`; both (T, 3) and centred."""
    u, _, vt = np.linalg.svd(points.T @ onto)
    return (u * np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])) @ vt


def _centred(points: np.ndarray) -> np.ndarray:
    return points - points.mean(axis=0)


def _agreement(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Correlation and rms distance [m] of two centred paths."""
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return (float(np.sum(a * b)) / size if size > 0 else 1.0), float(np.sqrt(np.mean(np.sum((a - b) ** 2, axis=1))))


def _recording(path: np.ndarray) -> Quantities:
    ee = example().ee
    assert ee
    return example(ee={"ee": replace(ee["ee"], recorded=Poses(path, None), recorded_frame_known=False)})


def example_flagged() -> Quantities:
    """The recorded end effector swings twice as often as the computed one."""
    angle = 0.4 * np.sin(2 * np.pi * 0.8 * example().time)
    return _recording(0.5 * np.stack([np.cos(angle), np.sin(angle), np.ones(90)], axis=1))


def example_clean() -> Quantities:
    """The recorded path is the computed one."""
    ee = example().ee
    assert ee
    return _recording(ee["ee"].position)
