"""The joint names of the recording are not those of the robot.

What:
    Columns that match no joint of the bound robot, and joints of the robot that no column gives where the
    recording claims to be of that robot.

How:
    one finding per note D108 of the reader or of the binding, which compares names after the spelling rules of
    the robot card; nothing is computed here. Columns are never bound by their order.

Silent when:
    every column found its joint, or no robot was bound.

Fails to see:
    names that are right over columns that are swapped (D110 sees those where an end-effector pose was recorded).

References:
    design 4 ("bound to a robot by joint name"); hazards 5C (joint permutation, states from another model).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcheck.columns import noted
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import Note

CODE = "D108"
NAME = "joint-name-mismatch"
SEVERITY = Severity.ERROR
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Nothing to set."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """Report what the binding noted."""
    yield from noted(q.trajectory, CODE)


def example_flagged() -> Quantities:
    """A column that no joint answers to."""
    return altered("trajectory", notes=(Note(CODE, "observation.state", "column 'sholder' matches no joint"),))


def example_clean() -> Quantities:
    """Every column found its joint."""
    return example()
