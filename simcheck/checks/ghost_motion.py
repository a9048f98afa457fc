"""An object accelerates though nothing touches it.

What:
    Force on a free object beyond gravity while nothing is near enough to touch it.

How:
    F = Δp/Δt − m g        [N], over the interval between two frames, with no contact within reach in either frame
    ‖F‖ ± 2.5 σ > 0.2 m g,  σ = m σ_a
    Shapes that their speed would bring together within the interval count as touching.

Silent when:
    the scene is not known; something is near enough to touch the object (M101); it falls freely, F = 0.

Fails to see:
    objects moved slowly and evenly, where F is no more than what noise leaves; contacts the scene does not model
    look like ghosts.

References:
    design 5: an object that moves with nothing touching it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._momentum import objects_beyond
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "M103"
NAME = "ghost-motion"
SEVERITY = Severity.ERROR
NEEDS = ("explanation",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    of_weight: float = 0.2  # [m g] air drag of a household object at 2 m/s is below 0.1 of its weight


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find intervals in which an untouched object does not fall freely."""
    assert q.explanation
    e = q.explanation
    force, limit = np.linalg.norm(e.needed, axis=2), tolerance.of_weight * e.weight
    yield from objects_beyond(q, force, e.sigma_force, limit, False, "force with nothing touching it", "N")


def _floating(force: float) -> Quantities:
    explanation = example().explanation
    assert explanation
    touched, needed = np.array(explanation.touched), np.array(explanation.needed)
    touched[40:50] = False
    needed[40:50] = [0.0, 0.0, force]
    return altered("explanation", touched=touched, needed=needed)


def example_flagged() -> Quantities:
    """The cube of 2 N hangs in the air for a third of a second."""
    return _floating(2.0)


def example_clean() -> Quantities:
    """It falls freely."""
    return _floating(0.0)
