"""Progress of a run on a terminal: episodes, rate, flags so far. Silent elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from simcheck.flags import Status
from simcheck.results import EpisodeResult


class Progress:
    """A progress bar on standard error."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.frames, self.flagged, self.undecided = quiet, 0, 0, 0
        columns = (
            TextColumn("checking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self.bar = RichProgress(*columns, console=Console(stderr=True), disable=quiet, transient=True)
        self.task = self.bar.add_task("", note="", total=None)
        self.begin = time.perf_counter()

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()

    def start(self, total: int) -> None:
        """The number of episodes is known."""
        self.begin = time.perf_counter()
        self.bar.update(self.task, total=total)

    def advance(self, result: EpisodeResult) -> None:
        """One more episode is judged."""
        self.frames += result.frames
        self.flagged += result.verdict in (Status.FLAGGED, Status.CRASHED)
        self.undecided += result.verdict is Status.UNDECIDED
        rate = self.frames / max(time.perf_counter() - self.begin, 1e-3)
        note = f"{rate:,.0f} frames/s  {self.flagged} flagged  {self.undecided} undecided"
        self.bar.update(self.task, advance=1, note=note)
