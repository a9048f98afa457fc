"""A pick-and-place, planned and simulated: the truth that the recordings of the demo dataset are made from.

Planned in joint space with minimum-jerk segments, s(u) = 10u³ − 15u⁴ + 6u⁵ (peak speed 1.875 D/T, peak acceleration
5.77 D/T²), and vertical Cartesian ones through inverse kinematics. Followed by computed torque,

    τ = M(q) (q̈_ref + 2ω(q̇_ref − q̇) + ω²(q_ref − q)) + c(q, q̇) + g(q),    ω = 20 rad/s,

clipped to the effort limits; the fingers are position servos that press by being told to close further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from _demo_scene import CUBE_EDGE, FINGER_STIFFNESS, HOME, TIMESTEP, Cube, Kinematics, scene
from scipy.interpolate import CubicSpline, make_interp_spline

FPS = 30
STEPS = round(1 / FPS / TIMESTEP)  # simulator steps per frame
KNOTS = 90  # [Hz] samples of the planned path that a quintic spline joins
VELOCITY = np.array([2.175] * 4 + [2.61] * 3)  # [rad/s] limits of the robot's card
EFFORT = np.array([87.0] * 4 + [12.0] * 3)  # [N m]
OPEN = 0.038  # [m] each finger
GRIP = 25.0  # [N] each finger; the hand is rated for 70 N continuous
STIFF = 20.0  # [rad/s] ω of the controller
ABOVE = 0.12  # [m] from where the hand goes straight down
PLACED = 0.02  # [m] within which the cube counts as placed


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pick-and-place is like.

    Attributes:
        pick, place: x, y [m] and yaw [rad] of the cube before and after.
        cube: what is carried.
        share: [1] of the velocity limits that fast segments use.
        payload: [kg] extra mass at the hand that nobody models.
        turned: [rad] added to the yaw of the hand, so that it grasps other faces.
        widened: [rad] by which the simulated joint7 may leave its range.
        start, end: (7,) joints [rad] at the beginning and at the end.
        solid: the links of the simulated robot collide with one another.
    """

    pick: tuple[float, float, float]
    place: tuple[float, float, float]
    cube: Cube
    share: float
    start: np.ndarray
    end: np.ndarray
    payload: float = 0.0
    turned: float = 0.0
    widened: float = 0.0
    solid: bool = True


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened, at every simulator step.

    Attributes:
        qpos, qvel: (N, 9) arm [rad, rad/s] and fingers [m, m/s].
        effort: (N, 9) applied by the actuators [N m, N].
        target: (N, 9) commanded positions, one frame ahead [rad, m].
        cube: (N, 7) position [m] and quaternion wxyz, world.
        phases: simulator step at which each named phase begins, in order.
        success: the cube ended where it should.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    effort: np.ndarray
    target: np.ndarray
    cube: np.ndarray
    phases: dict[str, int]
    success: bool

    def __len__(self) -> int:
        return len(self.qpos)

    def frames(self, phase: str) -> tuple[int, int]:
        """First and last frame of a phase."""
        begins = [*self.phases.values(), len(self) - 1]
        k = list(self.phases).index(phase)
        return -(-begins[k] // STEPS), begins[k + 1] // STEPS


def random_plan(rng: np.random.Generator) -> Plan:
    """A plan within easy reach: 0.40–0.58 m ahead, 0.25 m to either side."""
    x, y = rng.uniform(0.40, 0.58, 2), rng.uniform(-0.25, 0.25, 2)
    if abs(y[0] - y[1]) < 0.12:  # a carry that is worth the name
        y[1] = y[0] - np.sign(y[0]) * rng.uniform(0.15, 0.25)
    yaw = rng.uniform(-0.5, 0.5, 2)
    cube = Cube(mass=float(rng.uniform(0.05, 0.15)), friction=float(rng.uniform(0.6, 0.9)))
    start = HOME + rng.uniform(-0.08, 0.08, 7)
    ends = [(float(x[k]), float(y[k]), float(yaw[k])) for k in (0, 1)]
    return Plan(ends[0], ends[1], cube, share=float(rng.uniform(0.35, 0.6)), start=start, end=start)


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """10u³ − 15u⁴ + 6u⁵ on 0 ≤ u ≤ 1: no velocity or acceleration at either end."""
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


class _Path:
    """A path in joint space under construction: rows of seven joints and a finger at KNOTS Hz."""

    def __init__(self, kinematics: Kinematics, start: np.ndarray) -> None:
        self.kinematics = kinematics
        self.rows = [np.concatenate([start, [OPEN]])]
        self.phases: dict[str, int] = {}

    def phase(self, name: str) -> None:
        """What follows is the phase `name`."""
        self.phases[name] = (len(self.rows) - 1) * round(1 / TIMESTEP / KNOTS)

    def hold(self, seconds: float) -> None:
        """Stand still."""
        self.rows += [self.rows[-1]] * round(seconds * KNOTS)

    def joints(self, goal: np.ndarray, share: float) -> None:
        """Minimum jerk to `goal` (7,) with peak speeds of `share` of the limits, in at least 0.8 s."""
        start = self.rows[-1][:7]
        seconds = max(0.8, float(np.max(1.875 * np.abs(goal - start) / (share * VELOCITY))))
        self._blend(seconds, lambda s: np.concatenate([start + s * (goal - start), self.rows[-1][7:]]))

    def straight(self, to: float, place: tuple[float, float, float], seconds: float) -> None:
        """Vertically above x, y, yaw to the height `to` [m]."""
        height = self.kinematics.pose(np.append(self.rows[-1], 0.0))[0][2]

        def at(s: float) -> np.ndarray:
            point = np.array([place[0], place[1], height + s * (to - height)])
            return np.append(self.kinematics.solve(point, place[2], self.rows[-1][:7]), self.rows[-1][7])

        self._blend(seconds, at)

    def fingers(self, to: float, seconds: float) -> None:
        """Both fingers to `to` [m]."""
        start = self.rows[-1][7]
        self._blend(seconds, lambda s: np.append(self.rows[-1][:7], start + s * (to - start)))

    def _blend(self, seconds: float, at: Callable[[float], np.ndarray]) -> None:
        count = round(seconds * KNOTS)
        for s in minimum_jerk(np.arange(1, count + 1) / count):
            self.rows.append(at(float(s)))

    def spline(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, 9) position, velocity and acceleration at every simulator step."""
        rows = np.array(self.rows)
        rows = np.column_stack([rows, rows[:, 7]])
        curve = make_interp_spline(np.arange(len(rows)) / KNOTS, rows, k=5)
        time = np.arange(round((len(rows) - 1) / KNOTS / TIMESTEP) + 1) * TIMESTEP
        return curve(time), curve(time, 1), curve(time, 2)


def plan_path(plan: Plan, kinematics: Kinematics) -> _Path:
    """Approach, grasp, lift, carry, place, release, retreat."""
    height, half = CUBE_EDGE / 2, CUBE_EDGE / 2
    pick = (*plan.pick[:2], plan.pick[2] + plan.turned)
    place = (*plan.place[:2], plan.place[2] + plan.turned)
    path = _Path(kinematics, plan.start)

    def over(where: tuple[float, float, float]) -> np.ndarray:
        return kinematics.solve(np.array([*where[:2], ABOVE]), where[2], wrist_turned(plan.turned))

    path.phase("approach")
    path.hold(0.2)
    path.joints(over(pick), plan.share)
    path.phase("descend")
    path.straight(height, pick, 0.85)
    path.phase("grasp")
    path.fingers(half + 0.0005, 1.0)
    path.fingers(half - GRIP / FINGER_STIFFNESS, 0.4)
    path.phase("lift")
    path.straight(ABOVE, pick, 0.85)
    path.phase("carry")
    path.joints(over(place), plan.share)
    path.phase("lower")
    path.straight(height + 0.001, place, 0.85)  # the cube falls the last millimetre, if at all
    path.phase("release")
    path.fingers(half + 0.0005, 0.4)
    path.fingers(OPEN, 1.0)
    path.phase("retreat")
    path.straight(ABOVE, place, 0.75)
    path.joints(plan.end, plan.share)
    path.hold(0.2)
    return path


def wrist_turned(by: float) -> np.ndarray:
    """(7,) where inverse kinematics starts: HOME, with the last joint near where the yaw needs it."""
    return HOME - np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, by])


def simulate(plan: Plan, kinematics: Kinematics) -> Truth:
    """Plan and simulate a pick-and-place."""
    path = plan_path(plan, kinematics)
    reference = path.spline()
    model = scene(plan.cube, plan.payload, plan.widened, plan.solid)
    data = mujoco.MjData(model)
    data.qpos[:9] = reference[0][0]
    data.qpos[9:12] = [*plan.pick[:2], CUBE_EDGE / 2]
    data.qpos[12:16] = [np.cos(plan.pick[2] / 2), 0.0, 0.0, np.sin(plan.pick[2] / 2)]
    log = _follow(model, data, *reference)
    ahead = np.minimum(np.arange(len(reference[0])) + STEPS, len(reference[0]) - 1)
    end = np.linalg.norm(log["cube"][-1, :2] - plan.place[:2])
    return Truth(**log, target=reference[0][ahead], phases=path.phases, success=bool(end < PLACED))


def _follow(
    model: mujoco.MjModel, data: mujoco.MjData, q: np.ndarray, v: np.ndarray, a: np.ndarray
) -> dict[str, np.ndarray]:
    """Simulate under computed torque along the reference (N, 9)."""
    count, inertia = len(q), np.zeros((model.nv, model.nv))
    log = {"qpos": np.empty((count, 9)), "qvel": np.empty((count, 9)), "effort": np.empty((count, 9))}
    log["cube"] = np.empty((count, 7))
    for t in range(count):
        mujoco.mj_step1(model, data)
        mujoco.mj_fullM(model, data, inertia)
        error = STIFF**2 * (q[t, :7] - data.qpos[:7]) + 2 * STIFF * (v[t, :7] - data.qvel[:7])
        torque = inertia[:7, :7] @ (a[t, :7] + error) + data.qfrc_bias[:7]
        data.ctrl[:7] = np.clip(torque, -EFFORT, EFFORT)
        data.ctrl[7:] = q[t, 7:]
        log["qpos"][t], log["qvel"][t], log["cube"][t] = data.qpos[:9], data.qvel[:9], data.qpos[9:16]
        mujoco.mj_step2(model, data)
        log["effort"][t] = data.actuator_force
    return log


def moved(truth: Truth, qpos: np.ndarray, kinematics: Kinematics) -> Truth:
    """The same episode with another path (N, 9) of the arm.

    Velocity by differences, torque by inverse dynamics, targets ahead by as much as they were. What the torque of the
    simulation held beyond the model's, such as the weight of the cube, is kept.
    """
    extra = truth.effort - needed(truth.qpos, kinematics)
    effort, target = truth.effort.copy(), truth.target.copy()
    effort[:, :7] = (needed(qpos, kinematics) + extra)[:, :7]
    target[:, :7] += (qpos - truth.qpos)[:, :7]
    return replace(truth, qpos=qpos, qvel=np.gradient(qpos, TIMESTEP, axis=0), effort=effort, target=target)


def warped(truth: Truth, source: np.ndarray, kinematics: Kinematics) -> Truth:
    """The episode played back at another speed: step n shows what happened at step `source[n]` (M,)."""
    step = np.arange(len(truth))
    shown = {k: CubicSpline(step, getattr(truth, k))(source) for k in ("qpos", "effort", "target", "cube")}
    extra = CubicSpline(step, truth.effort - needed(truth.qpos, kinematics))(source)
    shown["effort"][:, :7] = (needed(shown["qpos"], kinematics) + extra)[:, :7]
    return replace(truth, **shown, qvel=np.gradient(shown["qpos"], TIMESTEP, axis=0))


def needed(qpos: np.ndarray, kinematics: Kinematics) -> np.ndarray:
    """(N, 9) torque of a path that is sampled at every simulator step [N m, N]."""
    qvel = np.gradient(qpos, TIMESTEP, axis=0)
    return kinematics.torque(qpos, qvel, np.gradient(qvel, TIMESTEP, axis=0))
