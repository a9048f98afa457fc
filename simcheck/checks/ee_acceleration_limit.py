"""The end effector accelerates harder than its interface allows.

What:
    Cartesian acceleration of each end effector against the declared limit. A warning: such limits belong to
    Cartesian interfaces, and a joint-space command may exceed them.

How:
    |a| ± 2.5 σ_a > a_max        [m/s²]
    a = J q̈ + J̇ q̇ of the fitted motion. Slowing by s divides a by s², so s = √((|a| + 2.5 σ) / a_max).

Silent when:
    no limit is declared; within 0.5 s of a teleport (K105).

Fails to see:
    peaks shorter than the fit's window of 0.5 s; angular acceleration.

References:
    the limit's own source is quoted in the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcheck.checks._derivative import ee_beyond
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered

CODE = "K108"
NAME = "ee-acceleration-limit"
SEVERITY = Severity.WARNING
NEEDS = ("limits", "ee")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which an end effector accelerates too hard."""
    yield from ee_beyond(q, 2, tolerance.scale)


def example_flagged() -> Quantities:
    """1 m/s²; the limit is 0.8."""
    return altered("limits", ee_acceleration=0.8)


def example_clean() -> Quantities:
    """The limit is 1.2 m/s²."""
    return altered("limits", ee_acceleration=1.2)
