"""Any table of numbers over time (delimited text, NPZ, Parquet) that a small mapping file explains.

The mapping is the one the user passes, or `mapping.toml` in the dataset's folder; `_mapping` documents it and
`suggest_mapping` writes a first one.

Commands in a second file have their own time. They are never paired with states by row: each frame gets the
command that was in force then, the last one sent at or before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from simcheck.errors import FormatError
from simcheck.formats import ReadOptions, modules
from simcheck.formats._columns import Source, open_source
from simcheck.formats._files import check_units, fingerprint, inside, named_file, natural_key
from simcheck.formats._guess import guess
from simcheck.formats._mapping import TableMapping, load_mapping
from simcheck.formats._table_read import Reader, keep_rows, read_time
from simcheck.formats._unrecognised import explain
from simcheck.trajectory import ActionKind, Channel, Note, Poses, Trajectory

__all__ = ["NAME", "TableDataset", "open_dataset", "sniff", "suggest_mapping", "write_example"]

NAME = "table"
MAPPING = "mapping.toml"
SUFFIXES = (".csv", ".tsv", ".npz", ".parquet")
_MAX_DEPTH = 3  # of folders without mapping that are searched for a table


def sniff(path: Path) -> bool:
    """Whether `path` is a table, or a folder with one, that no other format takes; never raises."""
    try:
        if next(_tables(path), None) is None:
            return False
        return not any(module.sniff(path) for module in modules() if module.NAME != NAME)
    except OSError:
        return False


def open_dataset(path: Path, options: ReadOptions) -> TableDataset:
    """A file, or a folder whose files a mapping names.

    Raises:
        FormatError: there is no mapping, or its `files` match nothing.
    """
    mapping_file = options.mapping or (path if path.is_dir() else path.parent) / MAPPING
    if options.mapping is None and not mapping_file.is_file():
        raise FormatError(
            f"{path.name}: a table does not say what its columns are; write a first mapping with "
            f"`simcheck map {path}`, correct it, and pass it with --mapping or save it as {MAPPING} there"
        )
    mapping = load_mapping(mapping_file)
    root, files = (path, _matches(path, mapping.files)) if path.is_dir() else (path.parent, [path.name])
    if not files:
        raise FormatError(f"{path.name}: no file matches files = {mapping.files!r} of {mapping_file.name}")
    episodes = {_episode_name(root, file, mapping.files): file for file in files}
    if len(episodes) != len(files):
        raise FormatError(f"{path.name}: files = {mapping.files!r} matches files that differ only in suffix")
    dataset = TableDataset(path.absolute().name, root, mapping, episodes, options, named=path.is_file())
    if options.units:
        _check_units(dataset.read(next(iter(episodes))), options)
    return dataset


@dataclass(frozen=True, slots=True)
class TableDataset:
    """Files with the same columns."""

    name: str
    root: Path
    mapping: TableMapping
    files: Mapping[str, str]  # by episode, relative to root, in natural order
    options: ReadOptions
    named: bool  # the user named the one file, which may then be a link
    format: str = "table"
    notes: Sequence[Note] = ()

    @property
    def robot_type(self) -> str:
        """As the mapping says."""
        return self.mapping.robot

    def episodes(self) -> Sequence[str]:
        """Names made of the files' paths."""
        return list(self.files)

    def read(self, episode: str) -> Trajectory:
        """One file, and the file of commands beside it if the mapping names one."""
        if episode not in self.files:
            raise FormatError(f"{self.name}: no episode {episode!r}; it has {', '.join(self.episodes()[:5])}, …")
        mapping = self.mapping
        source = keep_rows(self._open(self.files[episode]), mapping.rows)
        reader = Reader(source, self.options, read_time(source, mapping.time, mapping))
        position = reader.channel("position", mapping.position) if mapping.position else None
        velocity = reader.channel("velocity", mapping.velocity) if mapping.velocity else None
        effort = reader.channel("effort", mapping.effort) if mapping.effort else None
        action, notes = self._action(reader, episode)
        base = reader.pose("base", mapping.base) if mapping.base else None
        ee = {name: reader.pose(f"ee.{name}", spec) for name, spec in mapping.ee.items()}
        objects = {name: reader.pose(f"objects.{name}", spec) for name, spec in mapping.objects.items()}
        return Trajectory(
            episode=episode,
            time=reader.time,
            time_base=mapping.time.time_base,
            position=position,
            velocity=velocity,
            effort=effort,
            action=action,
            action_kind=mapping.action.kind if mapping.action else ActionKind.UNKNOWN,
            base=base,
            ee=ee,
            ee_frame_known=bool(ee) and all(spec.frame == "base" for spec in mapping.ee.values()),
            objects=objects,
            robot_type=mapping.robot,
            task=mapping.task,
            notes=notes,
            fingerprint=_fingerprint((position, velocity, effort, action), (base, *ee.values(), *objects.values())),
        )

    def _action(self, reader: Reader, episode: str) -> tuple[Channel | None, tuple[Note, ...]]:
        spec = self.mapping.action
        if spec is None:
            return None, ()
        if not spec.file:
            return reader.channel("action", spec), ()
        beside = (PurePosixPath(self.files[episode]).parent / spec.file).as_posix()
        return reader.held_action(spec, self._open(beside))

    def _open(self, relative: str) -> Source:
        only = self.named and relative == next(iter(self.files.values()))
        path = named_file(self.root / relative) if only else inside(self.root, relative)
        return open_source(path, header=self.mapping.header, delimiter=self.mapping.delimiter)


