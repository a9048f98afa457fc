"""Humanoid motions in pickles: ASAP and PBHC (joblib), and GMR.

ASAP and PBHC keep motions by clip name; each is an episode:

    root_trans_offset (T, 3)   root position [m], world
    root_rot          (T, 4)   root orientation, quaternion in the order x y z w
    dof               (T, 23)  joint angles [rad]
    fps                        frames per second

GMR keeps one motion per file: root_pos, root_rot (x y z w as well), dof_pos, fps. What else is there (pose_aa,
smpl_joints, PBHC's contact_mask, local_body_pos) is the retargeting's input or its guess, and is not read.

The format fixes units and, for the Unitree G1 with 29 joints and with 23 (without the six of the wrists), the
order of the joints. It does not name the robot: other robots with 23 or 29 joints exist in GMR, and for them
`--robot` must say so. Other widths are read without names. No clock was read, so time is nominal.

Pickles are read by `_pickles`, which runs nothing in them. Compressed joblib files are not recognised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from simcheck.errors import FormatError, InputError
from simcheck.formats import ReadOptions
from simcheck.formats._files import check_units, fingerprint, inside, make_channel, named_file, natural_key
from simcheck.formats._pickles import MAX_FILE_BYTES, PickledArray, first_texts, load
from simcheck.formats.lafan1 import JOINTS
from simcheck.trajectory import Note, Poses, TimeBase, Trajectory

NAME = "asap"
NAMES = {29: JOINTS, 23: tuple(joint for joint in JOINTS if "wrist" not in joint)}
MAX_JOINTS = 200
_KEYS = ({"root_trans_offset", "root_rot", "dof"}, {"root_pos", "root_rot", "dof_pos"})
_WXYZ = [3, 0, 1, 2]  # columns of the quaternion in the order simcheck computes in
_SNIFFED_FILES = 8  # of a folder: other pickles may lie beside the motions


def sniff(path: Path) -> bool:
    """Whether `path` is a .pkl, or a folder with one, that begins with the keys of a motion; never raises."""
    try:
        files = [named_file(path)] if path.is_file() else [inside(path, n) for n in _names(path)[:_SNIFFED_FILES]]
        return any(_has_keys(first_texts(file)) for file in files if path.is_dir() or path.suffix == ".pkl")
    except (OSError, InputError):
        return False


def open_dataset(path: Path, options: ReadOptions) -> AsapDataset:
    """One pickle, or a folder of them: an episode is a clip.

    A file of a folder that cannot be read becomes an episode that says so; the file the user named, an error.
    """
    root, names = (path.parent, [path.name]) if path.is_file() else (path, _names(path))
    if not names:
        raise FormatError(f"{path.name}: no .pkl file; expected pickled motions")
    single = named_file(path, MAX_FILE_BYTES) if path.is_file() else None
    dataset = AsapDataset(path.absolute().name, root, single, options)
    for name in names:
        dataset.add(name)
    check_units(options, {"position": dataset.joints()})
    return dataset


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an episode is."""

    file: str
    clip: str | None  # None where the file could not be read
    joints: int = 0


@dataclass(frozen=True, slots=True)
class AsapDataset:
    """Clips of one file or of the files of one folder."""

    name: str
    root: Path
    single: Path | None  # the file the user named, which may be a link out of its folder
    options: ReadOptions
    format: str = "humanoid motion pickle (ASAP, PBHC, GMR)"
    notes: Sequence[Note] = ()
    _places: dict[str, _Place] = field(default_factory=dict)
    _last: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # the file read last; arrays stay in it

    @property
    def robot_type(self) -> str:
        """The G1 where every clip has as many joints as it."""
        widths = {place.joints for place in self._places.values() if place.clip is not None}
        return "g1" if widths and widths <= set(NAMES) else ""

    def joints(self) -> tuple[str, ...]:
        """Names of the columns of the widest clip."""
        return _joint_names(max(place.joints for place in self._places.values()))[0]

    def episodes(self) -> Sequence[str]:
        """File names without suffix, and the clip's name where a file has several."""
        return list(self._places)

    def add(self, file: str) -> None:
        """Take the clips of a file as episodes."""
        stem = Path(file).stem
        try:
            clips = self._clips(file)
        except InputError:
            if self.single is not None:
                raise
            self._places[stem] = _Place(file, None)
            return
        for clip, motion in clips.items():
            episode = stem if len(clips) == 1 else f"{stem}/{clip}"
            self._places[episode] = _Place(file, clip, _width(motion))

    def read(self, episode: str) -> Trajectory:
        """One clip."""
        if episode not in self._places:
            raise FormatError(f"{self.name}: no episode {episode!r}; it has {', '.join(self.episodes()[:5])}, …")
        place = self._places[episode]
        motion = self._clips(place.file).get(place.clip or "")
        if motion is None:
            raise FormatError(f"{place.file}: clip {place.clip!r} is not there any more; was the file replaced?")
        return _trajectory(episode, f"{place.file}: {place.clip}" if place.clip else place.file, motion, self.options)

    def _clips(self, file: str) -> Mapping[str, Any]:
        if file not in self._last:
            clips = _clips(load(self.single or inside(self.root, file, MAX_FILE_BYTES), file), file)
            self._last.clear()
            self._last[file] = clips
        return self._last[file]


def _clips(content: Any, place: str) -> Mapping[str, Any]:
    """Motions by clip name; the name of the only one of a GMR file is empty."""
    if isinstance(content, dict):
        if _has_keys(content):
            return {"": content}
        if any(isinstance(motion, dict) and _has_keys(motion) for motion in content.values()):
            wrong = next((c for c in content if not isinstance(c, str) or not c.isprintable() or len(c) > 200), None)
            if wrong is None:
                return content
            raise FormatError(f"{place}: a clip is called {str(wrong)[:60]!r}; expected up to 200 printable characters")
    raise FormatError(
        f"{place}: holds a {type(content).__name__} without a motion; expected {' or '.join(map(_listed, _KEYS))}, "
        f"alone or by clip name"
    )


