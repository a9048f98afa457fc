"""The physics engine warned while it computed this episode.

What:
    Warnings of the engine, by name and number: unstable numbers, full contact buffers, bad control.

How:
    count > 0 of any warning. One finding per name. Numbers computed with a warning are not trusted.

Silent when:
    the engine had nothing to say.

Fails to see:
    errors of the engine that it does not notice itself; see the agreement with the second engine.

References:
    hazards 5D (any warning counter above 0 is a finding; such an episode never passes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcheck.columns import exact, whole
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, example

CODE = "X902"
NAME = "engine-warning"
SEVERITY = Severity.ERROR
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Nothing to set: one warning is one too many."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """Report the engine's warnings."""
    for name, count in q.engine_warnings.items():
        if count > 0:
            message = f"the engine warned {count} times: {name}"
            yield exact(whole(q.trajectory), name, float(count), 0.0, "warnings", message)


def example_flagged() -> Quantities:
    """The acceleration was bad once."""
    return example(engine_warnings={"BADQACC": 1})


def example_clean() -> Quantities:
    """It was not."""
    return example(engine_warnings={"BADQACC": 0})
