"""What the limit checks of speed, acceleration and jerk share, for joints and end effectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simcheck.decide import Signal, not_judged
from simcheck.flags import Finding, Skipped
from simcheck.kinematics import ee_columns, ee_places, slower, spoiled, spoiled_rows
from simcheck.quantities import Quantities

# By order of the derivative: name of the limit, of the value in Motion and in EndEffector, and the unit's tail.
ORDERS = {
    1: ("velocity", "qvel", "speed", "/s"),
    2: ("acceleration", "qacc", "acceleration", "/s²"),
    3: ("jerk", "jerk", "", "/s³"),
}


def joints_beyond(q: Quantities, order: int, scale: float) -> Iterator[Finding | Skipped]:
    """Ranges in which a joint's derivative exceeds `scale` of its limit; frames a teleport spoiled are left out."""
    assert q.joints and q.limits and q.motion
    name, value, _, tail = ORDERS[order]
    judged = q.joints.robot & q.joints.observed
    limit = np.where(judged, getattr(q.limits, name), np.nan) * scale
    if not np.isfinite(limit).any():
        yield Skipped(f"no {name} limit is declared for any observed joint")
        return
    if reason := not_judged(q.joints.names, limit, judged):
        yield Skipped(reason, partly=True)
    signal = Signal(
        value=np.abs(getattr(q.motion, value)), sigma=getattr(q.motion, f"sigma_{value}"),
        limit=np.where(spoiled(q), np.nan, limit), names=q.joints.names,
        unit=tuple(f"{u}{tail}" for u in q.joints.units), evidence=q.joints.evidence,
        what="speed" if order == 1 else name, source=q.limits.source.get(name, ""),
    )  # fmt: skip
    yield from signal.exceeding(q, slower(signal, order))


def ee_beyond(q: Quantities, order: int, scale: float) -> Iterator[Finding | Skipped]:
    """Likewise for end effectors."""
    assert q.limits and q.ee is not None
    _, _, value, tail = ORDERS[order]
    declared = getattr(q.limits, f"ee_{value}")
    if np.isnan(declared) or not q.ee:
        yield Skipped(f"no end-effector {value} limit is declared" if q.ee else "no end-effector frame")
        return
    names, evidence = ee_places(q)
    limit = np.where(spoiled_rows(q), np.nan, declared * scale)
    signal = Signal(
        value=ee_columns(q, value), sigma=ee_columns(q, f"sigma_{value}"), limit=limit[:, None],
        names=names, unit=(f"m{tail}",) * len(names), evidence=evidence,
        what=value, source=q.limits.source.get(f"ee_{value}", ""),
    )  # fmt: skip
    yield from signal.exceeding(q, slower(signal, order))
