"""Reading files that nobody vouches for, and naming the unit of what is in them.

A file is read only if it is a regular file inside the dataset and not larger than a stated size; text is
read only if it is strict JSON; a path from metadata is filled only with the numbers it is meant for.
Messages name files relative to the dataset, so that no report carries a path of the machine it ran on.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import json
import math
import os
import re
import stat
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from simcheck.errors import FormatError, RefusedError, UsageError
from simcheck.formats import ReadOptions
from simcheck.trajectory import NORMALISED, SI_FACTOR, UNKNOWN, Channel

MAX_DATA_BYTES = 64 << 30  # a data file; what is decoded from it has its own cap in each format
MAX_JSON_BYTES = 64 << 20  # real info.json files have some 10 kB
MAX_LINES_BYTES = 1 << 30  # episodes.jsonl of 10⁶ episodes has some 200 MB
MAX_PATH_LENGTH = 1024

UNITS = (*SI_FACTOR, *NORMALISED, UNKNOWN)
# What a quantity may be measured in; a quantity that is not here, in anything but a time.
_UNITS_OF = {
    "position": ("rad", "deg", "m", "mm", *NORMALISED),
    "velocity": ("rad/s", "deg/s", "m/s", "mm/s"),
    "effort": ("N m", "N"),
}
_SI_NAME = {"deg": "rad", "mm": "m", "deg/s": "rad/s", "mm/s": "m/s"}
# How datasets spell what SI_FACTOR calls otherwise; only spellings that can mean nothing else.
_SPELLING = {
    "radian": "rad", "radians": "rad", "degree": "deg", "degrees": "deg", "meter": "m", "meters": "m",
    "Nm": "N m", "N.m": "N m", "N*m": "N m", "N·m": "N m", "radians/s": "rad/s", "degrees/s": "deg/s",
}  # fmt: skip


def inside(root: Path, relative: str | Path, limit: int = MAX_DATA_BYTES) -> Path:
    """The regular file `relative` of the dataset folder `root`, ready to be opened.

    Raises:
        FormatError: there is no such file.
        RefusedError: it is absolute, climbs out with "..", is a link out of the dataset, a pipe or a
            device, or has more than `limit` bytes.
    """
    text = str(relative)
    refuse_escape(text, text)
    top = Path(os.path.realpath(root))
    real = _real(top / text, text)
    if not any(real.is_relative_to(home) for home in (top, *_hub_blobs(top))):
        raise RefusedError(
            f"{text}: is a link out of the dataset; simcheck reads only files inside it. "
            f"If the target is meant, copy the dataset with links resolved (cp -rL)"
        )
    _require_regular(real, text, limit)
    return real


def named_file(path: Path, limit: int = MAX_DATA_BYTES) -> Path:
    """The regular file that the user named: may be reached by a link, unlike a file that a dataset names."""
    real = _real(path, path.name)
    _require_regular(real, path.name, limit)
    return real


def refuse_escape(relative: str, place: str) -> None:
    """Refuse a relative path that is absolute, climbs out with "..", or is not one a dataset would write."""
    parts = PurePosixPath(relative).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in relative or "\0" in relative:
        raise RefusedError(
            f"{place}: {relative!r} leads out of the dataset; expected a path relative to it without '..'"
        )
    if len(relative) > MAX_PATH_LENGTH:
        raise RefusedError(f"{place}: path of {len(relative)} characters; expected at most {MAX_PATH_LENGTH}")


def _real(path: Path, place: str) -> Path:
    try:
        return Path(os.path.realpath(path, strict=True))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FormatError(f"{place}: does not exist; the dataset may be downloaded only in part") from error
    except (OSError, ValueError) as error:
        raise RefusedError(
            f"{place}: cannot be resolved ({error.__class__.__name__}); expected a plain file"
        ) from error


def _hub_blobs(top: Path) -> Iterator[Path]:
    """The Hugging Face cache keeps snapshots/<revision>/ as links into the blobs/ beside it."""
    if top.parent.name == "snapshots":
        yield top.parent.parent / "blobs"


def _require_regular(real: Path, place: str, limit: int) -> None:
    status = real.stat()
    if stat.S_ISDIR(status.st_mode):
        raise FormatError(f"{place}: is a folder; expected a file")
    if not stat.S_ISREG(status.st_mode):
        raise RefusedError(f"{place}: is a pipe, socket or device; simcheck reads only regular files")
    if status.st_size > limit:
        raise RefusedError(f"{place}: has {status.st_size} bytes; expected at most {limit}")


def walk(root: Path, folder: str) -> Iterator[str]:
    """Names of all files below `folder`, relative to `root`, sorted; links to folders are not followed."""
    for where, folders, files in os.walk(root / folder):
        folders.sort()
        for name in sorted(files):
            yield (Path(where) / name).relative_to(root).as_posix()


def read_text(root: Path, relative: str, limit: int = MAX_JSON_BYTES) -> str:
    """UTF-8 text of a file of the dataset."""
    try:
        return inside(root, relative, limit).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{relative}: byte {error.start} is not UTF-8; expected UTF-8 text") from error
    except OSError as error:
        raise FormatError(f"{relative}: cannot be read: {error.strerror}") from error


def read_json(root: Path, relative: str, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in a file of the dataset."""
    return _object(parse_json(read_text(root, relative, limit), relative), relative)


