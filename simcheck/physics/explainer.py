"""Explanations of whole episodes: sets up what `explain` solves, for one model."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from simcheck.flags import weakest
from simcheck.physics import _layout
from simcheck.physics.bind import Bound
from simcheck.physics.engine import Engine, sweep_inverse
from simcheck.physics.explain import Problem, contact_set, explain_all, scratch
from simcheck.physics.structure import Structure
from simcheck.quantities import Explanation, Motion

FASTEST = 0.1  # [m] shapes that approach by more than this within one interval are not seen to meet
STANDARD_GRAVITY = 9.81  # [m/s²] the scale of weights where a model has no gravity


@dataclass(frozen=True, slots=True)
class Witness:
    """What explains each interval between two frames, T − 1 rows.

    Attributes:
        need: (T − 1, nv) generalized force something has to apply [N, N m]; torques of free joints in world axes.
        residual: (T − 1, nv) the part nothing admissible applies [N, N m].
        torque: (T − 1, nv) actuator torque of the witness [N m, N].
        touched: (T − 1, ntree) candidate force directions in reach of each tree: 0 means nothing touches it.
        failed: intervals whose solver did not converge.
    """

    need: np.ndarray
    residual: np.ndarray
    torque: np.ndarray
    touched: np.ndarray
    failed: int


@dataclass(frozen=True, slots=True)
class _RigidBody:
    """A tree that is one free rigid body: its momentum balance is exact over any interval.

    With p = m v_com and L the angular momentum about the body's origin o, both in world axes, r from o to the centre
    of mass:

        F = Δp/Δt − m g        τ_o = ΔL/Δt + v_o × p − r × m g        [N, N m]
    """

    qpos_adr: int
    dof: int
    mass: float
    offset: np.ndarray  # (3,) r in body axes [m]
    inertia: np.ndarray  # (3, 3) about o in body axes [kg m²]

    def momentum_balance(
        self, time: np.ndarray, qpos: np.ndarray, qvel: np.ndarray, gravity: np.ndarray, need: np.ndarray
    ) -> None:
        """Overwrite this body's columns of `need` (T − 1, nv): force and torque about o, world axes."""
        a, v = self.qpos_adr + 3, self.dof
        rotation = Rotation.from_quat(qpos[:, a : a + 4], scalar_first=True)
        spin_b, velocity = qvel[:, v + 3 : v + 6], qvel[:, v : v + 3]
        offset = rotation.apply(np.tile(self.offset, (len(time), 1)))
        momentum = self.mass * (velocity + np.cross(rotation.apply(spin_b), offset))
        about_origin = rotation.apply(spin_b @ self.inertia.T) + self.mass * np.cross(offset, velocity)
        dt = np.diff(time)[:, None]
        weight = self.mass * gravity
        force = np.diff(momentum, axis=0) / dt - weight
        drift = np.cross(velocity, momentum)
        torque = np.diff(about_origin, axis=0) / dt + (drift[1:] + drift[:-1]) / 2
        torque -= np.cross((offset[1:] + offset[:-1]) / 2, weight)
        need[:, v : v + 3] = force
        need[:, v + 3 : v + 6] = torque


def _rigid_bodies(model: mujoco.MjModel, dof_tree: np.ndarray) -> list[_RigidBody]:
    """The trees whose only joint is a free one."""
    data, out = mujoco.MjData(model), []
    for j in np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
        q, v = int(model.jnt_qposadr[j]), int(model.jnt_dofadr[j])
        if np.sum(dof_tree == dof_tree[v]) != 6:
            continue
        data.qpos[q + 3 : q + 7] = [1, 0, 0, 0]
        mujoco.mj_forward(model, data)
        mass_matrix = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, mass_matrix)
        block = mass_matrix[v : v + 6, v : v + 6]
        mass = float(block[0, 0])
        # The coupling block is −m [r]×: its entries (1, 2) and so on are the offset.
        coupling = block[:3, 3:] / mass
        offset = np.array([coupling[1, 2], coupling[2, 0], coupling[0, 1]])
        out.append(_RigidBody(q, v, mass, offset, block[3:, 3:].copy()))
    return out


