"""Compile one model in a process of its own, with bounded memory and time.

Run as `python -m simcheck.physics._compile`: a JSON request on standard input, a JSON answer on standard
output, the compiled model in the file the request names. A model that crashes, hangs or eats memory takes
this process with it and nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco

from simcheck.errors import ModelError, SimcheckError
from simcheck.physics import _references as references

MEMORY_BYTES = 4 << 30
CPU_SECONDS = 60
UNREADABLE_MESHES = (".dae", ".glb", ".gltf", ".ply")  # the engine reads STL, OBJ and MSH


@dataclass
class Answer:
    """What a compilation learnt; JSON on the wire."""

    notes: list[str] = field(default_factory=list)
    lost_inertia: list[str] = field(default_factory=list)  # moving bodies whose mass came from a dropped mesh
    lost_collision: list[str] = field(default_factory=list)  # collision meshes the engine cannot read
    velocity: dict[str, float] = field(default_factory=dict)  # URDF velocity limits
    error: str = ""


def _drop_missing_meshes(spec: mujoco.MjSpec, roots: list[Path], answer: Answer) -> None:
    """Drop visual geoms whose mesh file is absent; an absent collision mesh is an error that names it."""
    base = Path(spec.modelfiledir or ".")
    missing = {}
    for mesh in spec.meshes:
        path = base / (spec.meshdir or "") / mesh.file
        if mesh.file and not references.regular_file(path, roots):
            missing[mesh.name or Path(mesh.file).stem] = mesh
    if not missing:
        return
    for body in spec.bodies:
        for geom in list(body.geoms):
            if geom.meshname not in missing:
                continue
            if geom.contype or geom.conaffinity:
                raise ModelError(
                    f"collision mesh {missing[geom.meshname].file!r} of body {body.name!r} is missing; "
                    "self-collision cannot be judged without it. Give its folder with --assets"
                )
            if not body.explicitinertial and _moves(body):
                answer.lost_inertia.append(body.name)
            spec.delete(geom)
    for mesh in missing.values():
        spec.delete(mesh)
    answer.notes.append(f"{len(missing)} visual meshes are absent and were dropped")


def _moves(body: Any) -> bool:
    while body is not None and body.name != "world":
        if body.joints:
            return True
        body = body.parent
    return False


def _drop_unreadable_visuals(root: ElementTree.Element, answer: Answer) -> None:
    """URDF: remove visuals (their mass is in <inertial>), and note collision meshes the engine cannot read."""
    for link in root.iter("link"):
        for visual in link.findall("visual"):
            link.remove(visual)
        for collision in link.findall("collision"):
            mesh = collision.find("geometry/mesh")
            if mesh is not None and mesh.get("filename", "").lower().endswith(UNREADABLE_MESHES):
                answer.lost_collision.append(Path(mesh.get("filename", "")).name)
                link.remove(collision)


def _spec(request: dict[str, Any], answer: Answer) -> tuple[mujoco.MjSpec, list[Path]]:
    roots = [Path(r) for r in request["roots"]]
    if request["xml"]:
        root = references.parse(request["xml"], "embedded model")
        assets = roots[0] if roots else None
        references.check_includes(root, assets or Path("/nonexistent"), roots, ())
        references.rewrite_assets(root, assets)
        return mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode")), roots
    path = Path(request["path"])
    roots = [path.resolve().parent, path.resolve().parent.parent, *roots]
    root = references.parse(references.read_text(path), path.name)
    if root.tag == "robot":
        answer.velocity = references.velocity_limits(root)
        references.resolve_package_uris(root, path.resolve().parent, roots)
        _drop_unreadable_visuals(root, answer)
        _strip_path(root, path.resolve().parent)
        return mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode")), roots
    if root.tag != "mujoco":
        raise ModelError(f"{path.name}: root element is <{root.tag}>; expected <mujoco> or <robot>")
    references.check_includes(root, path.resolve().parent, roots, (path.resolve(),))
    return mujoco.MjSpec.from_file(str(path)), roots


def _attach_scene(spec: mujoco.MjSpec, path: Path) -> None:
    """Put a scene around the robot; everything in it is called "scene/…"."""
    root = references.parse(references.read_text(path), path.name)
    if root.tag != "mujoco":
        raise ModelError(f"{path.name}: root element is <{root.tag}>; a scene is an MJCF file, expected <mujoco>")
    folder = path.resolve().parent
    references.check_includes(root, folder, [folder], (path.resolve(),))
    scene = mujoco.MjSpec.from_file(str(path))
    for geom in scene.worldbody.geoms:  # a name tells scenery from the robot's own base
        geom.name = geom.name or f"fixture{geom.id}"
    spec.attach(scene, prefix=references.SCENE, frame=spec.worldbody.add_frame())


def _strip_path(root: ElementTree.Element, folder: Path) -> None:
    """Keep the folders of URDF mesh paths, which the engine strips by default, by making them absolute."""
    for mesh in root.iter("mesh"):
        mesh.set("filename", str(folder / mesh.get("filename", "")))
    extension = root.find("mujoco")
    extension = ElementTree.SubElement(root, "mujoco") if extension is None else extension
    compiler = extension.find("compiler")
    compiler = ElementTree.SubElement(extension, "compiler") if compiler is None else compiler
    compiler.attrib.pop("meshdir", None)
    compiler.set("strippath", "false")


def _compiled(spec: mujoco.MjSpec, answer: Answer) -> mujoco.MjModel:
    spec.compiler.discardvisual = True  # exact: inertia is inferred before visuals are discarded
    try:
        return spec.compile()
    except ValueError as error:
        if "mass and inertia" not in str(error) and "inertia must satisfy" not in str(error):
            raise
        spec.compiler.boundmass, spec.compiler.boundinertia = 1e-6, 1e-9
        spec.compiler.balanceinertia = True
        answer.notes.append(f"inertia repaired to compile: {str(error).splitlines()[0]}")
        return spec.compile()


def _compile(request: dict[str, Any]) -> Answer:
    answer = Answer()
    try:
        spec, roots = _spec(request, answer)
        if request.get("scene"):
            _attach_scene(spec, Path(request["scene"]))
        _drop_missing_meshes(spec, roots, answer)
        model = _compiled(spec, answer)
        mujoco.mj_saveModel(model, request["out"], None)
    except (SimcheckError, ValueError, RuntimeError, mujoco.FatalError, OSError) as error:
        answer.error = str(error).strip() or type(error).__name__
    return answer


def main() -> None:
    """Read one request, write one answer."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answer = _compile(json.load(sys.stdin))
    sys.stdout.write(json.dumps(dataclasses.asdict(answer)))


if __name__ == "__main__":
    main()
