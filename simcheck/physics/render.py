"""Pictures of a robot at chosen frames: rendered off screen in a child process, or drawn as a stick figure.

Rendering needs OpenGL without a screen (EGL or OSMesa), whose libraries may be absent or may crash; hence
`_studio` in a process of its own, with MUJOCO_GL set and a time limit. Whatever goes wrong there costs the
pictures and nothing else: `sticks` needs forward kinematics only.

SIMCHECK_RENDER chooses: "auto" (default: egl, then osmesa), "egl", "osmesa" or "none".
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

WIDTH, HEIGHT = 320, 240  # [pixels] of a picture
AZIMUTH, ELEVATION = 215.0, -16.0  # [deg] seen from the robot's front left, slightly above
BACKENDS = ("egl", "osmesa")


@dataclass(frozen=True, slots=True)
class Shot:
    """One model at several configurations.

    Attributes:
        model: compiled model.
        qpos: (k, nq).
        robot: (nbody,) bool: what the camera frames.
        tinted: (k, nbody) bool: bodies a flag is about.
        floating: the robot moves through the world; the camera goes with it.
    """

    model: mujoco.MjModel
    qpos: np.ndarray
    robot: np.ndarray
    tinted: np.ndarray
    floating: bool


@dataclass(frozen=True, slots=True)
class View:
    """Where to look at [m], world; half the height of the picture and of the depth it must hold [m]; [deg]."""

    centre: np.ndarray
    size: float
    depth: float
    azimuth: float


def bodies_named(model: mujoco.MjModel, place: str) -> np.ndarray:
    """(nbody,) bool: bodies that a flag's place names, directly or by the joint that moves them."""
    out = np.zeros(model.nbody, bool)
    words = set(re.split(r"[\s,;:()+&]+|(?<!\w)[/–—-](?!\w)", place)) | {place.strip()}
    for body in range(1, model.nbody):
        first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
        joints = {model.joint(j).name for j in range(first, first + count)} if count else set()
        out[body] = bool(({model.body(body).name} | joints) & words - {""})
    return out


def pictures(shots: Sequence[Shot], timeout: float = 60.0) -> list[list[bytes]]:
    """WebP pictures of every shot, one per configuration; an empty list where they could not be made."""
    wanted = os.environ.get("SIMCHECK_RENDER", "auto")
    backends = BACKENDS if wanted == "auto" else tuple(b for b in BACKENDS if b == wanted)
    out: list[list[bytes]] = [[] for _ in shots]
    if not shots or not backends:
        return out
    with tempfile.TemporaryDirectory(prefix="simcheck-") as name:
        folder = Path(name)
        models: dict[int, int] = {}  # several shots of one model share its file
        for k, shot in enumerate(shots):
            if id(shot.model) not in models:
                models[id(shot.model)] = k
                mujoco.mj_saveModel(shot.model, str(folder / f"{k}.mjb"), None)
            np.savez(folder / f"{k}.npz", qpos=shot.qpos, robot=shot.robot, tinted=shot.tinted, floating=shot.floating)
        request = json.dumps({"folder": name, "models": [models[id(shot.model)] for shot in shots]})
        end = time.monotonic() + timeout
        for backend in backends:
            if _child(folder, request, backend, end - time.monotonic()):
                break
        for k, shot in enumerate(shots):
            files = [folder / f"{k}-{i}.webp" for i in range(len(shot.qpos))]
            if all(f.is_file() for f in files):
                out[k] = [f.read_bytes() for f in files]
    return out


def _child(folder: Path, request: str, backend: str, timeout: float) -> bool:
    """Render everything in `folder`; False where this backend made nothing at all."""
    environment = {**os.environ, "MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}
    command = [sys.executable, "-m", "simcheck.physics._studio"]
    try:
        subprocess.run(
            command, input=request, capture_output=True, text=True, timeout=max(timeout, 1.0), cwd=folder,
            env=environment, check=False,
        )  # fmt: skip
    except (subprocess.TimeoutExpired, OSError):
        return True  # what is finished counts; another backend would be no faster
    return any(folder.glob("*.webp"))


def sticks(shot: Shot) -> np.ndarray:
    """(k, n, 6) links of the robot as seen by the same camera, far ones first.

    Columns: x, y of both ends (y downwards; the picture is the box 0…4 × 0…3), nearness (0…1), tinted (0 or 1).
    """
    mj, data = shot.model, mujoco.MjData(shot.model)
    links = _links(mj, shot.robot)
    ends = np.zeros((len(shot.qpos), len(links), 2, 3))
    boxes = []
    for k, qpos in enumerate(shot.qpos):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(mj, data)
        for n, (body, parent) in enumerate(links):
            ends[k, n] = (data.xpos[parent], data.xpos[body]) if parent >= 0 else (data.xpos[body], data.xipos[body])
        points = ends[k].reshape(-1, 3)
        boxes.append((points.min(axis=0), points.max(axis=0)))
    out = np.zeros((len(shot.qpos), len(links), 6), np.float32)
    for k, view in enumerate(views(shot, boxes)):
        right, up, towards = axes(view.azimuth)
        local = (ends[k] - view.centre) / (view.size * 1.15)
        out[k, :, 0:4:2] = 2 + 1.5 * local @ right
        out[k, :, 1:4:2] = 1.5 - 1.5 * local @ up
        out[k, :, 4] = np.clip(0.5 + 0.5 * (local @ towards).mean(axis=1) * view.size / max(view.depth, 1e-3), 0, 1)
        out[k, :, 5] = [shot.tinted[k, body] for body, _ in links]
        out[k] = out[k, np.argsort(out[k, :, 4], kind="stable")]
    return out


def _links(mj: mujoco.MjModel, robot: np.ndarray) -> list[tuple[int, int]]:
    """(body, parent) where both are of the robot; (body, −1) for the tip of a last body."""
    bodies = [int(b) for b in np.flatnonzero(robot)]
    parents = {int(mj.body_parentid[b]) for b in bodies}
    links = [(b, int(mj.body_parentid[b])) for b in bodies if robot[mj.body_parentid[b]]]
    return links + [(b, -1) for b in bodies if b not in parents]


def views(shot: Shot, boxes: list[tuple[np.ndarray, np.ndarray]]) -> list[View]:
    """One scale for all configurations, and one place where the base is fixed."""
    low, high = np.array([b[0] for b in boxes]), np.array([b[1] for b in boxes])
    azimuth = np.full(len(boxes), AZIMUTH)
    if shot.floating:
        w, x, y, z = shot.qpos[:, 3:7].T
        azimuth += np.degrees(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
    else:
        low[:], high[:] = low.min(axis=0), high.max(axis=0)
    # Half of the box as it is seen: |right|ᵀ h across, |up|ᵀ h upwards.
    seen = [np.abs(np.array(axes(a))) @ (h - l) / 2 for l, h, a in zip(low, high, azimuth, strict=True)]
    size = max(max(s[0] * HEIGHT / WIDTH, s[1], 1e-3) for s in seen)
    depth = max(s[2] for s in seen)
    return [View((l + h) / 2, size, depth, float(a)) for l, h, a in zip(low, high, azimuth, strict=True)]


def axes(azimuth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors right, up and towards the camera that looks along `azimuth` [deg], world."""
    a, e = np.radians(azimuth), np.radians(ELEVATION)
    forward = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    right = np.array([np.sin(a), -np.cos(a), 0.0])
    return right, np.cross(right, forward), -forward
