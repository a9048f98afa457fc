"""Faults with known truth: each makes one episode in which one thing is wrong, and says what, where and how much.

Some are simulated wrongly on purpose, some change the path that is recorded (with velocity, torque and hand pose
consistent with it), some damage the recorded numbers. What a fault does not touch stays as it was recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from _demo_record import OBSERVED, Columns, record
from _demo_scene import HOME, TIMESTEP, Kinematics
from _demo_simulate import (
    ABOVE,
    FPS,
    OPEN,
    STEPS,
    Plan,
    Truth,
    minimum_jerk,
    moved,
    random_plan,
    simulate,
    warped,
    wrist_turned,
)
from scipy.interpolate import CubicSpline

FOLDED = np.array([0.0, 0.26, -0.58, -2.93, 0.11, 1.3, 0.78])  # [rad] the hand is 4 cm inside link1
STATE, RATE, LOAD, TOLD = "observation.state", "observation.velocity", "observation.effort", "action"
HAND, CUBE = "observation.ee_pose", "observation.objects.cube"


@dataclass(frozen=True, slots=True)
class Made:
    """One episode with its truth.

    Attributes:
        columns: as recorded.
        plan: what was simulated.
        frames: first and last frame that is wrong.
        size: how wrong, in `unit`.
        place: joint or feature that is wrong.
        source: episode that this one repeats, if any.
    """

    columns: Columns
    plan: Plan
    frames: tuple[int, int] | None = None
    size: float = 0.0
    unit: str = ""
    place: str = ""
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Studio:
    """Makes episodes; `rng` is of this episode alone."""

    kinematics: Kinematics
    rng: np.random.Generator

    def act(self, **changes: Any) -> tuple[Plan, Truth]:
        """A random pick-and-place, with some things of the plan changed."""
        plan = replace(random_plan(self.rng), **changes)
        return plan, simulate(plan, self.kinematics)

    def record(self, truth: Truth) -> Columns:
        """What the recorder writes of it."""
        return record(truth, self.kinematics, self.rng)

    def within(self, frames: tuple[int, int], length: int) -> int:
        """A random first frame of a stretch of `length` inside `frames`."""
        return int(self.rng.integers(frames[0], max(frames[1] - length, frames[0] + 1)))

    def direction(self, *, level: bool = False) -> np.ndarray:
        """A random unit vector (3,), horizontal if `level`."""
        d = self.rng.standard_normal(3) * np.array([1.0, 1.0, 0.0 if level else 1.0])
        return d / np.linalg.norm(d)


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: how it is made, and which checks must see it.

    `family` is the family that has to speak; `expected` its codes, empty while no check of that family exists.
    """

    name: str
    make: Callable[[Studio], Made]
    expected: tuple[str, ...]
    family: str


def clean(studio: Studio) -> Made:
    """Nothing is wrong."""
    plan, truth = studio.act()
    return Made(studio.record(truth), plan)


def too_fast(studio: Studio) -> Made:
    """The carry, a wide swing, is played back three times as fast."""
    side, rate = float(studio.rng.choice([-1.0, 1.0])), 3.0
    ends = [(float(studio.rng.uniform(0.4, 0.45)), sign * 0.35, sign * 0.7) for sign in (side, -side)]
    plan, truth = studio.act(pick=ends[0], place=ends[1], share=0.6)
    first, last = truth.phases["carry"], truth.phases["lower"]
    ramp = round(0.15 / TIMESTEP)
    step = np.arange(len(truth))
    inside = minimum_jerk((step - first) / ramp) * minimum_jerk((last - step) / ramp)
    clock = np.concatenate([[0.0], np.cumsum(1 / (1 + (rate - 1) * inside[:-1]))])  # [steps] when it now happens
    source = CubicSpline(clock, step)(np.arange(int(clock[-1]) + 1))
    fast = warped(truth, source, studio.kinematics)
    frames = int(np.ceil(clock[first] / STEPS)), int(clock[last] / STEPS)
    return Made(studio.record(fast), plan, frames, rate, "× speed", "arm")


def too_violent(studio: Studio) -> Made:
    """On the way to the cube, joint2 leans back by 0.45 rad and shakes by 0.75 rad at 1.35 Hz: up to 54 rad/s²."""
    plan, truth = studio.act(share=0.3)
    amplitude, frequency, seconds = 0.75, 1.35, 1.6
    begin = studio.within((8, truth.frames("approach")[1]), round(seconds * FPS)) * STEPS
    time = (np.arange(len(truth)) - begin) * TIMESTEP
    envelope = minimum_jerk(time / 0.4) * minimum_jerk((seconds - time) / 0.4)
    qpos = truth.qpos.copy()
    qpos[:, 1] -= envelope * (0.45 + amplitude * np.sin(2 * np.pi * frequency * time))
    shaken = moved(truth, qpos, studio.kinematics)
    frames = begin // STEPS, begin // STEPS + round(seconds * FPS)
    peak = amplitude * (2 * np.pi * frequency) ** 2
    return Made(studio.record(shaken), plan, frames, peak, "rad/s²", "joint2")