class Explainer:
    """Explains episodes of one model. Not shared between threads.

    Args of the constructor:
        model: compiled model with objects and scenery in it.
        actuated: (nv,) bool, degrees of freedom an actuator acts on.
        limit: (nv,) effort limits [N m, N], nan where none is declared.
        reach: [m] shapes this near or nearer may touch.
    """

    def __init__(self, model: mujoco.MjModel, actuated: np.ndarray, limit: np.ndarray, reach: float) -> None:
        wide = model.__copy__()
        margin = reach + FASTEST
        wide.geom_margin[:] = margin / 2  # margins of a pair add up
        wide.body_margin[:] = margin / 2
        wide.pair_margin[:] = margin
        self.model, self.engine, self.reach = model, Engine(wide), reach
        self.trees, body_tree = np.unique(model.body_rootid, return_inverse=True)
        dof_tree = body_tree[model.dof_bodyid]
        free = np.flatnonzero(model.jnt_type == mujoco.mjtJoint.mjJNT_FREE)
        self._spin = np.stack([model.jnt_dofadr[free] + 3, model.jnt_bodyid[free]], axis=1).astype(np.int64)
        judged = np.zeros(len(self.trees), bool)
        judged[dof_tree[~actuated]] = True
        self.problem = Problem(
            body_tree=body_tree.astype(np.int64), dof_tree=dof_tree.astype(np.int64),
            geom_body=model.geom_bodyid.astype(np.int64), actuated=actuated,
            limit=np.where(np.isfinite(limit), limit, np.inf), scale=self._scale(actuated, limit, dof_tree),
            spin=self._spin, judged=judged,
        )  # fmt: skip
        self.dof_tree = dof_tree
        self._bodies = _rigid_bodies(model, dof_tree)
        self._scratch = scratch(model.nv, len(self.trees))
        self._sets = contact_set(model.nv), contact_set(model.nv)
        self._friction_at = _layout.layout("mjContact").offset["friction"] // 8

    def _scale(self, actuated: np.ndarray, limit: np.ndarray, dof_tree: np.ndarray) -> np.ndarray:
        """(nv,) 1/(m g) for translations, 1/(m g ρ) for rotations, ρ² = M_vv/m at qpos0; 1/limit for actuators."""
        mj, data = self.model, mujoco.MjData(self.model)
        mujoco.mj_forward(mj, data)
        mass_matrix = np.zeros((mj.nv, mj.nv))
        mujoco.mj_fullM(mj, data, mass_matrix)
        gravity = float(np.linalg.norm(mj.opt.gravity)) or STANDARD_GRAVITY
        mass = np.maximum(mj.body_subtreemass[self.trees], 1e-6)[dof_tree]
        kind, first = mj.jnt_type[mj.dof_jntid], mj.jnt_dofadr[mj.dof_jntid]
        free = kind == mujoco.mjtJoint.mjJNT_FREE
        slides = (kind == mujoco.mjtJoint.mjJNT_SLIDE) | (free & (np.arange(mj.nv) - first < 3))
        radius = np.sqrt(np.maximum(np.diag(mass_matrix), 1e-12) / mass)
        scale = 1 / (mass * gravity * np.where(slides, 1.0, radius))
        declared = actuated & np.isfinite(limit) & (limit > 0)
        return np.where(declared, 1 / np.where(declared, limit, 1.0), scale)

    def explain(self, time: np.ndarray, qpos: np.ndarray, qvel: np.ndarray, friction: float = 1.0) -> Witness:
        """Explain every interval between two frames.

        Args:
            time: (T,) [s].
            qpos: (T, nq).
            qvel: (T, nv).
            friction: factor on every friction coefficient of the model.
        """
        nv, frames = self.model.nv, len(time) - 1
        qacc = np.diff(qvel, axis=0) / np.diff(time)[:, None]
        mean = (qvel[1:] + qvel[:-1]) / 2
        need, gravity, sigma = np.empty((3, frames, nv))
        sweep_inverse(
            self.engine.handles, qpos[:-1], mean, qacc, np.zeros((frames, nv)), np.empty((nv, nv)), need, gravity, sigma
        )
        for j in np.flatnonzero(self.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE):
            q, v = int(self.model.jnt_qposadr[j]) + 3, int(self.model.jnt_dofadr[j]) + 3
            rotation = Rotation.from_quat(qpos[:-1, q : q + 4], scalar_first=True)
            need[:, v : v + 3] = rotation.apply(need[:, v : v + 3])
        for tree in self._bodies:
            tree.momentum_balance(time, qpos, qvel, self.model.opt.gravity, need)
        residual, torque = np.zeros((frames, nv)), np.zeros((frames, nv))
        touched = np.zeros((frames, len(self.trees)), np.int64)
        failed = explain_all(
            self.engine.handles, self.problem, time, np.ascontiguousarray(qpos), np.ascontiguousarray(qvel), need,
            self.reach,
            self._friction_at, friction,
            self._sets, self._scratch, np.zeros((2, 6, nv)), np.zeros(3), residual, torque, touched,
        )  # fmt: skip
        return Witness(need, residual, torque, touched, int(failed))


def explanation(explainer: Explainer, structure: Structure, bound: Bound, motion: Motion) -> Explanation:
    """What explains the free bodies of one episode."""
    model = explainer.model
    recorded = motion.velocity_recorded
    exact = np.isfinite(recorded).all()
    witness = explainer.explain(bound.time, bound.qpos, recorded if exact else motion.qvel)
    dofs = np.array([model.body_dofadr[b] for b in structure.free_bodies])
    mass = np.maximum(model.body_subtreemass[structure.free_bodies], 1e-9)
    gravity = float(np.linalg.norm(model.opt.gravity)) or STANDARD_GRAVITY
    force, torque = dofs[:, None] + np.arange(3), dofs[:, None] + np.arange(3, 6)
    radius = 1 / (mass * gravity * explainer.problem.scale[torque].mean(axis=1))
    noise = np.zeros_like(motion.sigma_qacc[:-1]) if exact else motion.sigma_qacc[:-1]
    tree = explainer.dof_tree[dofs]
    return Explanation(
        bodies=tuple(structure.model.body_name(b) for b in structure.free_bodies), weight=mass * gravity, radius=radius,
        needed=witness.need[:, force], force=np.linalg.norm(witness.residual[:, force], axis=2),
        torque=np.linalg.norm(witness.residual[:, torque], axis=2),
        sigma_force=mass * np.linalg.norm(noise[:, force], axis=2),
        sigma_torque=mass * radius**2 * np.linalg.norm(noise[:, torque], axis=2), touched=witness.touched[:, tree] > 0,
        is_base=structure.robot_body[structure.free_bodies], failed=witness.failed,
        evidence=weakest(*(bound.joints.evidence[v] for v in dofs)),
    )  # fmt: skip
