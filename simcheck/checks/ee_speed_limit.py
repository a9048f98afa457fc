"""The end effector moves faster than its interface or its risk assessment allows.

What:
    Cartesian speed of each end effector against the declared limit.

How:
    |v| ± 2.5 σ_v > v_max        [m/s]
    v from the Jacobian and the fitted joint velocities. Slowing by s divides v by s, so s = (|v| + 2.5 σ) / v_max.

Silent when:
    no limit is declared; within 0.5 s of a teleport (K105).

Fails to see:
    speeds of elbows or tools; rotation; peaks shorter than the fit's window of 0.5 s.

References:
    the limit's own source is quoted in the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcheck.checks._derivative import ee_beyond
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered

CODE = "K107"
NAME = "ee-speed-limit"
SEVERITY = Severity.ERROR
NEEDS = ("limits", "ee")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which an end effector is too fast."""
    yield from ee_beyond(q, 1, tolerance.scale)


def example_flagged() -> Quantities:
    """0.3 m/s; the limit is 0.25."""
    return altered("limits", ee_speed=0.25)


def example_clean() -> Quantities:
    """The limit is 0.4 m/s."""
    return altered("limits", ee_speed=0.4)
