"""Columns of a delimited text, Parquet or NPZ file by name, as float64; nothing in it is executed or trusted.

Reading is by column (pyarrow, numpy): no Python per row.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from simcheck.errors import FormatError, RefusedError
from simcheck.formats._files import named_file

MAX_BYTES = 4 << 30  # what one file may unpack to
MAX_RATIO = 200  # as in HDF5: logs compress 2–10 times, a bomb about 1000 times
SMALL_BYTES = 64 << 20  # below this a high ratio harms nobody
_NPY_HEADER = 1 << 16  # longer ones are refused by numpy too
# What unpacking damaged or encrypted members raises.
_DAMAGE = (ValueError, OSError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)

Column = str | int  # a name, or a number from 0


class Source(Protocol):
    """One opened file."""

    place: str  # what messages call it

    def names(self) -> list[str]:
        """Columns of a table, arrays of an NPZ."""
        ...

    def matrix(self, columns: Sequence[Column]) -> np.ndarray:
        """(T, len(columns)): scalar columns side by side."""
        ...

    def vectors(self, key: str) -> np.ndarray:
        """(T, n): one column or array that holds a vector per row; further dimensions are flattened."""
        ...

    def texts(self, key: str) -> list[str]:
        """A column or array of strings."""
        ...


def open_source(path: Path, *, header: bool = True, delimiter: str = ",") -> Source:
    """The file as columns; what it is follows from its suffix, and anything unknown is delimited text."""
    path = named_file(path)
    if path.suffix == ".npz":
        return Npz(path)
    if path.suffix == ".parquet":
        return Table(_read_parquet(path), path.name)
    return Table(read_csv(path, header=header, delimiter=delimiter), path.name)


def read_csv(path: Path, *, header: bool, delimiter: str = ",") -> pa.Table:
    """Delimited text; columns without a header are called "0", "1" and so on."""
    try:
        with path.open("rb") as file:  # a name would let pyarrow unpack by suffix
            table = csv.read_csv(
                file,
                csv.ReadOptions(use_threads=False, autogenerate_column_names=not header, block_size=16 << 20),
                csv.ParseOptions(delimiter=delimiter),
            )
        _ = table.column_names, str(table.schema)  # damaged names decode only now
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FormatError(f"{path.name}: {_first_line(error)}; expected '{delimiter}' between columns") from error
    return table if header else table.rename_columns([str(i) for i in range(table.num_columns)])


def as_numbers(column: pa.ChunkedArray, place: str) -> np.ndarray:
    """(T,) float64; an empty cell becomes nan."""
    try:
        return column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        first = next((str(v) for v in column.slice(0, 1000).to_pylist() if not _is_number(v)), "")
        raise FormatError(f"{place}: holds {column.type} such as {first[:60]!r}; expected numbers") from error


class Table:
    """Columns of a table in memory."""

    def __init__(self, table: pa.Table, place: str) -> None:
        self.place = place
        self._table = table

    def names(self) -> list[str]:
        """Names as the header spells them, without surrounding spaces."""
        return [name.strip() for name in self._table.column_names]

    def matrix(self, columns: Sequence[Column]) -> np.ndarray:
        """(T, len(columns)); see `Source`."""
        out = np.empty((self._table.num_rows, len(columns)))
        for i, column in enumerate(columns):
            out[:, i] = as_numbers(self._column(column), f"{self.place}: column {column!r}")
        return out

    def vectors(self, key: str) -> np.ndarray:
        """(T, n): a list column of Parquet, or text such as "[0.1, 0.2]" in a CSV."""
        column, place = self._column(key), f"{self.place}: column {key!r}"
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = _split(column)
        if not _is_list(column.type):
            raise FormatError(f"{place}: holds {column.type}; expected a list such as [0.1, 0.2] per row")
        widths = pc.call_function("list_value_length", [column]).unique().to_pylist()
        if len(widths) != 1 or widths[0] is None:
            shown = ", ".join(map(str, widths[:5])) or "none"
            raise FormatError(f"{place}: rows hold {shown} numbers; expected the same number in every row")
        flat = pc.call_function("list_flatten", [column])
        if pa.types.is_string(flat.type):
            flat = pc.call_function("utf8_trim_whitespace", [flat])
        values = as_numbers(flat, place)
        return values.reshape(len(column), int(widths[0]))

    def kinds(self) -> dict[str, str]:
        """By column: "number", "list" (or text that reads as one), or "text"."""
        return {name: _kind(self._table.column(i)) for i, name in enumerate(self.names())}

    def texts(self, key: str) -> list[str]:
        """One string per row."""
        return [str(value) for value in self._column(key).to_pylist()]

    def equal_to(self, key: str, value: str) -> Table:
        """The rows where column `key` says `value`."""
        column = self._column(key).cast(pa.string())
        kept = self._table.filter(pc.call_function("equal", [column, pa.scalar(value)]))
        if not kept.num_rows:
            found = ", ".join(repr(v) for v in column.unique().to_pylist()[:5])
            raise FormatError(f"{self.place}: no row has {key} = {value!r}; found {found}")
        return Table(kept, self.place)

    def _column(self, column: Column) -> pa.ChunkedArray:
        number = column if isinstance(column, int) else _index(self.names(), column, self.place)
        if not 0 <= number < self._table.num_columns:
            raise FormatError(
                f"{self.place}: no column number {number}; it has {self._table.num_columns}, numbered from 0"
            )
        return self._table.column(number)


class Npz:
    """Arrays of an NPZ file, each read when asked for."""

    def __init__(self, path: Path) -> None:
        self.place = path.name
        self._path = path
        self._members = _members(path)

    def names(self) -> list[str]:
        """Names of the arrays."""
        return list(self._members)

    def matrix(self, columns: Sequence[Column]) -> np.ndarray:
        """(T, len(columns)): arrays of shape (T,) or (T, 1) side by side."""
        arrays = [self.vectors(str(column)) for column in columns]
        for column, array in zip(columns, arrays, strict=True):
            if array.shape != (len(arrays[0]), 1):
                raise FormatError(
                    f"{self.place}: {column!r} has shape {array.shape}, expected ({len(arrays[0])}, 1); "
                    f'for an array (T, n) write columns = {{key = "{column}"}}'
                )
        return np.hstack(arrays)

    def vectors(self, key: str) -> np.ndarray:
        """(T, n); (T, a, b) becomes (T, a·b)."""
        array = self._numbers(key)
        if array.ndim == 0:
            raise FormatError(f"{self.place}: {key!r} is one number; expected an array, time first")
        return array.reshape(len(array), int(np.prod(array.shape[1:])))

    def scalars(self, key: str) -> np.ndarray:
        """All numbers of an array, whatever its shape."""
        return self._numbers(key).reshape(-1)

    def texts(self, key: str) -> list[str]:
        """An array of strings."""
        return [str(value) for value in self._array(key).reshape(-1)]

    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and kind ("number" or "text") of every array."""
        arrays = {name: self._array(name) for name in self._members}
        return {n: (a.shape, "number" if a.dtype.kind in "biuf" else "text") for n, a in arrays.items()}

    def _numbers(self, key: str) -> np.ndarray:
        array = self._array(key)
        if array.dtype.kind not in "biuf":
            raise FormatError(f"{self.place}: {key!r} holds {array.dtype}; expected numbers")
        return array.astype(np.float64)

    def _array(self, key: str) -> np.ndarray:
        _index(self.names(), key, self.place)
        try:
            with zipfile.ZipFile(self._path) as archive:
                with archive.open(self._members[key]) as member:
                    _check_header(member, self._members[key], f"{self.place}: {key!r}")
                with archive.open(self._members[key]) as member:
                    return np.lib.format.read_array(member, allow_pickle=False)
        except _DAMAGE as error:
            raise FormatError(f"{self.place}: {key!r} cannot be read ({_first_line(error)})") from error


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except _DAMAGE as error:
        raise FormatError(f"{path.name}: not an NPZ archive ({_first_line(error)})") from error
    declared, stored = sum(i.file_size for i in infos), max(1, sum(i.compress_size for i in infos))
    if declared > MAX_BYTES or (declared > SMALL_BYTES and declared > MAX_RATIO * stored):
        raise RefusedError(
            f"{path.name}: {stored} stored bytes unpack to {declared}; expected at most {MAX_BYTES}, "
            f"and at most {MAX_RATIO} times as many"
        )
    return {info.filename.removesuffix(".npy"): info for info in infos}


