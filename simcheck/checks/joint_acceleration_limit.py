"""A joint accelerates harder than its drive can.

What:
    Acceleration of each robot joint against the acceleration limit of its card.

How:
    |q̈_j| ± 2.5 σ_q̈,j > q̈_max,j        [rad/s², m/s²]
    q̈ from the local quartic fit of the recorded positions; σ from sample noise and fit bias.
    Slowing the motion by s divides q̈ by s², so s = √((|q̈_j| + 2.5 σ) / q̈_max,j).

Silent when:
    no acceleration limit is declared for the joint (no model file has one; cards do); within 0.5 s of a teleport
    of the joint (K105).

Fails to see:
    peaks shorter than the fit's window (0.5 s, at least 7 samples): the estimate is of the band-limited motion and
    understates a step in acceleration; limits that depend on pose or load.

References:
    numerics: a raw second difference at 50 Hz with 1 mrad of noise is wrong by 6 rad/s², the fit by 0.02;
    the limit's own source is quoted in the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._derivative import joints_beyond
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "K103"
NAME = "joint-acceleration-limit"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "limits", "motion")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which a joint accelerates too hard."""
    yield from joints_beyond(q, 2, tolerance.scale)


def example_flagged() -> Quantities:
    """The elbow accelerates with 22 rad/s² for a third of a second; its limit is 20."""
    qacc = np.array(example().motion.qacc)  # pyright: ignore[reportOptionalMemberAccess]
    qacc[40:50, 1] = 22.0
    return altered("motion", qacc=qacc)


def example_clean() -> Quantities:
    """The same with 19 rad/s²."""
    qacc = np.array(example().motion.qacc)  # pyright: ignore[reportOptionalMemberAccess]
    qacc[40:50, 1] = 19.0
    return altered("motion", qacc=qacc)
