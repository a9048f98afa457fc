"""The robot is inside itself.

What:
    Overlap of two links of one arm.

How:
    depth ± 2.5 σ > tolerance        [mm]
    depth = −distance of the collision shapes, deepest contact of the pair in the frame; σ holds joint noise seen at
    the contact and the stated error of the shapes, so a near miss within that error is UNDECIDED.

Silent when:
    the pair overlaps at the home pose too (how the model is made); both bodies are parts of a gripper by their
    names (fingers close on each other); the motion does not change their distance (neighbouring links) and they do
    not surely overlap; the model excludes the pair from collision.

Fails to see:
    collisions between two frames; cables, covers and tools that the model does not have.

References:
    penetration tolerances of peers: 1 mm (DexGraspNet), 10 mm on more than 5 frames (GMR).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._overlap import TOUCH, deeper
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered

CODE = "C101"
NAME = "self-collision"
SEVERITY = Severity.ERROR
NEEDS = ("contacts",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    depth: float = TOUCH  # [mm] DexGraspNet rejects from 1 mm; the shapes' own error is in σ


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find body pairs that overlap."""
    yield from deeper(q, "self", tolerance.depth, "overlap")


def _apart(by: float) -> Quantities:
    dist = np.full(90, 0.05)
    dist[40:50] = by
    return altered("contacts", dist=dist)


def example_flagged() -> Quantities:
    """The hand is 6 mm inside the upper arm, known to 2.5 mm."""
    return _apart(-0.006)


def example_clean() -> Quantities:
    """It stays 8 mm away."""
    return _apart(0.008)
