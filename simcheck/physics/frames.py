"""End-effector frames: where they are, how fast they move, how well the arm can move them there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from simcheck.flags import Evidence, weakest
from simcheck.physics.bind import Bound
from simcheck.physics.engine import Engine, sweep_kinematics
from simcheck.physics.model import RobotModel
from simcheck.physics.motion import samples_in, smoothed
from simcheck.physics.structure import Structure
from simcheck.quantities import EndEffector, Limits, Motion
from simcheck.trajectory import Poses, Trajectory

# Sites that are an end effector by convention, for models without a card.
CONVENTIONAL = ("ee", "attachment_site", "gripper0_grip_site", "gripper0_right_grip_site", "grip_site", "pinch")


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of reference on the model: a site (or −1 for the body's own frame), and the base it is seen from."""

    name: str
    body: int
    site: int
    base: int


def find(model: RobotModel, structure: Structure) -> tuple[Frame, ...]:
    """The card's end-effector frames, or one that is an end effector by convention."""
    mj = model.mj
    sites = {mj.site(s).name: s for s in range(mj.nsite)}
    bodies = {mj.body(b).name: b for b in range(mj.nbody)}
    named = dict(model.card.frames) if model.card else {}
    if not named:
        named = next(({"ee": f"site:{s}"} for s in CONVENTIONAL if s in sites), {})
    out = []
    for name, reference in named.items():
        kind, _, target = reference.partition(":")
        site = sites.get(target, -1) if kind == "site" else -1
        body = int(mj.site_bodyid[site]) if site >= 0 else bodies.get(target, -1)
        if body > 0:
            base = 0 if structure.free_base >= 0 else int(structure.tree[body])
            out.append(Frame(name, body, site, base))
    return tuple(out)


def end_effectors(
    engine: Engine, structure: Structure, found: tuple[Frame, ...], bound: Bound, trajectory: Trajectory,
    motion: Motion, limits: Limits,
) -> tuple[dict[str, EndEffector], np.ndarray]:  # fmt: skip
    """Every frame's EndEffector, and the Jacobians (T, n, 6, nv) of all of them, world axes."""
    mj, n, frames = structure.model.mj, len(found), len(bound.frame)
    bodies = [f.body for f in found] + [f.base for f in found]
    sites = [f.site for f in found] + [-1] * n
    pos, mat = np.empty((frames, 2 * n, 3)), np.empty((frames, 2 * n, 9))
    jac = np.zeros((frames, 2 * n, 6, mj.nv))
    sweep_kinematics(
        engine.handles, bound.qpos, np.array(bodies, np.int32), np.array(sites), np.zeros(3), pos, mat, jac
    )
    mat = mat.reshape(frames, 2 * n, 3, 3)
    out = {}
    for k, frame in enumerate(found):
        rotation = mat[:, n + k]  # base in world
        local = np.einsum("tji,tj->ti", rotation, pos[:, k] - pos[:, n + k])
        orientation = np.einsum("tji,tjk->tik", rotation, mat[:, k])
        out[frame.name] = _end_effector(frame, structure, bound, trajectory, motion, limits, pos[:, k], local,
                                        orientation, jac[:, k])  # fmt: skip
    return out, jac[:, :n]


def _end_effector(
    frame: Frame, structure: Structure, bound: Bound, trajectory: Trajectory, motion: Motion, limits: Limits,
    world: np.ndarray, local: np.ndarray, orientation: np.ndarray, jac: np.ndarray,
) -> EndEffector:  # fmt: skip
    mj = structure.model.mj
    # J σ_q: what the noise of each joint does to the position, to the velocity, to the acceleration.
    lever = jac[:, :3]

    def spread(sigma: np.ndarray) -> np.ndarray:
        return np.sqrt(np.einsum("tij,tj->t", lever**2, np.broadcast_to(sigma, jac[:, 0].shape) ** 2))

    velocity = np.einsum("tij,tj->ti", lever, motion.qvel)
    acceleration = smoothed(bound.time, np.ascontiguousarray(world), samples_in(bound.time))[0][2]
    chain = np.any(jac != 0, axis=(0, 1))
    evidence = weakest(*(e for e, c in zip(bound.joints.evidence, chain, strict=True) if c))
    recorded = trajectory.ee.get(frame.name)
    if recorded is None and len(trajectory.ee) == 1:
        recorded = next(iter(trajectory.ee.values()))
    reach = limits.reach if np.isfinite(limits.reach) else float(mj.stat.extent)
    return EndEffector(
        position=local, quaternion=_quaternions(orientation),
        speed=np.linalg.norm(velocity, axis=1), sigma_speed=spread(motion.sigma_qvel),
        acceleration=np.linalg.norm(acceleration, axis=1), sigma_acceleration=spread(motion.sigma_qacc),
        linear_acceleration=acceleration,
        dexterity=_smallest_singular_value(jac[:, :, chain & structure.robot], reach),
        sigma_position=spread(motion.sigma_qpos),
        recorded=_rows(recorded, bound.frame), recorded_frame_known=trajectory.ee_frame_known,
        evidence=evidence if bound.base_known or frame.base else Evidence.INFERRED,
    )  # fmt: skip


def _rows(poses: Poses | None, frame: np.ndarray) -> Poses | None:
    if poses is None:
        return None
    quaternion = None if poses.quaternion is None else poses.quaternion[frame]
    return Poses(poses.position[frame], quaternion)


def _quaternions(rotation: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotation matrices to (T, 4) wxyz."""
    return Rotation.from_matrix(rotation).as_quat(scalar_first=True)


def _smallest_singular_value(jac: np.ndarray, reach: float) -> np.ndarray:
    """(T,) of the Jacobian with its angular rows scaled by the reach, so that all rows are in metres.

    Through the eigenvalues of J Jᵀ (6 × 6), or of Jᵀ J where the arm has fewer than six joints.
    """
    scaled = jac * np.array([1.0, 1.0, 1.0, reach, reach, reach])[:, None]
    product = (
        np.einsum("tij,tkj->tik", scaled, scaled) if jac.shape[2] >= 6 else np.einsum("tij,tik->tjk", scaled, scaled)
    )
    return np.sqrt(np.maximum(np.linalg.eigvalsh(product)[:, 0], 0)) if jac.shape[2] else np.zeros(len(jac))
