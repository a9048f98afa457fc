"""What a run says as a whole, counted and grouped: what the page and the terminal both tell."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from simcheck import checks
from simcheck.flags import Flag, Severity, Status
from simcheck.report.words import by_urgency, sentence
from simcheck.results import EpisodeResult, Report

MOST_GROUPS = 40  # of reasons or assumptions; the rest is counted


@dataclass(frozen=True, slots=True)
class CheckPage:
    """What the report tells about a check: its first line and what it looks at."""

    code: str
    name: str
    severity: str
    title: str
    what: str


@dataclass(frozen=True, slots=True)
class CodeRow:
    """How one check answered over all episodes; findings about the dataset as a whole are told apart from these.

    Attributes:
        counts: episodes by status.
        flags: number of flags.
    """

    code: str
    name: str
    severity: str
    title: str
    counts: Counter[Status]
    flags: int


@dataclass(frozen=True, slots=True)
class Group:
    """One reason or assumption: which checks, how many episodes."""

    text: str
    codes: tuple[str, ...]
    episodes: int


def pages() -> dict[str, CheckPage]:
    """Every check's page by code."""
    out = {}
    for module in checks.modules():
        lines = inspect.cleandoc(module.__doc__ or "").split("\n\n")
        what = next((p.partition("\n")[2] for p in lines if p.startswith("What:")), "")
        title = " ".join(lines[0].split())
        out[module.CODE] = CheckPage(module.CODE, module.NAME, module.SEVERITY.value, title, " ".join(what.split()))
    return out


def verdicts(report: Report) -> list[tuple[Status, int, float]]:
    """(verdict, episodes, share of all) of every status, in order."""
    counts, total = report.verdicts, max(len(report.episodes), 1)
    return [(status, counts[status], counts[status] / total) for status in Status]


def code_rows(report: Report) -> list[CodeRow]:
    """Every check that ran on an episode, those with flags first, the most severe and most frequent first."""
    known = pages()
    counts: dict[str, Counter[Status]] = {}
    names: dict[str, str] = {}
    for episode in report.episodes:
        for o in episode.outcomes:
            counts.setdefault(o.code, Counter())[o.status] += 1
            names[o.code] = o.name
    raised = [f for e in report.episodes for f in e.flags]
    flags = Counter(f.code for f in raised)
    severity = {f.code: f.severity.value for f in raised}
    rows = [
        CodeRow(
            code, names[code], severity.get(code) or (known[code].severity if code in known else ""),
            known[code].title if code in known else "", counted, flags[code],
        )
        for code, counted in counts.items()
    ]  # fmt: skip
    return sorted(rows, key=_row_order)


def _row_order(row: CodeRow) -> tuple[bool, int, int, int, str]:
    severities = [s.value for s in Severity]
    rank = severities.index(row.severity) if row.severity in severities else 0
    c = row.counts
    quiet = not (c[Status.CRASHED] or c[Status.FLAGGED] or c[Status.UNDECIDED])
    return quiet, rank, -c[Status.CRASHED] - c[Status.FLAGGED], -c[Status.UNDECIDED], row.code


def not_checked(report: Report, partly: bool = False) -> list[Group]:
    """Why checks were skipped, or (`partly`) what the others left out, the most frequent first."""
    found: dict[str, tuple[dict[str, None], set[str]]] = {}
    for episode in report.episodes:
        for o in episode.outcomes:
            whole = o.status is Status.SKIPPED
            if o.reason and whole is not partly and o.status is not Status.CRASHED:
                codes, episodes = found.setdefault(sentence(o.reason), ({}, set()))
                codes[o.code] = None
                episodes.add(episode.episode)
    groups = [Group(text, tuple(sorted(codes)), len(episodes)) for text, (codes, episodes) in found.items()]
    return sorted(groups, key=lambda g: (-g.episodes, -len(g.codes), g.text))


def crashes(report: Report) -> list[Group]:
    """Checks that ended with an error of ours."""
    found: dict[tuple[str, str], int] = Counter(
        (o.code, sentence(o.reason)) for e in report.episodes for o in e.outcomes if o.status is Status.CRASHED
    )
    return [Group(reason, (code,), n) for (code, reason), n in sorted(found.items())]


def assumed(report: Report) -> list[Group]:
    """What binding assumed about the data, the most frequent first."""
    found = Counter(sentence(note, 600) for e in report.episodes for note in dict.fromkeys(e.notes))
    return [Group(text, (), n) for text, n in sorted(found.items(), key=lambda item: (-item[1], item[0]))]


def worth_watching(report: Report) -> list[EpisodeResult]:
    """The most urgent first; episodes about which there are only remarks are left out."""
    return [e for e in report.watch_first if any(f.severity is not Severity.INFO for f in e.flags)]


def first_reason(result: EpisodeResult) -> Flag | None:
    """The flag an episode is watched for."""
    return min(result.flags, key=by_urgency, default=None)


def other_codes(flags: Iterable[Flag], than: str) -> list[str]:
    """Codes of the other flags, each once, in order."""
    return sorted({f.code for f in flags} - {than})
