"""An episode holds exactly the numbers of an earlier one.

What:
    Episodes recorded, exported or split twice: training counts them twice, and a copy in the validation split
    makes its score worthless.

How:
    sha256 of the episode's raw arrays equals that of an earlier episode of the dataset.

Silent when:
    never; every readable episode has a fingerprint.

Fails to see:
    near duplicates: re-timed, cropped, or noise-added copies; copies in another dataset.

References:
    peers: split leakage asked for in lerobot-doctor#6; BridgeData excerpt with identical train and val episodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.flags import Evidence, Finding, Severity, Skipped, Status
from simcheck.quantities import Quantities, example

CODE = "D113"
NAME = "duplicate-episode"
SEVERITY = Severity.WARNING
NEEDS = ()


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Equality has none."""


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:  # noqa: ARG001
    """Report the earlier episode this one equals."""
    if q.duplicate_of:
        yield Finding(
            Status.FLAGGED, (0, max(len(q.trajectory) - 1, 0)), q.trajectory.episode, np.nan, np.nan, (np.nan, np.nan),
            "", Evidence.MEASURED, f"the numbers of this episode are those of episode {q.duplicate_of}",
            f"leave it out, or keep both in one split with {q.duplicate_of}",
        )  # fmt: skip


def example_flagged() -> Quantities:
    """A copy of episode 3."""
    return example(duplicate_of="episode 3")


def example_clean() -> Quantities:
    """No copy."""
    return example()
