"""The decision every limit check makes: an interval against a bound, range by range.

    value ± k σ,  k = 2.5
    FLAGGED    value − kσ > limit        the whole interval is outside
    UNDECIDED  value + kσ > limit        it straddles
    CLEAN      otherwise

Derivatives in the first and last quarter of the fit's window (0.125 s) are not judged: the fit extrapolates there.

k = 2.5 covers 98.8 % of Gaussian errors. The estimator's ±2σ covers 84–99 % of real errors because its bias
part is itself an estimate; ±2.5σ is what the coverage test holds to ≥ 95 %.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.flags import Evidence, Finding, Status
from simcheck.quantities import Quantities

COVERAGE = 2.5
JOIN = 0.1  # [s] ranges closer than this are one event
MOST_RANGES = 5  # per place; the rest is counted in the message of the worst


@dataclass(frozen=True, slots=True)
class Span:
    """A range of judged rows, inclusive, and the row of its worst value."""

    first: int
    last: int
    worst: int


def spans(mask: np.ndarray, badness: np.ndarray, time: np.ndarray, join: float = JOIN) -> list[Span]:
    """Runs of True in `mask` (T,), joined across gaps shorter than `join` [s]; worst = largest badness."""
    rows = np.flatnonzero(mask)
    if not len(rows):
        return []
    apart = (np.diff(rows) > 1) & (np.diff(time[rows]) > join)
    groups = np.split(rows, np.flatnonzero(apart) + 1)
    return [Span(int(g[0]), int(g[-1]), int(g[np.argmax(badness[g])])) for g in groups]


@dataclass(frozen=True, slots=True)
class Signal:
    """Non-negative quantities against upper bounds, one column per place.

    Attributes:
        value, sigma: (T, n) [unit].
        limit: (n,) or (T, n) [unit]; nan is not judged.
        names: (n,) places.
        unit: unit of all three, or one per column.
        evidence: (n,) of the value.
        what: what the value is, for the message: "joint speed".
        source: who declared the limit.
        derived: the value comes from the fit, not from single samples.
    """

    value: np.ndarray
    sigma: np.ndarray
    limit: np.ndarray
    names: tuple[str, ...]
    unit: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    what: str
    source: str = ""
    derived: bool = True

    def exceeding(self, q: Quantities, remedy: Callable[[int, Span], str] | None = None) -> Iterator[Finding]:
        """One finding per place and range in which the limit is, or may be, exceeded.

        `remedy(column, span)` says what would make it feasible.
        """
        limit = np.broadcast_to(self.limit, self.value.shape)
        low, high = self.value - COVERAGE * self.sigma, self.value + COVERAGE * self.sigma
        with np.errstate(invalid="ignore"):
            outside, possibly = low > limit, high > limit
        if q.edge is not None and self.derived:
            outside, possibly = outside & ~q.edge[:, None], possibly & ~q.edge[:, None]
        for c in np.flatnonzero(possibly.any(axis=0)):
            yield from self._column(q, int(c), outside[:, c], possibly[:, c], limit[:, c], remedy)

    def _column(
        self, q: Quantities, c: int, outside: np.ndarray, possibly: np.ndarray, limit: np.ndarray,
        remedy: Callable[[int, Span], str] | None,
    ) -> Iterator[Finding]:  # fmt: skip
        excess = self.value[:, c] - limit
        sure = bool(outside.any()) and self.evidence[c] is not Evidence.INFERRED
        found = spans(outside if sure else possibly, np.nan_to_num(excess, nan=-np.inf), q.time)
        found.sort(key=lambda s: -excess[s.worst])
        more = len(found) - MOST_RANGES
        for k, s in enumerate(found[:MOST_RANGES]):
            w = s.worst
            half = COVERAGE * self.sigma[w, c]
            yield Finding(
                status=Status.FLAGGED if sure else Status.UNDECIDED,
                frames=(int(q.frame[s.first]), int(q.frame[s.last])),
                place=self.names[c],
                value=float(self.value[w, c]),
                limit=float(limit[w]),
                interval=(float(self.value[w, c] - half), float(self.value[w, c] + half)),
                unit=self.unit[c],
                evidence=self.evidence[c],
                message=self._message(c, w, half, float(limit[w]), sure, bool(outside.any()), more if k == 0 else 0),
                remedy=remedy(c, s) if remedy else "",
            )

    def _message(self, c: int, w: int, half: float, limit: float, sure: bool, outside: bool, more: int) -> str:
        unit = self.unit[c]
        unit = "" if unit == "1" else f" {unit}"
        text = f"{self.what} of {self.names[c]} is {self.value[w, c]:.3g} ± {half:.2g}{unit}, limit {limit:.3g}{unit}"
        text += f" ({_short(self.source)})" if self.source else ""
        if not sure:
            text += ": its unit or an input is only inferred" if outside else ": the interval straddles the limit"
        return text + (f"; {more} more ranges" if more > 0 else "")


def _short(source: str) -> str:
    """The first clause of a citation: a flag names its source, the robot's page quotes it whole."""
    return re.split(r"[;:,(]", source)[0].strip()[:80]


def not_judged(names: tuple[str, ...], limit: np.ndarray, judged: np.ndarray) -> str:
    """Which of the `judged` places have no limit; empty if all have one."""
    without = [n for n, bound, j in zip(names, limit, judged, strict=True) if j and np.isnan(bound)]
    return f"no limit declared for {', '.join(without)}" if without else ""
