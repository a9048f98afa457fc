"""What a model file refers to, resolved inside declared folders only, before the engine sees it.

The engine reads any readable path named by an `<include>`, hangs on a FIFO and dies on a model that attaches
itself, so the references of MJCF and URDF text are collected and checked here first.
"""

from __future__ import annotations

import os
import stat
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import defusedxml.ElementTree as SafeTree

from simcheck.errors import ModelError, RefusedError

SCENE = "scene/"  # prefix of everything a scene file brings
MAX_MODEL_BYTES = 64 << 20
MAX_INCLUDES = 64


def parse(text: str, name: str) -> ElementTree.Element:
    """Parse XML without entities, DTDs or external references."""
    if len(text) > MAX_MODEL_BYTES:
        raise RefusedError(f"{name}: {len(text)} bytes; at most {MAX_MODEL_BYTES} are read")
    try:
        return SafeTree.fromstring(text, forbid_dtd=True)
    except ElementTree.ParseError as error:
        raise ModelError(f"{name}: not well-formed XML: {error}") from error
    except ValueError as error:  # defusedxml's own refusals
        raise RefusedError(f"{name}: {type(error).__name__}: entities and DTDs are not read") from error


def regular_file(path: Path, roots: list[Path]) -> bool:
    """Whether `path` exists; refuses anything but a regular file inside one of `roots`."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    real = path.resolve()
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise RefusedError(
            f"model refers to {path.name} outside its folders; pass its folder with --assets if you trust it"
        )
    if not stat.S_ISREG(mode):
        raise RefusedError(f"model refers to {path.name}, which is not a regular file")
    return True


def read_text(path: Path) -> str:
    """Text of a model file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise RefusedError(f"{path.name}: not a regular file")
    return path.read_text(encoding="utf-8", errors="strict")


def check_includes(element: ElementTree.Element, folder: Path, roots: list[Path], seen: tuple[Path, ...]) -> None:
    """Refuse includes and attached models that leave the roots, form a cycle or are too many.

    Args:
        element: root element of the file last opened.
        folder: folder its relative paths start from (the main model's, for MJCF).
        roots: folders that may be read.
        seen: files open on the way here.
    """
    if len(seen) > MAX_INCLUDES:
        raise RefusedError(f"model includes more than {MAX_INCLUDES} files")
    refs = [e for e in element.iter() if e.tag in ("include", "model") and e.get("file")]
    for ref in refs:
        path = (folder / str(ref.get("file"))).resolve()
        if path in seen:
            raise RefusedError(f"model includes itself through {path.name}")
        if not regular_file(path, roots):
            raise ModelError(f"model includes {ref.get('file')!r}, which does not exist")
        check_includes(parse(read_text(path), path.name), folder, roots, (*seen, path))


def resolve_package_uris(root: ElementTree.Element, folder: Path, roots: list[Path]) -> None:
    """Replace `package://NAME/rest` and `file://` of a URDF by paths inside the roots.

    A package is looked for as a folder called NAME among the roots, their children, and the URDF's parents
    that lie inside a root; failing that, `rest` itself relative to each root.
    """
    for mesh in root.iter("mesh"):
        uri = mesh.get("filename", "")
        scheme, _, rest = uri.partition("://")
        if not rest:
            continue
        if scheme != "package":
            raise RefusedError(f"URDF mesh {uri!r}: only package:// and relative paths are read")
        package, _, inside = rest.partition("/")
        candidates = [base / rest for base in (*roots, *folder.parents)]
        candidates += [base / inside for base in (*roots, folder)]
        candidates += [base.parent / inside for base in roots if base.name == package]
        found = next((c for c in candidates if c.exists() and regular_file(c, roots)), None)
        mesh.set("filename", str(found) if found else inside)


def rewrite_assets(root: ElementTree.Element, assets: Path | None) -> None:
    """Point an embedded model's asset paths at `assets` instead of the recording machine.

    robosuite writes absolute paths; the part after `models/assets/` is the same everywhere. Textures are
    never needed: their elements and references go.
    """
    for parent in root.iter():
        for child in list(parent):
            if child.tag == "texture":
                parent.remove(child)
        if parent.tag == "material":
            parent.attrib.pop("texture", None)
    for element in root.iter():
        path = element.get("file")
        if path is not None and element.tag in ("mesh", "hfield", "skin"):
            tail = path.replace("\\", "/").rpartition("models/assets/")[2].lstrip("/")
            element.set("file", str((assets or Path("absent")) / tail))


def velocity_limits(root: ElementTree.Element) -> dict[str, float]:
    """URDF `<limit velocity>` by joint [rad/s, m/s]; the engine drops them. 0 means "not stated"."""
    limits = {}
    for joint in root.iter("joint"):
        limit = joint.find("limit")
        value = float(limit.get("velocity", "0")) if limit is not None else 0.0
        if value > 0:
            limits[str(joint.get("name"))] = value
    return limits
