"""Contacts and clearances of all frames as flat arrays, with what they join and how exact they are.

    σ_dist² = σ_shape² + Σ_j (ℓ_j σ_q,j)²

σ_shape is the error of the two collision shapes, counted as 2.5 σ: a card's `collision_error`; without one, what
hulls of CAD meshes fill in, at most 5 mm and at most a tenth of the smaller shape. ℓ_j ≤ the model's half extent is
the lever of joint j, summed over the joints between the two bodies, so the second term is an upper bound.
"""

from __future__ import annotations

import mujoco
import numpy as np

from simcheck.decide import COVERAGE
from simcheck.flags import Evidence, weakest
from simcheck.physics._references import SCENE
from simcheck.physics.engine import Engine, sweep_contacts
from simcheck.physics.model import RobotModel
from simcheck.physics.structure import Structure
from simcheck.quantities import Contacts

DEFAULT_SHAPE_ERROR = 0.005  # [m] hulls of CAD meshes fill concavities by millimetres
DEFAULT_SHAPE_SHARE = 0.1  # [of the smaller shape's bounding radius]: a finger's parts are exact to less
EMBEDDED_SHAPE_ERROR = 0.002  # [m] shapes are the simulation's own; soft contacts sink by this much
CLEARANCE = 0.005  # [m] distances up to this beyond the shape error are listed
CHUNK = 4  # initial guess of contacts per frame


def shape_error(model: RobotModel) -> float:
    """[m] bound on the error of a distance between two collision shapes."""
    if model.embedded:
        return EMBEDDED_SHAPE_ERROR
    stated = model.card.model.collision_error if model.card else None
    return DEFAULT_SHAPE_ERROR if stated is None else stated