def out_of_range(studio: Studio) -> Made:
    """The hand grasps other faces of the cube, for which joint7 turns 0.12 rad or more beyond its range."""
    excess, turned = 0.12, -np.pi / 2
    x = studio.rng.uniform(0.42, 0.55, 2)
    y = studio.rng.uniform(0.1, 0.25) * np.array([1.0, -1.0])
    goal = float(studio.kinematics.range[6, 1]) + excess
    yaw = [yaw_for_last_joint(studio.kinematics, x[k], y[k], goal, turned) - turned for k in (0, 1)]
    ends = [(float(x[k]), float(y[k]), yaw[k]) for k in (0, 1)]
    plan, truth = studio.act(pick=ends[0], place=ends[1], turned=turned, widened=1.0, share=0.6)
    beyond = np.flatnonzero(truth.qpos[::STEPS, 6] > goal - excess)
    size = float(truth.qpos[:, 6].max() - goal + excess)
    return Made(studio.record(truth), plan, (int(beyond[0]), int(beyond[-1])), size, "rad", "joint7")


def yaw_for_last_joint(kinematics: Kinematics, x: float, y: float, goal: float, turned: float) -> float:
    """Yaw of the hand [rad] above x, y [m] for which joint7 is at `goal` [rad]: it turns one to one against it."""
    joints = wrist_turned(turned)
    yaw = float(np.arctan2(y, x)) - (goal - HOME[6])
    for _ in range(20):
        yaw += float(kinematics.solve(np.array([x, y, ABOVE]), yaw, joints)[6]) - goal
    return yaw


def teleport(studio: Studio, *, early: bool) -> Made:
    """A joint is 0.5 rad elsewhere before one frame of the approach, or from one frame of the retreat on."""
    plan, truth = studio.act()
    jump = 0.5
    frame = studio.within(truth.frames("approach" if early else "retreat"), 12) + 6
    cut = frame * STEPS - STEPS // 2
    rows = slice(0, cut) if early else slice(cut, None)
    while True:
        joint, qpos = int(studio.rng.integers(7)), truth.qpos.copy()
        qpos[rows, joint] += jump * studio.rng.choice([-1, 1])
        low, high = studio.kinematics.range[joint]
        heights = studio.kinematics.poses(qpos[rows][::STEPS])[:, 2]
        if low < qpos[rows, joint].min() and qpos[rows, joint].max() < high and heights.min() > 0.05:
            break
    spliced = moved(truth, qpos, studio.kinematics)
    return Made(studio.record(spliced), plan, (frame - 1, frame), jump, "rad", f"joint{joint + 1}")


def dropped_frames(studio: Studio) -> Made:
    """Ten frames of the fastest part of the carry are missing, and the rest was numbered again."""
    side, lost = float(studio.rng.choice([-1.0, 1.0])), 10
    ends = [(float(studio.rng.uniform(0.42, 0.5)), sign * 0.25, 0.0) for sign in (side, -side)]
    plan, truth = studio.act(pick=ends[0], place=ends[1], share=0.55)
    columns = studio.record(truth)
    begin, end = truth.frames("carry")
    fastest = begin + int(np.abs(truth.qvel[::STEPS, 0])[begin:end].argmax())
    first = fastest - lost // 2 + int(studio.rng.integers(-2, 3))
    kept = {k: np.delete(v, np.s_[first : first + lost], axis=0) for k, v in columns.items()}
    return Made(kept, plan, (first - 1, first), lost, "frames", "recording")


def frozen(studio: Studio) -> Made:
    """All observations stand still for 2.5 s from some frame of the carry on; the action goes on."""
    plan, truth = studio.act(share=0.4)
    columns, length = studio.record(truth), 75
    first = studio.within(truth.frames("carry"), 15)
    for key in OBSERVED:
        columns[key][first : first + length] = columns[key][first]
    return Made(columns, plan, (first, first + length), 2.5, "s", "observation")


def stale_frames(studio: Studio) -> Made:
    """Four times during the carry, four frames repeat the one before."""
    plan, truth = studio.act(share=0.4)
    columns, length = studio.record(truth), 4
    begin, end = truth.frames("carry")
    starts = np.linspace(begin + 4, end - 10, 4).astype(int) + studio.rng.integers(0, 2, 4)
    for first in starts:
        for key in OBSERVED:
            columns[key][first + 1 : first + 1 + length] = columns[key][first]
    return Made(columns, plan, (int(starts[0]), int(starts[-1]) + length + 1), length, "frames", "observation")


def self_collision(studio: Studio) -> Made:
    """The retreat ends in a folded pose, with the hand 4 cm inside link1."""
    plan, truth = studio.act(end=FOLDED, solid=False)
    depth = studio.kinematics.depth(truth.qpos[::STEPS])
    inside = np.flatnonzero(depth > 0)
    return Made(studio.record(truth), plan, (int(inside[0]), int(inside[-1])), float(depth.max()), "m", "hand, link1")


def payload(studio: Studio) -> Made:
    """A tool of 2 kg is mounted on the hand, which the model does not have."""
    plan, truth = studio.act(payload=2.0)
    columns = studio.record(truth)
    return Made(columns, plan, (0, len(columns[LOAD]) - 1), 2.0, "kg", "hand")


def open_hand(columns: Columns, fingers: slice, studio: Studio) -> None:
    """Make the recording say that these fingers stayed open all the time."""
    for key, value, noise in ((STATE, OPEN, 2e-5), (RATE, 0.0, 2e-4), (LOAD, 0.0, 0.3), (TOLD, OPEN, 2e-5)):
        still = columns[key][:, fingers]
        columns[key][:, fingers] = np.round((value + noise * studio.rng.standard_normal(still.shape)) * 1e5) / 1e5
