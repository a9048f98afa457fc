"""One episode through all selected checks. The only place where formats, physics and checks meet."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from types import ModuleType

import numpy as np

from simcheck.config import Config
from simcheck.errors import InputError
from simcheck.flags import Evidence, Finding, Flag, Outcome, Skipped, Status
from simcheck.formats import Dataset
from simcheck.physics.model import ENGINE, RobotModel, load, load_embedded
from simcheck.physics.replay import Replayer, Worker, prepare, unjudged
from simcheck.quantities import Quantities
from simcheck.results import EpisodeResult
from simcheck.trajectory import Note, SimState, TimeBase, Trajectory

UNREADABLE = "D101"


@dataclass(frozen=True, slots=True)
class Judge:
    """Everything that stays the same over a run; shared by all threads.

    Attributes:
        config: checks and tolerances.
        robot: card name or model file; empty if the data brings its own models.
        assets: folder of meshes for embedded models.
        scene: MJCF file with the table and the objects, put around the robot.
    """

    config: Config
    robot: str = ""
    assets: Path | None = None
    scene: Path | None = None


class Models:
    """The models of a run, prepared once and shared by its threads."""

    def __init__(self) -> None:
        self._prepared: dict[str, Replayer] = {}
        self._lock = Lock()

    def get(self, key: str, build: Callable[[], RobotModel]) -> Replayer:
        """The model known as `key`; built by the first thread that asks."""
        with self._lock:
            if key not in self._prepared:
                self._prepared[key] = prepare(build())
            return self._prepared[key]

    def sentences(self) -> tuple[str, ...]:
        """What the lint found, with the number of models it holds for where there are several."""
        counts = Counter(f for replayer in self._prepared.values() for f in replayer.findings)
        several = len(self._prepared) > 1
        listed = [f"{text} ({n} of {len(self._prepared)} models)" if several else text for text, n in counts.items()]
        return tuple(sorted(listed, key=lambda text: ("error", "warning", "info").index(text.partition(":")[0])))


class Runner:
    """One thread's runner: engines by model, reused from episode to episode."""

    def __init__(self, judge: Judge, models: Models) -> None:
        self.judge, self.models = judge, models
        self.modules = judge.config.modules()
        self.groups = {g for m in self.modules for g in m.NEEDS}
        self._workers: dict[str, Worker] = {}

    def run(self, dataset: Dataset, episode: str) -> EpisodeResult:
        """Read, replay and judge one episode; nothing it does stops the others."""
        return self.judged(dataset, episode)[0]

    def judged(self, dataset: Dataset, episode: str) -> tuple[EpisodeResult, Quantities | None]:
        """The result together with the quantities it was judged on; None where the episode was unreadable."""
        try:
            trajectory = dataset.read(episode)
        except InputError as error:
            return self._unreadable(episode, error), None
        q, model = self._quantities(trajectory)
        return self._result(q, model, self._outcomes(q, model)), q

    def _outcomes(self, q: Quantities, model: RobotModel | None) -> tuple[Outcome, ...]:
        """Every check's answer. Data that is wrong as a whole ends it there: one cause, one code."""
        outcomes: dict[str, Outcome] = {}
        cause, blocked = "", ()
        for m in sorted(self.modules, key=lambda m: (not hasattr(m, "BLOCKS"), m.CODE)):
            if m.CODE.startswith(blocked):
                reason = f"the recording is wrong as a whole: see {cause}"
                outcomes[m.CODE] = Outcome(m.CODE, m.NAME, Status.SKIPPED, reason)
                continue
            outcomes[m.CODE] = self._outcome(m, q, model)
            if hasattr(m, "BLOCKS") and outcomes[m.CODE].status is Status.FLAGGED:
                cause, blocked = cause or m.CODE, (*blocked, *m.BLOCKS)
        return tuple(outcomes[m.CODE] for m in self.modules)

    def replayer(self, trajectory: Trajectory) -> Replayer | None:
        """What was prepared for this episode's model; None where there is no model or it does not load."""
        try:
            worker = self._worker(trajectory.sim)
        except InputError:
            return None
        return worker.replayer if worker else None

    def _quantities(self, trajectory: Trajectory) -> tuple[Quantities, RobotModel | None]:
        try:
            worker = self._worker(trajectory.sim)
        except InputError as error:
            return unjudged(trajectory, str(error)), None
        if worker is None:
            return unjudged(trajectory, "no robot was given; name one with --robot"), None
        return worker.quantities(trajectory, self.groups), worker.replayer.model

    def _worker(self, sim: SimState | None) -> Worker | None:
        """The engine for this episode: its own model if it brings one and the user names none."""
        if self.judge.robot:
            key, build = self.judge.robot, lambda: load(self.judge.robot, self.judge.assets, self.judge.scene)
        elif sim is not None:
            text, assets = sim.model_xml, sim.asset_root
            key, build = hashlib.sha256(text.encode()).hexdigest(), lambda: load_embedded(text, assets)
        else:
            return None
        if key not in self._workers:
            self._workers = {k: w for k, w in list(self._workers.items())[-3:]}  # an engine holds 15 MB
            self._workers[key] = Worker(self.models.get(key, build))
        return self._workers[key]

    def _outcome(self, module: ModuleType, q: Quantities, model: RobotModel | None) -> Outcome:
        for group in module.NEEDS:
            if getattr(q, group) is None:
                return Outcome(module.CODE, module.NAME, Status.SKIPPED, q.missing.get(group, f"no {group}"))
        try:
            answers = list(module.check(q, self.judge.config.tolerance(module)))
        except Exception as error:  # a defect of the check, never of the data
            where = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            return Outcome(module.CODE, module.NAME, Status.CRASHED, reason)
        findings = [a for a in answers if isinstance(a, Finding)]
        skips = [a for a in answers if isinstance(a, Skipped)]
        reason = "; ".join(s.reason for s in skips)
        flags = tuple(self._flag(module, f, q, model) for f in findings)
        if flags:
            return Outcome(
                module.CODE, module.NAME, min((f.status for f in flags), key=list(Status).index), reason, flags
            )
        if any(not s.partly for s in skips):
            return Outcome(module.CODE, module.NAME, Status.SKIPPED, reason)
        if doubt := inferred(module.CODE[0], q):
            return Outcome(module.CODE, module.NAME, Status.UNDECIDED, "; ".join(filter(None, (doubt, reason))))
        return Outcome(module.CODE, module.NAME, Status.CLEAN, reason)

    def _flag(self, module: ModuleType, f: Finding, q: Quantities, model: RobotModel | None) -> Flag:
        time = q.trajectory.time
        first, last = (int(np.clip(n, 0, max(len(time) - 1, 0))) for n in f.frames)
        times = (float(time[first]), float(time[last])) if len(time) else (np.nan, np.nan)
        margin = (f.limit - f.value) / abs(f.limit) if f.limit else np.nan
        return Flag(
            episode=q.trajectory.episode, code=module.CODE, name=module.NAME, severity=module.SEVERITY,
            status=f.status, frames=f.frames, times=times, place=f.place, value=f.value, limit=f.limit,
            margin=margin, interval=f.interval, unit=f.unit, evidence=f.evidence, message=f.message,
            remedy=f.remedy, engine=ENGINE, model=model.sha256 if model else "", config=self.judge.config.sha256,
        )  # fmt: skip

    def _result(self, q: Quantities, model: RobotModel | None, outcomes: tuple[Outcome, ...]) -> EpisodeResult:
        t = q.trajectory
        return EpisodeResult(
            episode=t.episode, frames=len(t), duration=float(t.time[-1] - t.time[0]) if len(t) else 0.0,
            fingerprint=t.fingerprint, task=t.task, robot=model.label if model else "",
            model=model.sha256 if model else "", outcomes=outcomes, notes=q.binding_notes, highlights=highlights(q),
        )  # fmt: skip

    def _unreadable(self, episode: str, error: InputError) -> EpisodeResult:
        """An episode that could not be read: D101 says why, everything else was not judged."""
        note = Note(UNREADABLE, episode, str(error))
        trajectory = Trajectory(episode, np.zeros(0), TimeBase.NOMINAL, notes=(note,))
        q = unjudged(trajectory, "the episode could not be read")
        skipped = "the episode could not be read"
        outcomes = tuple(
            self._outcome(m, q, None) if m.CODE == UNREADABLE else Outcome(m.CODE, m.NAME, Status.SKIPPED, skipped)
            for m in self.modules
        )
        return self._result(q, None, outcomes)


