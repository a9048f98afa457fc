"""What the columns of a generic table mean: a small TOML file, checked before any data are read.

    files = "*/state_motor.csv"      # below the dataset folder; each match is one episode, named after its path
    header = true                    # delimited text: first row holds names
    delimiter = ","
    robot = "so101"
    task = ""

    [rows]                           # optional: only the rows where a column says so
    column = "type"
    equals = "STATE_MOTOR"

    [time]                           # either a column, or fps = 50, or fps_key = "fps" (an array of the NPZ)
    column = "timestamp"
    unit = "us"                      # s, ms, us or ns
    base = "measured"                # a clock was read; "nominal": the numbers are frame / fps

    [position]                       # also [velocity], [effort], [action]
    columns = ["q1", "q2"]           # names, or numbers from 0
    names = ["shoulder", "elbow"]    # the robot's joints in this order; without it the columns' own names
    unit = "rad"                     # one, or one per column
    evidence = "declared"            # "measured", or "inferred": then nothing built on it can be FLAGGED

Where one column of a CSV holds "[0.1, 0.2]", one list column of a Parquet file or one array of an NPZ holds the
whole vector, it is a key, and `slice` takes part of it (of all numbers of a frame, first to one past the last):

    columns = {key = "joint_pos", slice = [7, 36]}
    names_key = "joint_names"        # an array of names in the NPZ

Effort may say in its own words what it is (`kind = "motor current × constant"`), action must say whether it is
`kind = "absolute joint target"` or `"other"`. Actions may lie in a second file beside the first:

    [action]
    file = "control.csv"
    time = {column = "timestamp", unit = "us"}

Poses are [base], [ee.NAME] and [objects.NAME]; the order of a quaternion has no default, because a wrong one
goes unnoticed:

    [base]
    position = {key = "joint_pos", slice = [0, 3]}
    quaternion = {key = "joint_pos", slice = [3, 7]}
    order = "wxyz"
    unit = "m"
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from simcheck.errors import RefusedError, UsageError
from simcheck.flags import Evidence
from simcheck.formats._columns import Column
from simcheck.formats._files import UNITS, known_unit, nearest_unit, refuse_escape, units_of
from simcheck.trajectory import UNKNOWN, ActionKind, TimeBase

TIME_FACTOR = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class _Table(BaseModel):
    """A TOML table in which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Selection(_Table):
    """Scalar columns side by side, or one column or array that holds a vector per frame."""

    columns: tuple[Column, ...] = ()
    key: str = ""
    slice: tuple[int, int] | None = None

    @model_validator(mode="before")
    @classmethod
    def _list_means_columns(cls, value: Any) -> Any:
        return {"columns": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.columns) == bool(self.key):
            raise ValueError('expected either a list of columns or {key = "…"}')
        if self.slice is not None and not (self.key and 0 <= self.slice[0] < self.slice[1]):
            raise ValueError(f"slice {list(self.slice)}: expected [first, one past the last] of a key")
        return self


class ChannelSpec(_Table):
    """Joint-space columns; `QUANTITY` is what they measure."""

    QUANTITY: ClassVar[str] = ""
    columns: Selection
    names: tuple[str, ...] = ()
    names_key: str = ""
    unit: tuple[str, ...] = (UNKNOWN,)
    evidence: Evidence = Evidence.DECLARED

    @field_validator("unit", mode="before")
    @classmethod
    def _known_units(cls, value: Any) -> Any:
        units = [value] if isinstance(value, str) else value
        for unit in units if isinstance(units, list | tuple) else ():
            if isinstance(unit, str) and unit != UNKNOWN and known_unit(unit) == UNKNOWN:
                near = f", did you mean {nearest_unit(unit)!r}?" if nearest_unit(unit) else ""
                raise ValueError(f"{unit!r} is not a unit{near}; units: {', '.join(UNITS)}")
            if isinstance(unit, str) and known_unit(unit) not in units_of(cls.QUANTITY):
                of, valid = f" of {cls.QUANTITY}" if cls.QUANTITY else "", ", ".join(units_of(cls.QUANTITY))
                raise ValueError(f"{unit!r} is not a unit{of}; units{of}: {valid}")
        return [known_unit(u) if isinstance(u, str) else u for u in units] if isinstance(units, list) else units

    @field_validator("names")
    @classmethod
    def _names_differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in value if value.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} appears more than once")
        return value


class PositionSpec(ChannelSpec):
    """Joint positions."""

    QUANTITY = "position"


class VelocitySpec(ChannelSpec):
    """Joint velocities."""

    QUANTITY = "velocity"


class EffortSpec(ChannelSpec):
    """Joint efforts, and in the user's words what they are."""

    QUANTITY = "effort"
    kind: str = ""