def read_json_lines(root: Path, relative: str, limit: int = MAX_LINES_BYTES) -> Iterator[dict[str, Any]]:
    """One JSON object per line; empty lines are skipped."""
    for number, line in enumerate(read_text(root, relative, limit).splitlines(), start=1):
        if line.strip():
            place = f"{relative} line {number}"
            yield _object(parse_json(line, place), place)


def parse_json(text: str, place: str) -> Any:
    """Strict JSON: no NaN or Infinity, no number beyond float64, no key twice.

    Python's parser accepts all of these by default, and of a repeated key it silently keeps the last.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        where = f"{place}: line {error.lineno}, column {error.colno}"
        raise FormatError(f"{where}: {error.msg}; expected strict JSON") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{place}: {error}; expected strict JSON") from error


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"{place}: holds a {type(value).__name__}; expected a JSON object {{...}}")
    return value


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is larger than any float64")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"key {key!r} appears twice in one object")
        out[key] = value
    return out


def fill_template(template: str, fields: Mapping[str, int | str], place: str) -> str:
    """A path such as "data/chunk-{episode_chunk:03d}/…" with its fields filled in.

    `str.format` would also follow attributes and indices and print a field 10⁸ characters wide.
    """
    out = "".join(
        literal + (format(fields[name], spec if isinstance(fields[name], int) else "") if name else "")
        for literal, name, spec in _template_parts(template, fields, place)
    )
    refuse_escape(out, place)
    return out


def template_pattern(template: str, fields: Iterable[str], place: str) -> re.Pattern[str]:
    """Matches every path that `fill_template` can give, each field as a group of its own name."""
    seen: set[str] = set()
    out = ""
    for literal, name, _ in _template_parts(template, set(fields), place):
        out += re.escape(literal)
        if name:
            out += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)"
            seen.add(name)
    return re.compile(out)


def _template_parts(template: str, known: Iterable[str], place: str) -> list[tuple[str, str, str]]:
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise FormatError(f"{place}: {template!r} is not a path template: {error}") from error
    for _, name, spec, conversion in parts:
        if name is not None and name not in known:
            raise RefusedError(f"{place}: field {name!r} in {template!r}; expected only {', '.join(sorted(known))}")
        if conversion or not re.fullmatch(r"0?[1-9]?d?", spec or ""):
            raise RefusedError(
                f"{place}: {template!r} formats a field as {spec!r}; expected at most 9 digits, as in ':06d'"
            )
    return [(literal, name or "", spec or "") for literal, name, spec, _ in parts]


def natural_key(name: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Sort key that puts demo_2 before demo_10; numbers of any length."""
    parts = re.split(r"([0-9]+)", name)
    key = ((len(p.lstrip("0")), p.lstrip("0")) if i % 2 else p for i, p in enumerate(parts))
    return tuple(key), name


