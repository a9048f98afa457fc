"""What motion checks share: teleports and the frames they spoil, end effectors as columns, grippers.

A teleport is a step between neighbouring frames that no drive could make. A fit over half a second turns it
into a burst of velocity, acceleration, jerk and torque around it. One cause gets one code: K105 reports the
step, and every check of a derivative leaves out the frames whose fit has seen it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from simcheck.decide import COVERAGE, Signal, Span
from simcheck.flags import Evidence
from simcheck.quantities import Joints, Quantities

STEP = 3.0  # [1] a step is a teleport from this many times what the velocity limit allows: two lost frames make 3
STALL = 0.01  # [s] pause of a logger that is allowed for: a 1 kHz log of a Panda repeats rows and loses 8.8 ms
HOLD = 0.1  # [s] longest period of a sample-and-hold sensor that is allowed for (10 Hz state, faster log)
ISOLATED = 5.0  # [1] a teleport stands this far above its neighbours; a recording in wrong units does not
NEIGHBOURS = 4  # steps on either side
FREE_RATE = {"rad": 8.0, "m": 1.0}  # [rad/s, m/s] without a limit: 8 rad/s is the profile of a hobby servo
FREE_STEP = {"rad": 0.2, "m": 0.02}  # [rad, m] without a limit
FREE_FACTOR = 10.0  # [1] without a limit: times the 95th percentile of the joint's own steps
SPOILED = 0.5  # [s] the fit's window: half for the value, as much again for the bias that widens its interval
SPOILED_ROWS = 6  # the fit has at least 7 samples

_GRIPPER = re.compile(r"grip|finger|jaw|knuckle|robotiq|driver_joint|2f85|2f140", re.IGNORECASE)


def by_unit(joints: Joints, rad: float, m: float) -> np.ndarray:
    """(nv,) `rad` for hinges, `m` for slides."""
    return np.where(np.array(joints.units) == "m", m, rad)


def is_gripper(name: str) -> bool:
    """Whether a joint or a body belongs to a gripper, by its name."""
    return bool(_GRIPPER.search(name))


def grippers(joints: Joints) -> np.ndarray:
    """(nv,) bool: by its name a joint of a gripper, which stays short of its target when it holds something."""
    return np.array([is_gripper(name) for name in joints.names], dtype=bool)


def steps(q: Quantities) -> np.ndarray:
    """(T, nv) |q_i − q_(i−1)| [rad, m]; 0 in the first row."""
    assert q.position is not None
    return np.abs(np.diff(q.position, axis=0, prepend=q.position[:1]))


def allowed_steps(q: Quantities, factor: float = STEP) -> np.ndarray:
    """(T, nv) largest step that is still no teleport [rad, m].

    With a velocity limit: factor · q̇_max · max(Δt, 10 ms, period of the joint's own updates, at most 0.1 s).
    Without: the largest of 10 × the 95th percentile of its steps, 8 rad/s · Δt (1 m/s · Δt) and 0.2 rad (20 mm).
    """
    assert q.joints
    assert q.position is not None
    dt = np.diff(q.time, prepend=q.time[:1])[:, None]
    step = steps(q)
    velocity = q.limits.velocity if q.limits else np.full(step.shape[1], np.nan)
    limited = factor * velocity * np.maximum(np.maximum(dt, STALL), _update_period(step, q.time))
    usual = FREE_FACTOR * np.percentile(step, 95, axis=0) if len(step) else np.zeros(step.shape[1])
    rate = by_unit(q.joints, FREE_RATE["rad"], FREE_RATE["m"])
    least = by_unit(q.joints, FREE_STEP["rad"], FREE_STEP["m"])
    free = np.maximum(np.maximum(usual, least), rate * dt) * (factor / STEP)
    return np.where(np.isnan(velocity), free, limited)


def _update_period(step: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(nv,) median time between changes of each column [s], at most HOLD; 0 where it hardly ever changes."""
    period = np.zeros(step.shape[1])
    for c in range(step.shape[1]):
        changes = time[np.flatnonzero(step[:, c] > 0)]
        if len(changes) > 2:
            period[c] = min(float(np.median(np.diff(changes))), HOLD)
    return period


def isolated(step: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """(T, nv) bool: the candidates (T, nv) that exceed 5 × the median of the steps around them."""
    row, column = np.nonzero(candidate)
    last = len(step) - 1
    centre = np.clip(row, NEIGHBOURS + 1, max(last - NEIGHBOURS, NEIGHBOURS + 1))
    around = np.clip(centre[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1), 1, last)
    near = step[around, column[:, None]]
    near[around == row[:, None]] = 0.0
    out = np.zeros(step.shape, dtype=bool)
    out[row, column] = step[row, column] > ISOLATED * np.median(near, axis=1)
    return out


def teleports(q: Quantities) -> np.ndarray:
    """(T, nv) bool: the step into this row is a teleport of that robot joint."""
    if q.position is None or q.joints is None or len(q.time) < 2:
        return np.zeros((len(q.time), len(q.joints.names) if q.joints else 0), dtype=bool)
    step = steps(q)
    return isolated(step, (step > allowed_steps(q)) & (q.joints.robot & q.joints.observed))


def spoiled(q: Quantities) -> np.ndarray:
    """(T, nv) bool: derivatives of this joint in this row come from a fit that has seen one of its teleports."""
    jump = teleports(q)
    rows = np.flatnonzero(jump.any(axis=1))
    if not len(rows):
        return jump
    reach = max(SPOILED_ROWS, round(SPOILED / q.dt)) if q.dt > 0 else SPOILED_ROWS
    total = np.cumsum(np.concatenate([np.zeros((1, jump.shape[1]), int), jump]), axis=0)
    t = np.arange(len(jump))
    return total[np.minimum(t + reach + 1, len(jump))] - total[np.maximum(t - reach, 0)] > 0


def spoiled_rows(q: Quantities) -> np.ndarray:
    """(T,) bool: some joint's derivatives are spoiled, and with them every torque and Cartesian rate."""
    return np.any(spoiled(q), axis=1)


def slower(signal: Signal, order: int) -> Callable[[int, Span], str]:
    """Remedy for a derivative of the given order: slowing by s divides it by s^order.

    s = ((value + 2.5 σ) / limit)^(1/order), rounded up, brings the whole interval inside.
    """
    limit = np.broadcast_to(signal.limit, signal.value.shape)

    def remedy(column: int, span: Span) -> str:
        at = (span.worst, column)
        ratio = (signal.value[at] + COVERAGE * signal.sigma[at]) / limit[at] if limit[at] > 0 else np.inf
        return f"feasible if slowed {math.ceil(100 * ratio ** (1 / order)) / 100:.2f}×" if np.isfinite(ratio) else ""

    return remedy


def ee_columns(q: Quantities, name: str) -> np.ndarray:
    """(T, n) attribute `name` of all end effectors, in the order of q.ee."""
    assert q.ee is not None
    return np.stack([getattr(e, name) for e in q.ee.values()], axis=1)


def ee_places(q: Quantities) -> tuple[tuple[str, ...], tuple[Evidence, ...]]:
    """Names and evidence of all end effectors, in the order of q.ee."""
    assert q.ee is not None
    return tuple(q.ee), tuple(e.evidence for e in q.ee.values())


def unrotated(quaternion: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """(T, 3) Rᵀv: vectors of the base frame in the frame of `quaternion` (T, 4) wxyz."""
    w, u = quaternion[:, :1], quaternion[:, 1:]
    cross = np.cross(u, vector)
    return vector - 2 * w * cross + 2 * np.cross(u, cross)


def relative_rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(T, 4) a⁻¹ ⊗ b, wxyz, with w ≥ 0."""
    w = np.sum(a * b, axis=1, keepdims=True)
    v = a[:, :1] * b[:, 1:] - b[:, :1] * a[:, 1:] - np.cross(a[:, 1:], b[:, 1:])
    out = np.concatenate([w, v], axis=1)
    return np.where(w < 0, -out, out)


def rotation_angle(quaternion: np.ndarray) -> np.ndarray:
    """(T,) angle of a rotation [rad], 0 … π."""
    return 2 * np.arctan2(np.linalg.norm(quaternion[:, 1:], axis=1), np.abs(quaternion[:, 0]))
