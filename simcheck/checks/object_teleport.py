"""An object is somewhere else in the next frame.

What:
    Steps of recorded object positions that stand far above the object's own motion: tracking that lost the object,
    frames that were cut out, a reset inside an episode.

How:
    |p_i − p_(i−1)| > max(20 mm, 5 × the largest of the 8 steps around it)        [m]
    A throw or a drop makes its neighbours as large as itself; a jump stands alone.

Silent when:
    no object poses were recorded.

Fails to see:
    jumps below 20 mm; jumps during a fast motion; two jumps within five frames; turns without displacement.

References:
    20 mm: above what marker or depth tracking scatters; K105 for joints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.columns import exact
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, example
from simcheck.trajectory import Poses

CODE = "M104"
NAME = "object-teleport"
SEVERITY = Severity.ERROR
NEEDS = ()

_AROUND = 4  # steps on either side


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    step: float = 0.02  # [m] above what tracking scatters
    ratio: float = 5.0  # [1] to the largest step around it: an object caught in flight loses its speed within one frame


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find frames in which an object is suddenly elsewhere."""
    if not q.trajectory.objects:
        yield Skipped("no object poses were recorded")
        return
    for name, poses in q.trajectory.objects.items():
        step = np.nan_to_num(np.linalg.norm(np.diff(poses.position, axis=0), axis=1))
        allowed = np.maximum(tolerance.step, tolerance.ratio * _largest_around(step))
        for i in np.flatnonzero(step > allowed):
            message = (
                f"{name} moves {step[i]:.3g} m from one frame to the next; around it {allowed[i]:.2g} m would be much"
            )
            yield exact((int(i), int(i) + 1), name, float(step[i]), float(allowed[i]), "m", message)


def _largest_around(step: np.ndarray) -> np.ndarray:
    """(n,) largest of the neighbouring steps, the step itself left out."""
    padded = np.pad(step, _AROUND)
    shifts = [k for k in range(2 * _AROUND + 1) if k != _AROUND]
    return np.max([padded[k : k + len(step)] for k in shifts], axis=0) if len(step) else step


def _moved(by: float) -> Quantities:
    q = example()
    position = np.tile([0.5, 0.0, 0.1], (90, 1)) + 1e-3 * np.sin(np.arange(90))[:, None]
    position[40:] += [by, 0.0, 0.0]
    return replace(q, trajectory=replace(q.trajectory, objects={"cube": Poses(position, None)}))


def example_flagged() -> Quantities:
    """The cube jumps by 0.3 m."""
    return _moved(0.3)


def example_clean() -> Quantities:
    """It shifts by 10 mm."""
    return _moved(0.01)
