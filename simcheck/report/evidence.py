"""What the report draws of the episodes a person should look at first: small arrays and a few poses.

Collected by judging those episodes once more, and stored beside the results, so that the report can be made
again without the dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simcheck.decide import COVERAGE
from simcheck.flags import Flag
from simcheck.formats import Dataset
from simcheck.physics.render import Shot, bodies_named, pictures, sticks
from simcheck.quantities import Contacts, Quantities
from simcheck.report.words import by_urgency
from simcheck.results import EpisodeResult
from simcheck.runner import Runner

EPISODES = 24
POINTS = 600  # per track; longer ones keep the least and the greatest value of 300 stretches
POSES = 4
RENDER_TIMEOUT = 60.0  # [s] for all pictures of a report
QUANTITY_BY_UNIT = {"N m": "effort", "N": "effort", "rad/s": "velocity", "m/s": "velocity", "rad": "position"}


@dataclass(frozen=True, slots=True)
class Track:
    """One quantity of one place over time.

    Attributes:
        quantity: "effort", "measured", "velocity", "position" or "clearance".
        name: joint, or what the clearance is to.
        unit: of `limit`, and of a clearance.
        limit: what 1 in `values` stands for [unit]; of a position, half of its range; 0 for a clearance.
        values: (n,) share of the limit; −1…1 from end to end of the range; clearance [m].
        band: (n,) half width of its interval, ±2.5 σ, in the same measure.
        ceiling: [m] a clearance is not known beyond this; nan for the others.
    """

    quantity: str
    name: str
    unit: str
    limit: float
    values: np.ndarray
    band: np.ndarray
    ceiling: float = np.nan


@dataclass(frozen=True, slots=True)
class Pose:
    """The robot at one flagged frame.

    Attributes:
        frame: its number in the recording.
        time: [s] after the start of the episode.
        codes, places: of the flags it shows.
        picture: WebP; empty where none could be rendered.
        sticks: (n, 6) links as `physics.render.sticks` describes them.
    """

    frame: int
    time: float
    codes: tuple[str, ...]
    places: tuple[str, ...]
    picture: bytes
    sticks: np.ndarray


@dataclass(frozen=True, slots=True)
class EpisodeEvidence:
    """What is drawn of one episode.

    Attributes:
        episode: its name.
        origin: [s] the time that `time` counts from, in the recording's own clock.
        duration: [s].
        time: (n,) [s] of every track.
        tracks: quantities against their limits.
        paths: (m, 3) [m] position of each end effector in the robot's base frame.
        path_time: (m,) [s].
        poses: flagged frames, in order of time.
    """

    episode: str
    origin: float
    duration: float
    time: np.ndarray
    tracks: tuple[Track, ...]
    paths: dict[str, np.ndarray]
    path_time: np.ndarray
    poses: tuple[Pose, ...]


def collect(
    dataset: Dataset, runner: Runner, results: Sequence[EpisodeResult], limit: int = EPISODES
) -> list[EpisodeEvidence]:
    """Evidence of the `limit` most urgent episodes with flags, the most urgent first.

    An episode that cannot be replayed again is left out: the report then has its flags only.
    """
    urgent = sorted((r for r in results if r.score > 0), key=lambda r: (-r.score, r.episode))[:limit]
    out: list[EpisodeEvidence] = []
    shots: dict[int, Shot] = {}
    for result in urgent:
        try:
            evidence, shot = _episode(dataset, runner, result)
        except Exception:  # the pictures of a report must not cost its results
            continue
        if evidence is None:
            continue
        if shot is not None:
            shots[len(out)] = shot
        out.append(evidence)
    rendered = pictures(list(shots.values()), RENDER_TIMEOUT)
    for k, images in zip(shots, rendered, strict=True):
        if images:
            poses = tuple(replace(p, picture=image) for p, image in zip(out[k].poses, images, strict=True))
            out[k] = replace(out[k], poses=poses)
    return out


def _episode(dataset: Dataset, runner: Runner, result: EpisodeResult) -> tuple[EpisodeEvidence | None, Shot | None]:
    q = runner.judged(dataset, result.episode)[1]
    if q is None or not len(q.time):
        return None, None
    full = list(_tracks(q))
    rows = _stretches(len(q.time))
    time = q.time - q.trajectory.time[0]
    thin = tuple(replace(t, **_thinned(t, rows)) for t in full)
    few = np.unique(np.linspace(0, len(q.time) - 1, min(len(q.time), POINTS // 2)).astype(int))
    evidence = EpisodeEvidence(
        episode=result.episode, origin=float(q.trajectory.time[0]), duration=float(time[-1]),
        time=(time if rows is None else _bucket_times(time, rows)).astype(np.float32), tracks=thin,
        paths={name: ee.position[few].astype(np.float32) for name, ee in (q.ee or {}).items()},
        path_time=time[few].astype(np.float32), poses=(),
    )  # fmt: skip
    replayer = runner.replayer(q.trajectory)
    if replayer is None or q.qpos is None:
        return evidence, None
    chosen = _chosen_rows(q, result.flags, full)
    urgent = sorted(result.flags, key=lambda f: (f.times[1] - f.times[0] > 0.9 * time[-1], by_urgency(f)))
    about = [[f for f in urgent if f.frames[0] <= q.frame[r] <= f.frames[1]] for r in chosen]
    mj = replayer.model.mj
    nobody = np.zeros(mj.nbody, bool)
    tinted = np.array([np.any([nobody, *(bodies_named(mj, f.place) for f in flags)], axis=0) for flags in about])
    structure = replayer.structure
    shot = Shot(mj, q.qpos[chosen], structure.robot_body, tinted, structure.free_base >= 0)
    poses = tuple(
        Pose(int(q.frame[row]), float(time[row]), _unique(f.code for f in flags), _unique(f.place for f in flags), b"",
             links)
        for row, flags, links in zip(chosen, about, sticks(shot), strict=True)
    )  # fmt: skip
    return replace(evidence, poses=poses), shot


def _unique(words: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _tracks(q: Quantities) -> Iterator[Track]:
    """Every track at full length."""
    if q.joints is None or q.limits is None:
        return
    joints, limits = q.joints, q.limits
    seen = joints.robot & joints.observed
    effort_units = tuple("N m" if u == "rad" else "N" for u in joints.units)
    drive = seen & joints.actuated
    if q.effort:
        yield from _shares("effort", q, effort_units, drive, limits.effort, q.effort.needed, q.effort.sigma)
    if q.measured_effort:
        m = q.measured_effort
        yield from _shares("measured", q, effort_units, drive, limits.effort, m.smooth, m.sigma)
    if q.motion:
        units = tuple(f"{u}/s" for u in joints.units)
        yield from _shares("velocity", q, units, seen, limits.velocity, q.motion.qvel, q.motion.sigma_qvel)
    if q.position is not None:
        middle, half = limits.position.mean(axis=1), np.ptp(limits.position, axis=1) / 2
        sigma = q.motion.sigma_qpos if q.motion else np.zeros(len(joints.names))
        yield from _shares("position", q, joints.units, seen, half, q.position - middle, sigma, signed=True)
    if q.contacts:
        yield from _clearances(q.contacts, len(q.time))


def _shares(
    quantity: str, q: Quantities, units: Sequence[str], judged: np.ndarray, limit: np.ndarray, value: np.ndarray,
    sigma: np.ndarray, signed: bool = False,
) -> Iterator[Track]:  # fmt: skip
    assert q.joints
    sigma = np.broadcast_to(sigma, value.shape)
    for j in np.flatnonzero(judged & np.isfinite(limit) & (limit > 0)):
        share = value[:, j] / limit[j]
        if np.isfinite(share).any():
            yield Track(
                quantity, q.joints.names[int(j)], units[int(j)], float(limit[j]), share if signed else np.abs(share),
                COVERAGE * sigma[:, j] / limit[j],
            )  # fmt: skip


def _clearances(contacts: Contacts, frames: int) -> Iterator[Track]:
    """Least distance per frame of the robot's parts to one another, and of its arms; the listed ones only."""
    for kind, name in (("self", "robot to itself"), ("arms", "arm to arm")):
        wanted = [k == kind and not p for k, p in zip(contacts.kind, contacts.permanent, strict=True)]
        rows = np.flatnonzero(np.array(wanted, bool)[contacts.pair]) if len(contacts.row) else np.zeros(0, int)
        if not len(rows):
            continue
        values, band = np.full(frames, contacts.margin), np.zeros(frames)
        far_first = rows[np.argsort(-contacts.dist[rows], kind="stable")]  # the nearest is written last
        values[contacts.row[far_first]] = np.minimum(contacts.dist[far_first], contacts.margin)
        band[contacts.row[far_first]] = COVERAGE * contacts.sigma[far_first]
        yield Track("clearance", name, "m", 0.0, values, band, contacts.margin)


