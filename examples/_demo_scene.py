"""The scene of the demo dataset: a Panda on a table with one cube, its kinematics and its dynamics.

The Panda is robots/panda/model.xml without that file's tuning values (armature and damping of the arm), so that the
torques of a simulation are those of the identified rigid bodies:  M(q) q̈ + c(q, q̇) + g(q) = τ + Σ Jcᵀ f.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

MODEL = Path(__file__).resolve().parents[1] / "robots" / "panda" / "model.xml"
ARM = tuple(f"joint{i}" for i in range(1, 8))
JOINTS = (*ARM, "finger_joint1", "finger_joint2")
TIMESTEP = 1 / 900  # [s] 30 steps per frame at 30 Hz
CUBE_EDGE = 0.045  # [m]
FINGER_STIFFNESS = 5000.0  # [N/m] of the finger servo: 5 mm beyond contact press with 25 N
FINGER_DAMPING = 200.0  # [N s/m] more than critical for the 0.115 kg that the servo moves
HOME = np.array([0.0, -0.35, 0.0, -2.25, 0.0, 1.95, 0.7854])  # [rad] hand above the table, pointing down
DOWN = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])  # hand frame in the base frame at yaw 0
MOST_STEPS = 200  # of one inverse-kinematics solution
CLOSE_ENOUGH = 1e-9  # [m, rad] squared residual


@dataclass(frozen=True, slots=True)
class Cube:
    """What differs between the cubes; all have the same edge."""

    mass: float  # [kg]
    friction: float  # [1] sliding, against fingers and table


def robot() -> mujoco.MjModel:
    """The Panda alone."""
    return _panda().compile()


def scene(cube: Cube, payload: float = 0.0, widened: float = 0.0, solid: bool = True) -> mujoco.MjModel:
    """The Panda with motors on a table (z = 0), and a free cube.

    Args:
        cube: mass and friction.
        payload: [kg] extra mass at the end-effector site that no model knows of.
        widened: [rad] by how much joint7 may leave its range.
        solid: the links of the robot collide with one another.
    """
    spec = _panda()
    spec.option.timestep = TIMESTEP
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0  # keeps the friction of a grasp from creeping
    for geom in spec.geoms:
        geom.friction = [0.2, 0.005, 1e-4]  # a contact takes the larger friction of its two: the cube's
        if not solid:  # then only with table and cube, whose masks are 3
            geom.contype, geom.conaffinity = 2, 1
    _add_motors(spec)
    last = spec.joint("joint7")
    last.range = [last.range[0] - widened, last.range[1] + widened]
    add_table_and_cube(spec, cube)
    if payload:
        tool = spec.body("hand").add_body(name="payload", pos=[0.0, 0.0, 0.1034])
        tool.mass, tool.inertia, tool.explicitinertial = payload, [1e-4 * payload] * 3, True
    return spec.compile()


def add_table_and_cube(spec: mujoco.MjSpec, cube: Cube) -> None:
    """The table top at z = 0 and a free cube on it."""
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    spec.worldbody.add_geom(name="table", type=plane, size=[1.0, 1.0, 0.1], friction=[0.2, 0.005, 1e-4],
                            contype=3, conaffinity=3)  # fmt: skip
    body = spec.worldbody.add_body(name="cube", pos=[0.5, 0.0, CUBE_EDGE / 2])
    body.add_freejoint()
    body.add_geom(
        name="cube", type=mujoco.mjtGeom.mjGEOM_BOX, size=[CUBE_EDGE / 2] * 3, mass=cube.mass,
        friction=[cube.friction, 0.005, 1e-4], condim=4, contype=3, conaffinity=3,
        solref=[0.004, 1.0], solimp=[0.95, 0.99, 0.0005, 0.5, 2.0],  # sinks in by tenths of a millimetre
        rgba=[0.8, 0.2, 0.2, 1.0],
    )  # fmt: skip


def _panda() -> mujoco.MjSpec:
    spec = mujoco.MjSpec.from_file(str(MODEL))
    for joint in spec.joints:
        joint.damping = [0.0, 0.0, 0.0]
        if joint.name in ARM:
            joint.armature = 0.0
    return spec


def _add_motors(spec: mujoco.MjSpec) -> None:
    for name in ARM:
        spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT).set_to_motor()
    for name in JOINTS[7:]:
        servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=FINGER_STIFFNESS, kv=FINGER_DAMPING)


class Kinematics:
    """Forward and inverse kinematics and inverse dynamics of the Panda alone."""

    def __init__(self) -> None:
        self.model = robot()
        self.data = mujoco.MjData(self.model)
        self.site = self.model.site("ee").id
        self.range = self.model.jnt_range[:7]  # [rad]

    def pose(self, qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position [m] and rotation matrix of the end-effector site in the base frame, for qpos (9,)."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        return self.data.site_xpos[self.site].copy(), self.data.site_xmat[self.site].reshape(3, 3).copy()

    def poses(self, qpos: np.ndarray) -> np.ndarray:
        """(T, 7) position [m] and quaternion wxyz, of continuous sign, for qpos (T, 9)."""
        out = np.empty((len(qpos), 7))
        for t, q in enumerate(qpos):
            position, rotation = self.pose(q)
            out[t, :3] = position
            mujoco.mju_mat2Quat(out[t, 3:], rotation.ravel())
            if t and out[t, 3:] @ out[t - 1, 3:] < 0:
                out[t, 3:] *= -1
        return out

    def solve(self, position: np.ndarray, yaw: float, start: np.ndarray) -> np.ndarray:
        """(7,) joints [rad] that put the hand at `position` [m], pointing down and turned by `yaw` [rad].

        Damped least squares from `start`:  Δq = Jᵀ (J Jᵀ + λ² 1)⁻¹ e,  λ = 0.01,  e = (Δp, rotation vector).
        """
        q, jac = np.concatenate([start, [0.0, 0.0]]), np.zeros((6, self.model.nv))
        turned = rotation_z(yaw) @ DOWN
        for _ in range(MOST_STEPS):
            found, rotation = self.pose(q)
            error = np.concatenate([position - found, rotation_vector(turned @ rotation.T)])
            if error @ error < CLOSE_ENOUGH:
                break
            mujoco.mj_comPos(self.model, self.data)
            mujoco.mj_jacSite(self.model, self.data, jac[:3], jac[3:], self.site)
            arm = jac[:, :7]
            q[:7] += arm.T @ np.linalg.solve(arm @ arm.T + 1e-4 * np.eye(6), error)
        return q[:7]

    def torque(self, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray) -> np.ndarray:
        """(T, 9) τ = M q̈ + c + g [N m, N] for qpos, qvel and qacc (T, 9), without contact forces."""
        out = np.empty(qpos.shape)
        product = np.empty(self.model.nv)
        for t in range(len(qpos)):
            self.data.qpos[:], self.data.qvel[:] = qpos[t], qvel[t]
            mujoco.mj_fwdPosition(self.model, self.data)
            mujoco.mj_fwdVelocity(self.model, self.data)
            mujoco.mj_mulM(self.model, self.data, product, qacc[t])
            out[t] = product + self.data.qfrc_bias
        return out

    def depth(self, qpos: np.ndarray) -> np.ndarray:
        """(T,) deepest overlap of two links [m] for qpos (T, 9); 0 where none overlap."""
        out = np.zeros(len(qpos))
        for t, q in enumerate(qpos):
            self.data.qpos[:] = q
            mujoco.mj_fwdPosition(self.model, self.data)
            out[t] = max(0.0, -float(self.data.contact.dist.min(initial=0.0)))
        return out


def rotation_z(angle: float) -> np.ndarray:
    """(3, 3) rotation about z by `angle` [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """(3,) axis times angle [rad] of a rotation matrix."""
    quaternion, out = np.empty(4), np.empty(3)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    mujoco.mju_quat2Vel(out, quaternion, 1.0)
    return out
