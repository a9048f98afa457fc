"""Recorded poses in a LeRobot dataset: features of seven numbers, by name of the feature.

    observation.objects.<name>, object.<name>.pose      an object, in the world
    observation.ee_pose, observation.ee_pose.<name>     an end effector, in the robot's base frame if the
                                                        feature has "frame": "base", else in one not known
    observation.base_pose                               a floating base, in the world

Seven numbers are x y z [m] and a quaternion w x y z, unless the names say another order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from simcheck.formats import ReadOptions
from simcheck.formats._files import make_channel
from simcheck.formats._lerobot_names import Feature
from simcheck.trajectory import UNKNOWN, Note, Poses

ORDER = ("x", "y", "z", "qw", "qx", "qy", "qz")
BASE = "observation.base_pose"
_OBJECT = re.compile(r"observation\.objects\.(?P<a>.+)|object\.(?P<b>.+)\.pose")
_EE = re.compile(r"observation\.ee_pose(\.(?P<name>.+))?")
_ROTATION = re.compile(r"quat|rot|orient", re.IGNORECASE)


def object_name(key: str) -> str:
    """Name of the object whose pose a feature is; empty if it is none."""
    match = _OBJECT.fullmatch(key)
    return (match["a"] or match["b"]) if match else ""


def ee_name(key: str) -> str:
    """Name of the end effector whose pose a feature is; empty if it is none."""
    match = _EE.fullmatch(key)
    return (match["name"] or "ee") if match else ""


def is_pose(key: str) -> bool:
    """Whether a feature is a recorded pose, by its name."""
    return bool(object_name(key) or ee_name(key) or key == BASE)


def pose_notes(features: Mapping[str, Feature]) -> list[Note]:
    """Pose features that cannot be understood, and are therefore left out."""
    return [
        Note(
            "D114",
            f"meta/info.json features.{f.key}",
            f"{f.width} numbers: {', '.join(f.names)}; expected {', '.join(ORDER)} in any order; left out",
        )
        for f in features.values()
        if is_pose(f.key) and order(f) is None
    ]


def order(feature: Feature) -> list[int] | None:
    """Where x y z qw qx qy qz are among the columns of a feature; None if its names do not say."""
    if feature.width != len(ORDER):
        return None
    if not feature.named:
        return list(range(len(ORDER)))
    words = [_word(name) for name in feature.names]
    return [words.index(w) for w in ORDER] if sorted(words) == sorted(ORDER) else None


def _word(name: str) -> str:
    """One of ORDER: qx for "qx", "cube.qx", "quat_x" and "rot.qx"; x for "x" and "pos_x"."""
    stem, _, last = re.sub(r"[._/ ]", ".", name).rpartition(".")
    word = (last or name).lower()
    return f"q{word}" if word in "wxyz" and (word == "w" or _ROTATION.search(stem)) else word


def make_poses(feature: Feature, values: np.ndarray, options: ReadOptions) -> Poses:
    """Poses from the numbers of a feature whose `order` is known, in metres and wxyz."""
    columns = order(feature) or []
    xyz = columns[:3]
    declared = ["m" if feature.units[i] == UNKNOWN else feature.units[i] for i in xyz]
    names = [feature.names[i] for i in xyz]
    position = make_channel(options, feature.key, names, values[:, xyz], declared=declared)
    return Poses(position.values, values[:, columns[3:]])
