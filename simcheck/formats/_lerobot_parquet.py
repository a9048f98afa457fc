"""Numeric columns out of Parquet files that nobody vouches for, with the last row groups kept.

Page checksums are verified where the writer stored them: without, most damaged bytes change numbers silently.
Sizes are capped from the footer before anything is decoded, since a few bytes of run-length code can declare
a billion rows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simcheck.errors import FormatError, RefusedError
from simcheck.formats._files import inside

MAX_VALUES = 1 << 29  # numbers decoded at once: 4 GiB as float64
KEPT_GROUPS = 2  # an episode may end in one row group and the next begin there


@dataclass(frozen=True, slots=True)
class Group:
    """One row group of a file; `low` and `high` are the writer's statistics of the key column, or None."""

    file: str
    number: int
    rows: int
    low: int | None
    high: int | None

    def may_hold(self, key: int) -> bool:
        """Whether rows with this key can be in it, as far as the writer says."""
        return self.low is None or self.high is None or self.low <= key <= self.high


@dataclass(frozen=True, slots=True)
class Column:
    """One decoded column of a row group.

    Attributes:
        values: numbers of all rows, one after another.
        starts: (rows + 1,) where each row begins in `values`; None if every row has `width` numbers.
        width: numbers per row; 0 for a scalar column.
    """

    values: np.ndarray
    starts: np.ndarray | None
    width: int

    def take(self, rows: slice | np.ndarray, place: str) -> np.ndarray:
        """The rows as (n,) or (n, width)."""
        if self.starts is None:
            return self.values.reshape(-1, self.width)[rows] if self.width else self.values[rows]
        first, widths = self.starts[:-1][rows], np.diff(self.starts)[rows]
        width = int(widths[0]) if len(widths) else 0
        odd = np.flatnonzero(widths != width)
        if len(odd):
            raise FormatError(
                f"{place}: frame {odd[0]} holds {widths[odd[0]]} numbers, frame 0 holds {width}; "
                f"expected the same width in every frame"
            )
        return self.values[first[:, None] + np.arange(width)]


@dataclass(frozen=True, slots=True)
class Rows:
    """A decoded row group: its columns, and where the rows of one key are."""

    columns: dict[str, Column]
    keys: np.ndarray | None
    ordered: bool

    def of(self, key: int) -> slice | np.ndarray:
        """Rows with this key; all rows where the file has no key column."""
        if self.keys is None:
            return slice(None)
        if self.ordered:
            first, end = np.searchsorted(self.keys, (key, key + 1))
            return slice(int(first), int(end))
        return np.flatnonzero(self.keys == key)


class ParquetReader:
    """Reads some columns of the files of one dataset; safe to share between threads."""

    def __init__(self, root: Path, columns: Sequence[str], key: str) -> None:
        self._root, self._columns, self._key = root, tuple(columns), key
        self._lock = threading.Lock()
        self._open: tuple[str, pq.ParquetFile, list[str]] | None = None
        self._footers: dict[str, tuple[Group, ...]] = {}
        self._decoded: dict[Group, Rows] = {}

    def groups(self, file: str) -> tuple[Group, ...]:
        """Row groups of a file, from its footer."""
        with self._lock:
            return self._groups(file)

    def rows(self, group: Group) -> Rows:
        """The wanted columns of a row group, decoded once while its neighbours are read."""
        with self._lock:
            if group not in self._decoded:
                columns = _decode(*self._file(group.file), group)
                while len(self._decoded) >= KEPT_GROUPS:
                    del self._decoded[next(iter(self._decoded))]
                self._decoded[group] = _rows(columns, self._key, group.file)
            return self._decoded[group]

    def _groups(self, file: str) -> tuple[Group, ...]:
        if file not in self._footers:
            self._footers[file] = _read_groups(self._file(file)[0], file, self._key)
        return self._footers[file]

    def _file(self, file: str) -> tuple[pq.ParquetFile, list[str]]:
        """The file, kept open until the next one is, and those of the wanted columns that it has."""
        if self._open is None or self._open[0] != file:
            self._open = None
            parquet = open_parquet(self._root, file)
            self._open = (file, parquet, _present(parquet, self._columns, file))
        return self._open[1:]


def open_parquet(root: Path, file: str) -> pq.ParquetFile:
    """A Parquet file of the dataset; only its footer is read."""
    path = inside(root, file)
    with damaged(file):
        # No memory map: a file that shrinks while it is mapped kills the process.
        return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False, memory_map=False)


