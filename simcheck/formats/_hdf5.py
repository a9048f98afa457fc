"""HDF5 files that nobody vouches for: no other file is opened, nothing is read before its size is known.

The HDF5 library opens other files by itself (external links, virtual datasets, external storage), can unpack
a gigabyte from a megabyte, and lets a group contain itself. So every link is looked at before it is followed,
and every dataset before it is read.
"""

from __future__ import annotations

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
MAX_TEXT = 64 << 20  # an MJCF of the largest scenes has a few MB

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
    _refuse_bomb(dataset)
    try:
        return np.asarray(dataset[()])
    except _DAMAGE as error:
        raise FormatError(f"{_place(dataset)}: damaged ({_first_line(error)})") from error


def text(owner: h5py.Group, name: str) -> str:
    """A text attribute; empty where there is none."""
    try:
        if name not in owner.attrs:
            return ""
        declared = owner.attrs.get_id(name)
        if declared.shape not in ((), (1,)) or declared.dtype.itemsize > MAX_TEXT:
            raise RefusedError(f"{_place(owner)}: attribute '{name}' has shape {declared.shape}, not ()")
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
    if dataset.is_virtual:
        raise RefusedError(f"{_place(dataset)}: virtual dataset, its numbers lie in other files; copy them in")
    if dataset.external:
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