def fingerprint(*arrays: np.ndarray | None) -> str:
    """sha256 over shapes and float64 values, the same whatever the stored precision or byte order."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            values = np.ascontiguousarray(array, dtype="<f8")
            digest.update(repr(values.shape).encode())
            digest.update(values.data)
    return digest.hexdigest()


def known_unit(spelled: str) -> str:
    """The unit that a dataset spells so, or UNKNOWN."""
    unit = _SPELLING.get(spelled, spelled)
    return unit if unit in UNITS else UNKNOWN


def units_of(quantity: str) -> tuple[str, ...]:
    """Units that a "position", "velocity", "effort" or anything else ("") can have."""
    return (*_UNITS_OF.get(quantity, tuple(u for u in UNITS if u not in ("s", UNKNOWN))), UNKNOWN)


def nearest_unit(word: str) -> str:
    """The unit that a misspelt one was meant to be, such as "deg" for "degs"; empty if none is near."""
    singular = word.strip().removesuffix("s")
    close = [singular] if singular in UNITS else difflib.get_close_matches(word, UNITS, n=1, cutoff=0.4)
    return close[0] if close else ""


def make_channel(
    options: ReadOptions,
    key: str,
    names: Sequence[str],
    values: np.ndarray,
    *,
    declared: Sequence[str] = (),
    named: bool = True,
) -> Channel:
    """A channel in SI units where the unit is known, else in the recorded numbers.

    A column's unit is what the user says for "<key>/<column>", for the column, for a pattern of these, for
    the channel, in this order; else what the dataset declares for it; else UNKNOWN.
    """
    fallback = tuple(declared) if len(declared) == len(names) else (UNKNOWN,) * len(names)
    units = [_said(options.units, key, n) or u for n, u in zip(names, fallback, strict=True)]
    factors = np.array([SI_FACTOR.get(u, 1.0) for u in units])
    scaled = values * factors if np.any(factors != 1.0) else values
    return Channel(tuple(names), scaled, tuple(_SI_NAME.get(u, u) for u in units), named=named)


def check_units(
    options: ReadOptions, columns: Mapping[str, Sequence[str]], quantities: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Refuse an unknown unit, one of another dimension, or one for a channel or column that the dataset does not have.

    Args:
        options: what the user said.
        columns: the names of the columns of each channel of the dataset.
        quantities: what each of these columns is, as for `units_of`; where a channel is not in it, the last word of
            its key says so.
    """
    known = [k for key, names in columns.items() for k in (key, *names, *(f"{key}/{n}" for n in names))]
    for key, unit in options.units.items():
        if unit not in UNITS:
            near = f" (did you mean {nearest_unit(unit)!r}?)" if nearest_unit(unit) else ""
            raise UsageError(f"unit for {key!r}: {unit!r} is not a unit{near}; units are {', '.join(UNITS)}")
        if key not in known and not any(_fits(k, key) for k in known):
            near = _nearest(key, known)
            have = "; ".join(f"{k}: {', '.join(names)}" for k, names in columns.items())
            raise UsageError(f"unit for {key!r}: the dataset has no such channel or column{near}; it has {have}")
        meant = _meant(key, columns, quantities or {})
        if meant and not any(unit in units_of(q) for q in meant):
            known_units = "; ".join(f"{q or 'others'}: {', '.join(units_of(q))}" for q in sorted(meant))
            raise UsageError(f"unit for {key!r}: {unit!r} is of another dimension; units by quantity are {known_units}")


def _meant(key: str, columns: Mapping[str, Sequence[str]], quantities: Mapping[str, Sequence[str]]) -> set[str]:
    """What the columns are that the user's `key` names, of a whole channel all; "" if that is known of none."""
    meant: set[str] = set()
    for channel, names in columns.items():
        usual = channel.rpartition(".")[2]
        for name, quantity in zip(names, quantities.get(channel, [usual] * len(names)), strict=True):
            if any(key == k or _fits(k, key) for k in (channel, name, f"{channel}/{name}")):
                meant.add(quantity if quantity in _UNITS_OF else "")
    return meant - {""} or meant


def _said(units: Mapping[str, str], key: str, name: str) -> str:
    exact = [units[k] for k in (f"{key}/{name}", name) if k in units]
    patterns = [units[p] for n in (f"{key}/{name}", name) for p in units if _fits(n, p)]
    channel = [units[key]] if key in units else [units[p] for p in units if _fits(key, p)]
    return next(iter((*exact, *patterns, *channel)), "") if units else ""


def _fits(name: str, pattern: str) -> bool:
    """Only * and ? are wild: [0] is part of a column's name. They do not reach across the "/"."""
    same = name.count("/") == pattern.count("/")
    return same and fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f" (did you mean {close[0]!r}?)" if close else ""