def _stretches(frames: int) -> np.ndarray | None:
    """(300, w) rows of each stretch of a long recording, its last row repeated; None for a short one."""
    if frames <= POINTS:
        return None
    edges = np.linspace(0, frames, POINTS // 2 + 1).astype(int)
    width = int(np.diff(edges).max())
    return np.minimum(edges[:-1, None] + np.arange(width), edges[1:, None] - 1)


def _bucket_times(time: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Two times per stretch, a quarter and three quarters along it."""
    width = rows.shape[1]
    return time[rows[:, [width // 4, (3 * width) // 4]]].ravel()


def _thinned(track: Track, rows: np.ndarray | None) -> dict[str, np.ndarray]:
    """The least and the greatest value of every stretch, in the order they occur, with their band."""
    if rows is None:
        return {"values": _half(track.values), "band": _half(track.band)}
    values = track.values[rows]
    least = np.argmin(np.where(np.isnan(values), np.inf, values), axis=1)
    most = np.argmax(np.where(np.isnan(values), -np.inf, values), axis=1)
    pick = np.sort(np.stack([least, most], axis=1), axis=1)
    at = np.take_along_axis(rows, pick, axis=1).ravel()
    return {"values": _half(track.values[at]), "band": _half(track.band[at])}


def _half(values: np.ndarray) -> np.ndarray:
    """Three digits are enough for a picture, and they are stored in two bytes."""
    return np.clip(values, -6e4, 6e4).astype(np.float16).astype(np.float32)


def _chosen_rows(q: Quantities, flags: Sequence[Flag], tracks: Sequence[Track]) -> np.ndarray:
    """Rows of the frames to show: the worst of the most urgent flags; with one flag, also where it starts and ends."""
    ranges = []
    for flag in sorted(flags, key=by_urgency):
        rows = np.flatnonzero((q.frame >= flag.frames[0]) & (q.frame <= flag.frames[1]))
        if not len(rows):  # its frames were left out: the nearest that was not
            rows = np.array([np.argmin(np.abs(q.frame - sum(flag.frames) / 2))])
        ranges.append((rows, _worst_row(flag, rows, q, tracks)))
    wanted = [worst for _, worst in ranges] + [int(r) for rows, _ in ranges[:1] for r in (rows[0], rows[-1])]
    apart, chosen = max(len(q.time) // 50, 2), []
    for row in wanted:
        if len(chosen) < POSES and all(abs(row - other) >= apart for other in chosen):
            chosen.append(row)
    return np.array(sorted(chosen), int)


def _worst_row(flag: Flag, rows: np.ndarray, q: Quantities, tracks: Sequence[Track]) -> int:
    """Where a flag is worst: by its track, by its contact, or the middle of its range."""
    quantity = QUANTITY_BY_UNIT.get(flag.unit, "")
    for track in tracks:
        if track.quantity == quantity and track.name == flag.place:
            return int(rows[np.argmax(np.nan_to_num(np.abs(track.values[rows]), nan=-np.inf))])
    if q.contacts is not None and len(q.contacts.row):
        named = [a in flag.place and b in flag.place for a, b in q.contacts.pairs]
        at = np.flatnonzero(np.array(named, bool)[q.contacts.pair] & np.isin(q.contacts.row, rows))
        if len(at):
            return int(q.contacts.row[at[np.argmin(q.contacts.dist[at])]])
    return int(rows[len(rows) // 2])