def inferred(family: str, q: Quantities) -> str:
    """Why nothing in this family can be called clean: an input it rests on was only inferred; empty if none was.

    Positions carry K and C; forces carry F, where everything a joint's torque depends on counts.
    """
    if q.joints is None or family not in "KCF":
        return ""
    judged = np.flatnonzero(q.joints.robot & q.joints.observed)
    evidence = q.joints.effort_evidence if family == "F" else q.joints.evidence
    if not any(evidence[v] is Evidence.INFERRED for v in judged):
        return ""
    said = [n for n in q.binding_notes if "inferred" in n or (family == "F" and ("assumed" in n or "held at" in n))]
    return "nothing found, but an input was only inferred" + (f": {said[0]}" if said else "")


def highlights(q: Quantities) -> dict[str, float]:
    """Largest share of each limit that the episode used, over joints and frames."""
    out: dict[str, float] = {}
    if q.joints is None or q.limits is None:
        return out
    judged = q.joints.robot & q.joints.observed
    pairs = {"velocity": q.motion and q.motion.qvel, "effort": q.effort and q.effort.needed}
    for name, value in pairs.items():
        limit = getattr(q.limits, name)
        use = judged & np.isfinite(limit)
        if value is not None and use.any():
            out[name] = float(np.max(np.abs(value[:, use]) / limit[use]))
    if q.contacts is not None:
        listed = [k in ("self", "arms") and not p for k, p in zip(q.contacts.kind, q.contacts.permanent, strict=True)]
        near = np.array(listed, bool)[q.contacts.pair] if len(q.contacts.pair) else np.zeros(0, bool)
        if near.any():
            out["clearance"] = float(q.contacts.dist[near].min())
    return out


