"""The robot is inside an object.

What:
    Overlap of a robot link with something that can move: a grasp that goes through the object, or an object pose that
    lags behind the hand.

How:
    depth ± 2.5 σ > tolerance        [mm]
    depth = −distance of the collision shapes, deepest contact of the pair in the frame; σ holds joint noise seen at
    the contact and the stated error of the shapes.

Silent when:
    no object poses were recorded.

Fails to see:
    soft objects, which really give; noise of the recorded object pose, which is not in σ.

References:
    10 mm: DexGraspBench rejects beyond. Grasps in human demonstrations recorded in simulation (robosuite) sink
    3–5 mm as a rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._overlap import deeper
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered

CODE = "C105"
NAME = "object-penetration"
SEVERITY = Severity.WARNING
NEEDS = ("contacts",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    depth: float = 10.0  # [mm] DexGraspBench rejects beyond; soft grasps of a simulator sink 3–5 mm


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find body pairs that overlap."""
    yield from deeper(q, "object", tolerance.depth, "overlap")


def _apart(by: float) -> Quantities:
    dist = np.full(90, 0.05)
    dist[40:50] = by
    return altered("contacts", dist=dist, kind=("object",))


def example_flagged() -> Quantities:
    """A finger is 15 mm inside the cube, known to 2.5 mm."""
    return _apart(-0.015)


def example_clean() -> Quantities:
    """It presses 2 mm into it."""
    return _apart(-0.002)
