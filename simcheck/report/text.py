"""The summary a terminal shows: plain lines, no colour, no markup."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from simcheck.flags import Status
from simcheck.report.summary import code_rows, first_reason, not_checked, verdicts, worth_watching
from simcheck.report.words import plain, plural, sentence, when
from simcheck.results import NO_ROBOT, Report

WIDTH = 110
DATASET = 6  # findings about the dataset as a whole
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
    on = ", " if info.robot.startswith(NO_ROBOT) else " on "
    judged += " episode" if info.total == 1 else " episodes"
    out = [f"{plain(info.dataset)} ({plain(info.format)}){on}{plain(info.robot)}: {judged}"]
    if info.interrupted:
        out[0] += ", interrupted"
    out.append("  " + "   ".join(f"{status.value} {count}" for status, count, _ in verdicts(report) if count))
    sections = (
        _dataset(report),
        _findings(report),
        _watch(report),
        _gaps(report),
        [f"Results: {', '.join(files)}"] if files else [],
    )
    for section in sections:
        out += ["", *section] if section else []
    return out


def _dataset(report: Report) -> list[str]:
    flags = report.info.dataset_flags
    out = ["Findings about the dataset as a whole"] if flags else []
    for flag in flags[:DATASET]:
        out += _wrapped(f"{flag.code}  {flag.severity.value:<7}  {plain(flag.place, 60)}: {sentence(flag.message)}")
    return [*out, f"  and {len(flags) - DATASET} more"] if len(flags) > DATASET else out


def _wrapped(line: str) -> list[str]:
    """Whole, on as many lines as it needs: the end of a reason is often what to do about it."""
    return textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="     ", break_on_hyphens=False)


def _findings(report: Report) -> list[str]:
    rows = [r for r in code_rows(report) if r.counts[Status.FLAGGED] or r.counts[Status.UNDECIDED] or
            r.counts[Status.CRASHED]]  # fmt: skip
    if not rows:
        clean = any(e.verdict is Status.CLEAN for e in report.episodes)
        return ["No findings in the episodes." if report.info.dataset_flags else "No findings."] if clean else []
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
        out += _wrapped(f"{codes}: {sentence(group.text)} ({plural(group.episodes, 'episode')})")
    if len(groups) > REASONS:
        out.append(f"  and {plural(len(groups) - REASONS, 'other reason')}")
    return out
