"""A recorded number is NaN or infinite.

What:
    Every numeric column of the recording: time, joint channels, poses, simulator state.

How:
    a value x of a column is not finite; one finding per channel with its columns and ranges of frames. Such frames
    are left out of everything else that is judged.

Silent when:
    every number is finite.

Fails to see:
    placeholders that are finite, such as 0, −1 or 9999 for a reading that failed.

References:
    hazards 5C.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import Table, exact, runs, several, tables, with_values
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "D102"
NAME = "non-finite-value"
SEVERITY = Severity.ERROR
NEEDS = ()

_MOST_RANGES = 5  # listed per channel


@dataclass(frozen=True, slots=True)
class Tolerance:
    """There is no tolerable NaN."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """Find channels with NaN or infinity."""
    for table in tables(q.trajectory):
        wrong = ~np.isfinite(table.values)
        if wrong.any():
            yield _finding(table, wrong)


def _finding(table: Table, wrong: np.ndarray) -> Finding:
    columns = [table.names[c] for c in np.flatnonzero(wrong.any(axis=0))]
    rows = np.asarray(wrong.any(axis=1))
    ranges = runs(rows)
    listed = ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in ranges[:_MOST_RANGES])
    more = f" and {len(ranges) - _MOST_RANGES} more ranges" if len(ranges) > _MOST_RANGES else ""
    values = table.values[wrong]
    kind = "NaN" if np.isnan(values).all() else "infinite" if np.isinf(values).all() else "NaN or infinite"
    frames = int(rows.sum())
    message = f"{table.key} {several(columns)} is {kind} in {frames} of {len(wrong)} frames: {listed}{more}"
    return exact((ranges[0][0], ranges[-1][1]), f"{table.key} {several(columns)}", frames, 0.0, "frames", message)


def _with_elbow(value: float) -> Quantities:
    trajectory = example().trajectory
    assert trajectory.position
    values = np.array(trajectory.position.values)
    values[40:43, 1] = value
    return altered("trajectory", position=with_values(trajectory, "position", values).position)


def example_flagged() -> Quantities:
    """The elbow is NaN for three frames."""
    return _with_elbow(np.nan)


def example_clean() -> Quantities:
    """Every number is finite."""
    return example()