def _check_header(member: IO[bytes], info: zipfile.ZipInfo, place: str) -> None:
    """An array is as large as its header says before its bytes are there; a pickle would run as code."""
    version = np.lib.format.read_magic(member)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(member)
    if dtype.hasobject:
        raise RefusedError(f"{place}: holds pickled objects, which are not read; store plain arrays")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if not size <= info.file_size <= size + _NPY_HEADER:
        raise FormatError(f"{place}: header declares {size} bytes, the archive holds {info.file_size}")


def _read_parquet(path: Path) -> pa.Table:
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        declared = sum(group.total_byte_size for group in groups)
        if declared > MAX_BYTES:
            raise RefusedError(f"{path.name}: unpacks to {declared} bytes; expected at most {MAX_BYTES}")
        table = file.read(use_threads=False)
        _ = table.column_names, str(table.schema)  # damaged names decode only now
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FormatError(f"{path.name}: not readable Parquet ({_first_line(error)})") from error
    return table


def _split(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists from text: "[1, 2]", "(1 2)", "1; 2"."""
    bare = pc.call_function("utf8_trim", [column], pc.TrimOptions(characters=" []()\t\r\n"))
    first = bare[0].as_py() or "" if len(bare) else ""
    mark = next((mark for mark in (",", ";") if mark in first), None)
    if mark is not None:
        parts = pc.call_function("split_pattern", [bare], pc.SplitPatternOptions(pattern=mark))
    else:
        parts = pc.call_function("utf8_split_whitespace", [bare])
    return parts


def _kind(column: pa.ChunkedArray) -> str:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return "number"
    first = str(column[0].as_py()).strip() if len(column) else ""
    return "list" if _is_list(kind) or (first.startswith("[") and first.endswith("]")) else "text"


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _index(names: list[str], name: str, place: str) -> int:
    if names.count(name) != 1:
        what = "appears more than once" if name in names else "is not there"
        shown = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
        raise FormatError(f"{place}: column {name!r} {what}; it has {shown}")
    return names.index(name)


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
