"""HDF5 files that nobody vouches for: no other file is opened, nothing is read before its size is known.

The HDF5 library opens other files by itself (external links, virtual datasets, external storage), can unpack
a gigabyte from a megabyte, and lets a group contain itself. So every link is looked at before it is followed,
and every dataset before it is read.

What stays: HDF5 2.0 still loops or crashes on about one of 3,000 files with three bytes of metadata damaged at
random, where a text attribute points to no heap. Only another process can survive that; nobody who calls this
module can.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from simcheck.errors import FormatError, RefusedError

MAX_BYTES = 2 << 30  # one array of one episode; 2 GiB is 13 hours of 60 columns at 100 Hz
MAX_RATIO = 200  # real joint logs compress 2–10 times; constant columns more, a bomb about 1000 times
SMALL_BYTES = 64 << 20  # below this a high ratio harms nobody
MAX_OBJECTS = 100_000  # groups and datasets below one demo; robosuite writes 10–100
MAX_TEXT = 64 << 20  # an MJCF of the largest scenes has a few MB; for files beside the HDF5

_HEAP = b"GCOL\x01\0\0\0"  # a global heap collection, where texts of any length are kept
_HEAP_HEADER = 16  # bytes, of a collection and of each object in it
MAX_HEAP_SEARCH = 1 << 30  # bytes of a file searched for them: about a second

# What h5py raises when bytes inside the file are damaged.
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError)


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open a regular file read-only, and turn what the library raises into text that says what to do.

    Raises:
        FormatError: not HDF5, truncated, damaged, or open in a program that writes to it.
    """
    try:
        file = h5py.File(path, "r")
    except BlockingIOError as error:
        raise FormatError(f"{path.name}: locked by a program that writes to it; close that first") from error
    except OSError as error:
        what = "truncated or damaged" if h5py.is_hdf5(path) else "not HDF5"
        raise FormatError(f"{path.name}: {what} ({_first_line(error)}); copy the file again") from error
    with file:
        yield file


