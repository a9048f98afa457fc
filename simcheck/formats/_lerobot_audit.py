"""Where a LeRobot dataset contradicts itself: info.json, the episodes table, Parquet footers, folders.

Of the data files only the number of rows is used and, where files hold several episodes, their episode_index.
What only one episode's rows can tell (that it is shorter than its length) is found when it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simcheck.errors import InputError
from simcheck.formats._files import walk
from simcheck.formats._lerobot_meta import INFO, Meta
from simcheck.formats._lerobot_parquet import Group, ParquetReader
from simcheck.trajectory import Note

_SHOWN = 5


def audit(meta: Meta, reader: ParquetReader) -> tuple[Note, ...]:
    """Everything found, the notes of the metadata first."""
    present = tuple(meta.data_files())
    groups, unreadable = _footers(reader, present)
    return (
        *meta.notes,
        *unreadable,
        *_missing(meta, present),
        *_totals(meta, groups, complete=not unreadable),
        *_splits(meta),
        *_lengths(meta, groups),
        *_boundaries(meta),
        *_stale(meta, groups),
        *_videos(meta),
    )


def _footers(reader: ParquetReader, files: Sequence[str]) -> tuple[dict[str, tuple[Group, ...]], list[Note]]:
    groups: dict[str, tuple[Group, ...]] = {}
    notes: list[Note] = []
    for file in files:
        try:
            groups[file] = reader.groups(file)
        except InputError as error:
            notes.append(Note("D101", file, str(error)))
    return groups, notes


def _missing(meta: Meta, present: Sequence[str]) -> Iterator[Note]:
    declared = {e.file for e in meta.episodes.values()}
    absent = sorted(declared.difference(present))
    if absent:
        message = f"{len(absent)} of {len(declared)} data files are not there: {_some(absent)}"
        yield Note("D114", meta.table, f"{message}; the dataset may be downloaded only in part")
    extra = sorted(set(present) - declared)
    if extra:
        yield Note("D114", meta.table, f"{len(extra)} data files belong to no listed episode: {_some(extra)}")


def _totals(meta: Meta, groups: Mapping[str, Sequence[Group]], *, complete: bool) -> Iterator[Note]:
    listed, rows = len(meta.episodes), sum(g.rows for gs in groups.values() for g in gs)
    if _declares(meta, "total_episodes", listed):
        yield Note("D114", INFO, f"total_episodes is {meta.info['total_episodes']}; {meta.table} lists {listed}")
    if complete and _declares(meta, "total_frames", rows):
        yield Note("D114", INFO, f"total_frames is {meta.info['total_frames']}; the data files hold {rows} rows")
    chunks = len({file.rpartition("/")[0] for file in groups})
    if complete and chunks and _declares(meta, "total_chunks", chunks):
        yield Note("D114", INFO, f"total_chunks is {meta.info['total_chunks']}; data files lie in {chunks}")


def _declares(meta: Meta, key: str, actual: int) -> bool:
    said = meta.info.get(key)
    return said is not None and said != actual


def _splits(meta: Meta) -> Iterator[Note]:
    splits = meta.info.get("splits")
    for name, text in splits.items() if isinstance(splits, dict) else ():
        first, _, end = str(text).partition(":")
        if not (first.isdecimal() and end.isdecimal()) or len(first) > 9 or len(end) > 9:
            yield Note("D114", INFO, f'split {name!r} is {str(text)[:40]!r}; expected "first:end", such as "0:50"')
        elif int(end) > max(e.index for e in meta.episodes.values()) + 1:
            message = f"split {name!r} is {text}; {meta.table} lists {len(meta.episodes)} episodes"
            yield Note("D114", INFO, message)


def _lengths(meta: Meta, groups: Mapping[str, Sequence[Group]]) -> Iterator[Note]:
    """Rows of each file against the lengths of the episodes that are said to be in it."""
    expected: Counter[str] = Counter()
    for episode in meta.episodes.values():
        expected[episode.file] += episode.length or 0
    wrong = [
        f"{file}: {rows} rows, the episodes in it have {expected[file]}"
        for file, rows in ((f, sum(g.rows for g in gs)) for f, gs in groups.items() if f in expected)
        if rows != expected[file]
    ]
    if wrong:
        message = f"{len(wrong)} data files do not hold as many rows as their episodes have: {_some(wrong)}"
        yield Note("D114", meta.table, message)


def _boundaries(meta: Meta) -> Iterator[Note]:
    """Episode numbers without gaps; dataset_from_index … dataset_to_index one after another."""
    last = max(e.index for e in meta.episodes.values())
    if len(meta.episodes) != last + 1:
        message = f"lists {len(meta.episodes)} episodes with numbers up to {last}: some numbers are missing"
        yield Note("D114", meta.table, message)
    wrong = list(_wrong_boundaries(meta))
    if wrong:
        message = f"{len(wrong)} episode boundaries contradict each other: {_some(wrong)}"
        yield Note("D114", meta.table, message)


def _wrong_boundaries(meta: Meta) -> Iterator[str]:
    before: tuple[str, int] | None = None
    for name, episode in meta.episodes.items():
        if episode.first is None or episode.end is None:
            continue
        span = f"{name} is rows {episode.first} to {episode.end}"
        if episode.length is not None and episode.end - episode.first != episode.length:
            yield f"{span} with length {episode.length}"
        if before is not None and before[1] != episode.first:
            kind = "overlaps" if episode.first < before[1] else "leaves a gap after"
            yield f"{span} and {kind} {before[0]}, which ends at {before[1]}"
        before = name, episode.end


def _stale(meta: Meta, groups: Mapping[str, Sequence[Group]]) -> Iterator[Note]:
    """Episodes whose file holds only other episodes."""
    stale = [
        name
        for name, episode in meta.episodes.items()
        if episode.file in groups and not any(g.may_hold(episode.index) for g in groups[episode.file])
    ]
    if stale:
        message = f"{len(stale)} episodes are not in the data file that is listed for them: {_some(stale)}"
        yield Note("D114", meta.table, message)
    known = {e.index for e in meta.episodes.values()}
    ends = {n for gs in groups.values() for g in gs for n in (g.low, g.high) if n is not None}
    unlisted = sorted(ends - known)
    if unlisted:
        message = f"the data files hold rows of episodes that are not listed: {_some(unlisted)}"
        yield Note("D114", meta.table, message)


def _videos(meta: Meta) -> Iterator[Note]:
    if not meta.videos:
        return
    files = sum(1 for f in walk(meta.root, "videos") if f.endswith(".mp4"))
    total = meta.info.get("total_videos")
    if not files:
        yield Note("D114", INFO, f"declares video for {_some(meta.videos)}; videos/ holds no file")
    elif type(total) is int and total != files:
        yield Note("D114", INFO, f"total_videos is {total}; videos/ holds {files} files")


def _some(items: Sequence[Any]) -> str:
    shown = ", ".join(str(i) for i in items[:_SHOWN])
    return shown if len(items) <= _SHOWN else f"{shown} and {len(items) - _SHOWN} more"
