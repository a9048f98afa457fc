"""A recorded orientation is not a unit quaternion.

What:
    Orientations of the base, of end effectors, of objects, and of free and ball joints.

How:
    | ‖q‖ − 1 | > 1e-3        [1]
    One finding per pose, at its worst frame. Half precision rounds a unit quaternion by at most 5e-4 (4 components,
    2⁻¹¹ each), single precision by 6e-8; a mean of two quaternions 5° apart is short by 5e-4.

Silent when:
    no orientation was recorded.

Fails to see:
    unit quaternions that mean something else (order: D112), and readers that normalise before simcheck sees them.

References:
    hazards 5C; G1 LAFAN1 motions: below 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import exact, quaternions
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered
from simcheck.trajectory import Poses

CODE = "D111"
NAME = "quaternion-norm"
SEVERITY = Severity.ERROR
NEEDS = ()

_SIZES = {6: (7, 3), 3: (4, 0)}  # degrees of freedom of a joint -> its width in qpos, where its quaternion starts


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    norm: float = 1e-3  # [1] twice what half precision can do to a unit quaternion


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find orientations that are not of unit length."""
    recorded = {name: (values, np.arange(len(values))) for name, values in quaternions(q.trajectory).items()}
    judged = {name: (values, q.frame) for name, values in _of_joints(q).items()}
    if not recorded and not judged:
        yield Skipped("no orientation was recorded")
    for name, (values, frame) in (recorded | judged).items():
        off = np.linalg.norm(values, axis=1) - 1
        wrong = np.flatnonzero(np.abs(off) > tolerance.norm)
        if len(wrong):
            worst = wrong[np.abs(off[wrong]).argmax()]
            message = f"quaternion of {name} has norm {off[worst] + 1:.6g} in frame {frame[worst]}; "
            message += f"{len(wrong)} of {len(off)} frames are off by more than {tolerance.norm:g}"
            frames = int(frame[wrong[0]]), int(frame[wrong[-1]])
            yield exact(frames, name, float(abs(off[worst])), tolerance.norm, "1", message)


def _of_joints(q: Quantities) -> dict[str, np.ndarray]:
    """Quaternions of free and ball joints, found by how many degrees of freedom share a joint's name."""
    if q.joints is None or q.qpos is None or not q.joints.names:
        return {}
    names = np.array(q.joints.names)
    first = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    found, at = {}, 0
    for start, dofs in zip(first, np.diff(np.r_[first, len(names)]), strict=True):
        width, offset = _SIZES.get(int(dofs), (int(dofs), -1))
        if offset >= 0:
            found[f"joint {names[start]}"] = q.qpos[:, at + offset : at + offset + 4]
        at += width
    return found if at == q.qpos.shape[1] else {}  # joints without names cannot be told apart


def _with_norm(norm: float) -> Quantities:
    quaternion = np.tile([norm, 0, 0, 0], (90, 1))
    return altered("trajectory", objects={"cube": Poses(np.zeros((90, 3)), quaternion)})


def example_flagged() -> Quantities:
    """An object's quaternion is 1 % too long."""
    return _with_norm(1.01)


def example_clean() -> Quantities:
    """It is off by 1e-4."""
    return _with_norm(1.0001)