def dataset_flags(dataset: Dataset, config: Config) -> tuple[Flag, ...]:
    """What the reader found wrong with the dataset as a whole, as flags without an episode."""
    modules = {m.CODE: m for m in config.modules()}
    out = []
    for note in dataset.notes:
        module = modules.get(note.code)
        if module:
            out.append(
                Flag(
                    episode="",
                    code=module.CODE,
                    name=module.NAME,
                    severity=module.SEVERITY,
                    status=Status.FLAGGED,
                    frames=(0, 0),
                    times=(np.nan, np.nan),
                    place=note.place,
                    value=np.nan,
                    limit=np.nan,
                    margin=np.nan,
                    interval=(np.nan, np.nan),
                    unit="",
                    evidence=Evidence.MEASURED,
                    message=note.message,
                    remedy="",
                    engine=ENGINE,
                    model="",
                    config=config.sha256,
                )
            )
    return tuple(out)


def mark_duplicates(results: list[EpisodeResult], config: Config) -> list[EpisodeResult]:
    """Give every episode whose numbers equal an earlier one's the answer of D113."""
    module = next((m for m in config.modules() if m.CODE == "D113"), None)
    if module is None:
        return results
    runner, first = Runner(Judge(config), Models()), dict[str, str]()
    out = []
    for r in results:
        original = first.setdefault(r.fingerprint, r.episode) if r.fingerprint else r.episode
        if original != r.episode:
            trajectory = Trajectory(r.episode, np.arange(r.frames), TimeBase.NOMINAL)
            q = Quantities(trajectory, np.arange(r.frames), trajectory.time, duplicate_of=original)
            outcome = runner._outcome(module, q, None)
            r = replace(r, outcomes=tuple(outcome if o.code == "D113" else o for o in r.outcomes))
        out.append(r)
    return out
