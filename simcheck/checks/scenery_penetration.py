"""The robot is inside the table, the wall or the floor.

What:
    Overlap of a robot link with something that cannot move.

How:
    depth ± 2.5 σ > tolerance        [mm]
    depth = −distance of the collision shapes, deepest contact of the pair in the frame; σ holds joint noise seen at
    the contact and the stated error of the shapes.

Silent when:
    the recording has no scene, so that there is nothing to touch; the pair overlaps at the home pose.

Fails to see:
    scenery that was measured wrongly: an offset table looks like this in every episode. Tunnelling between frames.

References:
    peers tolerate 1–10 mm (DexGraspNet 1, holosoma and GMR 10); soft contacts of the engine sink 1–2 mm under an
    arm's push, and hulls of CAD meshes are off by up to 5 mm, which a mere touch must survive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._overlap import deeper
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered

CODE = "C103"
NAME = "scenery-penetration"
SEVERITY = Severity.ERROR
NEEDS = ("contacts",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    depth: float = 5.0  # [mm] a mere touch is known to the 5 mm of a CAD hull; peers tolerate 1–10 mm


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find body pairs that overlap."""
    yield from deeper(q, "scenery", tolerance.depth, "overlap")


def _apart(by: float) -> Quantities:
    dist = np.full(90, 0.05)
    dist[40:50] = by
    return altered("contacts", dist=dist, kind=("scenery",))


def example_flagged() -> Quantities:
    """The hand is 12 mm inside the table, known to 2.5 mm."""
    return _apart(-0.012)


def example_clean() -> Quantities:
    """It stays 1 mm above it."""
    return _apart(0.001)
