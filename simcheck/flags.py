"""What a check can say about one episode: plain data, standard library only."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The five answers, from the one that needs most attention to the one that needs least."""

    CRASHED = "crashed"  # our bug; the run goes on and exits non-zero
    FLAGGED = "flagged"  # the whole uncertainty interval is outside the limit
    UNDECIDED = "undecided"  # it straddles the limit, or an input was only inferred
    SKIPPED = "skipped"  # the data or the robot card lacks what the check needs
    CLEAN = "clean"  # the whole interval is inside the limit


class Severity(StrEnum):
    """How bad a flag is if it is right."""

    ERROR = "error"  # no real robot did this, or the recording is wrong
    WARNING = "warning"  # a person should look
    INFO = "info"  # worth knowing


class Evidence(StrEnum):
    """How an input became known, from the strongest to the weakest."""

    MEASURED = "measured"  # a sensor or simulator state said so
    DECLARED = "declared"  # the dataset, the card or the user said so
    INFERRED = "inferred"  # simcheck guessed it: can never make FLAGGED


_STRENGTH = (Evidence.MEASURED, Evidence.DECLARED, Evidence.INFERRED)


def weakest(*evidence: Evidence) -> Evidence:
    """A conclusion is as strong as its weakest input."""
    return max(evidence, key=_STRENGTH.index, default=Evidence.MEASURED)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check returns for one place and one range of frames; the runner makes a Flag of it.

    Attributes:
        status: FLAGGED or UNDECIDED.
        frames: first and last frame of the range, inclusive, in the numbering of the recording.
        place: joint, body, body pair, channel or file the value belongs to.
        value: worst value in the range [unit].
        limit: the bound it is compared with [unit]; nan where there is none.
        interval: uncertainty interval of the value (low, high) [unit].
        unit: unit of value, limit and interval.
        evidence: the weakest evidence among the inputs.
        message: one sentence for a person.
        remedy: what would make it feasible, computed; empty where no counterfactual exists.
    """

    status: Status
    frames: tuple[int, int]
    place: str
    value: float
    limit: float
    interval: tuple[float, float]
    unit: str
    evidence: Evidence
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """What a check yields when it cannot judge, or cannot judge a part: the reason a person reads."""

    reason: str
    partly: bool = False  # the rest was judged


@dataclass(frozen=True, slots=True)
class Flag:
    """One finding with everything needed to cite it: pickles, and is one JSON line.

    `margin` is (limit − value)/|limit| for an upper bound, negative outside; nan without a limit.
    """

    episode: str
    code: str
    name: str
    severity: Severity
    status: Status
    frames: tuple[int, int]
    times: tuple[float, float]
    place: str
    value: float
    limit: float
    margin: float
    interval: tuple[float, float]
    unit: str
    evidence: Evidence
    message: str
    remedy: str
    engine: str
    model: str
    config: str

    def to_json(self) -> str:
        """One line; numbers that are not finite become null, as strict JSON has no word for them."""
        return json.dumps(_finite(dataclasses.asdict(self)), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer of one check on one episode."""

    code: str
    name: str
    status: Status
    reason: str = ""
    flags: tuple[Flag, ...] = ()


def worst(statuses: list[Status]) -> Status:
    """The verdict over several answers: the one that needs most attention; SKIPPED if all were."""
    order = list(Status)
    judged = [s for s in statuses if s is not Status.SKIPPED]
    return min(judged, key=order.index, default=Status.SKIPPED)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
