"""An action and the position of the same name follow each other on different scales.

What:
    Columns of the same name in action and position, where the action may be a position target.

How:
    k = σ(action) / σ(position),   r = correlation at the best lag of 0–0.5 s
    k > 7.5 or k < 1/7.5, max|action| / max|position| beyond 3 in the same direction, and |r| ≥ 0.5.
    FLAGGED for |r| ≥ 0.9; UNDECIDED for less, and for grippers and hands, which an object can block.
    7.5 = √57.3, half-way (in ratio) between the same unit and degrees against radians, the closest pair of units
    in use; ±100 against radians and shares against percent are further apart. Declared units are converted first.

Silent when:
    the action is declared to be something else than a joint target; no names are shared; the units are declared
    and cannot be converted into each other; or the column hardly moves: less than 5 % of the largest range in its
    channel, where backlash lets an action move without its joint.

Fails to see:
    scales closer than 7.5, such as hand commands of ±1.5 against 0–1.5 rad; wrong offsets; columns with
    different names.

References:
    formats 2.4; hazards 7 (GR-1 hand actions of ±3 against states in −0.07…0.73: k = 8–17, r = 0.2–0.7). On real
    clean data k reaches 9.0 (finger against an object) and 8.9 (shoulder within its backlash).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.columns import exact, grippers, span_of, whole, with_values
from simcheck.flags import Evidence, Finding, Severity, Skipped, Status, weakest
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import SI_FACTOR, ActionKind, Channel

CODE = "D119"
NAME = "action-unit-mismatch"
SEVERITY = Severity.WARNING
NEEDS = ()

_FOLLOWS = 0.5  # [1] correlation below which an action is not taken for a target of that column
_SIZE = 3.0  # [1] a change of unit scales the size too; a blocked finger or a joint in its backlash keeps it
_CERTAIN = 0.9  # [1] 81 % of the variance is common: one is the other on a different scale
_MATERIAL = 0.05  # [1] of the channel's largest range; see Silent when
_LONGEST_LAG = 0.5  # [s] servo followers lag 0.1–0.3 s
_LAGS = 16  # tried
_FEWEST = 20  # [frames] chance correlation of fewer exceeds 0.5 in 2 % of cases


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    ratio: float = 7.5  # [1] √57.3: half-way between one unit and degrees against radians


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Compare the scales of actions and positions of the same name."""
    position, action = q.trajectory.position, q.trajectory.action
    if position is None or action is None or q.trajectory.action_kind is ActionKind.OTHER:
        yield Skipped("no actions that may be joint targets were recorded beside positions")
        return
    shared = _shared(position, action)
    if not shared:
        yield Skipped("no action column has the name of a position column and a comparable unit")
        return
    names, p, a, factor = zip(*shared, strict=True)
    x, y = position.values[:, p], action.values[:, a] * np.array(factor)
    rows = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    x, y = x[rows], y[rows]
    if len(x) < _FEWEST:
        yield Skipped(f"{len(x)} frames have both; {_FEWEST} are needed to correlate them")
        return
    wide = (span_of(x) > _MATERIAL * span_of(x).max()) & (span_of(y) > _MATERIAL * span_of(y).max())
    ratio = y.std(axis=0) / np.where(wide, x.std(axis=0), 1)
    size = np.abs(y).max(axis=0) / np.where(wide, np.abs(x).max(axis=0), 1)
    larger, smaller = (ratio > tolerance.ratio) & (size > _SIZE), (ratio < 1 / tolerance.ratio) & (size < 1 / _SIZE)
    blockable = grippers(names, [position.units[i] for i in p])
    evidence = weakest(position.evidence, action.evidence)
    for c in np.flatnonzero(wide & (larger | smaller)):
        k, r = float(ratio[c]), _best_correlation(x[:, c], y[:, c], q.dt)
        if abs(r) >= _FOLLOWS:
            sure = abs(r) >= _CERTAIN and not blockable[c] and evidence is not Evidence.INFERRED
            status = Status.FLAGGED if sure else Status.UNDECIDED
            message = f"action {names[c]} moves {k:.3g} times as much as its position and follows it (r = {r:.2f})"
            limit = tolerance.ratio if k > 1 else 1 / tolerance.ratio
            yield exact(whole(q.trajectory), names[c], k, limit, "1", message, status=status, evidence=evidence)


def _shared(position: Channel, action: Channel) -> list[tuple[str, int, int, float]]:
    """Name, position column, action column, and what turns the action's unit into the position's."""
    column = {n: i for i, n in enumerate(position.names)}
    found = []
    for a, name in enumerate(action.names):
        if (p := column.get(name)) is None:
            continue
        mine, its = action.units[a], position.units[p]
        if mine == its:
            found.append((name, p, a, 1.0))
        elif mine in SI_FACTOR and its in SI_FACTOR:
            found.append((name, p, a, SI_FACTOR[mine] / SI_FACTOR[its]))
    return found


def _best_correlation(x: np.ndarray, y: np.ndarray, dt: float) -> float:
    """Correlation of x with an earlier y, at the lag where it is strongest."""
    longest = min(len(x) // 2, round(_LONGEST_LAG / dt)) if dt > 0 else 0
    lags = np.unique(np.linspace(0, longest, _LAGS).astype(int))
    return max((_correlation(x[lag:], y[: len(y) - lag]) for lag in lags), key=abs)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / size if size > 0 else 0.0


def _with_action(factor: float) -> Quantities:
    trajectory = example().trajectory
    assert trajectory.action
    values = trajectory.action.values * np.array([1.0, factor])
    return altered("trajectory", action=with_values(trajectory, "action", values).action)


def example_flagged() -> Quantities:
    """The elbow's command is 57.3 times its position: degrees."""
    return _with_action(180 / np.pi)


def example_clean() -> Quantities:
    """It is 1.1 times its position."""
    return _with_action(1.1)
