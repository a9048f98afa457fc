"""The metadata of the dataset says something else than its rows.

What:
    Everything the reader of the format noted under D114: frame and episode counts, splits, rates, features that
    are declared and absent, rows outside their episode, names that appear twice.

How:
    one finding per note of the reader; nothing is computed. The rows are believed, not the metadata.

Silent when:
    the format has no metadata, or it agrees.

Fails to see:
    metadata that is wrong and consistent, such as a feature described as joint angles that holds an
    end-effector pose.

References:
    formats 2.6 (14,983 declared frames over 899 rows; splits 0:50 over 3 episodes); hazards 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcheck.columns import noted
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import Note

CODE = "D114"
NAME = "metadata-contradicts-data"
SEVERITY = Severity.WARNING
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Nothing to set."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """Report the reader's notes."""
    yield from noted(q.trajectory, CODE)


def example_flagged() -> Quantities:
    """The table of episodes promises 100 rows, the file holds 90."""
    return altered("trajectory", notes=(Note(CODE, "episodes.jsonl", "90 rows; the table says length 100"),))


def example_clean() -> Quantities:
    """Nothing noted."""
    return example()
