"""What a file or folder that no format takes is, and what would be right: names and first bytes only."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

_MAX_DEPTH = 5
_MOST_FILES = 2000
_MOST_FOLDERS = 300
_FIRST = 1 << 16  # [bytes] that tell text from binary

_TABLES = "simcheck reads CSV, TSV, NPZ and Parquet tables with a mapping (`simcheck map FILE`)"
_EXPORT = (
    "export the joint states over time to CSV or Parquet (then `simcheck map FILE`), or convert to LeRobot v2 or v3"
)
# By first bytes: what it is, and what would be right.
_MAGIC = (
    (
        b"\x89HDF\r\n\x1a\n",
        "HDF5",
        "of HDF5 simcheck reads robosuite and robomimic files, groups data/demo_0 and so on",
    ),
    (b"PAR1", "Parquet", f"{_TABLES}; the file's name should end with .parquet"),
    (b"\x89MCAP", "MCAP recording", _EXPORT),
    (b"#ROSBAG", "ROS 1 bag", _EXPORT),
    (b"SQLite format 3", "SQLite database (ROS 2 bag)", _EXPORT),
    (b"\x1f\x8b", "gzip archive", "unpack it"),
    (b"PK\x03\x04", "ZIP archive", "unpack it; of an NPZ the name should end with .npz"),
    (b"ARROW1", "Arrow file", "convert it to Parquet, and a LeRobot v1 dataset to v2 or v3"),
    (b"\x93NUMPY", "single numpy array", "save arrays by name with numpy.savez, and pass a mapping"),
)
_PICKLE = (
    "pickle",
    "refused, since a pickle can run code; only the motions of ASAP and GMR are read, as plain numbers. "
    "Save arrays by name with numpy.savez, and pass a mapping",
)
# By suffix, for what first bytes do not tell, or for what need not be opened.
_SUFFIX = {
    ".pkl": _PICKLE, ".pickle": _PICKLE, ".joblib": _PICKLE, ".pt": _PICKLE, ".pth": _PICKLE,
    ".tfrecord": ("RLDS (TFRecord)", "convert it to LeRobot v2 or v3"),
    ".mcap": ("MCAP recording (ROS 2)", _EXPORT), ".bag": ("ROS 1 bag", _EXPORT), ".db3": ("ROS 2 bag", _EXPORT),
    ".arrow": ("Arrow, as LeRobot v1 has it", "convert it to LeRobot v2 or v3"),
    ".mat": ("MATLAB file", _EXPORT), ".zarr": ("Zarr store", _EXPORT), ".rrd": ("Rerun recording", _EXPORT),
    ".mp4": ("video", "simcheck reads joint states, not pictures"),
}  # fmt: skip


def kind_of(path: Path) -> tuple[str, str]:
    """What a file is and what would be right, as words for people; ("", "") for text."""
    for suffix, answer in _SUFFIX.items():
        if f"{suffix}-" in path.name or path.suffix.lower() == suffix:
            return answer
    try:
        with path.open("rb") as file:
            start = file.read(_FIRST)
    except OSError as error:
        return f"unreadable ({error.strerror})", "expected a file that may be read"
    if not start:
        return "empty", "expected a file with data"
    for magic, what, right in _MAGIC:
        if start.startswith(magic):
            return what, right
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        return _PICKLE
    if b"\0" in start:
        return "binary", f"expected text; {_TABLES}"
    return ("", "") if _is_utf8(start) else ("not UTF-8 text", "save it as UTF-8")


def _is_utf8(start: bytes) -> bool:
    """A character may be cut at the end."""
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(start) == _FIRST and error.start >= _FIRST - 4
    return True


def explain(path: Path, known: Sequence[str]) -> str:
    """Why nothing recognises `path`: what was found, and what would be right."""
    formats = f"simcheck reads {', '.join(known)}"
    if path.is_dir():
        return f"{path.name}: {_of_folder(path)}; {formats}"
    if not stat.S_ISREG(path.stat().st_mode):
        return f"{path.name}: is a pipe, socket or device; expected a dataset folder or file; {formats}"
    what, right = kind_of(path)
    if what:
        return f"{path.name}: not recognised: {what}: {right}; {formats}"
    return (
        f"{path.name}: not recognised: text with suffix {path.suffix!r}. If it is a table, write a mapping: "
        f"`simcheck map {path.name}`, then pass it with --mapping; {formats}"
    )


def _of_folder(path: Path) -> str:
    files = list(islice(_files(path), _MOST_FILES))
    if not files:
        return "not recognised: the folder holds no file"
    for suffix, (what, right) in _SUFFIX.items():
        found = next((f for f in files if f"{suffix}-" in f.name or f.suffix.lower() == suffix), None)
        if found is not None and suffix != ".mp4":
            return f"not recognised: holds {what} ({found.relative_to(path).as_posix()}): {right}"
    suffixes = sorted({f.suffix for f in files if f.suffix})
    shown = ", ".join(suffixes[:8]) or "without suffix"
    return f"not recognised: holds files {shown}, such as {files[0].relative_to(path).as_posix()}"


def _files(path: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(path):
        deep = len(Path(where).relative_to(path).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(folders)
        yield from (Path(where) / name for name in sorted(names))


def inner_datasets(path: Path, format_of: Callable[[Path], str]) -> dict[str, str]:
    """Datasets in the folders one and two below `path`, and their formats.

    Args:
        path: a folder.
        format_of: the name of the format that takes a folder; empty if none does.
    """
    found: dict[str, str] = {}
    for folder in islice(_folders(path, 2), _MOST_FOLDERS):
        relative = folder.relative_to(path)
        if relative.parent.as_posix() in found:
            continue
        name = format_of(folder)
        if name:
            found[relative.as_posix()] = name
    return found


def _folders(path: Path, depth: int) -> Iterator[Path]:
    """Folders up to `depth` below `path`, the upper ones first; links are not followed."""
    try:
        inner = sorted(Path(e.path) for e in os.scandir(path) if e.is_dir(follow_symlinks=False))
    except OSError:
        return
    yield from inner
    for folder in inner if depth > 1 else ():
        yield from _folders(folder, depth - 1)
