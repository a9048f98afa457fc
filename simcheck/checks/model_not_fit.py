"""The model of the robot or the scene is not fit for what it is used for.

What:
    What the lint of the compiled model found: missing mass, impossible inertia, placeholder inertia, inverted or
    missing limits, shapes that overlap at rest.

How:
    one finding per sentence of the lint that starts with "error:" or "warning:", up to 10; the last one says how
    many are left. Nothing is computed here. The finding is about the model, never about the recording.

Silent when:
    the lint found nothing worse than "info:".

Fails to see:
    a consistent model of another robot (X903 sees it where effort was measured).

References:
    numerics 9 (inertial traps); hazards 2.1, 5B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import exact, whole
from simcheck.flags import Evidence, Finding, Severity, Skipped
from simcheck.quantities import Quantities, example

CODE = "X904"
NAME = "model-not-fit"
SEVERITY = Severity.WARNING
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    most: int = 10  # [1] findings listed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Report what the lint of the model found."""
    found = [s for s in q.model_findings if not s.startswith("info:")]
    for k, sentence in enumerate(found[: tolerance.most]):
        left = len(found) - tolerance.most if k == tolerance.most - 1 else 0
        message = sentence + (f"; {left} more findings" if left > 0 else "")
        yield exact(whole(q.trajectory), "model", np.nan, np.nan, "", message, evidence=Evidence.DECLARED)


def example_flagged() -> Quantities:
    """A moving body has no mass."""
    return example(model_findings=("error: body hand moves but has no mass", "info: no jerk limit for 2 joints"))


def example_clean() -> Quantities:
    """Only something worth knowing."""
    return example(model_findings=("info: no jerk limit for 2 joints",))
