"""The end effector is farther out than the robot reaches.

What:
    Horizontal distance of each end effector from the base axis against the reach on the robot's card. The model
    itself can hardly be stretched, so this finds a wrong model, rail or base, or a workspace declared smaller.

How:
    √(x² + y²) ± 2.5 σ > reach + tolerance        [m]
    in the base frame. Datasheets measure reach horizontally, up to the wrist or the flange: straight up, a Panda's
    flange is about 1.1 m from its base though its reach is 0.855 m.

Silent when:
    the card has no reach.

Fails to see:
    points inside the reach that the arm still cannot take up (joint ranges, self-collision); vertical excess.

References:
    reach: the datasheet cited on the card. Tolerance: flange beyond the wrist 0.13 m (LBR iiwa) + hand 0.12 m.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.decide import Signal
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import ee_columns, ee_places
from simcheck.quantities import Quantities, altered

CODE = "K106"
NAME = "outside-reach"
SEVERITY = Severity.WARNING
NEEDS = ("limits", "ee")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    m: float = 0.25  # [m] wrist to flange 0.13 (LBR iiwa) and a hand of 0.12 beyond what datasheets call reach


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which an end effector is too far out."""
    assert q.limits
    assert q.ee is not None
    if np.isnan(q.limits.reach) or not q.ee:
        yield Skipped("the robot has no declared reach" if q.ee else "the robot has no end-effector frame")
        return
    names, evidence = ee_places(q)
    distance = Signal(
        derived=False, value=np.stack([np.hypot(*e.position[:, :2].T) for e in q.ee.values()], axis=1),
        sigma=ee_columns(q, "sigma_position"), limit=np.full(len(names), q.limits.reach + tolerance.m), names=names,
        unit=("m",) * len(names), evidence=evidence,
        what="horizontal distance from the base", source=q.limits.source.get("reach", ""),
    )  # fmt: skip
    yield from distance.exceeding(q)


def example_flagged() -> Quantities:
    """0.5 m from the base axis; the arm reaches 0.2 m."""
    return altered("limits", reach=0.2)


def example_clean() -> Quantities:
    """The arm reaches 0.3 m."""
    return altered("limits", reach=0.3)
