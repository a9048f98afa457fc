"""What force checks share: the kindest payload, the static part, and how much slower a motion must be.

A payload of mass m at the end effector changes the effort by m·p, p = per_payload [N m/kg]. Nobody recorded m, so
an effort counts as needed only if every m in [0, rated payload] needs it. Slowing a motion by s keeps its static
effort g, divides what grows with speed, d, by s and what grows with acceleration, r = needed − g − d, by s²:

    τ(s) = g + d/s + r/s²
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from simcheck.decide import COVERAGE, not_judged
from simcheck.flags import Skipped
from simcheck.kinematics import spoiled_rows
from simcheck.quantities import Quantities, altered

SLOWER = np.unique(np.round(1.01 ** np.arange(232), 2))  # factors tried, 1 … 10; slower is another task
RISING = 1e-9  # [N m/kg] below this a payload does not matter


def judged_joints(q: Quantities) -> np.ndarray:
    """(nv,) bool: observed joints of the robot with a drive of their own."""
    assert q.joints
    return q.joints.robot & q.joints.observed & q.joints.actuated


def effort_units(q: Quantities) -> tuple[str, ...]:
    """(nv,) unit of each joint's effort."""
    assert q.joints
    return tuple("N m" if u == "rad" else "N" for u in q.joints.units)


def declared_limit(q: Quantities, scale: float) -> tuple[np.ndarray, Skipped | None]:
    """(nv,) `scale` of the effort limits of judged joints [N m, N], and what cannot be judged for want of one."""
    assert q.joints and q.limits
    judged = judged_joints(q)
    declared = np.where(judged, q.limits.effort, np.nan) * scale
    if not np.isfinite(declared).any():
        return declared, Skipped("no effort limit is declared for any observed drive")
    reason = not_judged(q.joints.names, declared, judged)
    return declared, Skipped(reason, partly=True) if reason else None


def rated_payload(q: Quantities) -> float:
    """[kg] heaviest load the robot may carry; 0 where nobody declared one."""
    return q.limits.payload if q.limits and np.isfinite(q.limits.payload) else 0.0


def kindest_load(effort: np.ndarray, per_payload: np.ndarray, most: float) -> np.ndarray:
    """m·p of the load m in [0, most] that makes |effort + m·p| smallest, element by element [N m, N]."""
    p = np.nan_to_num(per_payload)
    load = np.divide(-effort, p, out=np.zeros_like(effort), where=np.abs(p) > RISING)
    return np.clip(load, 0.0, most) * p


def needed_at_least(q: Quantities) -> tuple[np.ndarray, np.ndarray]:
    """(T, nv) effort the motion needs under the kindest load, and that load's share of it [N m, N]."""
    assert q.effort
    load = kindest_load(q.effort.needed, q.effort.per_payload, rated_payload(q))
    return q.effort.needed + load, load


def static_at_least(q: Quantities) -> tuple[np.ndarray, np.ndarray]:
    """(T, nv) magnitude and sigma [N m, N] of the effort that holding still needs under the kindest load.

    Nothing is differentiated for it, so its sigma is the smallest of the episode: model error and dry friction.
    """
    assert q.effort
    held = q.effort.gravity + kindest_load(q.effort.gravity, q.effort.per_payload, rated_payload(q))
    sigma = np.fmin.reduce(q.effort.sigma, axis=0, initial=np.inf)
    return np.abs(held), np.broadcast_to(np.where(np.isfinite(sigma), sigma, np.nan), held.shape)


def too_heavy(q: Quantities, limit: np.ndarray) -> np.ndarray:
    """(T, nv) bool: rows that F104 answers for: holding still may already exceed, and surely does somewhere."""
    value, sigma = static_at_least(q)
    surely = (value - COVERAGE * sigma > limit).any(axis=0)
    return (value + COVERAGE * sigma > limit) & surely


def judged_limit(q: Quantities, limit: np.ndarray) -> np.ndarray:
    """(T, nv) limit (nv,) of judged joints, nan in rows whose derivatives a teleport (K105) spoiled."""
    return np.where(spoiled_rows(q)[:, None], np.nan, np.where(judged_joints(q), limit, np.nan))


def parts(q: Quantities, load: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T, nv) each: what stays, what falls with 1/s and what falls with 1/s² when slowed by s [N m, N]."""
    assert q.effort
    static = q.effort.gravity + load
    return static, q.effort.damping, q.effort.needed + load - static - q.effort.damping


def slowed(terms: Sequence[np.ndarray], s: float) -> np.ndarray:
    """Σ_k terms[k] / s^k."""
    return sum((term / s**k for k, term in enumerate(terms)), start=np.zeros_like(terms[0]))


def certainty(q: Quantities) -> tuple[np.ndarray, np.ndarray]:
    """(T, nv) each: the part of 2.5 σ that stays when slowed (model error) and the one that falls with 1/s²."""
    assert q.effort
    _, floor = static_at_least(q)
    return COVERAGE * floor, COVERAGE * (q.effort.sigma - floor)


def slowing(worst: Callable[[float], float], limit: float) -> float:
    """Smallest factor s from which on `worst(s)` stays within the limit; nan if no factor up to 10 does.

    Starts at the slowest and goes up, so that every slower motion is feasible too.
    """
    fits = np.nan
    for s in SLOWER[::-1]:
        if not worst(float(s)) <= limit:
            break
        fits = float(s)
    return fits


def slowing_text(factor: float, otherwise: str) -> str:
    """The remedy as a sentence."""
    return otherwise if np.isnan(factor) else f"feasible if slowed {factor:.2f}×"


def example_needing(needed: np.ndarray, gravity: np.ndarray | None = None) -> Quantities:
    """The example with another needed effort, and none measured that would contradict it."""
    changes = {} if gravity is None else {"gravity": gravity}
    q = altered("effort", needed=needed, **changes)
    assert q.measured_effort
    nothing = np.full(needed.shape, np.nan)
    return replace(q, measured_effort=replace(q.measured_effort, raw=nothing, smooth=nothing))
