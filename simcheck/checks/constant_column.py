"""A column never changes while others do.

What:
    Columns of position and action that hold one value over the whole episode.

How:
    max x − min x = 0 in a column, and > 0 in at least one other of the same channel. One finding lists all.
    Legs and neck of a humanoid that only used its arms look like this, and so does a sensor that is not
    connected; a model trained on such columns divides by a standard deviation of zero.

Silent when:
    nothing moves at all (D107), or the channel was not recorded.

Fails to see:
    dead sensors that show noise, or froze after some time.

References:
    hazards 5C; 18 of 44 state columns of a public GR-1 dataset are constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import channel_of, exact, finite_part, several, span_of, tables, whole
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import Channel

CODE = "D118"
NAME = "constant-column"
SEVERITY = Severity.INFO
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Nothing to set: constant means equal in every frame."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """List the columns that never change."""
    judged = [t for t in tables(q.trajectory) if t.key in ("position", "action")]
    if not judged:
        yield Skipped("neither positions nor actions were recorded as columns")
        return
    said, count = [], 0
    for table in judged:
        _, table = finite_part(table)
        moves = span_of(table.values) > 0
        if moves.any() and not moves.all():
            constant = [table.names[c] for c in np.flatnonzero(~moves)]
            count += len(constant)
            said.append(f"{len(constant)} of {len(moves)} {table.key} columns ({several(constant)})")
    if said:
        message = f"{' and '.join(said)} never change"
        yield exact(whole(q.trajectory), "columns", float(count), 0.0, "columns", message)


def _with_third(values: np.ndarray) -> Quantities:
    position = channel_of(example().trajectory, "position")
    assert position
    wide = Channel(("shoulder", "elbow", "neck"), np.c_[position.values, values], ("rad",) * 3)
    return altered("trajectory", position=wide)


def example_flagged() -> Quantities:
    """The neck stays at 0.1 rad."""
    return _with_third(np.full(90, 0.1))


def example_clean() -> Quantities:
    """It turns a little."""
    return _with_third(0.1 + 0.01 * np.sin(np.arange(90) / 20))
