"""What momentum checks share: intervals between frames judged like frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from simcheck.decide import Signal
from simcheck.flags import Finding, Skipped
from simcheck.quantities import Explanation, Quantities

IMPACT = 2.0  # [m g] a larger force is an impact: where and when in the interval it acted is not in the frames
AT_IMPACT = 0.5  # [1] share of an impact's force that may stay unexplained


def allowance(e: Explanation, of_weight: float, of_force: float) -> np.ndarray:
    """(T − 1, nb) force that may stay unexplained [N]."""
    size = np.linalg.norm(e.needed, axis=2)
    share = np.where(size > IMPACT * e.weight, max(AT_IMPACT, of_force), of_force)
    return of_weight * e.weight + share * size


def patient(value: np.ndarray, limit: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(T − 1, nb) the limit, raised to `unit` (nb,) where a single interval exceeds it between two that do not.

    A grasp that closes or opens inside an interval leaves up to the object's weight there, and nothing beside it.
    """
    beyond = np.pad(value > limit, ((1, 1), (0, 0)))
    alone = beyond[1:-1] & ~beyond[:-2] & ~beyond[2:]
    return np.where(alone, np.maximum(limit, unit), limit)


def objects_beyond(
    q: Quantities, value: np.ndarray, sigma: np.ndarray, limit: np.ndarray, touched: bool, what: str, unit: str
) -> Iterator[Finding | Skipped]:
    """Ranges in which a free object that is (not) touched exceeds its limit.

    Args:
        q: the episode.
        value, sigma, limit: (T − 1, nb) [unit]; limit may be (nb,).
        touched: whether objects are judged while something is near enough to touch them, or while nothing is.
        what, unit: what the value is, for the message.
    """
    assert q.explanation
    e, n = q.explanation, len(q.explanation.bodies)
    if e.is_base.all():
        yield Skipped("no free object is in the scene")
        return
    judged = (e.touched == touched) & ~e.is_base
    yield from Signal(
        value=value, sigma=sigma, limit=np.where(judged, limit, np.nan), names=e.bodies, unit=(unit,) * n,
        evidence=(e.evidence,) * n, what=what, derived=False,
    ).exceeding(judged_intervals(q))  # fmt: skip


def judged_intervals(q: Quantities) -> Quantities:
    """The same episode with one row per interval: row t stands for frames t and t + 1."""
    return replace(q, frame=q.frame[:-1], time=q.time[:-1], edge=None)
