"""Draw the pictures of `render` in a process of its own.

Run as `python -m simcheck.physics._studio` with MUJOCO_GL set: a JSON request on standard input names a folder
with `<k>.mjb` and `<k>.npz`; `<k>-<i>.webp` are written there, one per configuration.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from simcheck.physics.render import ELEVATION, HEIGHT, WIDTH, Shot, View, views

OVERSAMPLING = 2  # rendered larger and scaled down: smooth edges on every backend
MAX_BYTES = 20_000

BACKGROUND = np.array([0.929, 0.941, 0.953])
ROBOT = ((0.36, 0.45, 0.56), (0.62, 0.69, 0.77))  # alternate along the tree, so that links can be told apart
TINT = (0.84, 0.24, 0.10)
OBJECT, SCENERY = (0.80, 0.66, 0.40), (0.80, 0.82, 0.84)


def _draw(folder: Path, k: int, mj: mujoco.MjModel, renderer: mujoco.Renderer) -> None:
    """Every picture of one shot."""
    with np.load(folder / f"{k}.npz", allow_pickle=False) as arrays:
        shot = Shot(mj, arrays["qpos"], arrays["robot"], arrays["tinted"], bool(arrays["floating"]))
    data, boxes = mujoco.MjData(mj), []
    shapes = shot.robot[mj.geom_bodyid] & (mj.geom_rbound > 0)
    if not shapes.any():
        return  # nothing to see; the stick figure shows more
    for qpos in shot.qpos:
        data.qpos[:] = qpos
        mujoco.mj_kinematics(mj, data)
        boxes.append(_box(mj, data, shapes))
    option = mujoco.MjvOption()
    option.geomgroup[:] = 1
    option.sitegroup[:] = 0
    for i, view in enumerate(views(shot, boxes)):
        camera = mujoco.MjvCamera()
        camera.lookat[:], camera.azimuth, camera.elevation = view.centre, view.azimuth, ELEVATION
        camera.distance = 0.96 * view.size / np.tan(np.radians(mj.vis.global_.fovy) / 2) + 0.5 * view.depth
        data.qpos[:] = shot.qpos[i]
        mujoco.mj_forward(mj, data)
        renderer.update_scene(data, camera, option)
        _paint(mj, renderer.scene, shot, i)
        _floor(mj, renderer.scene, view, 0.0 if shot.floating else min(0.0, boxes[i][0][2]))
        temporary = folder / f"{k}-{i}.part"
        temporary.write_bytes(_encoded(renderer, 2.5 * camera.distance))
        temporary.rename(folder / f"{k}-{i}.webp")


def _studio(mj: mujoco.MjModel) -> None:
    """Soft even light from the camera; the model's own lights and fog off; a buffer that fits."""
    mj.vis.global_.offwidth, mj.vis.global_.offheight = WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING
    mj.vis.global_.fovy = 30
    mj.vis.quality.offsamples = 0
    mj.vis.quality.shadowsize = 2048
    mj.vis.map.shadowclip = 4
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


def _floor(mj: mujoco.MjModel, scene: Any, view: View, height: float) -> None:
    """A floor where the model has none, and one light from above that casts a shadow."""
    if not np.any(mj.geom_type == mujoco.mjtGeom.mjGEOM_PLANE) and scene.ngeom < scene.maxgeom:
        position = np.array([view.centre[0], view.centre[1], height])
        floor = scene.geoms[scene.ngeom]
        mujoco.mjv_initGeom(
            floor, mujoco.mjtGeom.mjGEOM_PLANE, np.array([12 * view.size, 12 * view.size, 1.0]),
            position, np.eye(3).ravel(), np.array([*BACKGROUND, 1.0], np.float32),
        )  # fmt: skip
        floor.specular = floor.shininess = floor.reflectance = 0.0
        floor.segid = scene.ngeom  # or it would be left out of the depth image
        scene.ngeom += 1
    light = scene.lights[scene.nlight]
    scene.nlight += 1
    light.type, light.castshadow, light.headlight = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, 1, 0
    light.pos[:] = view.centre + np.array([0.6, 0.6, 3.0]) * (view.size + view.depth)
    light.dir[:] = np.array([-0.2, -0.2, -0.96])
    light.ambient[:], light.diffuse[:], light.specular[:] = 0.0, 0.42, 0.1
    light.attenuation[:] = (1, 0, 0)


def _encoded(renderer: Any, horizon: float) -> bytes:
    """The picture as WebP under MAX_BYTES; what is beyond the horizon [m] takes the colour of the floor before it."""
    pixels = renderer.render().copy()
    renderer.enable_depth_rendering()
    far = renderer.render() > horizon
    renderer.disable_depth_rendering()
    border = pixels[:, :4][~far[:, :4]]
    pixels[far] = np.median(border, axis=0) if len(border) else np.round(255 * BACKGROUND)
    image = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    for quality in (82, 60, 35, 10):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=4)
        if buffer.tell() <= MAX_BYTES:
            break
    return buffer.getvalue()


def main() -> None:
    """Draw every shot of the request; a shot that fails has no pictures, which is the answer."""
    request = json.load(sys.stdin)
    folder, last, tools = Path(request["folder"]), -1, None
    for k, model in enumerate(request["models"]):
        with contextlib.suppress(Exception):
            if model != last or tools is None:
                mj = mujoco.MjModel.from_binary_path(str(folder / f"{model}.mjb"))
                _studio(mj)
                size = (HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING)
                tools, last = (mj, mujoco.Renderer(mj, *size, max_geom=mj.ngeom + 100)), model
            _draw(folder, k, *tools)
    sys.stdout.flush()
    os._exit(0)  # OSMesa complains when it is taken down at exit


if __name__ == "__main__":
    main()
