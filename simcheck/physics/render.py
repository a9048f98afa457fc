"""Pictures of a robot at chosen frames: rendered off screen in a child process, or drawn as a stick figure.

Rendering needs OpenGL without a screen (EGL or OSMesa), whose libraries may be absent or may crash; hence
`python -m simcheck.physics.render` in a process of its own, with MUJOCO_GL set and a time limit. Whatever goes
wrong there costs the pictures and nothing else: `sticks` needs forward kinematics only.

SIMCHECK_RENDER chooses: "auto" (default: egl, then osmesa), "egl", "osmesa" or "none".
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

WIDTH, HEIGHT = 320, 240  # [pixels] of a picture
OVERSAMPLING = 2  # rendered larger and scaled down: smooth edges on every backend
MAX_BYTES = 20_000
AZIMUTH, ELEVATION = 215.0, -16.0  # [deg] seen from the robot's front left, slightly above
BACKENDS = ("egl", "osmesa")

BACKGROUND = np.array([0.929, 0.941, 0.953])
ROBOT = ((0.36, 0.45, 0.56), (0.62, 0.69, 0.77))  # alternate along the tree, so that links can be told apart
TINT = (0.84, 0.24, 0.10)
OBJECT, SCENERY = (0.80, 0.66, 0.40), (0.80, 0.82, 0.84)


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
        for k, shot in enumerate(shots):
            mujoco.mj_saveModel(shot.model, str(folder / f"{k}.mjb"), None)
            np.savez(
                folder / f"{k}.npz", qpos=shot.qpos, robot=shot.robot, tinted=shot.tinted, floating=shot.floating
            )
        end = time.monotonic() + timeout
        for backend in backends:
            if _child(folder, len(shots), backend, end - time.monotonic()):
                break
        for k, shot in enumerate(shots):
            files = [folder / f"{k}-{i}.webp" for i in range(len(shot.qpos))]
            if all(f.is_file() for f in files):
                out[k] = [f.read_bytes() for f in files]
    return out


def _child(folder: Path, count: int, backend: str, timeout: float) -> bool:
    """Render everything in `folder`; False where this backend made nothing at all."""
    environment = {**os.environ, "MUJOCO_GL": backend, "PYOPENGL_PLATFORM": backend}
    command = [sys.executable, "-m", "simcheck.physics.render"]
    request = json.dumps({"folder": str(folder), "count": count})
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
    spheres = []
    for k, qpos in enumerate(shot.qpos):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(mj, data)
        for n, (body, parent) in enumerate(links):
            ends[k, n] = (data.xpos[parent], data.xpos[body]) if parent >= 0 else (data.xpos[body], data.xipos[body])
        points = ends[k].reshape(-1, 3)
        spheres.append((points.min(axis=0), points.max(axis=0)))
    out = np.zeros((len(shot.qpos), len(links), 6), np.float32)
    for k, (centre, radius, azimuth) in enumerate(_cameras(shot, spheres)):
        right, up, towards = _axes(azimuth)
        local = (ends[k] - centre) / (radius * 1.1)
        out[k, :, 0:4:2] = 2 + 1.5 * local @ right
        out[k, :, 1:4:2] = 1.5 - 1.5 * local @ up
        out[k, :, 4] = np.clip(0.5 + 0.5 * (local @ towards).mean(axis=1), 0, 1)
        out[k, :, 5] = [shot.tinted[k, body] for body, _ in links]
        out[k] = out[k, np.argsort(out[k, :, 4], kind="stable")]
    return out


def _links(mj: mujoco.MjModel, robot: np.ndarray) -> list[tuple[int, int]]:
    """(body, parent) where both are of the robot; (body, −1) for the tip of a last body."""
    bodies = [int(b) for b in np.flatnonzero(robot)]
    parents = {int(mj.body_parentid[b]) for b in bodies}
    links = [(b, int(mj.body_parentid[b])) for b in bodies if robot[mj.body_parentid[b]]]
    return links + [(b, -1) for b in bodies if b not in parents]


def _cameras(
    shot: Shot, boxes: list[tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[np.ndarray, float, float]]:
    """(centre, radius, azimuth [deg]) per configuration: one scale for all, one place where the base is fixed."""
    low, high = np.array([b[0] for b in boxes]), np.array([b[1] for b in boxes])
    if not shot.floating:
        low[:], high[:] = low.min(axis=0), high.max(axis=0)
    radius = max(float(np.linalg.norm(high - low, axis=1).max()) / 2, 1e-3)
    for k in range(len(boxes)):
        yaw = 0.0
        if shot.floating:
            w, x, y, z = shot.qpos[k, 3:7]
            yaw = float(np.degrees(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))))
        yield (low[k] + high[k]) / 2, radius, AZIMUTH + yaw


def _axes(azimuth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, e = np.radians(azimuth), np.radians(ELEVATION)
    forward = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    right = np.array([np.sin(a), -np.cos(a), 0.0])
    return right, np.cross(right, forward), -forward


# --- what runs in the child -------------------------------------------------------------------------------------


def _render(folder: Path, k: int) -> None:
    mj = mujoco.MjModel.from_binary_path(str(folder / f"{k}.mjb"))
    with np.load(folder / f"{k}.npz", allow_pickle=False) as arrays:
        shot = Shot(mj, arrays["qpos"], arrays["robot"], arrays["tinted"], bool(arrays["floating"]))
    _studio(mj)
    data = mujoco.MjData(mj)
    shapes = shot.robot[mj.geom_bodyid] & (mj.geom_rbound > 0)
    if not shapes.any():
        return  # nothing to see; the stick figure shows more
    boxes = []
    for qpos in shot.qpos:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(mj, data)
        boxes.append(_box(mj, data, shapes))
    option = mujoco.MjvOption()
    option.geomgroup[:] = 1
    option.flags[mujoco.mjtVisFlag.mjVIS_STATIC] = 1
    with mujoco.Renderer(mj, HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING, max_geom=mj.ngeom + 100) as renderer:
        for i, (centre, radius, azimuth) in enumerate(_cameras(shot, boxes)):
            camera = mujoco.MjvCamera()
            camera.lookat[:], camera.azimuth, camera.elevation = centre, azimuth, ELEVATION
            camera.distance = 0.92 * radius / np.sin(np.radians(mj.vis.global_.fovy) / 2)
            data.qpos[:] = shot.qpos[i]
            mujoco.mj_forward(mj, data)
            renderer.update_scene(data, camera, option)
            _paint(mj, renderer.scene, shot, i)
            _floor(mj, renderer.scene, centre, radius, min(0.0, boxes[i][0][2]) if not shot.floating else 0.0)
            content = _encoded(renderer)
            temporary = folder / f"{k}-{i}.part"
            temporary.write_bytes(content)
            temporary.rename(folder / f"{k}-{i}.webp")


def _studio(mj: mujoco.MjModel) -> None:
    """Soft even light from the camera; the model's own lights and fog off; a buffer that fits."""
    mj.vis.global_.offwidth, mj.vis.global_.offheight = WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING
    mj.vis.global_.fovy = 30
    mj.vis.quality.offsamples = 0
    mj.vis.quality.shadowsize = 2048
    mj.vis.headlight.active = 1
    mj.vis.headlight.ambient[:] = 0.42
    mj.vis.headlight.diffuse[:] = 0.38
    mj.vis.headlight.specular[:] = 0.05
    if mj.nlight:
        mj.light_active[:] = 0


