"""Dataset formats: one file each, found by listing this folder.

A format module offers

    NAME                           how a person calls the format
    sniff(path) -> bool            is `path` this format? looks at names and first bytes only; never raises
    open_dataset(path, options)    -> Dataset; reads metadata only
    write_example(folder) -> Path  a small valid dataset, for the conformance tests

and nothing else has to be edited to add one. Files whose name starts with "_" are shared helpers.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Protocol

from simcheck.errors import FormatError, UsageError
from simcheck.formats import _unrecognised
from simcheck.trajectory import Note, Trajectory


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user says about data that does not say it itself.

    Attributes:
        units: unit by channel or column: {"observation.state": "deg", "gripper.pos": "percent"}; a column's
            own entry wins over its channel's. Units given here count as declared.
        assets: folder that holds the meshes of embedded models.
        mapping: mapping file for generic tables (CSV, NPZ, Parquet).
    """

    units: Mapping[str, str] = field(default_factory=dict)
    assets: Path | None = None
    mapping: Path | None = None


class Dataset(Protocol):
    """An opened dataset. Metadata is in memory; episodes are read one at a time."""

    # Read-only members, so that a frozen dataclass or a property that is computed on first use will do.
    @property
    def name(self) -> str:
        """Folder or file name: never an absolute path."""
        ...

    @property
    def format(self) -> str:
        """Format and version, as in "LeRobot v3.0"."""
        ...

    @property
    def robot_type(self) -> str:
        """What the dataset calls its robot; empty if it does not say."""
        ...

    @property
    def notes(self) -> Sequence[Note]:
        """What is wrong with the dataset as a whole."""
        ...

    def episodes(self) -> Sequence[str]:
        """Names of the episodes in natural order."""
        ...

    def read(self, episode: str) -> Trajectory:
        """One episode; raises FormatError or RefusedError for this episode only."""
        ...


def modules() -> list[ModuleType]:
    """Every format, in order of file name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def open_dataset(path: Path | str, options: ReadOptions | None = None) -> Dataset:
    """Open `path` with the format that recognises it.

    Raises:
        FormatError: nothing recognises it, or data of several formats are there, or the format that recognises it
            cannot read its metadata.
        UsageError: the folder of assets does not exist.
    """
    path, options = Path(path), options or ReadOptions()
    path = path if path.name not in ("", "..") else path.resolve()  # "." has no name to be called by
    if not path.exists():
        raise FormatError(f"{path}: does not exist; expected a dataset folder or file")
    if options.assets is not None and not options.assets.is_dir():
        found = "is a file" if options.assets.exists() else "does not exist"
        raise UsageError(f"--assets {options.assets}: {found}; expected a folder of meshes")
    return (_named("table") if options.mapping else _recognised(path)).open_dataset(path, options)


def _named(name: str) -> ModuleType:
    return {module.NAME: module for module in modules()}[name]


def _recognised(path: Path) -> ModuleType:
    """The one format that takes `path`. A LeRobot dataset owns its folder: it lists what belongs to it."""
    formats = modules()
    if _named("lerobot").sniff(path):
        return _named("lerobot")
    takers = [m for m in formats if m.NAME != "table" and m.sniff(path)]
    described = path.is_dir() and (path / "mapping.toml").is_file()
    if path.is_dir() and not (described and not takers):
        _refuse_several(path, takers, described)
    if takers:
        return takers[0]
    if _named("table").sniff(path):
        return _named("table")
    raise FormatError(_unrecognised.explain(path, [m.NAME for m in formats]))


def _refuse_several(path: Path, takers: Sequence[ModuleType], described: bool) -> None:
    """Which of several datasets is meant only the user knows.

    Args:
        path: the folder.
        takers: formats that recognise it.
        described: there is a mapping.toml in it.
    """
    inner = _unrecognised.inner_datasets(path, _format_of)
    several = {m.NAME for m in takers} | set(inner.values())
    if takers and len(several) == 1 and not described:
        return
    listed = [f"{folder} ({name})" for folder, name in inner.items()]
    listed += [f"files of its own ({m.NAME})" for m in takers if m.NAME not in inner.values()]
    listed += ["tables (mapping.toml; pass it with --mapping)"] if described else []
    if listed:
        shown = ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
        what = "several datasets" if len(listed) > 1 else "a dataset"
        raise FormatError(f"{path.absolute().name}: holds {what}: {shown}; name the one that is meant")


def _format_of(folder: Path) -> str:
    return next((m.NAME for m in modules() if m.NAME != "table" and m.sniff(folder)), "")
