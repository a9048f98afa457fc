"""The Python API: the same as the command line, returning frozen dataclasses.

    report = simcheck.api.check("path/to/dataset", robot="panda", options=ReadOptions(units={"action": "deg"}))

`Run` is for those who also want what the HTML report draws.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from simcheck import __version__, pool
from simcheck.config import Config
from simcheck.errors import UsageError
from simcheck.flags import Status
from simcheck.formats import Dataset, ReadOptions, open_dataset
from simcheck.formats.table import TableDataset
from simcheck.physics.model import ENGINE, load
from simcheck.physics.replay import prepare
from simcheck.report.evidence import EpisodeEvidence, collect
from simcheck.results import DATA_FAMILIES, NO_ROBOT, EpisodeResult, Report, RunInfo
from simcheck.robot import find_card, robot_names
from simcheck.runner import Judge, Models, Runner, dataset_flags, mark_duplicates


def check(
    path: Path | str,
    robot: str = "",
    *,
    config: Config | None = None,
    options: ReadOptions | None = None,
    episodes: Sequence[str] = (),
    scene: Path | None = None,
    threads: int = 0,
    on_start: Callable[[int], None] = lambda _: None,
    on_result: Callable[[EpisodeResult], None] = lambda _: None,
    stop: Event | None = None,
) -> Report:
    """Check a dataset; what the parameters mean stands at `Run` and `Run.report`.

    Raises:
        InputError: the dataset or the model cannot be read.
        UsageError: a name that does not exist.
    """
    run = Run(path, robot, config=config, options=options, episodes=episodes, scene=scene)
    return run.report(threads, on_start=on_start, on_result=on_result, stop=stop)


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
        scene: Path | None = None,
    ) -> None:
        """Open the dataset and the robot's model.

        Args:
            path: dataset folder or file.
            robot: name of a card, folder of one, or path of a model file; may be empty where the data brings its
                own models, or where the dataset's own robot type is the name of a card.
            config: which checks, which tolerances.
            options: what the data does not say itself: units, asset folder, mapping.
            episodes: names of the episodes to check, or the numbers their names end with; all if empty.
            scene: MJCF file with the table and the objects, for data that records object poses but no scene.
        """
        self.path, self.options, self.config = path, options or ReadOptions(), config or Config()
        self.dataset = open_dataset(path, self.options)
        self.robot = _as_on_card(robot) if robot else _robot_of(self.dataset)
        # A robot that does not load is said before any episode is read.
        self.findings = prepare(load(self.robot, self.options.assets, scene)).findings if self.robot else ()
        self.episodes = _chosen(self.dataset, episodes)
        self.judge = Judge(self.config, self.robot, self.options.assets, scene)

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
            dataset=self.dataset.name, format=self.dataset.format,
            robot=self.robot or _without_robot(self.dataset.robot_type, results),
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


def _as_on_card(robot: str) -> str:
    """The name in the card's own spelling; a file or folder stays what it is."""
    return robot.lower() if robot.lower() in robot_names() and not Path(robot).exists() else robot


def _robot_of(dataset: Dataset) -> str:
    """The card that the dataset itself names, if there is one; a mapping is the user's own, and must be right."""
    if isinstance(dataset, TableDataset) and dataset.robot_type:
        try:
            return find_card(dataset.robot_type).name
        except UsageError as error:
            raise UsageError(f"robot of the mapping: {error} with --robot") from error
    return dataset.robot_type if dataset.robot_type in robot_names() else ""


def _without_robot(robot_type: str, results: Sequence[EpisodeResult]) -> str:
    """What the results say they were judged on, where neither the user nor the dataset named a card."""
    read = [r for r in results if not r.unreadable]
    reasons = {
        o.reason for r in read for o in r.outcomes if o.status is Status.SKIPPED and o.code[0] not in DATA_FAMILIES
    }
    if any(r.model for r in read) or (reasons and not any(text.startswith("no robot was given") for text in reasons)):
        return "models of the dataset"
    if not robot_type:
        return NO_ROBOT
    near = difflib.get_close_matches(robot_type.lower(), robot_names(), n=1)
    advice = f"name one with --robot{f', such as {near[0]}' if near else ''}"
    return f"{NO_ROBOT} (dataset says its robot is {robot_type!r:.42}: no card of that name; {advice})"


def _chosen(dataset: Dataset, episodes: Sequence[str]) -> list[str]:
    known = list(dataset.episodes())
    return list(dict.fromkeys(_named(dataset, known, e) for e in episodes)) or known


def _named(dataset: Dataset, known: Sequence[str], episode: str) -> str:
    """The episode of that name, or the one whose name ends with that number."""
    if episode in known:
        return episode
    fits = [name for name in known if episode.isdecimal() and _number(name) == int(episode)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise UsageError(f"{dataset.name} has several episodes {episode}: {', '.join(fits[:5])}; name one in full")
    raise UsageError(f"{dataset.name} has no episode {episode!r}; it has {len(known)}, {known[0]!r} to {known[-1]!r}")


def _number(name: str) -> int | None:
    digits = re.search(r"[0-9]{1,18}$", name)
    return int(digits[0]) if digits else None