def _box(mj: mujoco.MjModel, data: mujoco.MjData, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axis-aligned box of the shapes: exact for each shape's own box, which is turned with it."""
    centre, half = mj.geom_aabb[shapes, :3], mj.geom_aabb[shapes, 3:]
    turn = data.geom_xmat[shapes].reshape(-1, 3, 3)
    middle = data.geom_xpos[shapes] + np.einsum("nij,nj->ni", turn, centre)
    reach = np.einsum("nij,nj->ni", np.abs(turn), half)
    return (middle - reach).min(axis=0), (middle + reach).max(axis=0)


def _paint(mj: mujoco.MjModel, scene: Any, shot: Shot, i: int) -> None:
    """Quiet colours by role; flagged bodies red."""
    depth = np.zeros(mj.nbody, int)
    for b in range(1, mj.nbody):
        depth[b] = depth[mj.body_parentid[b]] + int(mj.body_jntnum[b] > 0)
    for n in range(scene.ngeom):
        geom = scene.geoms[n]
        if geom.objtype != mujoco.mjtObj.mjOBJ_GEOM or geom.objid < 0:
            continue
        body = int(mj.geom_bodyid[geom.objid])
        if geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
            colour = tuple(BACKGROUND)
        elif shot.tinted[i, body]:
            colour = TINT
        elif shot.robot[body]:
            colour = ROBOT[depth[body] % 2]
        else:
            colour = SCENERY if mj.body_weldid[body] == 0 else OBJECT
        geom.matid, geom.rgba[:] = -1, (*colour, 1.0)
        geom.specular, geom.shininess, geom.reflectance, geom.emission = 0.15, 0.3, 0.0, 0.0


def _floor(mj: mujoco.MjModel, scene: Any, centre: np.ndarray, radius: float, height: float) -> None:
    """A floor where the model has none, and one light from above that casts a shadow."""
    if not np.any(mj.geom_type == mujoco.mjtGeom.mjGEOM_PLANE) and scene.ngeom < scene.maxgeom:
        position = np.array([centre[0], centre[1], height])
        mujoco.mjv_initGeom(
            scene.geoms[scene.ngeom], mujoco.mjtGeom.mjGEOM_PLANE, np.array([20 * radius, 20 * radius, 1.0]),
            position, np.eye(3).ravel(), np.array([*BACKGROUND, 1.0], np.float32),
        )  # fmt: skip
        scene.ngeom += 1
    light = scene.lights[scene.nlight]
    scene.nlight += 1
    light.type, light.castshadow, light.headlight = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, 1, 0
    light.pos[:] = centre + np.array([0.6, 0.6, 3.0]) * radius
    light.dir[:] = np.array([-0.2, -0.2, -0.96])
    light.ambient[:], light.diffuse[:], light.specular[:] = 0.0, 0.42, 0.1
    light.attenuation[:] = (1, 0, 0)


def _encoded(renderer: Any) -> bytes:
    """The picture as WebP under MAX_BYTES, what is infinitely far in the background's colour."""
    from PIL import Image  # the parent has no use for it

    pixels = renderer.render().copy()
    renderer.enable_depth_rendering()
    depth = renderer.render()
    renderer.disable_depth_rendering()
    pixels[depth >= 0.999 * depth.max()] = np.round(255 * BACKGROUND) if np.ptp(depth) else pixels.flat[0]
    image = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    for quality in (82, 60, 35, 10):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=4)
        if buffer.tell() <= MAX_BYTES:
            break
    return buffer.getvalue()


def main() -> None:
    """Render every shot of the folder a request on standard input names."""
    request = json.load(sys.stdin)
    for k in range(request["count"]):
        _render(Path(request["folder"]), k)
    sys.stdout.flush()
    os._exit(0)  # OSMesa's clean-up at exit is known to complain


if __name__ == "__main__":
    main()
