"""From a robot card or a model file to a compiled model, with what is known about its limits.

A model is looked for in this order: the file the user gives; the `model.xml` shipped with a card; the
menagerie, through MENAGERIE_ROOT or the `mujoco-menagerie` package. Only our own shipped files are compiled in
this process; everything else compiles in a bounded child (`_compile`).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import mujoco
import numpy as np

from simcheck.errors import ModelError, UsageError
from simcheck.robot import RobotCard, find_card, read_card, shipped_folder

COMPILE_TIMEOUT = 90  # [s] wall time of the compiling child
ENGINE = f"mujoco {mujoco.__version__}"


@dataclass(frozen=True, slots=True)
class RobotModel:
    """A compiled model and what may be concluded from it.

    Attributes:
        mj: compiled model, visuals discarded.
        label: robot name, or file name.
        sha256: of the compiled model; stamped on every flag.
        card: robot card, if there is one.
        notes: what loading changed or dropped.
        torque_block, collision_block: why forces / collisions cannot be judged with this model; empty if they can.
        velocity: velocity limits the model file declared (URDF) by joint [rad/s, m/s].
        embedded: the model came with the data: its numbers are the simulation's own.
        scene: objects and scenery were put around the robot; their names begin with "scene/".
    """

    mj: mujoco.MjModel
    label: str
    sha256: str
    card: RobotCard | None = None
    notes: tuple[str, ...] = ()
    torque_block: str = ""
    collision_block: str = ""
    velocity: dict[str, float] = field(default_factory=dict)
    embedded: bool = False
    scene: bool = False

    @property
    def joint_names(self) -> list[str]:
        """Joint names in model order; unnamed joints are "joint<i>"."""
        return [self.mj.joint(j).name or f"joint{j}" for j in range(self.mj.njnt)]

    def body_name(self, body: int) -> str:
        """Name of a body, for people."""
        return self.mj.body(body).name or f"body{body}"


def load(robot: str, assets: Path | None = None, scene: Path | None = None) -> RobotModel:
    """The model called `robot`: a card's name, a folder holding a card, or a path to MJCF or URDF.

    `scene` is an MJCF file with the table and the objects, put around the robot.

    Raises:
        UsageError: no such card or file.
        ModelError: the file does not compile.
    """
    path = Path(robot)
    if path.suffix.lower() in (".xml", ".urdf", ".mjcf"):
        if not path.is_file():
            raise UsageError(f"{robot}: no such model file")
        return _load_file(path, path.name, None, [assets] if assets else [], scene)
    card = read_card(path) if (path / "card.toml").is_file() else find_card(robot)
    return load_card(card, assets, scene)


def load_card(card: RobotCard, assets: Path | None = None, scene: Path | None = None) -> RobotModel:
    """The model a card refers to."""
    if card.model.file:
        path = card.folder / card.model.file
        if scene is None and path.resolve().is_relative_to(shipped_folder("robots").resolve()):
            mj = mujoco.MjModel.from_xml_path(str(path))
            return _finish(mj, card.name, card, {})
        return _load_file(path, card.name, card, [assets] if assets else [], scene)
    path = menagerie_file(card.model.menagerie)
    return _load_file(path, card.name, card, [path.parent, *([assets] if assets else [])], scene)


def load_embedded(xml: str, assets: str) -> RobotModel:
    """A model that came inside a dataset, its assets looked for under `assets`."""
    mj, answer = _compile_in_child({"path": "", "xml": xml, "roots": [assets] if assets else []}, "embedded model")
    return _finish(mj, "embedded model", None, answer, embedded=True)


def menagerie_file(reference: str) -> Path:
    """A file of the menagerie, such as "unitree_g1/g1.xml".

    Raises:
        ModelError: neither MENAGERIE_ROOT nor the package has it; says how to get it.
    """
    root = os.environ.get("MENAGERIE_ROOT")
    if root:
        path = Path(root) / reference
        if path.is_file():
            return path
        raise ModelError(f"MENAGERIE_ROOT has no {reference}; expected {path.name} in its folder {path.parent.name}")
    try:
        import mujoco_menagerie
    except ImportError:
        raise ModelError(
            f"this robot's model is {reference} of the MuJoCo menagerie: set MENAGERIE_ROOT to a checkout, "
            "or install it with `pip install 'simcheck-replay[models]'`"
        ) from None
    try:
        folder, _, name = reference.partition("/")
        return Path(str(mujoco_menagerie.get(folder).path(progress=None))) / name  # pyright: ignore[reportAttributeAccessIssue]
    except Exception as error:
        raise ModelError(f"mujoco-menagerie could not provide {reference}: {error}") from error


def _load_file(
    path: Path, label: str, card: RobotCard | None, roots: Sequence[Path], scene: Path | None = None
) -> RobotModel:
    if scene is not None and not scene.is_file():
        raise UsageError(f"{scene}: no such scene file; expected an MJCF file with the table and the objects")
    request = {"path": str(path.resolve()), "xml": "", "roots": [str(r) for r in roots]}
    request["scene"] = str(scene.resolve()) if scene else ""
    mj, answer = _compile_in_child(request, path.name)
    return replace(_finish(mj, label, card, answer), scene=scene is not None)


def _compile_in_child(request: dict[str, object], name: str) -> tuple[mujoco.MjModel, dict]:
    with tempfile.TemporaryDirectory(prefix="simcheck-") as folder:
        out = Path(folder) / "model.mjb"
        command = [sys.executable, "-m", "simcheck.physics._compile"]
        try:
            child = subprocess.run(
                command, input=json.dumps({**request, "out": str(out)}), capture_output=True, text=True,
                timeout=COMPILE_TIMEOUT, cwd=folder, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise ModelError(f"{name}: did not compile within {COMPILE_TIMEOUT} s") from None
        if child.returncode != 0 or not child.stdout:
            reason = f"signal {-child.returncode}" if child.returncode < 0 else child.stderr.strip()[-300:]
            raise ModelError(f"{name}: the compiler ended with {reason}; the model is broken or too large")
        answer = json.loads(child.stdout)
        if answer["error"]:
            raise ModelError(f"{name}: {answer['error']}")
        return mujoco.MjModel.from_binary_path(str(out)), answer


def _finish(mj: mujoco.MjModel, label: str, card: RobotCard | None, answer: dict, embedded: bool = False) -> RobotModel:
    if mj.nv == 0 or mj.nbody < 2:
        raise ModelError(f"{label}: the model has {mj.nbody - 1} bodies and {mj.nv} degrees of freedom; nothing moves")
    if not np.isfinite(mj.opt.timestep) or not 0 < mj.opt.timestep <= 0.1:
        raise ModelError(f"{label}: timestep is {mj.opt.timestep} s; expected more than 0 and at most 0.1")
    # A NaN must stay visible: with the default flag the engine would reset the state to a plausible one.
    mj.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
    torque, collision = "", ""
    if lost := answer.get("lost_inertia"):
        torque = f"the mass of {', '.join(sorted(set(lost)))} came from visual meshes that are absent"
    if lost := answer.get("lost_collision"):
        collision = f"{len(lost)} collision meshes are in a format the engine does not read ({lost[0]})"
    if not _can_collide(mj):
        collision = collision or "the model has no collision shapes on moving bodies"
    return RobotModel(
        mj=mj, label=label, sha256=_sha256(mj), card=card, notes=tuple(answer.get("notes", ())),
        torque_block=torque, collision_block=collision, velocity=answer.get("velocity", {}), embedded=embedded,
    )  # fmt: skip


def _can_collide(mj: mujoco.MjModel) -> bool:
    moving = mj.body_weldid[mj.geom_bodyid] != 0
    return bool(np.any(moving & ((mj.geom_contype | mj.geom_conaffinity) != 0))) or mj.npair > 0


def _sha256(mj: mujoco.MjModel) -> str:
    buffer = np.empty(mujoco.mj_sizeModel(mj), np.uint8)
    mujoco.mj_saveModel(mj, None, buffer)
    return hashlib.sha256(buffer.tobytes()).hexdigest()
