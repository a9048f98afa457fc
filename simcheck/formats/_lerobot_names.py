"""What the columns of a LeRobot feature are: their names, and whether they are joints at all.

LeRobot declares names freely: a list, a list in a list, a dict of lists, or nothing. A state vector may mix
joint positions with velocities, efforts and end-effector coordinates; only the names tell them apart:

    .vel .velocity .dq .qvel                        velocity
    .torque .effort .tau .tau_est .cur .current     effort; a current is not N m: its unit stays unknown
    <stem>.x with <stem>.y, and their other axes    Cartesian, of an end effector or a mobile base: no joint
    GR00T slices called eef, tcp, base_position …   Cartesian
    anything else                                   position

"." may also be "_" or "/". A gantry whose joints are called x and y is taken for a Cartesian pose.
Cartesian columns of a state vector are left out of the joint channels and kept nowhere: nothing says in
which frame they are. A recorded pose that shall be judged has its own feature (`_lerobot_poses`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from simcheck.formats._files import known_unit
from simcheck.trajectory import UNKNOWN, Note

VECTOR_TYPES = ("float", "double", "int", "uint", "bool")
_SLICE_INDEX = re.compile(r"\[\d+\]$")
_POSITION = re.compile(r"[._/](pos|position|qpos)$", re.IGNORECASE)
_VELOCITY = re.compile(r"[._/](vel|velocity|dq|qvel)$", re.IGNORECASE)
_EFFORT = re.compile(r"[._/](torque|effort|tau|tau_est|cur|current)$", re.IGNORECASE)
_CARTESIAN_SLICE = re.compile(
    r"(^|[._/])(eef|ee|tcp|end_effector|cartesian)([._/]|$)|^base_(pos|position|rot|rotation|pose|quat)",
    re.IGNORECASE,
)
_AXES = frozenset(("x", "y", "z", "w", "roll", "pitch", "yaw", "theta")) | {a + b for a in "rwq" for b in "wxyz"}
_UNINFORMATIVE = re.compile(r"(motor|dim|state|action|q|element|value|col|column|feature|channel)?[ _.-]?\d+", re.I)


class Role(Enum):
    """What one column of a state vector is."""

    POSITION = "position"
    VELOCITY = "velocity"
    EFFORT = "effort"
    CARTESIAN = "cartesian"


@dataclass(frozen=True, slots=True)
class Feature:
    """One vector feature of info.json.

    Attributes:
        key: name of the Parquet column.
        width: numbers per frame.
        names: one per number; "<key>[i]" where none are declared.
        named: False where the names say nothing but a position.
        units: one per number, UNKNOWN where not declared; LeRobot itself declares none, so "units": [...] or
            "unit": "..." in a feature is an addition that only some writers make.
        frame: "base" or "world" where the writer says in which frame a pose is; else empty.
    """

    key: str
    width: int
    names: tuple[str, ...]
    named: bool
    units: tuple[str, ...]
    frame: str = ""


def parse_feature(key: str, entry: Any, slices: Mapping[str, Any]) -> tuple[Feature | None, list[Note]]:
    """A feature of info.json, with what is wrong with it; None if it is no vector of numbers.

    Args:
        key: name of the feature.
        entry: its entry in info.json.
        slices: its GR00T slices, {"left_arm": {"start": 0, "end": 7}}.
    """
    place = f"meta/info.json features.{key}"
    if not isinstance(entry, dict) or not str(entry.get("dtype", "")).startswith(VECTOR_TYPES):
        return None, []
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(n) is int and 0 < n < 1 << 20 for n in shape) or len(shape) > 1:
        return None, [Note("D114", place, f"shape is {shape!r}; expected one positive integer, such as [7]")]
    width = shape[0] if shape else 1
    names, notes = _names(key, entry.get("names"), width, place)
    named = names is not None and not all(_UNINFORMATIVE.fullmatch(n) for n in names)
    spelled = names or tuple(f"{key}[{i}]" for i in range(width))
    if slices and not named:
        spelled, more = _sliced(spelled, slices)
        named, notes = spelled != names, notes + more
    units, more = _units(entry, width, place)
    frame = entry.get("frame")
    return Feature(key, width, spelled, named, units, frame if isinstance(frame, str) else ""), notes + more


def roles(names: Sequence[str]) -> tuple[Role, ...]:
    """The role of each column of a state vector."""
    cartesian = _cartesian(names)
    return tuple(Role.CARTESIAN if i in cartesian else _role(name) for i, name in enumerate(names))


def _role(name: str) -> Role:
    stem = _SLICE_INDEX.sub("", name)
    if _CARTESIAN_SLICE.search(stem) and stem != name:
        return Role.CARTESIAN
    if _VELOCITY.search(stem):
        return Role.VELOCITY
    return Role.EFFORT if _EFFORT.search(stem) else Role.POSITION


def _cartesian(names: Sequence[str]) -> set[int]:
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    for i, name in enumerate(names):
        stem, axis = split_axis(name)
        if axis:
            groups[stem][i] = axis
    return {i for axes in groups.values() if {"x", "y"} <= set(axes.values()) for i in axes}


def split_axis(name: str) -> tuple[str, str]:
    """("left_ee", "x") of "left_ee.x" or "left_ee.x.pos"; an empty axis where the name has none."""
    bare = _POSITION.sub("", _VELOCITY.sub("", name))
    stem, axis = (bare[: m.start()], bare[m.end() :]) if (m := _last_separator(bare)) else ("", bare)
    return (stem, axis.lower()) if axis.lower() in _AXES else (name, "")


def _last_separator(name: str) -> re.Match[str] | None:
    return re.search(r"[._/ ](?=[^._/ ]*$)", name)


def _names(key: str, raw: Any, width: int, place: str) -> tuple[tuple[str, ...] | None, list[Note]]:
    if raw is None:
        return None, []
    names = _flat_names(raw)
    if names is None:
        return None, [
            Note("D114", place, "names is neither a list of texts nor a dict of such lists; taken as unnamed")
        ]
    if width == 1 and len(names) != 1:
        return None, []  # writers put any text there for scalars
    if len(names) != width:
        message = f"{len(names)} names for {width} numbers per frame; taken as unnamed: {key}[0]…[{width - 1}]"
        return None, [Note("D114", place, message)]
    twice = sorted({n for n in names if names.count(n) > 1})
    notes = [Note("D114", place, f"names appear twice: {', '.join(twice)}; a joint needs one column")] if twice else []
    return tuple(names), notes


def _flat_names(raw: Any) -> list[str] | None:
    if isinstance(raw, dict):
        if raw and all(type(v) is int for v in raw.values()):
            return sorted(raw, key=raw.__getitem__)
        raw = list(raw.values())
    if not isinstance(raw, list):
        return None
    flat = [n for part in raw for n in (part if isinstance(part, list) else [part])]
    return flat if all(isinstance(n, str) and n for n in flat) else None


def _sliced(names: tuple[str, ...], slices: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Note]]:
    """Names "left_arm[0]" from GR00T slices; columns outside any slice keep their own."""
    out, taken, notes = list(names), set[int](), list[Note]()
    for name, entry in slices.items():
        start, end = _range(entry)
        columns = range(start, end)
        if not 0 <= start < end <= len(names) or not taken.isdisjoint(columns):
            message = f"slice {name!r} is {start}:{end}; expected a range of its own within 0:{len(names)}; ignored"
            notes.append(Note("D114", "meta/modality.json", message))
            continue
        taken.update(columns)
        out[start:end] = [f"{name}[{i}]" for i in range(end - start)]
    return tuple(out), notes


def _range(entry: Any) -> tuple[int, int]:
    start, end = (entry.get("start"), entry.get("end")) if isinstance(entry, dict) else (None, None)
    return (start, end) if type(start) is int and type(end) is int else (-1, -1)


def _units(entry: Mapping[str, Any], width: int, place: str) -> tuple[tuple[str, ...], list[Note]]:
    raw = entry.get("units", entry.get("unit"))
    if raw is None:
        return (UNKNOWN,) * width, []
    said = raw if isinstance(raw, list) else [raw] * width
    units = tuple(known_unit(u) if isinstance(u, str) else UNKNOWN for u in said)
    strange = sorted({str(s) for s, u in zip(said, units, strict=True) if u == UNKNOWN and s != UNKNOWN})
    if len(units) != width or strange:
        message = f"units {strange or len(units)} for {width} numbers per frame; those not understood are unknown"
        return (units if len(units) == width else (UNKNOWN,) * width), [Note("D114", place, message)]
    return units, []
