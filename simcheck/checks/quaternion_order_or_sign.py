"""An orientation changes sign between frames, or its components may be in the other order.

What:
    Orientations of the base, of end effectors and of objects.

How:
    sign   q_i · q_{i−1} < −0.7: the same rotation within 90°, written with the opposite sign. FLAGGED; harmless to
           physics, but a model that is trained on the numbers sees a jump.
    order  base only: up(q) = 1 − 2 (x² + y²), the cosine of its tilt. UNDECIDED where the median is < 0.5 (more
           than 60° tilted) as read, and > 0.9 (less than 26°) if the numbers are taken for xyzw instead.

Silent when:
    no orientation was recorded.

Fails to see:
    a wrong order while the heading stays near zero: (0, 0, 0, 1) is upright either way, turned by 180°; a wrong
    order of an end effector or object, which has no upright. Rotation speeds do not tell: exchanging components is
    an isometry of the quaternions, so every angle between frames stays as it was.

References:
    hazards 5C; data notes of G1 LAFAN1 and G1 ASAP (xyzw), G1 box (wxyz).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import exact, quaternions, whole
from simcheck.flags import Finding, Severity, Skipped, Status
from simcheck.quantities import Quantities, altered
from simcheck.trajectory import Poses

CODE = "D112"
NAME = "quaternion-order-or-sign"
SEVERITY = Severity.INFO
NEEDS = ()

_SAME = -0.7  # [1] cos 135°: less than 90° of rotation after the sign is corrected


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    tilted: float = 0.5  # [1] cos 60°: walking, running and squatting bases stay well within (median over time)
    upright: float = 0.9  # [1] cos 26°: the lean of a run


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find sign flips, and a base that is upright only in the other order."""
    recorded = quaternions(q.trajectory)
    if not recorded:
        yield Skipped("no orientation was recorded")
    for name, values in recorded.items():
        flips = np.flatnonzero(np.einsum("ij,ij->i", values[1:], values[:-1]) < _SAME)
        if len(flips):
            message = f"quaternion of {name} changes sign {len(flips)} times, first in frame {flips[0] + 1}"
            remedy = "negate the quaternions between the flips; the rotations stay"
            yield exact(
                (int(flips[0]), int(flips[-1]) + 1), name, float(len(flips)), 0.0, "flips", message, remedy=remedy
            )
    if "base" in recorded:
        yield from _order(q, recorded["base"], tolerance)


def _order(q: Quantities, values: np.ndarray, tolerance: Tolerance) -> Iterator[Finding]:
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        return
    as_read = float(np.median(1 - 2 * (values[:, 1] ** 2 + values[:, 2] ** 2)))
    as_xyzw = float(np.median(1 - 2 * (values[:, 0] ** 2 + values[:, 1] ** 2)))
    if as_read < tolerance.tilted and as_xyzw > tolerance.upright:
        message = (
            f"the base is tilted by {np.degrees(np.arccos(max(as_read, -1))):.0f}° as read (wxyz), "
            f"by {np.degrees(np.arccos(min(as_xyzw, 1))):.0f}° if the numbers are xyzw"
        )
        yield exact(whole(q.trajectory), "base", as_read, tolerance.tilted, "1", message, status=Status.UNDECIDED)


def _turning(sign: float) -> Quantities:
    """A cube that turns about z at 1 rad/s; from frame 45 on its quaternion is multiplied by `sign`."""
    half = np.arange(90) / 60
    quaternion = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    quaternion[45:] *= sign
    return altered("trajectory", objects={"cube": Poses(np.zeros((90, 3)), quaternion)})


def example_flagged() -> Quantities:
    """The sign changes once."""
    return _turning(-1.0)


def example_clean() -> Quantities:
    """It does not."""
    return _turning(1.0)
