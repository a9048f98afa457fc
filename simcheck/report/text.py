"""The summary a terminal shows: plain lines, no colour, no markup."""

from __future__ import annotations

from collections.abc import Sequence

from simcheck.flags import Status
from simcheck.report.summary import code_rows, first_reason, not_checked, verdicts, worth_watching
from simcheck.report.words import plain, plural, sentence, when
from simcheck.results import Report

WATCH = 8
CODES = 10
REASONS = 6


def lines(report: Report, files: Sequence[str] = ()) -> list[str]:
    """The summary of a run, line by line.

    Args:
        report: the run.
        files: where its results are, as they should be shown.
    """
    info = report.info
    judged = f"{len(report.episodes)} of {info.total}" if len(report.episodes) != info.total else f"{info.total}"
    out = [f"{plain(info.dataset)} ({plain(info.format)}) on {plain(info.robot)}: {judged} episodes"]
    if info.interrupted:
        out[0] += ", interrupted"
    out.append("  " + "   ".join(f"{status.value} {count}" for status, count, _ in verdicts(report) if count))
    sections = (_findings(report), _watch(report), _gaps(report), [f"Results: {', '.join(files)}"] if files else [])
    for section in sections:
        out += ["", *section] if section else []
    return out


def _findings(report: Report) -> list[str]:
    rows = [r for r in code_rows(report) if r.counts[Status.FLAGGED] or r.counts[Status.UNDECIDED] or
            r.counts[Status.CRASHED]]  # fmt: skip
    if not rows:
        return ["No findings."] if any(e.verdict is Status.CLEAN for e in report.episodes) else []
    width = max(len(r.name) for r in rows[:CODES])
    out = ["Findings (episodes)"]
    for r in rows[:CODES]:
        counts = ", ".join(
            f"{r.counts[s]} {s.value}" for s in (Status.CRASHED, Status.FLAGGED, Status.UNDECIDED) if r.counts[s]
        )
        out.append(f"  {r.code}  {r.name:<{width}}  {r.severity:<7}  {counts}")
    if len(rows) > CODES:
        out.append(f"  and {len(rows) - CODES} more")
    return out


def _watch(report: Report) -> list[str]:
    watch = worth_watching(report)
    out = ["Watch these first"] if watch else []
    for number, result in enumerate(watch[:WATCH], 1):
        flag = first_reason(result)
        assert flag
        out.append(f"  {number}. {plain(result.episode, 60)}  {flag.code} {when(flag)}  {sentence(flag.message, 150)}")
        if flag.remedy:
            out.append(f"     {sentence(flag.remedy, 150)}")
    if len(watch) > WATCH:
        out.append(f"  and {len(watch) - WATCH} more")
    return out


def _gaps(report: Report) -> list[str]:
    groups = not_checked(report)
    out = ["Not checked"] if groups else []
    for group in groups[:REASONS]:
        codes = ", ".join(group.codes[:6]) + (f" and {len(group.codes) - 6} more" if len(group.codes) > 6 else "")
        out.append(f"  {codes}: {sentence(group.text, 110)} ({plural(group.episodes, 'episode')})")
    if len(groups) > REASONS:
        out.append(f"  and {plural(len(groups) - REASONS, 'other reason')}")
    return out