def refuse_endless_heap(path: Path) -> None:
    """Refuse a file on whose texts the library would loop for ever; call it before any text is read.

    The library walks the objects of a heap by their sizes. A damaged size makes it stand still or go back,
    and Python cannot interrupt it.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if not 0 < size <= MAX_HEAP_SEARCH:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            at = view.find(_HEAP)
            while at >= 0:
                if not _heap_ends(view, at):
                    raise FormatError(f"{path.name}: damaged (text heap at byte {at} has no end); copy the file again")
                at = view.find(_HEAP, at + len(_HEAP))


def _heap_ends(view: mmap.mmap, start: int) -> bool:
    """Whether walking the objects of a heap collection arrives at its end."""
    end = start + int.from_bytes(view[start + 8 : start + 16], "little")
    at = start + _HEAP_HEADER
    while at + _HEAP_HEADER <= end <= len(view):
        index = int.from_bytes(view[at : at + 2], "little")
        size = int.from_bytes(view[at + 8 : at + 16], "little")
        step = size if index == 0 else _HEAP_HEADER + (size + 7) // 8 * 8  # index 0 is the free space
        if step < _HEAP_HEADER or at + step > end:
            return False
        at += step
    return end <= len(view)


def is_hdf5(path: Path) -> bool:
    """Whether `path` is a regular file with the HDF5 signature; never raises."""
    try:
        return path.is_file() and bool(h5py.is_hdf5(path))
    except OSError:
        return False


def child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """The member `name` (no slashes) of a group, or None; follows hard links only."""
    if "/" in name or name in (".", ".."):
        raise RefusedError(f"{_place(group)}: '{name}' is a path, expected the name of one member")
    try:
        link = group.get(name, getlink=True)
        if link is None:
            return None
        _refuse_link(group, name, link)
        member = group[name]
    except _DAMAGE as error:
        raise FormatError(f"{_place(group)}/{name}: damaged ({_first_line(error)})") from error
    return member if isinstance(member, h5py.Group | h5py.Dataset) else None


def group_at(group: h5py.Group, name: str) -> h5py.Group | None:
    """The subgroup `name`, or None where there is none (a dataset of that name is none)."""
    member = child(group, name)
    return member if isinstance(member, h5py.Group) else None


def names(group: h5py.Group) -> list[str]:
    """Names of the members, without opening any."""
    try:
        return [str(name) for name in group]
    except _DAMAGE as error:
        raise FormatError(f"{_place(group)}: damaged ({_first_line(error)})") from error


def datasets(root: h5py.Group) -> dict[str, h5py.Dataset]:
    """Every dataset below `root`, by path relative to it, each of them inside this file.

    Iterative, and visits a group once: a file can nest deeper than Python recurses, and contain itself.

    Raises:
        RefusedError: a link out of the file, a virtual dataset, or external storage.
    """
    found: dict[str, h5py.Dataset] = {}
    seen: set[h5py.Group] = set()  # equal where they are the same object of the file
    todo: list[tuple[str, h5py.Group]] = [("", root)]
    while todo:
        prefix, group = todo.pop()
        if group in seen:
            continue
        seen.add(group)
        for name in names(group):
            member = child(group, name)
            if isinstance(member, h5py.Dataset):
                _refuse_outside(member)
                found[f"{prefix}{name}"] = member
            elif isinstance(member, h5py.Group):
                todo.append((f"{prefix}{name}/", member))
        if len(found) + len(todo) > MAX_OBJECTS:
            raise RefusedError(f"{_place(root)}: more than {MAX_OBJECTS} objects; expected one episode")
    return found


def read(dataset: h5py.Dataset, ndim: int | None = None) -> np.ndarray:
    """The numbers of one dataset; call it on what `datasets` returned.

    Raises:
        FormatError: not numbers, not `ndim` dimensions, or damaged.
        RefusedError: an object type (its bytes would have to become code or references), or a bomb.
    """
    _refuse_outside(dataset)
    if dataset.dtype.kind not in "biuf":
        kind = "objects" if dataset.dtype.hasobject or dataset.dtype.kind == "V" else f"type {dataset.dtype}"
        raise RefusedError(f"{_place(dataset)}: holds {kind}; expected plain numbers")
    if ndim is not None and dataset.ndim != ndim:
        raise FormatError(f"{_place(dataset)}: shape {dataset.shape}; expected {ndim} dimensions, time first")
    if dataset.shape is None:
        raise FormatError(f"{_place(dataset)}: has no values; expected an array, time first")
    _refuse_bomb(dataset)
    try:
        return np.asarray(dataset[()])
    except _DAMAGE as error:
        raise FormatError(f"{_place(dataset)}: damaged ({_first_line(error)})") from error


def rows(dataset: h5py.Dataset) -> int:
    """Length of the first axis; 0 where there is none."""
    return int(dataset.shape[0]) if dataset.shape else 0


def number(owner: h5py.Group, name: str) -> float | None:
    """An attribute that is one number, else None."""
    try:
        value = np.asarray(owner.attrs[name]) if name in owner.attrs else np.empty(0)
    except _DAMAGE as error:
        raise FormatError(f"{_place(owner)}: attribute '{name}' is damaged ({_first_line(error)})") from error
    return float(value.reshape(-1)[0]) if value.size == 1 and value.dtype.kind in "iuf" else None


def text(owner: h5py.Group, name: str) -> str:
    """A text attribute; empty where there is none."""
    try:
        if name not in owner.attrs:
            return ""
        declared = owner.attrs.get_id(name)
        # A damaged type would send the library through memory that is not text.
        if declared.shape not in ((), (1,)) or h5py.check_string_dtype(declared.dtype) is None:
            found = f"{declared.dtype} of shape {declared.shape}"
            raise RefusedError(f"{_place(owner)}: attribute '{name}' is {found}; expected one text")
        value = owner.attrs[name]
    except _DAMAGE as error:
        raise FormatError(f"{_place(owner)}: attribute '{name}' is damaged ({_first_line(error)})") from error
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)


def _refuse_link(group: h5py.Group, name: str, link: object) -> None:
    if isinstance(link, h5py.HardLink):
        return
    # A soft link stays in the file only if nothing on its path leaves it; episodes have no use for one.
    kind = "a soft link" if isinstance(link, h5py.SoftLink) else "a link into another file"
    raise RefusedError(f"{_place(group)}/{name}: is {kind}, which is not followed; copy the data in its place")


def _refuse_outside(dataset: h5py.Dataset) -> None:
    try:
        _ = dataset.dtype, dataset.shape  # a damaged type cannot be named
        virtual, external = dataset.is_virtual, dataset.external
    except _DAMAGE as error:
        raise FormatError(f"{_place(dataset)}: damaged ({_first_line(error)})") from error
    if virtual:
        raise RefusedError(f"{_place(dataset)}: virtual dataset, its numbers lie in other files; copy them in")
    if external:
        raise RefusedError(f"{_place(dataset)}: its numbers lie in an external file; copy them in")


def _refuse_bomb(dataset: h5py.Dataset) -> None:
    declared, stored = int(dataset.nbytes), int(dataset.id.get_storage_size())
    if declared and not stored:
        raise FormatError(f"{_place(dataset)}: declares shape {dataset.shape}, but nothing was ever written")
    if declared > MAX_BYTES:
        raise RefusedError(f"{_place(dataset)}: declares {declared} bytes; at most {MAX_BYTES} are read")
    if declared > SMALL_BYTES and declared > MAX_RATIO * stored:
        raise RefusedError(
            f"{_place(dataset)}: {stored} stored bytes unpack to {declared}; expected at most {MAX_RATIO} times as many"
        )


def _place(item: h5py.Group | h5py.Dataset) -> str:
    return f"{Path(str(item.file.filename)).name}:{item.name}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
