"""Two arms are inside each other.

What:
    Overlap of links of two robots or two arms on separate bases.

How:
    depth ± 2.5 σ > tolerance        [mm]
    depth = −distance of the collision shapes, deepest contact of the pair in the frame; σ holds joint noise seen at
    the contact and the stated error of the shapes.

Silent when:
    both bodies are parts of a gripper by their names (a hand-over); the pair overlaps at the home pose.

Fails to see:
    a wrong distance between the two bases, which moves every contact; arms that hang from one torso are one robot
    to the model and belong to C101.

References:
    as C101.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._overlap import TOUCH, deeper
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered

CODE = "C102"
NAME = "arm-collision"
SEVERITY = Severity.ERROR
NEEDS = ("contacts",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    depth: float = TOUCH  # [mm] DexGraspNet rejects from 1 mm; the shapes' own error is in σ


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find body pairs that overlap."""
    yield from deeper(q, "arms", tolerance.depth, "overlap")


def _apart(by: float) -> Quantities:
    dist = np.full(90, 0.05)
    dist[40:50] = by
    return altered("contacts", dist=dist, kind=("arms",))


def example_flagged() -> Quantities:
    """One arm is 6 mm inside the other, known to 2.5 mm."""
    return _apart(-0.006)


def example_clean() -> Quantities:
    """They stay 8 mm apart."""
    return _apart(0.008)
