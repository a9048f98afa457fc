"""Contacts and clearances of all frames as flat arrays, with what they join and how exact they are.

    σ_dist² = σ_shape² + Σ_j (ℓ_j σ_q,j)²

σ_shape is the stated error of the collision shapes (a card's `collision_error` counts as 2.5 σ); ℓ_j ≤ the
model's half extent is the lever of joint j, so the second term is an upper bound.
"""

from __future__ import annotations

import numpy as np

from simcheck.decide import COVERAGE
from simcheck.flags import Evidence, weakest
from simcheck.physics.engine import Engine, sweep_contacts
from simcheck.physics.model import RobotModel
from simcheck.physics.structure import Structure
from simcheck.quantities import Contacts

DEFAULT_SHAPE_ERROR = 0.005  # [m] hulls of CAD meshes fill concavities by millimetres
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
        self.permanent = set() if model.embedded else self._overlapping(self.structure.home)

    def _overlapping(self, qpos: np.ndarray) -> set[tuple[int, int]]:
        """Body pairs of the robot that overlap in configuration `qpos` (nq,)."""
        rows = self._sweep(qpos[None, :])
        bodies = np.sort(self.model.mj.geom_bodyid[rows[1]], axis=1)
        robot = self.structure.robot_body[bodies].all(axis=1)
        return {(int(a), int(b)) for a, b in bodies[robot & (rows[2] < 0)]}

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
        bodies = np.sort(self.model.mj.geom_bodyid[geom], axis=1)
        key = bodies[:, 0] * self.model.mj.nbody + bodies[:, 1]
        unique, pair = np.unique(key, return_inverse=True)
        ids = [(int(k // self.model.mj.nbody), int(k % self.model.mj.nbody)) for k in unique]
        hinge = np.array([u == "rad" for u in self.structure.units])
        lever = np.where(hinge, 0.5 * self.model.mj.stat.extent, 1.0)
        noise = np.sqrt(np.sum((lever * sigma_qpos)[self.structure.robot] ** 2))
        sigma = np.hypot(self.error / COVERAGE, noise)
        judged = [e for e, r in zip(evidence, self.structure.robot, strict=True) if r]
        return Contacts(
            row=row, pair=pair, dist=dist, sigma=np.full(len(row), sigma), position=position,
            pairs=tuple((self.model.body_name(a), self.model.body_name(b)) for a, b in ids),
            kind=tuple(self._kind(a, b) for a, b in ids), permanent=tuple(p in permanent for p in ids),
            margin=self.margin, evidence=weakest(*judged),
        )  # fmt: skip

    def _kind(self, a: int, b: int) -> str:
        robot, mj = self.structure.robot_body, self.model.mj
        if robot[a] and robot[b]:
            return "self" if self.structure.tree[a] == self.structure.tree[b] else "arms"
        if not (robot[a] or robot[b]):
            return "other"
        return "scenery" if mj.body_weldid[b if robot[a] else a] == 0 else "object"


def touching(contacts: Contacts, frames: int) -> np.ndarray:
    """(T,) bool: the robot may be touching something that is not itself."""
    out = np.zeros(frames, bool)
    outside = np.array([k in ("scenery", "object") for k in contacts.kind], bool)
    if len(contacts.row):
        out[contacts.row[outside[contacts.pair] & (contacts.dist < 0.002)]] = True
    return out
