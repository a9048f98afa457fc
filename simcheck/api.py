"""The Python API: the same as the command line, returning frozen dataclasses.

    report = simcheck.api.check("path/to/dataset", robot="panda")

`Run` is for those who also want what the HTML report draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from simcheck import __version__, pool
from simcheck.config import Config
from simcheck.errors import UsageError
from simcheck.formats import Dataset, ReadOptions, open_dataset
from simcheck.physics.model import ENGINE, load
from simcheck.physics.replay import prepare
from simcheck.report.evidence import EpisodeEvidence, collect
from simcheck.results import EpisodeResult, Report, RunInfo
from simcheck.robot import robot_names
from simcheck.runner import Judge, Models, Runner, dataset_flags, mark_duplicates


def check(path: Path | str, robot: str = "", **settings: object) -> Report:
    """Check a dataset; `settings` are those of Run and Run.report.

    Raises:
        InputError: the dataset or the model cannot be read.
        UsageError: a name that does not exist.
    """
    running = {k: settings.pop(k) for k in ("threads", "on_start", "on_result", "stop") if k in settings}
    return Run(path, robot, **settings).report(**running)  # pyright: ignore[reportArgumentType]


class Run:
    """One dataset to be checked, opened, with its robot prepared."""

    def __init__(
        self,
        path: Path | str,
        robot: str = "",
        *,
        config: Config | None = None,
        options: ReadOptions | None = None,
        episodes: Sequence[str] = (),
    ) -> None:
        """Open the dataset and the robot's model.

        Args:
            path: dataset folder or file.
            robot: name of a card, folder of one, or path of a model file; may be empty where the data brings its
                own models, or where the dataset's own robot type is the name of a card.
            config: which checks, which tolerances.
            options: what the data does not say itself: units, asset folder, mapping.
            episodes: names of the episodes to check; all if empty.
        """
        self.path, self.options, self.config = path, options or ReadOptions(), config or Config()
        self.dataset = open_dataset(path, self.options)
        self.robot = robot or (self.dataset.robot_type if self.dataset.robot_type in robot_names() else "")
        # A robot that does not load is said before any episode is read.
        self.findings = prepare(load(self.robot, self.options.assets)).findings if self.robot else ()
        self.episodes = _chosen(self.dataset, episodes)
        self.judge = Judge(self.config, self.robot, self.options.assets)

    def report(
        self,
        threads: int = 0,
        *,
        on_start: Callable[[int], None] = lambda _: None,
        on_result: Callable[[EpisodeResult], None] = lambda _: None,
        stop: Event | None = None,
    ) -> Report:
        """Judge every episode.

        Args:
            threads: 0 uses every core.
            on_start: called with the number of episodes before the first.
            on_result: called after each episode.
            stop: set it to stop after the episodes under way; the report then says it was interrupted.
        """
        start, stop = time.perf_counter(), stop or Event()
        on_start(len(self.episodes))
        threads = threads or pool.default_threads()
        found = Models()
        results = pool.run(self._open, self.episodes, self.judge, threads, on_result, stop, found)
        results, findings = mark_duplicates(results, self.config), found.sentences() or self.findings
        info = RunInfo(
            dataset=self.dataset.name, format=self.dataset.format, robot=self.robot or "models of the dataset",
            simcheck=__version__, engine=ENGINE, config=self.config.sha256,
            models=tuple(sorted({r.model for r in results if r.model})), model_findings=findings,
            dataset_flags=dataset_flags(self.dataset, self.config), seconds=time.perf_counter() - start,
            interrupted=stop.is_set(), total=len(self.episodes),
        )  # fmt: skip
        return Report(info, tuple(results))

    def evidence(self, report: Report, episodes: int = 24) -> list[EpisodeEvidence]:
        """What the HTML report draws of the most urgent episodes."""
        return collect(self._open(), Runner(self.judge, Models()), report.episodes, episodes)

    def _open(self) -> Dataset:
        return open_dataset(self.path, self.options)


def _chosen(dataset: Dataset, episodes: Sequence[str]) -> list[str]:
    known = list(dataset.episodes())
    unknown = [e for e in episodes if e not in known]
    if unknown:
        raise UsageError(f"{dataset.name} has no episode {unknown[0]!r}; it has {len(known)}, from {known[0]!r} on")
    return list(episodes) or known
