"""A file of the episode could not be read, or was refused because reading it is not safe.

What:
    Everything the reader of the format noted under D101: truncated or corrupt files, files that point out of
    the dataset, archives that unpack to too much, pickled objects.

How:
    one finding per note of the reader; nothing is computed. The rest of the episode is judged as far as it was
    read.

Silent when:
    the reader read everything, or could read nothing (then there is no episode, and the run reports the error).

Fails to see:
    bytes that changed into other valid numbers: 87 % of random two-byte changes of a Parquet file without page
    checksums read without an error.

References:
    hazards 2.2, 2.3, 5A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simcheck.columns import noted
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import Note

CODE = "D101"
NAME = "unreadable-or-refused-input"
SEVERITY = Severity.ERROR
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Nothing to set."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """Report the reader's notes."""
    yield from noted(q.trajectory, CODE)


def example_flagged() -> Quantities:
    """One data file ends early."""
    return altered("trajectory", notes=(Note(CODE, "episode_0.parquet", "ends before its footer"),))


def example_clean() -> Quantities:
    """Nothing noted."""
    return example()
