"""The Python API: the same as the command line, returning frozen dataclasses."""

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
from simcheck.results import EpisodeResult, Report, RunInfo
from simcheck.robot import robot_names
from simcheck.runner import Judge, dataset_flags, mark_duplicates


def check(
    path: Path | str,
    robot: str = "",
    *,
    config: Config | None = None,
    options: ReadOptions | None = None,
    episodes: Sequence[str] = (),
    threads: int = 0,
    on_start: Callable[[int], None] = lambda _: None,
    on_result: Callable[[EpisodeResult], None] = lambda _: None,
    stop: Event | None = None,
) -> Report:
    """Check a dataset.

    Args:
        path: dataset folder or file.
        robot: name of a card or path of a model file; may be empty where the data brings its own models, or
            where the dataset's own robot type is the name of a card.
        config: which checks, which tolerances.
        options: what the data does not say itself: units, asset folder, mapping.
        episodes: names of the episodes to check; all if empty.
        threads: 0 uses every core.
        on_start: called with the number of episodes before the first.
        on_result: called after each episode.
        stop: set it to stop after the episodes under way; the report then says it was interrupted.

    Raises:
        InputError: the dataset or the model cannot be read.
        UsageError: a name that does not exist.
    """
    start, config, stop = time.perf_counter(), config or Config(), stop or Event()
    options = options or ReadOptions()
    dataset = open_dataset(path, options)
    robot = robot or (dataset.robot_type if dataset.robot_type in robot_names() else "")
    # A robot that does not load is said before any episode is read.
    findings = prepare(load(robot, options.assets)).findings if robot else ()
    chosen = _chosen(dataset, episodes)
    judge = Judge(config, robot, options.assets)
    on_start(len(chosen))
    threads = threads or pool.default_threads()
    results = pool.run(lambda: open_dataset(path, options), chosen, judge, threads, on_result, stop)
    results = mark_duplicates(results, config)
    info = RunInfo(
        dataset=dataset.name, format=dataset.format, robot=robot or "models of the dataset", simcheck=__version__,
        engine=ENGINE, config=config.sha256, models=tuple(sorted({r.model for r in results if r.model})),
        model_findings=findings, dataset_flags=dataset_flags(dataset, config),
        seconds=time.perf_counter() - start, interrupted=stop.is_set(), total=len(chosen),
    )  # fmt: skip
    return Report(info, tuple(results))


def _chosen(dataset: Dataset, episodes: Sequence[str]) -> list[str]:
    known = list(dataset.episodes())
    unknown = [e for e in episodes if e not in known]
    if unknown:
        raise UsageError(f"{dataset.name} has no episode {unknown[0]!r}; it has {len(known)}, from {known[0]!r} on")
    return list(episodes) or known
