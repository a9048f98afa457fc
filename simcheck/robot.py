"""A robot card: what a datasheet and a calibration say about a robot, with the source of every number.

A robot is a folder `robots/<name>/` holding `card.toml` and, where simcheck ships one, `model.xml`. Lists in
a card follow the order of its `joints`; units are SI: rad, m, N m (N for slides), kg, s.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from simcheck.errors import CardError, UsageError, nearest

_HERE = Path(__file__).resolve().parent


def shipped_folder(name: str, within: str = "") -> Path:
    """Folder of shipped data: in the checkout (inside folder `within`), or inside an installed wheel."""
    checkout = _HERE.parent / within / name
    return checkout if checkout.is_dir() else _HERE / f"_{name}"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelReference(_Entry):
    """Which model file, and how far its forces can be trusted.

    `effort_sigma` is one standard deviation of the model's torque error per joint [N m, N for slides]; it
    widens every torque interval.
    """

    file: str = ""
    menagerie: str = ""
    grade: Literal["identified", "cad", "guessed"]
    effort_sigma: list[float] = []
    effort_sigma_source: str = ""
    collision_error: float | None = None  # [m] bound on the error of a distance between two collision shapes
    collision_error_source: str = ""
    tuning: list[
        Literal["armature", "damping", "frictionloss"]
    ] = []  # chosen for stability, not identified: not counted

    @model_validator(mode="after")
    def _one_reference(self) -> ModelReference:
        if bool(self.file) == bool(self.menagerie):
            raise ValueError("give exactly one of `file` (shipped beside the card) and `menagerie`")
        if self.effort_sigma and not self.effort_sigma_source:
            raise ValueError("`effort_sigma` needs `effort_sigma_source`")
        return self


class Limit(_Entry):
    """A limit per joint; nan where it is unknown."""

    values: list[float]
    source: Annotated[str, Field(min_length=1)]


class Range(_Entry):
    """A range [low, high] per joint."""

    values: list[tuple[float, float]]
    source: Annotated[str, Field(min_length=1)]


class Scalar(_Entry):
    """One number for the whole robot."""

    value: float
    source: Annotated[str, Field(min_length=1)]


class Limits(_Entry):
    """Every limit a card can state; an absent one is not checked, unless the model declares it."""

    position: Range | None = None  # [rad, m]
    velocity: Limit | None = None  # [rad/s, m/s]
    acceleration: Limit | None = None  # [rad/s², m/s²]
    jerk: Limit | None = None  # [rad/s³, m/s³]
    effort: Limit | None = None  # [N m, N]
    effort_continuous: Limit | None = None  # [N m, N] bearable for ever (thermal)
    effort_rate: Limit | None = None  # [N m/s, N/s]
    ee_speed: Scalar | None = None  # [m/s]
    ee_acceleration: Scalar | None = None  # [m/s²]


class Payload(_Entry):
    """Rated payload at the end effector."""

    max: float  # [kg]
    source: Annotated[str, Field(min_length=1)]


class Gripper(_Entry):
    """How one normalised gripper value becomes joint positions: 0 is closed, 1 is open."""

    name: str
    joints: list[str]
    closed: list[float]
    open: list[float]
    aliases: list[str] = []

    @model_validator(mode="after")
    def _same_length(self) -> Gripper:
        if not len(self.joints) == len(self.closed) == len(self.open):
            raise ValueError("`joints`, `closed` and `open` must have one entry per joint")
        return self


def _names(value: object) -> object:
    return [value] if isinstance(value, str) else value


class RobotCard(_Entry):
    """Everything known about one robot. `folder` is where the card was read from."""

    name: str
    title: str
    kind: Literal["arm", "bimanual", "hand", "humanoid", "quadruped", "other"]
    base: Literal["fixed", "free"] = "fixed"
    joints: list[str]
    model: ModelReference
    ee_frame: str = ""  # "site:NAME" or "body:NAME"
    ee_frames: dict[str, str] = {}
    feet: Annotated[list[str], BeforeValidator(_names)] = []
    home: dict[str, float] = {}
    base_height: float | None = None  # [m] of a floating base at home
    aliases: dict[str, list[str]] = {}
    limits: Limits = Limits()
    payload: Payload | None = None
    reach: float | None = None  # [m] from the base
    reach_source: str = ""
    gripper: list[Gripper] = []
    folder: Path = Path()

    @model_validator(mode="after")
    def _lists_follow_joints(self) -> RobotCard:
        if len(set(self.joints)) != len(self.joints):
            raise ValueError("`joints` names a joint twice")
        for what, limit in self.limits:
            if isinstance(limit, Limit | Range) and len(limit.values) != len(self.joints):
                raise ValueError(f"limits.{what} has {len(limit.values)} values for {len(self.joints)} joints")
        sigma = self.model.effort_sigma
        if sigma and len(sigma) != len(self.joints):
            raise ValueError(f"model.effort_sigma has {len(sigma)} values for {len(self.joints)} joints")
        for joint in [*self.aliases, *self.home]:
            if joint not in self.joints:
                raise ValueError(f"{joint!r} is not one of `joints`{nearest(joint, self.joints)}")
        return self

    @property
    def frames(self) -> dict[str, str]:
        """End-effector frames by name; a single one is called "ee"."""
        return self.ee_frames or ({"ee": self.ee_frame} if self.ee_frame else {})


def robot_names() -> list[str]:
    """Names of the shipped cards, sorted."""
    return sorted(p.parent.name for p in shipped_folder("robots").glob("*/card.toml"))


def read_card(folder: Path) -> RobotCard:
    """Read `folder/card.toml`.

    Raises:
        CardError: names the file, the key and what was expected.
    """
    path = folder / "card.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        card = RobotCard(**raw, folder=folder)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CardError(f"{folder.name}/card.toml: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "card"
        raise CardError(f"{folder.name}/card.toml: {where}: {first['msg']}") from error
    if card.name != folder.name:
        raise CardError(f"{folder.name}/card.toml: name is {card.name!r}, expected the folder's name {folder.name!r}")
    return card


def find_card(name: str) -> RobotCard:
    """The shipped card called `name`, in upper or lower case.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if name.lower() not in robot_names():
        near = nearest(name.lower(), robot_names())
        raise UsageError(f"no robot called {name!r}{near}, or give a model file (.xml, .urdf)")
    return read_card(shipped_folder("robots") / name.lower())
