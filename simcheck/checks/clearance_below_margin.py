"""Two links pass each other closer than a planner would let them.

What:
    Smallest distance between two links of the robot, or of two arms, that never touch.

How:
    distance ± 2.5 σ < margin        [mm]
    reported as depth, the negative distance, against minus the margin, so that more is worse as in C101. One finding
    per pair and range, its worst frame the closest.

Silent when:
    the pair may collide (C101, C102); it overlaps at the home pose; both bodies are parts of a gripper; the motion
    does not change their distance (neighbouring links).

Fails to see:
    approach between two frames; distances beyond what the model's contact margin lists.

References:
    5 mm: validators call bodies in contact from 2, 5, 10 or 20 mm, depending on the tool; the contact list reaches
    5 mm beyond the stated error of the shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.checks._overlap import MM, ROBOT, colliding, overlap
from simcheck.flags import Finding, Severity, Skipped, Status
from simcheck.quantities import Quantities, altered

CODE = "C104"
NAME = "clearance-below-margin"
SEVERITY = Severity.INFO
NEEDS = ("contacts",)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    margin: float = 5.0  # [mm] peers: 2 to 20; the contact list reaches this far


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find pairs that come too close."""
    assert q.contacts is not None
    if q.contacts.margin * MM < tolerance.margin:
        yield Skipped(f"distances are listed up to {q.contacts.margin * MM:g} mm only", partly=True)
    near = overlap(q, ROBOT)
    limit = np.where(colliding(near), np.nan, -tolerance.margin)
    for f in near.signal(q.contacts, limit, "depth").exceeding(q):
        low, high = -f.interval[1], -f.interval[0]
        sure = f.status is Status.FLAGGED
        message = f"{f.place.replace(' / ', ' and ')} are {-f.value:.1f} mm apart ({low:.1f} to {high:.1f} mm), "
        yield replace(f, message=f"{message}{'' if sure else 'perhaps '}below the margin of {tolerance.margin:g} mm")


def _apart(by: float, sigma: float) -> Quantities:
    dist = np.full(90, 0.05)
    dist[40:50] = by
    return altered("contacts", dist=dist, sigma=np.full(90, sigma))


def example_flagged() -> Quantities:
    """The hand passes the upper arm at 3 mm, known to 0.5 mm."""
    return _apart(0.003, 2e-4)


def example_clean() -> Quantities:
    """At 6 mm."""
    return _apart(0.006, 2e-4)
