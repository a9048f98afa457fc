"""The rows of one episode of a LeRobot dataset, wherever they really are, and their time.

The episodes table says in which file an episode is and how long; the rows say it too, in `episode_index`.
Where the two disagree the rows win, and the disagreement becomes a D114 note. Known ways to disagree: a
converter that writes a stale file index at rollover, a corrupt length, an info.json copied from a larger set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from simcheck.errors import FormatError, InputError
from simcheck.formats._lerobot_meta import INFO, Episode, Meta
from simcheck.formats._lerobot_parquet import Group, ParquetReader
from simcheck.trajectory import Note, TimeBase

KEY = "episode_index"
BOOKKEEPING = (KEY, "timestamp", "frame_index", "index", "task_index", "next.success")


@dataclass(frozen=True, slots=True)
class EpisodeRows:
    """Numbers of one episode as stored, (T,) or (T, width) by column, and what contradicts the metadata."""

    columns: Mapping[str, np.ndarray]
    count: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    group: Group
    columns: dict[str, np.ndarray]
    count: int
    scattered: bool


def read_rows(meta: Meta, reader: ParquetReader, episode: Episode) -> EpisodeRows:
    """All rows of an episode.

    Raises:
        FormatError: no rows, a damaged file, or frames of different width.
    """
    parts = _find(meta, reader, episode)
    names = [n for n in parts[0].columns if all(n in p.columns for p in parts)]
    try:
        columns = (
            {n: np.concatenate([p.columns[n] for p in parts]) for n in names} if len(parts) > 1 else parts[0].columns
        )
    except ValueError as error:
        raise FormatError(f"{parts[0].group.file}: row groups hold vectors of different width") from error
    count = sum(p.count for p in parts)
    return EpisodeRows(columns, count, tuple(_contradictions(meta, episode, parts, columns, count)))


def _find(meta: Meta, reader: ParquetReader, episode: Episode) -> list[_Part]:
    """Rows in the declared file; elsewhere only if they are not, or not all, there."""
    missing: InputError | None = None
    own: tuple[Group, ...] = ()
    try:
        own = reader.groups(episode.file)
    except InputError as error:
        missing = error
    several = meta.version[0] == 3
    if several and any(g.low is None for g in own):
        raise FormatError(f"{episode.file}: has no column {KEY}; expected it to say whose each row is")
    parts = _pick(reader, (g for g in own if g.may_hold(episode.index)), episode.index)
    if several and sum(p.count for p in parts) != episode.length:
        parts += _pick(reader, _elsewhere(meta, reader, episode), episode.index)
    if not parts:
        found = f"{episode.file}: {_what_is_there(reader, own)}"
        raise missing or FormatError(f"{found}; expected rows of episode {episode.index}")
    return parts


def _pick(reader: ParquetReader, groups: Iterable[Group], index: int) -> list[_Part]:
    parts = []
    for group in groups:
        rows = reader.rows(group)
        chosen = rows.of(index)
        scattered = not isinstance(chosen, slice) and len(chosen) > 0 and chosen[-1] - chosen[0] >= len(chosen)
        columns = {n: c.take(chosen, f"{group.file} {n}, episode {index}") for n, c in rows.columns.items()}
        count = len(next(iter(columns.values()), ()))
        if count:
            parts.append(_Part(group, columns, count, bool(scattered)))
    return parts


def _elsewhere(meta: Meta, reader: ParquetReader, episode: Episode) -> Iterator[Group]:
    for file in meta.data_files():
        if file != episode.file:
            try:
                groups = reader.groups(file)
            except InputError:
                continue  # the audit of the dataset names it
            yield from (g for g in groups if g.low is not None and g.may_hold(episode.index))


def _what_is_there(reader: ParquetReader, groups: tuple[Group, ...]) -> str:
    keys = [reader.rows(g).keys for g in groups if g.rows]
    known = [k for k in keys if k is not None]
    if not known:
        return "holds no rows"
    return f"holds rows of episodes {min(k.min() for k in known):g} to {max(k.max() for k in known):g}"


def _contradictions(
    meta: Meta, episode: Episode, parts: list[_Part], columns: Mapping[str, np.ndarray], count: int
) -> Iterator[Note]:
    table = meta.table
    files = list(dict.fromkeys(p.group.file for p in parts))
    if files != [episode.file]:
        yield Note("D114", table, f"the rows are in {', '.join(files)}; the table says {episode.file}")
    if episode.length is not None and episode.length != count:
        yield Note("D114", table, f"{count} rows; the table says length {episode.length}")
    if episode.first is not None and episode.end is not None and episode.end - episode.first != count:
        yield Note("D114", table, f"{count} rows; the table says rows {episode.first} to {episode.end}")
    first = columns.get("index")
    if episode.first is not None and first is not None and first.ndim == 1 and first[0] != episode.first:
        message = f"the first frame has index {first[0]:g}; the table says dataset_from_index {episode.first}"
        yield Note("D114", table, message)
    if any(p.scattered for p in parts):
        yield Note("D114", files[0], f"rows of episode {episode.index} lie between rows of other episodes")
    for key in ("observation.state", "action", "timestamp", "frame_index"):
        if key in meta.features and key not in columns:
            yield Note("D114", files[0], f"has no column {key}; meta/info.json declares it")


def episode_time(rows: EpisodeRows, fps: float, place: str) -> tuple[np.ndarray, TimeBase, list[Note]]:
    """Time [s] of each frame, and whether a clock was read for it.

    LeRobot writes frame_index / fps as float32, some simulators (frame + 1) × float32(1 / fps): then there is
    no clock, and the quotient itself, in float64, is the better number. Any other time stamp was measured,
    unless its steps are equal to float32 rounding: no clock is that good, so fps is wrong.
    """
    count = np.arange(rows.count, dtype=np.float64)
    numbers, notes = _frame_numbers(rows, count, place)
    stamp = rows.columns.get("timestamp")
    if stamp is None:
        return numbers / fps, TimeBase.NOMINAL, notes
    stamp = np.asarray(stamp, np.float64).reshape(rows.count, -1)[:, 0]
    for frame in (numbers, count):
        period = _period(stamp, frame, fps)
        if abs(period * fps - 1) <= 1e-5:
            start = round(float(stamp[0]) * fps)  # not 0 for an episode cut out of a longer one
            return (start + frame - frame[0]) / fps, TimeBase.NOMINAL, notes
        if period > 0 and rows.count > 2:
            message = f"time stamps step by {period:.6g} s exactly; {INFO} says fps {fps:g}, {1 / fps:.6g} s"
            time = stamp[0] + (frame - frame[0]) * period
            return time, TimeBase.NOMINAL, [*notes, Note("D114", place, message)]
    return stamp, TimeBase.MEASURED, notes


def _frame_numbers(rows: EpisodeRows, count: np.ndarray, place: str) -> tuple[np.ndarray, list[Note]]:
    numbers = rows.columns.get("frame_index")
    if numbers is None:
        return count, []
    numbers = np.asarray(numbers, np.float64).reshape(rows.count, -1)[:, 0]
    jump = np.flatnonzero(np.diff(numbers) != 1)
    if not len(jump):
        return numbers, []
    k = int(jump[0])
    message = f"frame_index goes from {numbers[k]:g} to {numbers[k + 1]:g}; expected a step of 1"
    return numbers, [Note("D114", place, message, (k, k + 1))]


def _period(stamp: np.ndarray, frame: np.ndarray, fps: float) -> float:
    """Time [s] from frame to frame if it is always the same up to float32 rounding, else nan."""
    if len(stamp) == 1:
        return 1 / fps if np.isfinite(stamp[0]) else np.nan
    if not np.all(np.isfinite(stamp)) or frame[-1] <= frame[0]:
        return np.nan
    steps = frame - frame[0]
    period = (stamp[-1] - stamp[0]) / steps[-1]
    rounding = np.max(np.abs(stamp)) * np.finfo(np.float32).eps
    return float(period) if np.all(np.abs(stamp - stamp[0] - steps * period) <= 2 * rounding) else np.nan
