"""The MJCF that a robosuite demo was recorded with, and the simulator states that it gives a meaning to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from simcheck.errors import FormatError
from simcheck.formats import _hdf5
from simcheck.formats._files import read_text
from simcheck.trajectory import Note

# pos="[0, 0, 0.005]": a Python list printed into an attribute. MuJoCo wants numbers separated by spaces.
_BRACKETED = re.compile(r"""(?<==)(["'])\s*\[([-+0-9.eE,\s]*)\]\s*\1""")


def model_text(demo: h5py.Group, folder: Path) -> tuple[str, list[Note]]:
    """The model of a demo, repaired, and what was repaired; empty where the demo names none.

    `model_file` is the MJCF itself, or (before robosuite 1.2) the name of a file under `models/`.
    """
    attribute = _hdf5.text(demo, "model_file")
    if not attribute.strip():
        return "", []
    place = "model_file"
    if not attribute.lstrip().startswith("<"):
        place = f"models/{attribute.strip()}"
        attribute = read_text(folder, place, _hdf5.MAX_TEXT)
    return _repaired(attribute, place)


def _repaired(xml: str, place: str) -> tuple[str, list[Note]]:
    first = _BRACKETED.search(xml)
    if first is None:
        return xml, []
    clean, count = _BRACKETED.subn(lambda m: f"{m[1]}{' '.join(m[2].replace(',', ' ').split())}{m[1]}", xml)
    said = f"model attribute written as a Python list; brackets removed ({count} times, first {first[0]})"
    return clean, [Note("D114", place, said)]


def read_states(found: Mapping[str, h5py.Dataset], place: str) -> np.ndarray | None:
    """(T, 1 + nq + nv), simulator time [s] first; None where there are none."""
    inner = sorted(key for key in found if key.startswith("states/"))
    key = "states" if "states" in found else "states/states"  # MimicGen nests it once
    if key not in found:
        if inner:
            raise FormatError(
                f"{place}/states: is a group with {', '.join(inner[:4])}; expected one array "
                f"(T, 1 + nq + nv). States of other simulators (Isaac Lab, ManiSkill) are not read"
            )
        return None
    states = _hdf5.read(found[key], 2)
    if states.shape[0] == 0 or states.shape[1] < 3:
        raise FormatError(f"{place}/{key}: shape {states.shape}; expected (T, 1 + nq + nv) with T ≥ 1")
    return states


_LEVELS = 4  # <assets>/../robosuite-1.4.1/handover/panda_panda/demo.hdf5 is 3 above the file's folder


def asset_root(given: Path | None, dataset: Path, relative: str, version: str) -> str:
    """Folder that replaces the recording machine's asset paths; empty where there is none.

    Args:
        given: the folder the user named.
        dataset: folder of the dataset; `assets/robosuite-*/` is looked for in it and in the folders above it, the
            nearest first, short of the root of the file system. From the second above on, only the release that the
            path or the file names counts.
        relative: the HDF5 file, relative to `dataset`: names the release where it lies in "robosuite-1.0.1/".
        version: what the file says of the release that wrote it.
    """
    dataset = dataset.absolute()
    above = [p for p in (dataset, *dataset.parents)[: _LEVELS + 1] if p != p.parent]
    for level, folder in enumerate([given] if given is not None else [p / "assets" for p in above]):
        releases = sorted(p.name for p in _folders(folder) if p.name.startswith("robosuite-"))
        if releases:
            parts = (*dataset.parts, *Path(relative).parts)
            chosen = [r for r in releases if r in parts] or [r for r in releases if _same_release(r, version)]
            name = chosen[0] if len(chosen) == 1 else releases[0] if len(releases) == 1 and level < 2 else ""
            if name:
                return str(folder / name)
        elif given is not None:
            return str(given)
    return ""


def _folders(folder: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _same_release(folder: str, version: str) -> bool:
    """`robosuite-1.4.1` serves files that say 1.4.0: meshes do not change between patch releases."""
    return bool(version) and folder.removeprefix("robosuite-").split(".")[:2] == version.split(".")[:2]