class ContactFinder:
    """Finds contacts of one model; holds a copy of the model with inflated margins."""

    def __init__(self, model: RobotModel, structure: Structure) -> None:
        self.model, self.structure = model, structure
        self.error = shape_error(model)
        self.margin = self.error + CLEARANCE
        buffer = model.mj.__copy__()
        buffer.geom_margin[:] = self.margin / 2  # margins of a pair add up
        buffer.body_margin[:] = self.margin / 2
        buffer.pair_margin[:] = self.margin
        self.engine = Engine(buffer)
        self.kinds = self._kinds()
        self.permanent = set() if model.embedded else self._overlapping(self.structure.home)

    def _overlapping(self, qpos: np.ndarray) -> set[tuple[int, int]]:
        """Body pairs of the robot that overlap in configuration `qpos` (nq,)."""
        rows = self._sweep(qpos[None, :])
        bodies = self._bodies(rows[1])
        robot = self._robot()[bodies].all(axis=1)
        return {(int(a), int(b)) for a, b in bodies[robot & (rows[2] < 0)]}

    def _kinds(self) -> tuple[str, ...]:
        """Kinds of pairs this model could have in contact."""
        mj = self.model.mj
        bodies = np.unique(np.append(mj.geom_bodyid, mj.nbody))
        bodies = bodies if self._scenery().any() else bodies[:-1]
        return tuple(sorted({self._kind(int(a), int(b)) for a in bodies for b in bodies if a < b}))

    def _bodies(self, geom: np.ndarray) -> np.ndarray:
        """(N, 2) bodies of geoms, ascending; floors (planes, height fields) count as a body of their own, nbody."""
        return np.sort(np.where(self._scenery(), self.model.mj.nbody, self.model.mj.geom_bodyid)[geom], axis=1)

    def _scenery(self) -> np.ndarray:
        """(ngeom,) bool: floors, and a scene's fixtures, which a scene file leaves in the world frame."""
        mj = self.model.mj
        floor = np.isin(mj.geom_type, [mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_HFIELD])
        if not self.model.scene:
            return floor
        named = np.array([mj.geom(g).name.startswith(SCENE) for g in range(mj.ngeom)])
        return floor | (named & (mj.geom_bodyid == 0))

    def _robot(self) -> np.ndarray:
        """(nbody + 1,) bool: of the robot. A robot file's shapes in the world frame are the robot's own base."""
        robot = np.append(self.structure.robot_body, False)
        robot[0] = not self.model.embedded
        return robot

    def _sweep(self, qpos: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(row, geoms, dist, position) of every contact of all frames."""
        parts, start, size = [], 0, max(CHUNK * len(qpos), 4096)
        while start < len(qpos):
            frame, geom = np.empty(size, np.int64), np.empty((size, 2), np.int64)
            dist, pos, normal = np.empty(size), np.empty((size, 3)), np.empty((size, 3))
            following, n = sweep_contacts(self.engine.handles, qpos, start, frame, geom, dist, pos, normal)
            parts.append((frame[:n].copy(), geom[:n].copy(), dist[:n].copy(), pos[:n].copy()))
            size = size if following > start else 2 * size
            start = following
        row, geom, dist, pos = (np.concatenate(column) for column in zip(*parts, strict=True))
        return row, geom, dist, pos

    def find(self, qpos: np.ndarray, sigma_qpos: np.ndarray, evidence: tuple[Evidence, ...]) -> Contacts:
        """Contacts of one episode.

        Args:
            qpos: (T, nq).
            sigma_qpos: (nv,) noise of a position sample [rad, m].
            evidence: (nv,) of the joint positions.
        """
        row, geom, dist, position = self._sweep(qpos)
        # A simulated scene has no pose that is known to be free of contact but the one it began in.
        permanent = self._overlapping(qpos[0]) if self.model.embedded else self.permanent
        bodies, size = self._bodies(geom), self.model.mj.nbody + 1
        unique, pair = np.unique(bodies[:, 0] * size + bodies[:, 1], return_inverse=True)
        ids = [(int(k // size), int(k % size)) for k in unique]
        noise = self._joint_noise(ids, sigma_qpos)
        sigma = np.hypot(self._shape_errors(geom) / COVERAGE, noise[pair] if len(pair) else 0.0)
        judged = [e for e, r in zip(evidence, self.structure.robot, strict=True) if r]
        return Contacts(
            row=row, pair=pair, dist=dist, sigma=sigma, position=position,
            pairs=tuple((self._name(a), self._name(b)) for a, b in ids),
            kind=tuple(self._kind(a, b) for a, b in ids), permanent=tuple(p in permanent for p in ids),
            kinds=self.kinds, margin=self.margin, evidence=weakest(*judged),
        )  # fmt: skip

    def _joint_noise(self, pairs: list[tuple[int, int]], sigma_qpos: np.ndarray) -> np.ndarray:
        """(n,) [m] upper bound on what the noise of the joints between two bodies does to their distance."""
        hinge = np.array([u == "rad" for u in self.structure.units])
        reach = np.where(hinge, 0.5 * self.model.mj.stat.extent, 1.0) * sigma_qpos
        moves = np.vstack([self.structure.moves, np.zeros_like(self.structure.moves[:1])])  # the floor stands still
        return np.array([np.linalg.norm(reach[moves[a] ^ moves[b]]) for a, b in pairs])

    def _shape_errors(self, geom: np.ndarray) -> np.ndarray:
        """(N,) [m] bound on the error of each distance."""
        if self.model.embedded or (self.model.card and self.model.card.model.collision_error is not None):
            # The figure is for two of the robot's shapes; an object's or a table's is what the scene says it is.
            robot = self._robot()[self._bodies(geom)].sum(axis=1) if len(geom) else np.zeros(0)
            return self.error * np.where(robot == 2, 1.0, 0.5)
        radius = np.where(self.model.mj.geom_rbound > 0, self.model.mj.geom_rbound, np.inf)[geom].min(axis=1)
        return np.minimum(self.error, DEFAULT_SHAPE_SHARE * radius)

    def _name(self, body: int) -> str:
        if body == self.model.mj.nbody:
            return "floor"
        return "base" if body == 0 and not self.model.embedded else self.model.body_name(body)

    def _kind(self, a: int, b: int) -> str:
        robot, mj = self._robot(), self.model.mj
        if robot[a] and robot[b]:
            return "arms" if self._two_arms(a, b) else "self"
        if not (robot[a] or robot[b]):
            return "other"
        other = b if robot[a] else a
        return "scenery" if other == mj.nbody or mj.body_weldid[other] == 0 else "object"

    def _two_arms(self, a: int, b: int) -> bool:
        """Different trees of a scene with several robots, or of a robot whose card says it has two arms."""
        tree, card = self.structure.tree, self.model.card
        several = self.model.embedded or (card is not None and card.kind == "bimanual")
        return several and 0 not in (a, b) and tree[a] != tree[b]


def touching(contacts: Contacts, frames: int) -> np.ndarray:
    """(T,) bool: the robot may be touching something that is not itself."""
    out = np.zeros(frames, bool)
    outside = np.array([k in ("scenery", "object") for k in contacts.kind], bool)
    if len(contacts.row):
        out[contacts.row[outside[contacts.pair] & (contacts.dist < 0.002)]] = True
    return out
