"""An episode bound to a model by joint name: dataset columns become qpos, with the evidence for each joint.

Names decide, never position. A column matches a joint when its words do: "left_shoulder_pan.pos" and
"left/shoulder_pan" are the same; a card's aliases say the rest. Units the dataset declares are used; a unit
that is guessed from the numbers makes everything computed from it INFERRED, and the guess is written down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import mujoco
import numpy as np

from simcheck.errors import FormatError
from simcheck.flags import Evidence
from simcheck.physics._references import SCENE
from simcheck.physics.model import RobotModel
from simcheck.physics.motion import MIN_SAMPLES, segments
from simcheck.physics.structure import Structure
from simcheck.quantities import Joints
from simcheck.robot import Gripper
from simcheck.trajectory import NORMALISED, SI_FACTOR, UNKNOWN, ActionKind, Channel, Trajectory

_PREFIX = re.compile(r"^(observation\.(state|velocity|effort)|action|state)[./]")
_SUFFIX = re.compile(r"[._/](pos|position|q|angle)$")


def words(name: str) -> str:
    """A name reduced to its words, so that spellings of one joint agree."""
    name = _SUFFIX.sub("", _PREFIX.sub("", name.strip().lower()))
    name = re.sub(r"[^a-z0-9]+", "_", name).strip("_")
    return name.removesuffix("_joint")


@dataclass(frozen=True, slots=True)
class Bound:
    """An episode in the model's coordinates; rows are judged frames.

    `qvel`, `effort` and `target` hold nan where nothing was recorded, and are None where nothing was at all.
    """

    frame: np.ndarray
    time: np.ndarray
    qpos: np.ndarray
    qvel: np.ndarray | None
    effort: np.ndarray | None
    target: np.ndarray | None
    joints: Joints
    effort_evidence: Evidence
    base_known: bool
    notes: tuple[str, ...]


class _Columns:
    """Which column of a channel is which joint of the model."""

    def __init__(self, model: RobotModel, structure: Structure) -> None:
        self.model, self.structure = model, structure
        card = model.card
        self.joint: dict[str, int] = {}
        for j, name in enumerate(model.joint_names):
            if structure.dof[j] >= 0:
                self.joint[words(name)] = j
                self.joint.setdefault(words(re.sub(r"^(robot|gripper)\d+_", "", name)), j)
        by_name = {n: j for j, n in enumerate(model.joint_names)}
        for name, aliases in (card.aliases if card else {}).items():
            for alias in aliases:
                self.joint.setdefault(words(alias), by_name[name])
        self.gripper: dict[str, Gripper] = {}
        for gripper in card.gripper if card else []:
            for alias in (gripper.name, *gripper.aliases):
                self.gripper[words(alias)] = gripper

    def match(self, channel: Channel) -> tuple[list[tuple[int, int]], list[tuple[int, Gripper]], list[str]]:
        """((column, joint) pairs, (column, gripper) pairs, names that matched nothing)."""
        joints, grippers, unmatched = [], [], []
        for column, name in enumerate(channel.names):
            key, normalised = words(name), channel.units[column] in ("unit", "percent")
            if key in self.joint and not (normalised and key in self.gripper):
                joints.append((column, self.joint[key]))
            elif key in self.gripper:
                grippers.append((column, self.gripper[key]))
            else:
                unmatched.append(name)
        card = self.model.card
        if not joints and card and not channel.named and len(channel.names) == len(card.joints):
            by_name = {n: j for j, n in enumerate(self.model.joint_names)}
            return [(c, by_name[n]) for c, n in enumerate(card.joints)], [], []
        return joints, grippers, unmatched


def infer_unit(peak: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """Guess the common unit of hinge columns from their largest magnitudes; rad unless the numbers cannot be.

    ±100 normalisation saturates at exactly 100; degrees fill the joint ranges once divided by 57.3.
    """
    bound = np.maximum(np.abs(low), np.abs(high))
    bound = np.where(np.isfinite(bound), bound, 2 * np.pi)
    if np.all(peak <= 1.1 * bound + 0.1):
        return "rad"
    if np.any(np.isclose(peak, 100.0, atol=1e-6)) or (np.all(peak <= 101.0) and np.any(peak > 1.1 * np.degrees(bound))):
        return "m100"
    return "deg" if np.all(peak <= 1.1 * np.degrees(bound) + 5) else UNKNOWN


def to_si(values: np.ndarray, unit: str, low: float, high: float) -> np.ndarray:
    """One column in rad or m; normalised units run over the joint's range [low, high]."""
    if unit == "m100":
        return low + (values + 100) / 200 * (high - low)
    if unit in NORMALISED:
        return low + values / (100 if unit == "percent" else 1) * (high - low)
    return values * SI_FACTOR[unit]