def suggest_mapping(path: Path) -> str:
    """A first mapping for a table, or for the first table of a folder.

    Raises:
        FormatError: there is no table, or nothing in it looks like joint positions over time.
    """
    if not path.exists():
        raise FormatError(f"{path}: does not exist; expected a table, or a folder with one")
    if not path.is_dir():
        return guess(path, f"*{path.suffix}")
    other = next((m.NAME for m in modules() if m.NAME != NAME and m.sniff(path)), "")
    if other:
        raise FormatError(f"{path.absolute().name}: is read as {other}, which needs no mapping; `simcheck check` it")
    first = next(_tables(path), None)
    if first is None:
        raise FormatError(explain(path.absolute(), [m.NAME for m in modules()]))
    deep = len(first.relative_to(path).parts) - 1
    return guess(first, f"{'*/' * deep}*{first.suffix}")


def _tables(path: Path) -> Iterator[Path]:
    """Files with the suffix of a table at `path` or below it; links to folders are not followed."""
    if path.is_file() and path.suffix in SUFFIXES:
        yield path
    for where, folders, names in os.walk(path):
        deep = len(Path(where).relative_to(path).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(folders, key=natural_key)
        files = (Path(where) / name for name in sorted(names, key=natural_key) if name.endswith(SUFFIXES))
        yield from (file for file in files if file.is_file())


def _matches(root: Path, pattern: str) -> list[str]:
    found = (path.relative_to(root).as_posix() for path in root.glob(pattern) if not path.is_dir())
    return sorted((name for name in found if name != MAPPING), key=natural_key)


def _episode_name(root: Path, file: str, pattern: str) -> str:
    """The path without suffix; without the file's name where that is the same in every episode."""
    path, fixed = PurePosixPath(file), not any(mark in PurePosixPath(pattern).name for mark in "*?[")
    if fixed and path.parent.name:
        return path.parent.as_posix()
    return root.absolute().name if fixed and "/" in pattern else path.with_suffix("").as_posix()


def _fingerprint(channels: Sequence[Channel | None], poses: Sequence[Poses | None]) -> str:
    joints = [channel.values for channel in channels if channel is not None]
    bodies = [array for pose in poses if pose is not None for array in (pose.position, pose.quaternion)]
    return fingerprint(*joints, *bodies)


def _check_units(trajectory: Trajectory, options: ReadOptions) -> None:
    channels = {k: getattr(trajectory, k) for k in ("position", "velocity", "effort", "action")}
    check_units(options, {k: channel.names for k, channel in channels.items() if channel is not None})


_EXAMPLE_MAPPING = """# One CSV per episode, one row per frame.
files = "*.csv"

[time]
column = "t"
unit = "ms"
base = "measured"

[position]
columns = ["q1", "q2"]
names = ["shoulder", "elbow"]
unit = "deg"

[velocity]
columns = ["dq1", "dq2"]
names = ["shoulder", "elbow"]
unit = "deg/s"
"""


def write_example(folder: Path) -> Path:
    """Two episodes of a two-joint arm in degrees and milliseconds, and their mapping."""
    (folder / MAPPING).write_text(_EXAMPLE_MAPPING, "utf-8")
    time = np.arange(50) * 0.02
    for number, rate in enumerate((1.0, 1.5)):  # rad/s
        amplitude = np.array([0.4, 0.3])
        angle, speed = np.sin(rate * time)[:, None] * amplitude, rate * np.cos(rate * time)[:, None] * amplitude
        rows = np.column_stack([time * 1e3, np.degrees(angle), np.degrees(speed)])
        path = folder / f"episode_{number}.csv"
        np.savetxt(path, rows, delimiter=",", fmt="%.9f", header="t,q1,q2,dq1,dq2", comments="")
    return folder
