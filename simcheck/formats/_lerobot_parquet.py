"""Numeric columns out of Parquet files that nobody vouches for, with the last row groups kept.

Page checksums are verified where the writer stored them: without, most damaged bytes change numbers silently.
What a row group decodes to is capped beforehand by its number of rows, since a few bytes of run-length code
can declare a billion of them.

Of a footer only counts are used. The library's accessors for column chunks and their statistics
(`metadata.row_group(i).column(j)`) let a C++ exception through on some damaged footers, which ends the process;
so which rows a group holds is read from the key column itself, which is also what counts.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simcheck.errors import FormatError, RefusedError
from simcheck.formats._files import inside

MAX_VALUES = 1 << 29  # numbers decoded at once: 4 GiB as float64
MAX_TABLE_ROWS = 1 << 24  # rows of a metadata table
KEPT_GROUPS = 2  # an episode may end in one row group and the next begin there


@dataclass(frozen=True, slots=True)
class Group:
    """One row group of a file; `low` and `high` bound its keys, None where the keys were not looked at."""

    file: str
    number: int
    rows: int
    low: int | None = None
    high: int | None = None

    def may_hold(self, key: int) -> bool:
        """Whether rows with this key can be in it."""
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
    """Reads some columns of the files of one dataset; safe to share between threads.

    Args:
        root: folder of the dataset.
        widths: numbers per row of each wanted column.
        key: the column that says to which episode a row belongs.
        keyed: whether a file holds several episodes, so that its keys are looked at before the rest.
    """

    def __init__(self, root: Path, widths: Mapping[str, int], key: str, *, keyed: bool) -> None:
        self._root, self._widths, self._key, self._keyed = root, dict(widths), key, keyed
        self._lock = threading.Lock()
        self._open: tuple[str, pq.ParquetFile, list[str]] | None = None
        self._groups: dict[str, tuple[Group, ...]] = {}
        self._decoded: dict[Group, Rows] = {}

    def groups(self, file: str) -> tuple[Group, ...]:
        """Row groups of a file."""
        with self._lock:
            if file not in self._groups:
                parquet, present = self._file(file)
                keyed = self._keyed and self._key in present
                self._groups[file] = _read_groups(parquet, file, self._key if keyed else "")
            return self._groups[file]

    def rows(self, group: Group) -> Rows:
        """The wanted columns of a row group, decoded once while its neighbours are read."""
        with self._lock:
            if group not in self._decoded:
                columns = self._decode(group)
                while len(self._decoded) >= KEPT_GROUPS:
                    del self._decoded[next(iter(self._decoded))]
                self._decoded[group] = _rows(columns, self._key, group.file)
            return self._decoded[group]

    def _decode(self, group: Group) -> dict[str, Column]:
        parquet, present = self._file(group.file)
        _refuse_bomb(group.rows * sum(self._widths[c] for c in present), group.file)
        with damaged(group.file):
            table = parquet.read_row_group(group.number, columns=present, use_threads=False)
            return {name: _column(table.column(name), f"{group.file} {name}") for name in present}

    def _file(self, file: str) -> tuple[pq.ParquetFile, list[str]]:
        """The file, kept open until the next one is, and those of the wanted columns that it has."""
        if self._open is None or self._open[0] != file:
            self._open = None
            parquet = open_parquet(self._root, file)
            self._open = (file, parquet, _present(parquet, list(self._widths), file))
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
        if parquet.metadata.num_rows > MAX_TABLE_ROWS:
            found = f"{file}: declares {parquet.metadata.num_rows} rows"
            raise RefusedError(f"{found}; expected at most {MAX_TABLE_ROWS} in a metadata table")
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
    """Row groups of a file, with the bounds of their keys if a key is given."""
    with damaged(file):
        meta = parquet.metadata
        counts = [meta.row_group(number).num_rows for number in range(meta.num_row_groups)]
    if any(count < 0 for count in counts):
        raise FormatError(f"{file}: a row group declares {min(counts)} rows")
    if not key:
        return tuple(Group(file, number, count) for number, count in enumerate(counts))
    _refuse_bomb(sum(counts), file)
    with damaged(file):
        column = _column(parquet.read(columns=[key], use_threads=False).column(key), f"{file} {key}")
    keys = _rows({key: column}, key, file).keys
    if keys is None or len(keys) != sum(counts):
        raise FormatError(f"{file}: its footer declares {sum(counts)} rows; {key} has another number of them")
    parts = np.split(keys, np.cumsum(counts)[:-1])
    return tuple(Group(file, number, len(part), *_bounds(part)) for number, part in enumerate(parts))


def _bounds(keys: np.ndarray) -> tuple[int, int]:
    if not len(keys):
        return 0, -1
    low, high = keys.min(), keys.max()
    return (int(low), int(high)) if np.isfinite(low) and np.isfinite(high) else (0, -1)


def _rows(columns: dict[str, Column], key: str, file: str) -> Rows:
    if key not in columns:
        return Rows(columns, None, False)
    if columns[key].width or columns[key].starts is not None:
        raise FormatError(f"{file} {key}: holds lists; expected one whole number per frame")
    keys = columns[key].values
    return Rows(columns, keys, bool(np.all(keys[1:] >= keys[:-1])))


def _refuse_bomb(count: int, file: str) -> None:
    """Refuse what would not fit in memory."""
    if count > MAX_VALUES:
        raise RefusedError(f"{file}: declares {count} numbers to decode at once; expected at most {MAX_VALUES}")


def _column(chunks: pa.ChunkedArray, place: str) -> Column:
    array = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
    if not _is_list(array.type):
        return Column(_numbers(array, place), None, 0)
    if pa.types.is_fixed_size_list(array.type) and not array.null_count:
        return Column(_numbers(array.flatten(), place), None, array.type.list_size)
    lengths = np.zeros(len(array), np.int64)
    valid = np.ones(len(array), bool) if not array.null_count else array.is_valid().to_numpy(zero_copy_only=False)
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
