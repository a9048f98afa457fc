"""What robosuite-family HDF5 files say about themselves, and which of them a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py

from simcheck.errors import FormatError
from simcheck.formats import _hdf5
from simcheck.formats._files import natural_key, parse_json
from simcheck.trajectory import Note

_SUFFIXES = (".hdf5", ".h5")
_MAX_DEPTH = 5  # robosuite-1.4.1/handover/panda_panda/demo.hdf5 is 4 deep


def hdf5_files(folder: Path) -> Iterator[str]:
    """HDF5 files below a folder, relative to it, in natural order; links to folders are not followed."""
    for where, folders, names in os.walk(folder):
        deep = len(Path(where).relative_to(folder).parts) >= _MAX_DEPTH
        folders[:] = [] if deep else sorted(folders, key=natural_key)
        for name in sorted(names, key=natural_key):
            if name.endswith(_SUFFIXES):
                yield (Path(where) / name).relative_to(folder).as_posix()


def prefixes(files: Sequence[str]) -> list[str]:
    """What tells the demos of one file from those of another: its folder where that is enough."""
    if len(files) == 1:
        return [""]
    folders = [Path(file).parent.as_posix() for file in files]
    enough = len(set(folders)) == len(files) and "." not in folders
    return [f"{folder if enough else os.path.splitext(file)[0]}/" for folder, file in zip(folders, files, strict=True)]


def survey(file: Path) -> tuple[list[str], str]:
    """Names of the demos of one file, and its robot."""
    with _hdf5.open_file(file) as opened:
        _hdf5.refuse_endless_heap(file)
        data = _hdf5.group_at(opened, "data")
        if data is None:
            raise FormatError(f"{file.name}: no group 'data'; found {', '.join(_hdf5.names(opened)[:8]) or 'nothing'}")
        return _hdf5.names(data), robot_name(file_says(data)[0])


def file_says(data: h5py.Group) -> tuple[dict[str, Any], list[Note]]:
    """The JSON attributes of `data`, and those that are not JSON."""
    said: dict[str, Any] = {"env": _hdf5.text(data, "env")}
    notes = []
    for key in ("env_args", "env_info", "teleop_config", "problem_info"):
        text = _hdf5.text(data, key)
        try:
            said[key] = parse_json(text, key) if text else {}
        except FormatError as error:
            notes.append(Note("D114", f"data attribute {key}", str(error)))
    return said, notes


def lookup(said: Any, *keys: str) -> Any:
    """The value under nested keys, or None."""
    for key in keys:
        said = said.get(key) if isinstance(said, dict) else None
    return said


def robot_name(said: dict[str, Any]) -> str:
    """What the file calls its robot, such as "Panda" or "Panda+Panda"."""
    places = (
        ("env_info", "robots"),
        ("env_args", "env_kwargs", "robots"),
        ("teleop_config", "robot", "names"),
    )
    for place in places:
        robots = lookup(said, *place)
        if isinstance(robots, str):
            return robots
        if isinstance(robots, list) and robots:
            return "+".join(map(str, robots))
    # Before robosuite 1.0 the robot was part of the task's name: SawyerLift.
    return next((robot for robot in ("Sawyer", "Baxter") if said["env"].startswith(robot)), "")


def task_text(demo: h5py.Group, said: dict[str, Any]) -> str:
    """The language instruction of RoboCasa and robosuite 1.5 (per demo) or of LIBERO (per file)."""
    text = _hdf5.text(demo, "ep_meta")
    try:
        instruction = lookup(parse_json(text, "ep_meta"), "lang") if text else None
    except FormatError:
        instruction = None
    instruction = instruction or lookup(said, "problem_info", "language_instruction")
    return "".join(map(str, instruction)) if isinstance(instruction, str | list) else ""
