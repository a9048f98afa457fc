"""A first mapping for a table, guessed from names, shapes and steps, for a person to correct.

The guess never states a unit: where a wrong one would go unnoticed the mapping says "unknown" and a comment
says what to look at.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from simcheck.errors import FormatError
from simcheck.formats._columns import Npz, Table, open_source
from simcheck.formats._files import named_file
from simcheck.formats._unrecognised import kind_of

_DELIMITERS = ",;\t| "
# What a column is called, without its number: q1, joint_3_position, positions, dq[2], tau.7, …
_MEANINGS = (
    ("action", r"act(ion)?s?|cmd|command(s|ed)?|ctrl|control|q_?des|(q_?)?target|.*(_cmd|_des|_target|_command)"),
    ("velocity", r"d_?q|qd|qvel|vel(ocity|ocities)?|speeds?|.*[_. ](vel|velocity|velocities|speed)|theta_?dot"),
    ("effort", r"tau|torques?|efforts?|.*[_. ](tau|torque|torques|effort)"),
    ("position", r"q|qpos|pos|positions?|joints?|angles?|theta|.*[_. ](pos|position|positions|angle|qpos)"),
)
_TIME = re.compile(r"(t|time|times|timestamp|timestamps|stamp|sec|secs|seconds?|time_s|t_s)", re.I)
_NUMBER = re.compile(r"[\[(_. ]*\d+[\])]?")
_RATE = re.compile(r"(fps|rate|freq|frequency|hz)", re.I)


def guess(path: Path, files: str) -> str:
    """TOML text that reads `path`, as far as its names and numbers tell.

    Args:
        path: one table.
        files: pattern of all tables below the dataset's folder.

    Raises:
        FormatError: not a table, or nothing in it looks like joint positions over time.
    """
    path = named_file(path)
    if path.suffix == ".npz":
        source = open_source(path)
        return _of_npz(path, source, files) if isinstance(source, Npz) else ""
    what, right = kind_of(path) if path.suffix != ".parquet" else ("", "")
    if what:
        raise FormatError(f"{path.name}: is {what}, no table: {right}")
    header, delimiter = (True, ",") if path.suffix == ".parquet" else _dialect(path)
    table = open_source(path, header=header, delimiter=delimiter)
    if not isinstance(table, Table):
        raise FormatError(f"{path.name}: expected a table")
    lines = _head(path, files)
    if path.suffix != ".parquet":
        lines += [f"header = {str(header).lower()}", f"delimiter = {_quoted(delimiter)}"]
    return "\n".join(lines + (_of_named(table) if header else _of_numbered(table))) + "\n"


def _head(path: Path, files: str) -> list[str]:
    return [
        f"# A first guess, from {_quoted(path.name)}: correct it before use.",
        f"files = {_quoted(files)}  # below the dataset folder, one episode per file",
        'robot = ""',
    ]


def _dialect(path: Path) -> tuple[bool, str]:
    """Whether there is a header, and what separates columns."""
    with path.open("rb") as file:
        line = file.readline(1 << 20).decode("utf-8", errors="replace").strip()
    if not line:
        raise FormatError(f"{path.name}: first line is empty; expected a header or numbers")
    bare = re.sub(r'"[^"]*"', "", line)
    delimiter = max(_DELIMITERS, key=bare.count)
    cells = next(csv.reader([line], delimiter=delimiter))
    return not all(_is_number(cell) for cell in cells if cell.strip()), delimiter


def _of_named(table: Table) -> list[str]:
    kinds = table.kinds()
    time = next((n for n, kind in kinds.items() if kind == "number" and _TIME.fullmatch(n)), None)
    groups: dict[str, list[str]] = {}
    rest: list[str] = []
    for name in kinds:
        meaning = "" if kinds[name] == "text" or name == time else _meaning(name)
        groups.setdefault(meaning, []).append(name) if meaning else rest.append(name)
    if "position" not in groups:
        raise FormatError(
            f"{table.place}: no column looks like a joint position; it has {', '.join(list(kinds)[:30])}. "
            f"Write [position] columns = [...] by hand"
        )
    lines = _time_lines(time, table.matrix([time])[:, 0] if time else None)
    for key in ("position", "velocity", "effort", "action"):
        vector = next((n for n in groups.get(key, []) if kinds[n] == "list"), None)
        if vector is not None:
            lines += _channel(key, f"{{key = {_quoted(vector)}}}", table.vectors(vector).shape[1])
        elif key in groups:
            lines += _channel(key, f"[{', '.join(map(_quoted, groups[key]))}]", len(groups[key]))
    unused = [name for name in rest if name != time]
    return [*lines, "", f"# not used: {', '.join(unused)}"] if unused else lines


def _of_numbered(table: Table) -> list[str]:
    width = len(table.names())
    first = table.matrix([0])[:, 0]
    timed = len(first) > 1 and bool(np.all(np.diff(first) > 0))
    columns = list(range(1 if timed else 0, width))
    lines = [f"# {width} columns without names, numbered from 0; keep those that are joint positions"]
    lines += _time_lines(0, first) if timed else _time_lines(None, None)
    return lines + _channel("position", str(columns), len(columns))


def _of_npz(path: Path, source: Npz, files: str) -> str:
    shapes = source.shapes()
    lines = [*_head(path, files), "# " + "; ".join(f"{name} {shape}" for name, (shape, _) in shapes.items())]
    arrays = {name: shape for name, (shape, kind) in shapes.items() if kind == "number" and len(shape) == 2}
    position = next((name for name in arrays if _meaning(name) == "position"), None)
    if position is None:
        raise FormatError(f"{path.name}: no array (T, n) looks like joint positions; it has {', '.join(shapes)}")
    frames, width = arrays[position]
    rate = next((n for n, (shape, _) in shapes.items() if _RATE.fullmatch(n) and np.prod(shape) == 1), None)
    time = next((n for n, (shape, _) in shapes.items() if _TIME.fullmatch(n) and shape[:1] == (frames,)), None)
    if time is not None:
        lines += _time_lines(time, source.vectors(time)[:, 0])
    elif rate is not None:
        lines += ["", "[time]", f"fps_key = {_quoted(rate)}"]
    else:
        lines += _time_lines(None, None)
    names = next((n for n, (s, kind) in shapes.items() if kind == "text" and s in ((width,), (width - 7,))), None)
    based = names is not None and shapes[names][0] == (width - 7,)
    sliced = f", slice = [7, {width}]" if based else ""
    joints = width - 7 if based else width
    lines += _channel("position", f"{{key = {_quoted(position)}{sliced}}}", joints, names)
    if based:
        lines += _base(position)
    for key in ("velocity", "effort", "action"):
        array = next((n for n, shape in arrays.items() if _meaning(n) == key and shape == (frames, joints)), None)
        if array is not None:
            lines += _channel(key, f"{{key = {_quoted(array)}}}", joints, names)
    return "\n".join(lines) + "\n"


def _base(key: str) -> list[str]:
    return [
        "",
        "[base]  # there are 7 numbers more than joint names: position and quaternion of a free base?",
        f"position = {{key = {_quoted(key)}, slice = [0, 3]}}",
        f"quaternion = {{key = {_quoted(key)}, slice = [3, 7]}}",
        'order = "wxyz"  # or "xyzw": the scalar is the number near ±1 when the robot stands unturned',
    ]


def _channel(key: str, columns: str, width: int, names_key: str | None = None) -> list[str]:
    named = f"names_key = {_quoted(names_key)}" if names_key else f"# names = [...]  # {width} joints of the robot"
    lines = ["", f"[{key}]", f"columns = {columns}", named, f'unit = "unknown"  # {_UNIT_HINT[key]}']
    if key == "action":
        lines.append('kind = "unknown"  # or "absolute joint target", "other"')
    return lines


_UNIT_HINT = {
    "position": '"rad" (within ±6.3), "deg" (within ±360), "m", "unit" (0 to 1), "m100" (−100 to 100)',
    "velocity": '"rad/s", "deg/s", "m/s"',
    "effort": '"N m", "N"; a motor current is none of them',
    "action": "as for position, if they are joint targets",
}


def _time_lines(column: str | int | None, values: np.ndarray | None) -> list[str]:
    if column is None or values is None:
        return ["", "[time]", "fps = 30.0  # frames per second: no column looked like time"]
    shown = _quoted(column) if isinstance(column, str) else str(column)
    step = float(np.nanmedian(np.diff(values))) if len(values) > 1 else np.nan
    # Robots are logged at 5 Hz to 1 kHz, so the step tells the unit within a factor of 1000.
    unit = next((u for u, top in (("s", 0.3), ("ms", 300.0), ("us", 3e5)) if step < top), "ns")
    return [
        "",
        "[time]",
        f"column = {shown}",
        f'unit = "{unit}"  # the median step is {step:.6g}',
        'base = "measured"  # "nominal" if the numbers are frame / fps, and no clock was read',
    ]


def _meaning(name: str) -> str:
    stem = _NUMBER.sub("", name).strip("_. ").lower()
    return next((key for key, pattern in _MEANINGS if re.fullmatch(pattern, stem)), "")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