def _has_keys(keys: Any) -> bool:
    return any(wanted <= set(keys) for wanted in _KEYS)


def _listed(keys: set[str]) -> str:
    return "{" + ", ".join(sorted(keys)) + "}"


def _width(motion: Any) -> int:
    values = motion.get("dof", motion.get("dof_pos")) if isinstance(motion, dict) else None
    return values.shape[1] if isinstance(values, PickledArray) and len(values.shape) > 1 else 0


def _joint_names(width: int) -> tuple[tuple[str, ...], bool]:
    """Names of the columns, and whether the format gives them."""
    return (
        (NAMES[width], True) if width in NAMES else (tuple(f"dof[{i}]" for i in range(min(width, MAX_JOINTS))), False)
    )


def _trajectory(episode: str, place: str, motion: Any, options: ReadOptions) -> Trajectory:
    if not isinstance(motion, dict) or not _has_keys(motion):
        raise FormatError(f"{place}: no motion; expected {' or '.join(map(_listed, _KEYS))}")
    asap = "dof" in motion
    angles = _array(motion, "dof" if asap else "dof_pos", place, None)
    position = _array(motion, "root_trans_offset" if asap else "root_pos", place, (len(angles), 3))
    quaternion = _array(motion, "root_rot", place, (len(angles), 4))
    names, named = _joint_names(angles.shape[1])
    return Trajectory(
        episode=episode,
        time=np.arange(len(angles)) / _rate(motion.get("fps"), place),
        time_base=TimeBase.NOMINAL,
        position=make_channel(options, "position", names, angles, declared=("rad",) * len(names), named=named),
        base=Poses(position, quaternion[:, _WXYZ]),
        robot_type="g1" if named else "",
        fingerprint=fingerprint(position, quaternion, angles),
    )


def _array(motion: Mapping[str, Any], key: str, place: str, expected: tuple[int, int] | None) -> np.ndarray:
    """Numbers (T, n) as float64; a last axis of length 1, as in the motions of H2O and PHC, is dropped."""
    stored = motion[key]
    if not isinstance(stored, PickledArray) or stored.dtype is None or stored.dtype.kind not in "iuf":
        raise FormatError(f"{place}: {key!r} is no array of numbers; expected one, a frame per row")
    shape = stored.shape[:-1] if len(stored.shape) == 3 and stored.shape[2] == 1 else stored.shape
    if shape != expected if expected else len(shape) != 2 or not 0 < shape[1] <= MAX_JOINTS:
        said = expected or f"(T, joints), at most {MAX_JOINTS} joints"
        raise FormatError(f"{place}: {key!r} has shape {stored.shape}; expected {said}")
    with np.errstate(invalid="ignore", over="ignore"):
        return stored.values().reshape(shape).astype(np.float64)


def _rate(stored: Any, place: str) -> float:
    try:
        rate = float(stored.values().reshape(()) if isinstance(stored, PickledArray) else stored)
    except (TypeError, ValueError, OverflowError):
        rate = np.nan
    if not 1e-3 <= rate <= 1e6:
        found = rate if np.isfinite(rate) else type(stored).__name__
        raise FormatError(f"{place}: 'fps' is {found}; expected one rate above 0 [Hz]")
    return rate


def _names(folder: Path) -> list[str]:
    return sorted((p.name for p in folder.iterdir() if p.suffix == ".pkl" and p.is_file()), key=natural_key)


def write_example(folder: Path) -> Path:
    """Two seconds of a G1 that sways about its standing pose: as ASAP writes it in two clips, and as GMR does."""
    time = np.arange(60) / 30.0
    for clips in ((0.1, 0.2), ()):
        motions = {f"sway_{yaw}": _sway(time, yaw, 23, ("root_trans_offset", "dof")) for yaw in clips}
        content = motions or _sway(time, 0.3, 29, ("root_pos", "dof_pos"))
        (folder / f"{'asap' if clips else 'gmr'}.pkl").write_bytes(b"\x80\x03" + _pickled(content) + b".")
    return folder


def _sway(time: np.ndarray, yaw: float, joints: int, keys: tuple[str, str]) -> dict[str, Any]:
    angles = np.zeros((len(time), joints), np.float32)
    angles[:, NAMES[joints].index("left_elbow_joint")] = 0.5 + 0.2 * np.sin(3.0 * time)
    half = 0.5 * yaw * np.sin(2.0 * time)
    rotation = np.stack([0 * half, 0 * half, np.sin(half), np.cos(half)], axis=1)
    return {keys[0]: np.tile([0.0, 0.0, 0.793], (len(time), 1)), "root_rot": rotation, keys[1]: angles, "fps": 30}


def _pickled(value: Any) -> bytes:
    """The instructions that numpy's arrays, dicts, text and small counts are pickled as."""
    if isinstance(value, dict):
        return b"}(" + b"".join(_pickled(k) + _pickled(v) for k, v in value.items()) + b"u"
    if isinstance(value, str):
        return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little", signed=True)
    dtype = b"cnumpy\ndtype\n(" + _pickled(value.dtype.str[1:]) + b"\x89\x88tR(K\x03" + _pickled("<")
    dtype += b"NNN" + _pickled(-1) * 2 + b"K\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    shape, data = b"(" + b"".join(map(_pickled, value.shape)) + b"t", value.tobytes()
    return made + b"(K\x01" + shape + dtype + b"\x89B" + len(data).to_bytes(4, "little") + data + b"tb"
