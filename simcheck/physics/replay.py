"""One episode through the physics: fills the groups of Quantities that the selected checks need.

A Replayer holds what depends only on the model (limits, lint, structure); a Worker adds the engine state one
thread works with.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter1d

from simcheck.errors import FormatError, ModelError
from simcheck.flags import Evidence
from simcheck.physics import contact, frames, limits
from simcheck.physics.bind import Binder, Bound
from simcheck.physics.engine import Engine, discrete, sweep_discrete, sweep_inverse
from simcheck.physics.explainer import Explainer, explanation
from simcheck.physics.lint import lint
from simcheck.physics.model import RobotModel
from simcheck.physics.motion import edges, estimate, sample_noise, samples_in, smoothed
from simcheck.physics.structure import Structure
from simcheck.quantities import Contacts, Effort, Explanation, Joints, Limits, MeasuredEffort, Motion, Quantities
from simcheck.trajectory import Note, Trajectory

TOUCH = 0.002  # [m] shapes this near may touch: soft contacts keep a gap or a dent of this order
STOP_SLACK = {"rad": 1e-3, "m": 2e-4}  # how near to an end of its range a joint may lean on its stop
# What has to be computed before what.
DEPENDS = {
    "motion": (), "ee": ("motion",), "contacts": ("motion",), "effort": ("motion", "ee", "contacts"),
    "measured_effort": (), "explanation": ("motion",),
}  # fmt: skip


# Every group that needs a recording bound to a model.
GROUPS = ("joints", "limits", "qpos", "position", "target", *DEPENDS)


def closure(groups: Collection[str]) -> set[str]:
    """The groups and everything they are computed from."""
    wanted = {g for g in groups if g in DEPENDS}
    while more := {d for g in wanted for d in DEPENDS[g]} - wanted:
        wanted |= more
    return wanted


@dataclass(frozen=True)
class Replayer:
    """What is known about one model before any episode."""

    model: RobotModel
    structure: Structure
    limits: Limits
    effort_sigma: np.ndarray
    findings: tuple[str, ...]
    frames: tuple[frames.Frame, ...]

    @property
    def doubtful(self) -> bool:
        """Forces of this model are a guess. A simulation's own model is what its forces came from."""
        if self.model.embedded:
            return False
        guessed = self.model.card is not None and self.model.card.model.grade == "guessed"
        return guessed or any(f.startswith("error:") for f in self.findings)

    @staticmethod
    def of(model: RobotModel) -> Replayer:
        """Prepare a model: tuning values out, structure, limits, lint."""
        structure = Structure(model)
        limit = limits.assemble(model, structure)
        findings = tuple(lint(model, structure, limit))
        tuning = model.card.model.tuning if model.card else []
        for name in tuning:
            getattr(model.mj, f"dof_{name}")[:] = 0
        sigma = limits.effort_sigma(model, structure, limit.effort)
        return Replayer(model, structure, limit, sigma, findings, frames.find(model, structure))


