"""Many episodes on several threads of one process; the engine and the compiled loops release the GIL.

Results arrive in any order and are sorted at the end, so one thread and several give the same answer.
"""

from __future__ import annotations

import os
import queue
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from simcheck.errors import InputError
from simcheck.flags import Outcome, Status
from simcheck.formats import Dataset
from simcheck.results import EpisodeResult
from simcheck.runner import Judge, Models, Runner


def default_threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    open_again: Callable[[], Dataset],
    episodes: Sequence[str],
    judge: Judge,
    threads: int,
    on_result: Callable[[EpisodeResult], None],
    stop: threading.Event,
    models: Models,
) -> list[EpisodeResult]:
    """Judge every episode; returns what was finished when `stop` was set.

    Args:
        open_again: opens the dataset; called once per thread, as readers are not shared.
        episodes: names in order.
        judge: what to check, and with which robot.
        threads: number of threads.
        on_result: called after every episode, from the calling thread.
        stop: set it to finish the episodes under way and return.
        models: filled with the models that were needed.
    """
    todo: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, EpisodeResult] | None] = queue.SimpleQueue()
    for item in enumerate(episodes):
        todo.put(item)

    def work() -> None:
        try:
            dataset, runner = open_again(), Runner(judge, models)
            while not stop.is_set():
                index, episode = todo.get_nowait()
                done.put((index, _judged(runner, dataset, episode)))
        except queue.Empty:
            pass
        finally:
            done.put(None)

    crew = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(threads, len(episodes))))]
    for thread in crew:
        thread.start()
    results, working = {}, len(crew)
    while working:
        try:
            item = done.get()
            if item is None:
                working -= 1
                continue
            results[item[0]] = item[1]
            on_result(item[1])
        except KeyboardInterrupt:  # Ctrl-C: finish what is under way, keep what is done
            stop.set()
    for thread in crew:  # a thread that is still unwinding when the interpreter ends takes it down
        thread.join()
    return [results[i] for i in sorted(results)]


def _judged(runner: Runner, dataset: Dataset, episode: str) -> EpisodeResult:
    """One episode; an error of ours is a CRASHED result, and the run goes on."""
    try:
        return runner.run(dataset, episode)
    except InputError:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        outcome = Outcome("X901", "simcheck-crashed", Status.CRASHED, reason)
        return EpisodeResult(episode, 0, 0.0, "", "", "", "", (outcome,))
