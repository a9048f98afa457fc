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

from simcheck.errors import FormatError
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
        FormatError: nothing recognises it, or the format that does cannot read its metadata.
    """
    path, options = Path(path), options or ReadOptions()
    if not path.exists():
        raise FormatError(f"{path}: does not exist; expected a dataset folder or file")
    formats = modules()
    for module in formats:
        if module.NAME == "table" if options.mapping else module.sniff(path):
            return module.open_dataset(path, options)
    known = ", ".join(m.NAME for m in formats)
    raise FormatError(
        f"{path.name}: not recognised as any of: {known}. For CSV, NPZ or Parquet tables write a mapping: "
        f"`simcheck map {path.name}`, then pass it with --mapping"
    )
