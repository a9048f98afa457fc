"""One opened table and its mapping -> time, channels and poses, all of one length."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simcheck.errors import FormatError, UsageError
from simcheck.formats import ReadOptions
from simcheck.formats._columns import Npz, Source, Table
from simcheck.formats._files import make_channel
from simcheck.formats._mapping import (
    TIME_FACTOR,
    ActionSpec,
    ChannelSpec,
    PoseSpec,
    RowSpec,
    Selection,
    TableMapping,
    TimeSpec,
)
from simcheck.trajectory import SI_FACTOR, Channel, Note, Poses

_WXYZ = {"wxyz": [0, 1, 2, 3], "xyzw": [3, 0, 1, 2]}


def keep_rows(source: Source, rows: RowSpec | None) -> Source:
    """The source without the rows that the mapping leaves out."""
    if rows is None:
        return source
    if not isinstance(source, Table):
        raise UsageError(f"{source.place}: [rows] is for tables with one row per frame; remove it for NPZ")
    return source.equal_to(rows.column, rows.equals)


def read_time(source: Source, spec: TimeSpec, mapping: TableMapping) -> np.ndarray:
    """(T,) [s]."""
    if spec.column is not None:
        return source.matrix([spec.column])[:, 0] * TIME_FACTOR[spec.unit]
    poses = [mapping.base, *mapping.objects.values(), *mapping.ee.values()]
    first = mapping.position.columns if mapping.position else next(p.position for p in poses if p)
    return np.arange(len(_select(source, first))) / _rate(source, spec)


def _rate(source: Source, spec: TimeSpec) -> float:
    if spec.fps is not None:
        return spec.fps
    if not isinstance(source, Npz):
        raise UsageError(f"{source.place}: fps_key names an array of an NPZ; expected fps or column")
    values = source.scalars(spec.fps_key)
    if values.size != 1 or not np.isfinite(values[0]) or values[0] <= 0:
        raise FormatError(f"{source.place}: {spec.fps_key!r} holds {values[:3]}; expected one rate above 0 [Hz]")
    return float(values[0])


def held(commands: np.ndarray, sent: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, int]:
    """For each frame the last command sent at or before it, and how many frames precede the first command.

    Those frames get the first command: nothing was in force yet, and no number would be right.

    Args:
        commands: (N, n).
        sent: (N,) [s], not decreasing.
        time: (T,) [s].
    """
    index = np.searchsorted(sent, time, side="right") - 1
    return commands[np.maximum(index, 0)], int(np.count_nonzero(index < 0))


@dataclass(frozen=True, slots=True)
class Reader:
    """One source whose frames are known; what has another length is refused, never paired by row."""

    source: Source
    options: ReadOptions
    time: np.ndarray

    def channel(self, key: str, spec: ChannelSpec) -> Channel:
        """A joint channel."""
        values = _select(self.source, spec.columns)
        self._require_frames(key, len(values))
        return self._named(key, spec, self.source, values)

    def held_action(self, spec: ActionSpec, commands: Source) -> tuple[Channel, tuple[Note, ...]]:
        """Commands of a second file, each frame with the one in force."""
        if spec.time is None or spec.time.column is None:
            raise UsageError("action.time: commands of a second file need a column of time")
        commands = keep_rows(commands, spec.rows)
        sent = commands.matrix([spec.time.column])[:, 0] * TIME_FACTOR[spec.time.unit]
        if not len(sent) or not np.all(np.diff(sent) >= 0):
            raise FormatError(f"{commands.place}: time is empty or goes back; commands cannot be put in order")
        values, early = held(_select(commands, spec.columns), sent, self.time)
        said = f"the first {early} frames precede the first command; they were given that command"
        notes = (Note("D114", commands.place, said, (0, early - 1)),) if early else ()
        return self._named("action", spec, commands, values), notes

    def pose(self, key: str, spec: PoseSpec) -> Poses:
        """Position [m] and quaternion wxyz."""
        position = _select(self.source, spec.position) * SI_FACTOR[spec.unit]
        self._require_shape(f"{key}.position", position, 3)
        if spec.quaternion is None or spec.order is None:
            return Poses(position, None)
        quaternion = _select(self.source, spec.quaternion)
        self._require_shape(f"{key}.quaternion", quaternion, 4)
        return Poses(position, quaternion[:, _WXYZ[spec.order]])

    def _named(self, key: str, spec: ChannelSpec, source: Source, values: np.ndarray) -> Channel:
        width = values.shape[1]
        names, named = _names(spec, source, width)
        units = spec.unit * width if len(spec.unit) == 1 else spec.unit
        if len(names) != width or len(units) != width:
            raise FormatError(
                f"{source.place}: [{key}] selects {width} columns, but has {len(names)} names "
                f"and {len(units)} units; expected one per column"
            )
        channel = make_channel(self.options, key, names, values, declared=units, named=named)
        overridden = {key, *names, *(f"{key}/{name}" for name in names)} & set(self.options.units)
        return channel if overridden else replace(channel, evidence=spec.evidence)

    def _require_frames(self, key: str, rows: int) -> None:
        if rows != len(self.time):
            raise FormatError(
                f"{self.source.place}: [{key}] has {rows} rows, time has {len(self.time)}; expected one row per frame"
            )

    def _require_shape(self, key: str, values: np.ndarray, width: int) -> None:
        self._require_frames(key, len(values))
        if values.shape[1] != width:
            raise FormatError(f"{self.source.place}: [{key}] selects {values.shape[1]} columns; expected {width}")


def _names(spec: ChannelSpec, source: Source, width: int) -> tuple[tuple[str, ...], bool]:
    """Names of the columns, and whether anybody gave them."""
    if spec.names:
        return spec.names, True
    if spec.names_key:
        return tuple(source.texts(spec.names_key)), True
    if spec.columns.columns and all(isinstance(column, str) for column in spec.columns.columns):
        return tuple(map(str, spec.columns.columns)), True
    start = spec.columns.slice[0] if spec.columns.slice else 0
    key = spec.columns.key or "column"
    numbers = spec.columns.columns or range(start, start + width)
    return tuple(f"{key}[{number}]" for number in numbers), False


def _select(source: Source, selection: Selection) -> np.ndarray:
    if not selection.key:
        return source.matrix(selection.columns)
    values = source.vectors(selection.key)
    if selection.slice is None:
        return values
    first, stop = selection.slice
    if stop > values.shape[1]:
        raise FormatError(
            f"{source.place}: slice [{first}, {stop}] of {selection.key!r}, which has {values.shape[1]} numbers "
            f"per frame"
        )
    return values[:, first:stop]
