"""Something pushes an object that nothing present could push so.

What:
    Force on every free object that no contact within its friction cone, and no drive behind it within its effort
    limit, can have applied, while something touches it.

How:
    F = Δp/Δt − m g over the interval between two frames        [N]
    min over f in the friction cones, |τ| ≤ limit of ‖F − Σ f‖, in units of the weight, ± 2.5 σ
        > 0.25 m g + 0.05 ‖F‖, and 0.25 m g + 0.5 ‖F‖ in an impact, ‖F‖ > 2 m g
    σ = m σ_a. Impacts are judged by the momentum they change; which points met between two frames is not known.

Silent when:
    a single interval leaves less than the object's weight (a grasp closed or opened in it); the scene is not known;
    nothing touches the object (M103); the solver did not converge.

Fails to see:
    contact shapes that are not modelled; friction lower than the model's; forces inside what friction can hold.

References:
    design 2: on human demonstrations in simulation the 99th percentile of the residual is 0.00–0.03 weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._momentum import allowance, objects_beyond, patient
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "M101"
NAME = "unexplained-force"
SEVERITY = Severity.ERROR
NEEDS = ("explanation",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    of_weight: float = 0.25  # [m g] settling after a drop leaves up to 0.2 in clean demonstrations, lifting leaves 1
    of_force: float = 0.05  # [1] of the force needed: a compressed contact of 5 % of the object's size


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find intervals in which a touched object is pushed by nobody."""
    assert q.explanation
    e = q.explanation
    limit = patient(e.force, allowance(e, tolerance.of_weight, tolerance.of_force), e.weight)
    yield from objects_beyond(q, e.force, e.sigma_force, limit, True, "unexplained force", "N")


def _left(force: float) -> Quantities:
    explanation = example().explanation
    assert explanation
    changed = np.array(explanation.force)
    changed[40:50] = force
    return altered("explanation", force=changed)


def example_flagged() -> Quantities:
    """1 N is left on a cube of 2 N for a third of a second."""
    return _left(1.0)


def example_clean() -> Quantities:
    """0.2 N is within the tolerance of 0.6 N."""
    return _left(0.2)
