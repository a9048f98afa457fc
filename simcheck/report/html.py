"""The report: one offline HTML file. Nothing in it is loaded from anywhere, and nothing in it can run but our script.

Every name of a dataset passes `words.plain` and jinja's autoescape; the page's policy allows the one style sheet
and the one script whose hashes it states, and data: images.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from simcheck.flags import Flag, Status
from simcheck.report import plots, summary
from simcheck.report.episode import dataset_row, view
from simcheck.report.words import breakable, number, percent, plain, plural, seconds, sentence, when
from simcheck.results import EpisodeResult, Report
from simcheck.store import replace_file

if TYPE_CHECKING:
    from simcheck.report.evidence import EpisodeEvidence

WATCH = 12
DETAILS = 24  # episodes shown in detail
TABLE_ROWS = 3000  # the most urgent ones; all of them are in episodes.parquet
MOST_CODES = 8  # per row of the table
SYMBOLS = {"crashed": "✕", "flagged": "▲", "undecided": "?", "skipped": "–", "clean": "✓"}
MEANING = {
    "crashed": "simcheck failed here; please report it",
    "flagged": "outside a limit, uncertainty included",
    "undecided": "straddles a limit, or an input was only inferred: a person decides",
    "skipped": "its physics could not be judged",
    "clean": "inside every limit that was checked",
}


@dataclass(frozen=True, slots=True)
class WatchItem:
    """One entry of "watch these first"."""

    name: str
    anchor: str
    verdict: Status
    flag: Flag
    time: str
    message: str
    remedy: str
    others: str
    picture: Markup


@dataclass(frozen=True, slots=True)
class Row:
    """One episode in the table of all: its text, and the number each column is sorted by."""

    name: str
    anchor: str
    verdict: str
    order: int
    duration: str
    duration_value: float
    codes: str
    effort: str
    velocity: str
    clearance: str
    sort: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the bar of verdicts; positions in percent of the bar."""

    status: str
    count: int
    start: float
    width: float


def write_html(report: Report, evidence: Sequence[EpisodeEvidence], path: Path | str) -> None:
    """Write the report of a run.

    Args:
        report: the run.
        evidence: what is drawn of its most urgent episodes; may be empty.
        path: file to write.
    """
    replace_file(Path(path), render(report, evidence).encode("utf-8", errors="replace"))