class Worker:
    """One thread's way to turn trajectories into quantities for one model."""

    def __init__(self, replayer: Replayer) -> None:
        self.replayer = replayer
        self.engine = Engine(replayer.model.mj)
        self.binder = Binder(replayer.model, replayer.structure)
        self._finder: contact.ContactFinder | None = None
        self._discrete: Engine | None = None
        self._explainer: Explainer | None = None

    def quantities(self, trajectory: Trajectory, groups: Collection[str]) -> Quantities:
        """Everything the checks that need `groups` will read."""
        replayer = self.replayer
        try:
            bound = self.binder.bind(trajectory)
        except FormatError as error:
            reason = "the recording could not be bound to the robot: see D108"
            note = Note("D108", "position", str(error))
            unbound = trajectory.with_notes(note) if trajectory.position is not None or trajectory.sim else trajectory
            return unjudged(unbound, reason)
        wanted, missing = closure(groups), {}
        motion = self._motion(bound) if "motion" in wanted else None
        found = self._contacts(bound, motion, missing) if motion and "contacts" in wanted else None
        ee = jacobian = None
        if motion and "ee" in wanted:
            ee, jacobian = self._end_effectors(bound, trajectory, motion, missing)
        effort = self._effort(bound, motion, found, ee, jacobian, missing) if motion and "effort" in wanted else None
        measured = self._measured(bound, missing) if "measured_effort" in wanted else None
        explanation = self._explanation(bound, motion, missing) if motion and "explanation" in wanted else None
        if bound.target is None:
            missing["target"] = "the recording has no commanded joint positions"
        return Quantities(
            trajectory=trajectory, frame=bound.frame, time=bound.time,
            joints=self._trusted(bound.joints), limits=replayer.limits, qpos=bound.qpos, position=self._position(bound),
            target=bound.target, motion=motion, effort=effort, measured_effort=measured, ee=ee, contacts=found,
            explanation=explanation,
            binding_notes=bound.notes, edge=edges(bound.time), engine_warnings=self.engine.warnings(),
            missing=missing,
        )  # fmt: skip

    def _trusted(self, joints: Joints) -> Joints:
        """Torque of a guessed model, or of one whose inertias the lint refuses, is only inferred."""
        if not self.replayer.doubtful:
            return joints
        return replace(joints, effort_evidence=(Evidence.INFERRED,) * len(joints.names))

    def _position(self, bound: Bound) -> np.ndarray:
        mj, structure = self.replayer.model.mj, self.replayer.structure
        out = np.full((len(bound.frame), mj.nv), np.nan)
        one = structure.dof >= 0
        out[:, structure.dof[one]] = bound.qpos[:, mj.jnt_qposadr[one]]
        return out

    def _motion(self, bound: Bound) -> Motion:
        return estimate(self.replayer.model.mj, bound.time, bound.qpos, bound.qvel)

    def _contacts(self, bound: Bound, motion: Motion, missing: dict[str, str]) -> Contacts | None:
        if self.replayer.model.collision_block:
            missing["contacts"] = self.replayer.model.collision_block
            return None
        self._finder = self._finder or contact.ContactFinder(self.replayer.model, self.replayer.structure)
        return self._finder.find(bound.qpos, motion.sigma_qpos, bound.joints.evidence)

    def _end_effectors(self, bound: Bound, trajectory: Trajectory, motion: Motion, missing: dict[str, str]):
        if not self.replayer.frames:
            missing["ee"] = "no end-effector frame is declared for this robot"
            return None, None
        return frames.end_effectors(
            self.engine, self.replayer.structure, self.replayer.frames, bound, trajectory, motion, self.replayer.limits
        )

    def _effort(self, bound: Bound, motion: Motion, found: Contacts | None, ee, jacobian, missing) -> Effort | None:
        model = self.replayer.model
        if model.torque_block:
            missing["effort"] = model.torque_block
            return None
        if self.replayer.structure.free_base >= 0 and bound.base_known and not model.embedded:
            missing["effort"] = "what the legs need hangs on ground forces, and there is no ground in the model"
            return None
        nv, shape = model.mj.nv, motion.qacc.shape
        needed, gravity, sigma = np.empty(shape), np.empty(shape), np.empty(shape)
        sweep_inverse(
            self.engine.handles, bound.qpos, motion.qvel, motion.qacc, motion.sigma_qacc, np.empty((nv, nv)),
            needed, gravity, sigma,
        )  # fmt: skip
        # Dry friction acts against the motion by up to `frictionloss`; its share is unknown, so it is spread.
        dry = model.mj.dof_frictionloss
        per_payload = np.full(shape, np.nan)
        if ee and jacobian is not None:
            # A point mass m at the frame needs J_vᵀ m (a − g): linear in m.
            acceleration = next(iter(ee.values())).linear_acceleration - model.mj.opt.gravity
            per_payload = np.einsum("tij,ti->tj", jacobian[:, 0, :3], acceleration)
        quiet = found is None
        self._exact(bound, needed, sigma)
        return Effort(
            needed=needed, gravity=gravity, damping=model.mj.dof_damping * motion.qvel,
            sigma=np.sqrt(sigma**2 + self.replayer.effort_sigma**2 + dry**2), per_payload=per_payload,
            in_contact=np.zeros(shape[0], bool) if quiet else contact.touching(found, shape[0]),
            at_stop=self._at_stop(bound),
        )  # fmt: skip

    def _explanation(self, bound: Bound, motion: Motion, missing: dict[str, str]) -> Explanation | None:
        model, structure = self.replayer.model, self.replayer.structure
        if not (model.embedded or model.scene):
            missing["explanation"] = (
                "no scene: the model holds the robot alone; give its table and objects with --scene"
            )
            return None
        if not structure.free_bodies:
            missing["explanation"] = "nothing in the model can move freely"
            return None
        self._explainer = self._explainer or Explainer(model.mj, structure.robot, self.replayer.limits.effort, TOUCH)
        return explanation(self._explainer, structure, bound, motion)

    def _exact(self, bound: Bound, needed: np.ndarray, sigma: np.ndarray) -> None:
        """Where every simulator step was logged, replace the fitted torque by the one the integrator applied."""
        mj = self.replayer.model.mj
        if not (self.replayer.model.embedded and every_step(bound.time, mj.opt.timestep) and bound.qvel is not None):
            return
        qacc = np.diff(bound.qvel, axis=0) / mj.opt.timestep
        self._discrete = self._discrete or Engine(discrete(mj))
        sweep_discrete(self._discrete.handles, bound.qpos[:-1], bound.qvel[:-1], qacc, needed[:-1])
        sigma[:-1] = 0.0

    def _at_stop(self, bound: Bound) -> np.ndarray:
        """(T, nv) within half a window of a frame in which the joint is at an end of its range, or past it."""
        position, limits = self._position(bound), self.replayer.structure.range
        slack = np.where(np.array(self.replayer.structure.units) == "m", STOP_SLACK["m"], STOP_SLACK["rad"])
        with np.errstate(invalid="ignore"):
            at = (position < limits[:, 0] + slack) | (position > limits[:, 1] - slack)
        half = samples_in(bound.time) // 2
        return maximum_filter1d(at.astype(np.uint8), 2 * half + 1, axis=0, mode="constant").astype(bool)

    def _measured(self, bound: Bound, missing: dict[str, str]) -> MeasuredEffort | None:
        if bound.effort is None:
            missing["measured_effort"] = "the recording has no effort in N m"
            return None
        known = np.isfinite(bound.effort).all(axis=0)
        raw = np.ascontiguousarray(bound.effort[:, known])
        out, var = smoothed(bound.time, raw, samples_in(bound.time))
        smooth, sigma = np.full_like(bound.effort, np.nan), np.full(bound.effort.shape[1], np.nan)
        smooth[:, known] = out[0]
        sigma[known] = sample_noise(raw, bound.time) * np.sqrt(np.median(var[0]))
        return MeasuredEffort(bound.effort, smooth, sigma, bound.effort_evidence)


def unjudged(trajectory: Trajectory, reason: str) -> Quantities:
    """Quantities of a recording that is bound to no model: every group is missing for this reason."""
    missing = dict.fromkeys(GROUPS, reason)
    return Quantities(trajectory, np.arange(len(trajectory)), trajectory.time, missing=missing)


def every_step(time: np.ndarray, timestep: float) -> bool:
    """Whether the log holds each step of the simulator: its periods are the model's timestep, to 1 %."""
    step = np.diff(time)
    return len(step) > 0 and bool(np.all(np.abs(step - timestep) < 0.01 * timestep))


def prepare(model: RobotModel) -> Replayer:
    """Everything that depends only on the model."""
    if model.mj.nq > 4096:
        raise ModelError(f"{model.label}: {model.mj.nq} coordinates; at most 4096 are handled")
    return Replayer.of(model)
