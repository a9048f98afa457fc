"""What the parts of a compiled model are: robot, objects, scenery; which joint moves what; where home is."""

from __future__ import annotations

import mujoco
import numpy as np

from simcheck.flags import Evidence, weakest
from simcheck.physics._references import SCENE
from simcheck.physics.model import RobotModel
from simcheck.quantities import Joints

NEGLIGIBLE = 0.02  # [share of the effort limit, or of the largest static effort] that an unseen joint may change


class Structure:
    """Name and index maps of one model, computed once.

    Attributes:
        dof: (njnt,) degree of freedom of each hinge and slide, −1 for others.
        dof_names, units: (nv,) joint name and "rad" or "m".
        robot, actuated: (nv,) bool, hinge and slide joints of the robot; those with an actuator of their own.
        range: (nv, 2) joint range [rad, m]; nan where unlimited.
        robot_body: (nbody,) bool.
        tree: (nbody,) top-level body each body hangs from: two arms are two trees.
        free_base: joint id of the robot's free base, −1 for a fixed one.
        home: (nq,) reference configuration: the card's, else the key frame "home", else the first, else qpos0.
        free_bodies: body of every free joint.
        moves: (nbody, nv) bool: the degree of freedom moves the body.
        related: (nv, nv) bool: the position of k matters to the torque of j.
    """

    def __init__(self, model: RobotModel) -> None:
        self.model, mj = model, model.mj
        one_dof = np.isin(mj.jnt_type, [mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE])
        self.dof = np.where(one_dof, mj.jnt_dofadr, -1)
        self.dof_names = tuple(model.joint_names[j] for j in mj.dof_jntid)
        slide = mj.jnt_type[mj.dof_jntid] == mujoco.mjtJoint.mjJNT_SLIDE
        self.units = tuple("m" if s else "rad" for s in slide)
        self.tree = mj.body_rootid.copy()
        self.robot_body = self._robot_bodies()
        self.robot = one_dof[mj.dof_jntid] & self.robot_body[mj.dof_bodyid]
        self.actuated = self.robot & self._actuated()
        limited = mj.jnt_limited[mj.dof_jntid].astype(bool) & one_dof[mj.dof_jntid]
        self.range = np.where(limited[:, None], mj.jnt_range[mj.dof_jntid], np.nan)
        free = np.flatnonzero((mj.jnt_type == mujoco.mjtJoint.mjJNT_FREE) & self.robot_body[mj.jnt_bodyid])
        self.free_base = int(free[0]) if len(free) else -1
        self.free_bodies = [int(b) for b in mj.jnt_bodyid[mj.jnt_type == mujoco.mjtJoint.mjJNT_FREE]]
        self.home = self._home()
        self.moves = self._moves()
        self.related = self._related()

    def joints(self, observed: np.ndarray, evidence: list[Evidence], base: Evidence) -> Joints:
        """The Joints group for an episode that recorded `observed`."""
        everyone = np.arange(self.model.mj.nv)
        effort = tuple(weakest(base, evidence[j], *(evidence[k] for k in everyone[self.related[j]])) for j in everyone)
        return Joints(
            names=self.dof_names, units=self.units, robot=self.robot, actuated=self.actuated, observed=observed,
            evidence=tuple(evidence), effort_evidence=effort,
        )  # fmt: skip

    def _robot_bodies(self) -> np.ndarray:
        """Trees that hold an actuator; every tree where the model has no actuators, or came as a robot."""
        mj = self.model.mj
        if self.model.scene:
            return np.array([b > 0 and not self.model.body_name(b).startswith(SCENE) for b in range(mj.nbody)])
        driven = self._driven_bodies()
        if not self.model.embedded or not len(driven):
            bodies = np.ones(mj.nbody, bool)
        else:
            bodies = np.isin(self.tree, mj.body_rootid[driven])
        bodies[0] = False
        return bodies

    def _driven_bodies(self) -> np.ndarray:
        mj = self.model.mj
        joint = mj.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
        return mj.jnt_bodyid[mj.actuator_trnid[joint, 0]]

    def _actuated(self) -> np.ndarray:
        """(nv,) driven by a joint actuator; without actuators (URDF), every joint with an effort limit."""
        mj = self.model.mj
        out = np.zeros(mj.nv, bool)
        if mj.nactuator:
            joint = mj.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT
            out[mj.jnt_dofadr[mj.actuator_trnid[joint, 0]]] = True
            return out
        card = self.model.card
        if card:
            names = set(card.joints)
            return np.array([n in names for n in self.dof_names])
        return mj.jnt_actfrclimited[mj.dof_jntid].astype(bool)

    def _home(self) -> np.ndarray:
        mj, card = self.model.mj, self.model.card
        names = [mj.key(k).name for k in range(mj.nkey)]
        home = mj.qpos0.copy()
        if mj.nkey and np.isfinite(mj.key_qpos).all():
            home = mj.key_qpos[names.index("home") if "home" in names else 0].copy()
        for name, value in (card.home if card else {}).items():
            home[mj.jnt_qposadr[mj.joint(name).id]] = value
        if card and card.base_height is not None and self.free_base >= 0:
            home[mj.jnt_qposadr[self.free_base] + 2] = card.base_height
        return home

    def _related(self) -> np.ndarray:
        """Which joints matter to the torque of which: those it carries, and those that carry it.

        A joint whose whole range changes no static torque by more than NEGLIGIBLE is left out: an unseen
        gripper must not make the arm's torque a guess.
        """
        carried = self.moves[self.model.mj.dof_bodyid]
        return (carried | carried.T) & self._matters()

    def _moves(self) -> np.ndarray:
        mj = self.model.mj
        out = np.zeros((mj.nbody, mj.nv), bool)
        for b in range(1, mj.nbody):  # parents come before their children
            out[b] = out[mj.body_parentid[b]]
            out[b, mj.body_dofadr[b] : mj.body_dofadr[b] + mj.body_dofnum[b]] = True
        return out

    def _matters(self) -> np.ndarray:
        """(nv, nv) static torque of j changes noticeably over the range of k, at the home pose."""
        mj, data = self.model.mj, mujoco.MjData(self.model.mj)
        limit = np.maximum(np.abs(mj.jnt_actfrcrange[mj.dof_jntid, 1]), 1e-9)
        limited = mj.jnt_actfrclimited[mj.dof_jntid].astype(bool)

        def static(qpos: np.ndarray) -> np.ndarray:
            data.qpos[:] = qpos
            mujoco.mj_kinematics(mj, data)
            mujoco.mj_comPos(mj, data)
            mujoco.mj_comVel(mj, data)
            force = np.zeros(mj.nv)
            mujoco.mj_rne(mj, data, 0, force)
            return force

        reference = static(self.home)
        scale = np.where(limited, limit, np.maximum(np.abs(reference).max(), 1e-9))
        out = np.ones((mj.nv, mj.nv), bool)
        for k in np.flatnonzero(self.robot):
            change = np.zeros(mj.nv)
            for end in self.range[k]:
                qpos = self.home.copy()
                qpos[mj.jnt_qposadr[mj.dof_jntid[k]]] = end if np.isfinite(end) else 1.0
                change = np.maximum(change, np.abs(static(qpos) - reference))
            out[:, k] = change > NEGLIGIBLE * scale
        return out