def render(report: Report, evidence: Sequence[EpisodeEvidence]) -> str:
    """The report as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simcheck.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {
        "breakable": breakable,
        "plain": plain,
        "number": number,
        "percent": percent,
        "seconds": seconds,
    }
    environment.globals |= {"plural": plural, "symbols": SYMBOLS, "meaning": MEANING}
    style, script = (_source(environment, name) for name in ("report.css", "report.js"))
    return environment.get_template("report.html").render(
        style=Markup(style), script=Markup(script), style_hash=_hash(style), script_hash=_hash(script),
        **context(report, evidence),
    )  # fmt: skip


def _source(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader
    return environment.loader.get_source(environment, name)[0]


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def context(report: Report, evidence: Sequence[EpisodeEvidence]) -> dict[str, Any]:
    """Everything the template shows."""
    drawn = {e.episode: e for e in evidence}
    watch, detailed = summary.worth_watching(report), report.watch_first[:DETAILS]
    anchors = {r.episode: f"e{k}" for k, r in enumerate(detailed)}
    rows = [r for r in summary.code_rows(report) if sum(r.counts.values())]
    raised = (Status.CRASHED, Status.FLAGGED, Status.UNDECIDED)
    ordered = sorted(report.episodes, key=lambda e: (list(Status).index(e.verdict), -e.score))
    known = summary.pages()
    return {
        "info": report.info, "facts": _facts(report), "episodes": len(report.episodes),
        "segments": _segments(report), "verdicts": summary.verdicts(report),
        "loud": [r for r in rows if any(r.counts[s] for s in raised)],
        "quiet": [r for r in rows if not any(r.counts[s] for s in raised)],
        "statuses": list(Status), "watch": [_watch_item(r, drawn, anchors) for r in watch[:WATCH]],
        "urgent": len(watch), "remarks": len(report.watch_first) - len(watch), 
        "dataset_rows": [dataset_row(f) for f in report.info.dataset_flags],
        "findings": [sentence(f) for f in report.info.model_findings],
        "skipped": summary.not_checked(report)[: summary.MOST_GROUPS],
        "partly": summary.not_checked(report, partly=True)[: summary.MOST_GROUPS],
        "crashes": summary.crashes(report), "assumed": summary.assumed(report)[: summary.MOST_GROUPS],
        "table": [_table_row(e, anchors) for e in ordered[:TABLE_ROWS]],
        "left_out": max(len(ordered) - TABLE_ROWS, 0),
        "details": [view(r, drawn.get(r.episode), anchors[r.episode]) for r in detailed],
        "pages": [known[code] for code in _mentioned(report, rows) if code in known],
    }  # fmt: skip


def _mentioned(report: Report, rows: Sequence[summary.CodeRow]) -> list[str]:
    """Codes that the page links to: of every check that ran, and of findings about the dataset."""
    return list(dict.fromkeys([*(r.code for r in rows), *(f.code for f in report.info.dataset_flags)]))


def _facts(report: Report) -> list[tuple[str, str]]:
    """What was judged with what."""
    info, models = report.info, report.info.models
    judged = f"{len(report.episodes):,}"
    judged += "" if len(report.episodes) == info.total else f" of {info.total:,}"
    return [
        ("Format", plain(info.format)), ("Robot", plain(info.robot)), ("Episodes", judged),
        ("Duration", seconds(sum(e.duration for e in report.episodes))),
        ("simcheck", plain(info.simcheck, 40)), ("Engine", plain(info.engine, 40)), ("Config", plain(info.config[:10])),
        ("Model" if len(models) < 2 else "Models", plain(models[0][:10]) if len(models) == 1 else f"{len(models)}"),
    ]  # fmt: skip


def _segments(report: Report) -> list[Segment]:
    out, start = [], 0.0
    for status, count, share in summary.verdicts(report):
        if count:
            out.append(Segment(status.value, count, start, 100 * share))
            start += 100 * share
    return out


def _watch_item(result: EpisodeResult, drawn: dict[str, EpisodeEvidence], anchors: dict[str, str]) -> WatchItem:
    flag, evidence = summary.first_reason(result), drawn.get(result.episode)
    assert flag
    others = summary.other_codes(result.flags, than=flag.code)
    shown = Markup()
    if evidence and evidence.poses:
        pose = next((p for p in evidence.poses if flag.code in p.codes), evidence.poses[0])
        shown = plots.picture(pose, plain(f"robot at {pose.time:.2f} s"))
    return WatchItem(
        name=plain(result.episode, 80), anchor=anchors[result.episode], verdict=result.verdict, flag=flag,
        time=when(flag, evidence.origin if evidence else 0.0), message=sentence(flag.message, 260),
        remedy=sentence(flag.remedy, 200), others=", ".join(others[:MOST_CODES]), picture=shown,
    )  # fmt: skip


def _table_row(e: EpisodeResult, anchors: dict[str, str]) -> Row:
    share = {k: e.highlights.get(k, float("nan")) for k in ("effort", "velocity", "clearance")}
    sure = dict.fromkeys(o.code for o in e.outcomes if o.status in (Status.FLAGGED, Status.CRASHED))
    unsure = [f"{o.code}?" for o in e.outcomes if o.status is Status.UNDECIDED]
    codes = [*sure, *unsure]
    more = f" +{len(codes) - MOST_CODES}" if len(codes) > MOST_CODES else ""
    return Row(
        name=plain(e.episode, 80), anchor=anchors.get(e.episode, ""), verdict=e.verdict.value,
        order=list(Status).index(e.verdict), duration=f"{e.duration:.1f}", duration_value=round(e.duration, 3),
        codes=" ".join(codes[:MOST_CODES]) + more, effort=percent(share["effort"]), velocity=percent(share["velocity"]),
        clearance=number(1e3 * share["clearance"], 2),
        sort=tuple("" if v != v else f"{v:.4g}" for v in share.values()),  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
