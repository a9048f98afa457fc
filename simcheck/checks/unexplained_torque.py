"""Something turns an object that nothing present could turn so.

What:
    Torque on every free object that no contact within its friction cone, and no drive behind it within its effort
    limit, can have applied, while something touches it.

How:
    τ_o = ΔL/Δt + v_o × p − r × m g over the interval between two frames        [N m], about the body's origin o
    the part of it that the forces of M101 leave, ± 2.5 σ  >  ρ (0.5 m g + 0.1 ‖F‖), and 0.5 ‖F‖ in an impact;
    ρ is the radius of gyration
    σ = m ρ² σ_α. Force and torque are explained together, in units of m g and m g ρ.

Silent when:
    the scene is not known; nothing touches the object (M103); the solver did not converge.

Fails to see:
    torsional and rolling friction count as unexplained where the model has them; what M101 cannot see.

References:
    design 2; the tolerances are twice those of M101, as a contact point is known less well than a contact force.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._momentum import allowance, objects_beyond, patient
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "M102"
NAME = "unexplained-torque"
SEVERITY = Severity.ERROR
NEEDS = ("explanation",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    of_weight: float = 0.5  # [m g ρ] twice that of M101
    of_force: float = 0.1  # [ρ] of the force needed: twice that of M101


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find intervals in which a touched object is turned by nobody."""
    assert q.explanation
    e = q.explanation
    limit = e.radius * allowance(e, tolerance.of_weight, tolerance.of_force)
    limit = patient(e.torque, limit, e.radius * e.weight)
    yield from objects_beyond(q, e.torque, e.sigma_torque, limit, True, "unexplained torque", "N m")


def _left(torque: float) -> Quantities:
    explanation = example().explanation
    assert explanation
    changed = np.array(explanation.torque)
    changed[40:50] = torque
    return altered("explanation", torque=changed)


def example_flagged() -> Quantities:
    """0.05 N m is left on a cube of 2 N and 20 mm for a third of a second; 0.024 N m would do."""
    return _left(0.05)


def example_clean() -> Quantities:
    """0.005 N m is within the tolerance."""
    return _left(0.005)