class RowSpec(_Table):
    """Keep the rows where `column` says `equals`."""

    column: str
    equals: str


class TimeSpec(_Table):
    """A column of time, or a rate."""

    column: Column | None = None
    unit: Literal["s", "ms", "us", "ns"] = "s"
    fps: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    fps_key: str = ""
    base: TimeBase | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.column is not None) + (self.fps is not None) + bool(self.fps_key) != 1:
            raise ValueError("expected exactly one of column, fps and fps_key")
        if self.column is None and self.base is TimeBase.MEASURED:
            raise ValueError('base = "measured" needs a column of time; a rate alone is "nominal"')
        return self

    @property
    def time_base(self) -> TimeBase:
        """As declared; a column counts as read from a clock unless the mapping says otherwise."""
        return self.base or (TimeBase.NOMINAL if self.column is None else TimeBase.MEASURED)


class ActionSpec(ChannelSpec):
    """Commands, possibly in a second file with its own time."""

    kind: ActionKind = ActionKind.UNKNOWN
    file: str = ""
    time: TimeSpec | None = None
    rows: RowSpec | None = None

    @model_validator(mode="after")
    def _own_time(self) -> Self:
        if bool(self.file) != (self.time is not None):
            raise ValueError("file and time go together: commands of another file are matched by their own time")
        wrong = [u for u in self.unit if u not in units_of("position")]
        if self.kind is ActionKind.ABS_JOINT and wrong:
            valid = ", ".join(units_of("position"))
            raise ValueError(f"unit {wrong[0]!r} is not one of a joint target, which is a position; units: {valid}")
        return self


class PoseSpec(_Table):
    """Position and orientation of one frame."""

    position: Selection
    quaternion: Selection | None = None
    order: Literal["wxyz", "xyzw"] | None = None
    unit: Literal["m", "mm"] = "m"

    @model_validator(mode="after")
    def _order_is_said(self) -> Self:
        if (self.quaternion is None) != (self.order is None):
            raise ValueError('quaternion and order ("wxyz" or "xyzw") go together')
        return self


class EePoseSpec(PoseSpec):
    """An end-effector pose; `frame` where it is known."""

    frame: Literal["base", "world", "unknown"] = "unknown"


class TableMapping(_Table):
    """A whole mapping file; see the module's docstring."""

    files: str
    header: bool = True
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    robot: str = ""
    task: str = ""
    time: TimeSpec
    rows: RowSpec | None = None
    position: PositionSpec | None = None
    velocity: VelocitySpec | None = None
    effort: EffortSpec | None = None
    action: ActionSpec | None = None
    base: PoseSpec | None = None
    ee: dict[str, EePoseSpec] = {}
    objects: dict[str, PoseSpec] = {}

    @field_validator("files")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        try:
            refuse_escape(value, "files")
        except RefusedError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _something_to_check(self) -> Self:
        if not (self.position or self.base or self.ee or self.objects):
            raise ValueError("nothing to check: expected [position], [base], [ee.NAME] or [objects.NAME]")
        return self


def load_mapping(path: Path) -> TableMapping:
    """Read and check a mapping file.

    Raises:
        UsageError: names every wrong key and what it may have meant.
    """
    try:
        return TableMapping.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UsageError(f"{path.name}: cannot be read: {error.strerror}; expected a mapping file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: not TOML: {error}") from error
    except ValidationError as error:
        said = "; ".join(_explained(e["loc"], e["type"], e["msg"]) for e in error.errors()[:5])
        raise UsageError(f"{path.name}: {said}") from error


def _explained(loc: Sequence[str | int], kind: str, message: str) -> str:
    place = ".".join(map(str, loc)) or "mapping"
    if kind == "extra_forbidden":
        known = _keys(TableMapping, loc[:-1])
        return f"unknown key {place!r}{_did_you_mean(str(loc[-1]), known)}; known here: {', '.join(known)}"
    if kind == "missing":
        return f"key {place!r} is missing"
    return f"{place}: {message.removeprefix('Value error, ')}"


def _keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Keys that the table at `loc` may have."""
    if not loc:
        return list(model.model_fields)
    field = model.model_fields.get(str(loc[0]))
    inner, rest = _model_of(field.annotation if field else None), loc[1:]
    if field is not None and get_origin(field.annotation) is dict:
        rest = rest[1:]  # the user's own name, as in [objects.box]
    return _keys(inner, rest) if inner is not None else []


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (Union, UnionType, dict):
        return next((m for m in map(_model_of, get_args(annotation)) if m is not None), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return f", did you mean {close[0]!r}?" if close else ""