def read_table(root: Path, file: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of a small metadata file; those it does not have are left out."""
    parquet = open_parquet(root, file)
    with damaged(file):
        for number in range(parquet.metadata.num_row_groups):
            _refuse_bomb(parquet.metadata.row_group(number), columns, file)
        present = _present(parquet, columns, file)
        return parquet.read(columns=present, use_threads=False).select(present)


def _present(parquet: pq.ParquetFile, columns: Sequence[str], file: str) -> list[str]:
    with damaged(file):
        names = parquet.schema_arrow.names
    twice = [c for c in columns if names.count(c) > 1]
    if twice:
        raise FormatError(f"{file}: has more than one column called {twice[0]}")
    return [c for c in columns if c in names]


@contextmanager
def damaged(file: str) -> Iterator[None]:
    """Turn whatever the Parquet library raises for a damaged file into a FormatError that names it."""
    try:
        yield
    except (FormatError, RefusedError):
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError) as error:
        reason = (str(error).strip() or error.__class__.__name__).splitlines()[0][:200]
        raise FormatError(
            f"{file}: not a readable Parquet file: {reason}. "
            f"A file without footer was not finalised by its writer, or was downloaded in part"
        ) from error


def _read_groups(parquet: pq.ParquetFile, file: str, key: str) -> tuple[Group, ...]:
    with damaged(file):
        meta = parquet.metadata
        leaf = next((i for i in range(meta.num_columns) if meta.schema.column(i).path == key), None)
        groups = []
        for number in range(meta.num_row_groups):
            group = meta.row_group(number)
            low, high = (None, None) if leaf is None else _bounds(group.column(leaf).statistics)
            groups.append(Group(file, number, group.num_rows, low, high))
        return tuple(groups)


def _rows(columns: dict[str, Column], key: str, file: str) -> Rows:
    if key not in columns:
        return Rows(columns, None, False)
    if columns[key].width or columns[key].starts is not None:
        raise FormatError(f"{file} {key}: holds lists; expected one whole number per frame")
    keys = columns[key].values
    return Rows(columns, keys, bool(np.all(keys[1:] >= keys[:-1])))


def _bounds(statistics: Any) -> tuple[int | None, int | None]:
    if statistics is None or not statistics.has_min_max:
        return None, None
    low, high = statistics.min, statistics.max
    return (low, high) if type(low) is int and type(high) is int else (None, None)


def _decode(parquet: pq.ParquetFile, present: Sequence[str], group: Group) -> dict[str, Column]:
    with damaged(group.file):
        _refuse_bomb(parquet.metadata.row_group(group.number), present, group.file)
        table = parquet.read_row_group(group.number, columns=present, use_threads=False)
        return {name: _column(table.column(name), f"{group.file} {name}") for name in present}


def _refuse_bomb(group: Any, columns: Sequence[str], file: str) -> None:
    """Refuse a row group that declares more than fits in memory; `group` is pyarrow's RowGroupMetaData."""
    count = group.num_rows
    for i in range(group.num_columns):
        leaf = group.column(i)
        if leaf.path_in_schema.startswith(tuple(columns)):
            count = max(count, 0) + max(leaf.num_values, leaf.total_uncompressed_size // 8)
    if count > MAX_VALUES:
        raise RefusedError(f"{file}: a row group declares {count} numbers; expected at most {MAX_VALUES}")


def _column(chunks: pa.ChunkedArray, place: str) -> Column:
    array = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
    if not _is_list(array.type):
        return Column(_numbers(array, place), None, 0)
    if pa.types.is_fixed_size_list(array.type) and not array.null_count:
        return Column(_numbers(array.flatten(), place), None, array.type.list_size)
    lengths = np.zeros(len(array), np.int64)
    valid = (
        np.ones(len(array), bool) if not array.null_count else array.is_valid().to_numpy(zero_copy_only=False)
    )
    lengths[valid] = array.drop_null().value_lengths().to_numpy(zero_copy_only=False)
    values = _numbers(array.flatten(), place)
    if len(lengths) and lengths[0] and np.all(lengths == lengths[0]):
        return Column(values, None, int(lengths[0]))
    return Column(values, np.concatenate(([0], np.cumsum(lengths))), 0)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _numbers(array: pa.Array, place: str) -> np.ndarray:
    """As NumPy; a missing float is nan, a missing integer becomes nan as well."""
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise FormatError(f"{place}: holds {kind}; expected numbers, or lists of numbers")
    return array.to_numpy(zero_copy_only=False)
