"""What contact checks share: the flat contact list as one column per body pair."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.decide import COVERAGE, Signal
from simcheck.flags import Finding, Skipped
from simcheck.kinematics import is_gripper
from simcheck.quantities import Contacts, Quantities

MM = 1e3  # [mm/m]
TOUCH = 1.0  # [mm] overlap of two links from which they collide; DexGraspNet rejects from 1 mm
STEADY = 0.1  # [mm] a distance that varies less over an episode is how the model is made
ROBOT = ("self", "arms")
NOTHING = {
    "self": "the model has no two shapes that could collide", "arms": "there is one arm only",
    "scenery": "the model holds no scenery", "object": "the model holds no objects",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Overlap:
    """Deepest contact of each pair in each frame, one column per pair.

    Attributes:
        pairs: (n,) index into Contacts.pairs.
        depth: (T, n) [mm], negative apart, nan where the pair is not listed.
        sigma: (T, n) [mm].
    """

    pairs: np.ndarray
    depth: np.ndarray
    sigma: np.ndarray

    def signal(self, contacts: Contacts, limit: np.ndarray, what: str) -> Signal:
        """The depths against a limit (n,) [mm]."""
        names = tuple(" / ".join(contacts.pairs[p]) for p in self.pairs)
        return Signal(
            derived=False, value=self.depth, sigma=self.sigma, limit=limit, names=names, unit=("mm",) * len(names),
            evidence=(contacts.evidence,) * len(names), what=what,
        )  # fmt: skip


def overlap(q: Quantities, kinds: Collection[str]) -> Overlap:
    """Pairs of these kinds that are not in contact by the model's own making.

    Left out: pairs that overlap at the home pose too; two parts of one gripper, which close on each other; pairs
    of links whose distance the motion does not change (neighbours), unless they surely overlap.
    """
    assert q.contacts is not None
    c = q.contacts
    wanted = np.array([_judged(c, p, kinds) for p in range(len(c.pairs))], dtype=bool)
    rows = np.flatnonzero(wanted[c.pair]) if len(c.pair) else np.zeros(0, int)
    pairs, column = np.unique(c.pair[rows], return_inverse=True)
    depth = np.full((len(q.time), len(pairs)), np.nan)
    sigma = np.full(depth.shape, np.nan)
    order = np.argsort(-c.dist[rows], kind="stable")  # the deepest is written last
    place = (c.row[rows][order], column[order])
    depth[place] = -MM * c.dist[rows][order]
    sigma[place] = MM * c.sigma[rows][order]
    changing = ~(np.ptp(depth, axis=0) < STEADY) if len(depth) else np.ones(len(pairs), bool)  # nan: not always near
    surely = np.any(depth - COVERAGE * sigma > TOUCH, axis=0)
    keep = changing | surely | np.array([c.kind[p] not in ROBOT for p in pairs], dtype=bool)
    return Overlap(pairs[keep], depth[:, keep], sigma[:, keep])


def _judged(c: Contacts, p: int, kinds: Collection[str]) -> bool:
    closing = c.kind[p] in ROBOT and all(is_gripper(name) for name in c.pairs[p])
    return c.kind[p] in kinds and not c.permanent[p] and not closing


def deeper(q: Quantities, kind: str, tolerance: float, what: str) -> Iterator[Finding | Skipped]:
    """Findings for pairs of one kind that overlap by more than `tolerance` [mm]."""
    assert q.contacts is not None
    if kind not in q.contacts.kinds:
        yield Skipped(NOTHING[kind])
        return
    found = overlap(q, (kind,))
    yield from found.signal(q.contacts, np.full(len(found.pairs), tolerance), what).exceeding(q)


def colliding(found: Overlap) -> np.ndarray:
    """(n,) bool: pairs that C101 or C102 may report."""
    return np.any(found.depth + COVERAGE * found.sigma > TOUCH, axis=0)