class Binder:
    """Binds episodes to one model."""

    def __init__(self, model: RobotModel, structure: Structure) -> None:
        self.model, self.structure, self.columns = model, structure, _Columns(model, structure)

    def bind(self, trajectory: Trajectory) -> Bound:
        """Bind one episode.

        Raises:
            FormatError: nothing in the episode is a joint of this model, or fewer than 7 frames are usable.
        """
        if trajectory.sim is not None:
            return self._bind_state(trajectory)
        if trajectory.position is None:
            raise FormatError("the episode has no joint positions")
        return self._bind_channels(trajectory, trajectory.position)

    def _bind_state(self, trajectory: Trajectory) -> Bound:
        mj, state = self.model.mj, trajectory.sim.state  # pyright: ignore[reportOptionalMemberAccess]
        if state.shape[1] != mj.nq + mj.nv:
            raise FormatError(
                f"states have {state.shape[1] + 1} columns; this model needs 1 + nq {mj.nq} + nv {mj.nv} = "
                f"{1 + mj.nq + mj.nv}: the states were recorded with another model"
            )
        keep, notes = usable(trajectory.time, np.asarray(np.isfinite(state).all(axis=1)))
        known = np.ones(mj.nv, bool)
        return Bound(
            frame=keep, time=trajectory.time[keep], qpos=np.ascontiguousarray(state[keep, : mj.nq]),
            qvel=np.ascontiguousarray(state[keep, mj.nq :]), effort=self._state_effort(trajectory, keep), target=None,
            joints=self.structure.joints(known, [Evidence.MEASURED] * mj.nv, Evidence.MEASURED),
            effort_evidence=Evidence.MEASURED, base_known=True, notes=notes,
        )  # fmt: skip

    def _state_effort(self, trajectory: Trajectory, keep: np.ndarray) -> np.ndarray | None:
        """Logged controller torques: the arm's joints come first in every robosuite robot."""
        if trajectory.effort is None:
            return None
        driven = np.flatnonzero(self.structure.actuated & self.structure.robot)[: len(trajectory.effort.names)]
        out = np.full((len(keep), self.model.mj.nv), np.nan)
        out[:, driven] = trajectory.effort.values[keep][:, : len(driven)]
        return out

    def _bind_channels(self, trajectory: Trajectory, position: Channel) -> Bound:
        mj, structure, notes = self.model.mj, self.structure, []
        joints, grippers, unmatched = self.columns.match(position)
        if not joints and not grippers:
            known = ", ".join(n for j, n in enumerate(self.model.joint_names) if structure.dof[j] >= 0)
            raise FormatError(
                f"none of the columns {', '.join(position.names[:8])}… is a joint of {self.model.label}; known: {known}"
            )
        notes += self._unmatched(position, unmatched)
        evidence = [Evidence.INFERRED] * mj.nv
        observed = np.zeros(mj.nv, bool)
        qpos = np.tile(structure.home, (len(trajectory), 1))
        self._fill(position, trajectory.action, joints, grippers, qpos, observed, evidence, notes)
        base = self._base(trajectory, qpos, observed, evidence, notes)
        self._couple(qpos, observed, evidence)
        self._objects(trajectory, qpos, observed, evidence, notes)
        finite = np.asarray(np.isfinite(qpos).all(axis=1))
        keep, more = usable(trajectory.time, finite)
        hidden = [structure.dof_names[v] for v in np.flatnonzero(structure.robot & ~observed)]
        if hidden:
            notes.append(f"not recorded, held at the home pose: {', '.join(hidden)}")
        joint_facts = structure.joints(observed, evidence, base)
        return Bound(
            frame=keep, time=trajectory.time[keep], qpos=np.ascontiguousarray(qpos[keep]),
            qvel=self._rates(trajectory.velocity, keep), effort=self._rates(trajectory.effort, keep),
            target=self._targets(trajectory, position, keep), joints=joint_facts,
            effort_evidence=trajectory.effort.evidence if trajectory.effort else Evidence.MEASURED,
            base_known=base is not Evidence.INFERRED, notes=(*notes, *more),
        )  # fmt: skip

    def _unmatched(self, channel: Channel, unmatched: list[str]) -> list[str]:
        if not unmatched:
            return []
        listed = ", ".join(unmatched[:8]) + ("…" if len(unmatched) > 8 else "")
        return [f"{len(unmatched)} of {len(channel.names)} columns are no joint of {self.model.label}: {listed}"]

    def _fill(
        self, channel: Channel, action: Channel | None, joints: list[tuple[int, int]],
        grippers: list[tuple[int, Gripper]], qpos: np.ndarray, observed: np.ndarray, evidence: list[Evidence],
        notes: list[str],
    ) -> None:  # fmt: skip
        units, guessed = self._units(channel, joints, action)
        if guessed:
            notes.append(f"unit of position not declared: inferred {guessed} from its range")
        for column, j in joints:
            v, q = self.structure.dof[j], self.model.mj.jnt_qposadr[j]
            low, high = self.structure.range[v]
            unit = units.get(column, UNKNOWN)
            if unit == UNKNOWN:
                notes.append(f"{channel.names[column]}: unit unknown, not used")
                continue
            qpos[:, q] = to_si(channel.values[:, column], unit, low, high)
            observed[v] = True
            known = channel.units[column] != UNKNOWN and channel.named
            evidence[v] = channel.evidence if known else Evidence.INFERRED
        for column, gripper in grippers:
            self._fill_gripper(channel, column, gripper, qpos, observed, evidence)

    def _units(
        self, channel: Channel, joints: list[tuple[int, int]], action: Channel | None
    ) -> tuple[dict[int, str], str]:
        """Unit by column, and the guess that filled the undeclared ones; targets of the same name help to guess."""
        units = {c: channel.units[c] for c, _ in joints}
        open_columns = [(c, self.structure.dof[j]) for c, j in joints if units[c] == UNKNOWN]
        hinges = [(c, v) for c, v in open_columns if self.structure.units[v] == "rad"]
        if not hinges:
            units.update({c: "m" for c, _ in open_columns})
            return self._with_gripper_percent(channel, units), "m" if open_columns else ""
        columns, dofs = [c for c, _ in hinges], [v for _, v in hinges]
        limits = self.structure.range[dofs]
        peak = np.nanmax(np.abs(channel.values[:, columns]), axis=0, initial=0)
        if action is not None and set(action.names) >= {channel.names[c] for c in columns}:
            at = [action.names.index(channel.names[c]) for c in columns]
            peak = np.maximum(peak, np.nanmax(np.abs(action.values[:, at]), axis=0, initial=0))
        guess = infer_unit(peak, limits[:, 0], limits[:, 1])
        units.update(dict.fromkeys(columns, guess))
        units.update({c: "m" for c, v in open_columns if v not in dofs})
        return self._with_gripper_percent(channel, units), guess

    def _with_gripper_percent(self, channel: Channel, units: dict[int, str]) -> dict[int, str]:
        """LeRobot's grippers run 0…100 where its other joints run −100…100, whoever said m100."""

        def is_share(c: int) -> bool:
            return words(channel.names[c]).endswith("gripper") and np.nanmin(channel.values[:, c], initial=0) >= -1

        return {c: "percent" if unit == "m100" and is_share(c) else unit for c, unit in units.items()}

    def _fill_gripper(
        self, channel: Channel, column: int, gripper: Gripper, qpos: np.ndarray, observed: np.ndarray,
        evidence: list[Evidence],
    ) -> None:  # fmt: skip
        values, unit = channel.values[:, column], channel.units[column]
        share = values / 100 if unit == "percent" or np.nanmax(np.abs(values)) > 1.5 else values
        for name, closed, opened in zip(gripper.joints, gripper.closed, gripper.open, strict=True):
            j = self.model.mj.joint(name).id
            v = self.structure.dof[j]
            if unit in SI_FACTOR:  # a width in metres or an angle: the joint's own coordinate
                qpos[:, self.model.mj.jnt_qposadr[j]] = values * SI_FACTOR[unit]
            else:
                qpos[:, self.model.mj.jnt_qposadr[j]] = closed + np.clip(share, -0.05, 1.05) * (opened - closed)
            observed[v] = True
            evidence[v] = channel.evidence if unit != UNKNOWN else Evidence.INFERRED

    def _base(
        self, trajectory: Trajectory, qpos: np.ndarray, observed: np.ndarray, evidence: list[Evidence], notes: list[str]
    ) -> Evidence:
        free = self.structure.free_base
        if free < 0:
            return Evidence.DECLARED
        q, v = int(self.model.mj.jnt_qposadr[free]), int(self.model.mj.jnt_dofadr[free])
        if trajectory.base is None or trajectory.base.quaternion is None:
            notes.append("the base pose is not recorded: assumed upright and at rest")
            return Evidence.INFERRED
        norm = np.linalg.norm(trajectory.base.quaternion, axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            qpos[:, q : q + 7] = np.hstack([trajectory.base.position, trajectory.base.quaternion / norm])
        observed[v : v + 6] = True
        evidence[v : v + 6] = [Evidence.DECLARED] * 6
        return Evidence.DECLARED

    def _objects(
        self, trajectory: Trajectory, qpos: np.ndarray, observed: np.ndarray, evidence: list[Evidence], notes: list[str]
    ) -> None:
        """Recorded object poses move the scene's free bodies of the same name."""
        mj = self.model.mj
        free = {
            words(self.model.body_name(b)): b for b in self.structure.free_bodies if not self.structure.robot_body[b]
        }
        poses = {words(SCENE + name): poses for name, poses in trajectory.objects.items()}
        for name, body in free.items():
            recorded = poses.get(name)
            if recorded is None or recorded.quaternion is None:
                notes.append(f"the pose of {self.model.body_name(body)} is not recorded: held where the scene puts it")
                continue
            q, v = int(mj.jnt_qposadr[mj.body_jntadr[body]]), int(mj.body_dofadr[body])
            norm = np.linalg.norm(recorded.quaternion, axis=1, keepdims=True)
            with np.errstate(invalid="ignore", divide="ignore"):
                qpos[:, q : q + 7] = np.hstack([recorded.position, recorded.quaternion / norm])
            observed[v : v + 6] = True
            evidence[v : v + 6] = [Evidence.DECLARED] * 6

    def _couple(self, qpos: np.ndarray, observed: np.ndarray, evidence: list[Evidence]) -> None:
        """Joints tied to an observed one by a joint equality follow it."""
        mj = self.model.mj
        for e in np.flatnonzero(mj.eq_type == mujoco.mjtEq.mjEQ_JOINT):
            first, second = int(mj.eq_obj1id[e]), int(mj.eq_obj2id[e])
            if second < 0:
                continue
            coefficients = mj.eq_data[e, :5]
            for follower, leader in ((first, second), (second, first)):
                v, w = self.structure.dof[follower], self.structure.dof[leader]
                if observed[v] or not observed[w]:
                    continue
                if follower == second and not np.allclose(coefficients, [0, 1, 0, 0, 0]):
                    continue  # only the identity can be followed backwards
                x = qpos[:, mj.jnt_qposadr[leader]] - mj.qpos0[mj.jnt_qposadr[leader]]
                q = mj.jnt_qposadr[follower]
                qpos[:, q] = mj.qpos0[q] + np.polynomial.polynomial.polyval(x, coefficients)
                observed[v], evidence[v] = True, evidence[w]

    def _rates(self, channel: Channel | None, keep: np.ndarray) -> np.ndarray | None:
        """Recorded velocities or efforts by degree of freedom; undeclared units are taken as SI only if rad fits."""
        if channel is None:
            return None
        out = np.full((len(keep), self.model.mj.nv), np.nan)
        for column, j in self.columns.match(channel)[0]:
            if channel.units[column] in SI_FACTOR:
                out[:, self.structure.dof[j]] = channel.values[keep, column] * SI_FACTOR[channel.units[column]]
        return out if np.isfinite(out).any() else None

    def _targets(self, trajectory: Trajectory, position: Channel, keep: np.ndarray) -> np.ndarray | None:
        """Commanded joint positions where `action` has the columns of `position`, in the same units."""
        action = trajectory.action
        if action is None or trajectory.action_kind is not ActionKind.ABS_JOINT:
            return None
        out = np.full((len(keep), self.model.mj.nv), np.nan)
        joints, _, _ = self.columns.match(position)
        units, _ = self._units(position, joints, action)
        by_name = {name: c for c, name in enumerate(action.names)}
        for column, j in joints:
            unit, at = units.get(column, UNKNOWN), by_name.get(position.names[column])
            if at is not None and unit != UNKNOWN:
                v = self.structure.dof[j]
                out[:, v] = to_si(action.values[keep, at], unit, *self.structure.range[v])
        return out if np.isfinite(out).any() else None


def usable(time: np.ndarray, finite: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows that can be differentiated: finite, later than every row before, in stretches of at least 7.

    Raises:
        FormatError: none can.
    """
    with np.errstate(invalid="ignore"):
        latest = np.fmax.accumulate(np.concatenate(([-np.inf], time[:-1])))
        keep = np.flatnonzero(finite & np.isfinite(time) & (time > latest))
    if len(keep) >= MIN_SAMPLES:
        stretch = segments(time[keep])
        keep = keep[stretch[:, 1] - stretch[:, 0] >= MIN_SAMPLES]
    if len(keep) < MIN_SAMPLES:
        raise FormatError(
            f"{len(time)} frames, of which {len(keep)} can be differentiated; at least {MIN_SAMPLES} are needed"
        )
    dropped = len(time) - len(keep)
    return keep, (f"{dropped} of {len(time)} frames are not finite or not in time order and were left out",) * (
        dropped > 0
    )
