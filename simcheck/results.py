"""What a run leaves behind: one result per episode, and the run as a whole. Plain data that pickles."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from simcheck.flags import Flag, Outcome, Severity, Status, worst

NO_ROBOT = "no robot"  # how RunInfo.robot begins where nothing was there to judge the physics on
DATA_FAMILIES = "DX"  # families that judge the recording and the model, not the motion


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """All answers about one episode.

    Attributes:
        episode: its name.
        frames: frames in the recording.
        duration: [s].
        fingerprint: sha256 of its numbers.
        task: language instruction, if any.
        robot: label of the model it was judged with.
        model: sha256 of that model; empty if none was bound.
        outcomes: one per selected check, sorted by code.
        notes: what binding assumed: inferred units, joints held at home.
        highlights: largest share of a limit that was used, by what: {"effort": 0.62, "velocity": 0.4}.
    """

    episode: str
    frames: int
    duration: float
    fingerprint: str
    task: str
    robot: str
    model: str
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()
    highlights: dict[str, float] = field(default_factory=dict)

    @property
    def flags(self) -> list[Flag]:
        """Every flag, FLAGGED and UNDECIDED."""
        return [f for o in self.outcomes for f in o.flags]

    @property
    def unreadable(self) -> bool:
        """Nothing of the recording could be read: what reads, be it empty, has a fingerprint."""
        crashed = any(o.status is Status.CRASHED for o in self.outcomes)
        return not self.frames and not self.fingerprint and not crashed

    @property
    def verdict(self) -> Status:
        """The answer that needs most attention, remarks of severity INFO left out.

        An episode whose physics was not judged, though asked for, is SKIPPED, never CLEAN: a look at its
        numbers alone (family D) clears nobody.
        """
        answer = worst([o.status for o in self.outcomes if o.status is Status.CRASHED or not _is_remark(o)])
        physics = [o.status for o in self.outcomes if o.code[0] not in DATA_FAMILIES]
        if answer is Status.CLEAN and physics and all(s is Status.SKIPPED for s in physics):
            return Status.SKIPPED
        return answer

    @property
    def score(self) -> float:
        """How urgently a person should look; 0 for nothing. Orders "watch these first"."""
        return sum(urgency(flag) for flag in self.flags)


def weight(flag: Flag) -> float:
    """How much a flag counts: 8, 2, ½ for error, warning, info; where undecided a twentieth of it.

    So no doubt precedes a warning that is sure, however far its value is from the limit.
    """
    severity = {Severity.ERROR: 8.0, Severity.WARNING: 2.0, Severity.INFO: 0.5}[flag.severity]
    return severity if flag.status is Status.FLAGGED else severity / 20


def urgency(flag: Flag) -> float:
    """The farther outside the limit, the more urgent: weight · (1 + min(|margin|, 3))."""
    return weight(flag) * (1 + (min(abs(flag.margin), 3.0) if math.isfinite(flag.margin) else 0.0))


def _is_remark(outcome: Outcome) -> bool:
    return bool(outcome.flags) and all(f.severity is Severity.INFO for f in outcome.flags)


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is needed to repeat a run, and what it says about the run as a whole. No absolute paths."""

    dataset: str
    format: str
    robot: str
    simcheck: str
    engine: str
    config: str  # hash
    models: tuple[str, ...]  # sha256 of every model used
    model_findings: tuple[str, ...]
    dataset_flags: tuple[Flag, ...]  # what is wrong with the dataset as a whole
    seconds: float
    interrupted: bool
    total: int  # episodes the dataset has


@dataclass(frozen=True, slots=True)
class Report:
    """A finished (or interrupted) run."""

    info: RunInfo
    episodes: tuple[EpisodeResult, ...]

    @property
    def verdicts(self) -> Counter[Status]:
        """Number of episodes by verdict."""
        return Counter(e.verdict for e in self.episodes)

    @property
    def flags(self) -> list[Flag]:
        """Every flag of dataset and episodes, in order."""
        return [*self.info.dataset_flags, *(f for e in self.episodes for f in e.flags)]

    @property
    def watch_first(self) -> list[EpisodeResult]:
        """Episodes with flags, the most urgent first."""
        flagged = [e for e in self.episodes if e.score > 0]
        return sorted(flagged, key=lambda e: (-e.score, e.episode))

    def exit_code(self, fail_on: Severity | None) -> int:
        """What the command line ends with; the first that holds.

        130  interrupted
        4    no episode could be read, whatever `fail_on` says
        3    a check crashed, or no episode could be assessed: each is SKIPPED or unreadable
        1    a FLAGGED finding of severity `fail_on` or worse; None asks for none
        0    otherwise
        """
        if self.info.interrupted:
            return 130
        if self.episodes and all(e.unreadable for e in self.episodes):
            return 4
        crashed = any(e.verdict is Status.CRASHED for e in self.episodes)
        if crashed or all(e.unreadable or e.verdict is Status.SKIPPED for e in self.episodes):
            return 3
        order = list(Severity)
        bad = [f for f in self.flags if f.status is Status.FLAGGED]
        if fail_on is not None and any(order.index(f.severity) <= order.index(fail_on) for f in bad):
            return 1
        return 0
