"""Humanoid motions in NPZ files: as BeyondMimic and g1-moves write them, and as holosoma does.

    fps            one number     frames per second
    joint_pos      (T, n)         joint angles [rad]; in holosoma (T, 7 + n), root position [m] and quaternion first
    body_pos_w     (T, bodies, 3) positions of the links [m], world; the first one is the root
    body_quat_w    (T, bodies, 4) orientations of the links
    joint_names    (n,)           holosoma only; body_names too
    object_pos_w   (T, 3)         a box or the like [m], world; object_quat_w (T, 4)

Quaternions are w x y z. The format fixes units, so they count as declared; no clock was read, so time is nominal.

Without `joint_names` the order of the joints is not recorded: BeyondMimic's own files follow the simulator's
breadth-first order, g1-moves' files, with the same keys, that of the robot's SDK. Nothing in the numbers says
which, short of kinematics, so the columns stay without names: to name them, write a mapping and pass it with
--mapping. A mapping.toml beside the files is the user's word and goes first.

`joint_vel` is not read: it is the central difference of joint_pos (to 3e-7 in holosoma's files), and as a measured
velocity it would count as a second witness that it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simcheck.errors import FormatError, InputError
from simcheck.formats import ReadOptions
from simcheck.formats._columns import Npz
from simcheck.formats._files import check_units, fingerprint, inside, make_channel, named_file, natural_key
from simcheck.formats.lafan1 import JOINTS
from simcheck.trajectory import Channel, Note, Poses, TimeBase, Trajectory

NAME = "motion_npz"
MAPPING = "mapping.toml"
ROOT = 7  # columns of the root in holosoma's joint_pos
G1_WIDTH = ROOT + len(JOINTS)  # a joint_pos this wide has the root even where no names are stored
MAX_JOINTS = 200
_BODIES = {"body_pos_w", "body_quat_w"}
_SNIFFED_FILES = 8  # of a folder: other NPZ files may lie beside the motions


def sniff(path: Path) -> bool:
    """Whether `path` is an NPZ, or a folder with one, that has the arrays of a motion; never raises."""
    try:
        if (path if path.is_dir() else path.parent).joinpath(MAPPING).exists():
            return False
        if path.is_file():
            return path.suffix == ".npz" and _is_motion(Npz(named_file(path)))
        return any(_is_motion(Npz(inside(path, name))) for name in _names(path)[:_SNIFFED_FILES])
    except (OSError, InputError):
        return False


def open_dataset(path: Path, options: ReadOptions) -> MotionDataset:
    """One NPZ, or a folder of them: an episode is a file."""
    root, names = (path.parent, [path.name]) if path.is_file() else (path, _names(path))
    if not names:
        raise FormatError(f"{path.name}: no .npz file; expected motions")
    single = named_file(path) if path.is_file() else None
    robot = _robot(root, names[0], single)
    dataset = MotionDataset(path.absolute().name, root, tuple(names), options, single, robot)
    if options.units:
        first = dataset.read(dataset.episodes()[0]).position
        check_units(options, {"position": first.names if first else ()})
    return dataset


@dataclass(frozen=True, slots=True)
class MotionDataset:
    """NPZ files of one folder."""

    name: str
    root: Path
    files: tuple[str, ...]
    options: ReadOptions
    single: Path | None  # the file the user named, which may be a link out of its folder
    robot_type: str
    format: str = "humanoid motion NPZ (BeyondMimic, g1-moves, holosoma)"
    notes: Sequence[Note] = ()

    def episodes(self) -> Sequence[str]:
        """File names without suffix."""
        return [Path(file).stem for file in self.files]

    def read(self, episode: str) -> Trajectory:
        """One file."""
        if episode not in self.episodes():
            raise FormatError(f"{self.name}: no episode {episode!r}; it has {', '.join(self.episodes()[:5])}, …")
        name = f"{episode}.npz"
        file = _open(self.single or inside(self.root, name), name)
        position, base, objects = file.joints(self.options), file.base(), file.objects()
        poses = [array for pose in (base, *objects.values()) for array in (pose.position, pose.quaternion)]
        return Trajectory(
            episode=episode,
            time=np.arange(len(file.joint_pos)) / file.rate(),
            time_base=TimeBase.NOMINAL,
            position=position,
            base=base,
            objects=objects,
            robot_type=self.robot_type,
            fingerprint=fingerprint(position.values, *poses),
        )


@dataclass(frozen=True, slots=True)
class _Motion:
    """One opened file."""

    arrays: Npz
    place: str
    joint_pos: np.ndarray  # (T, n) or (T, 7 + n)
    names: tuple[str, ...]  # empty where the file has none
    root: int  # columns of joint_pos before the joints: 7 or 0

    def joints(self, options: ReadOptions) -> Channel:
        """Joint angles; unnamed where the file does not say which is which."""
        angles = self.joint_pos[:, self.root :]
        names = self.names or tuple(f"joint_pos[{i}]" for i in range(self.root, self.joint_pos.shape[1]))
        units = ("rad",) * len(names)
        return make_channel(options, "position", names, angles, declared=units, named=bool(self.names))

    def base(self) -> Poses:
        """The root: from joint_pos where it is there, else the first link that is not the world."""
        if self.root:
            return Poses(self.joint_pos[:, :3], self.joint_pos[:, 3:ROOT])
        bodies = self.arrays.texts("body_names") if "body_names" in self.arrays.names() else []
        number = next((i for i, body in enumerate(bodies) if body != "world"), 0)
        position, quaternion = self._rows("body_pos_w"), self._rows("body_quat_w")
        at, turn = position[:, 3 * number : 3 * number + 3], quaternion[:, 4 * number : 4 * number + 4]
        if position.shape[1] * 4 != quaternion.shape[1] * 3 or at.shape[1] != 3 or turn.shape[1] != 4:
            raise FormatError(
                f"{self.place}: body_pos_w has {position.shape[1]} and body_quat_w {quaternion.shape[1]} numbers per "
                f"frame; expected 3 and 4 per link, and link {number} among them"
            )
        return Poses(at, turn)

    def objects(self) -> dict[str, Poses]:
        """The object that is handled, if there is one."""
        if not {"object_pos_w", "object_quat_w"} <= set(self.arrays.names()):
            return {}
        position, quaternion = self._rows("object_pos_w"), self._rows("object_quat_w")
        if (position.shape[1], quaternion.shape[1]) != (3, 4):
            raise FormatError(
                f"{self.place}: object_pos_w has {position.shape[1]} and object_quat_w {quaternion.shape[1]} numbers "
                f"per frame; expected 3 and 4: one object"
            )
        return {"object": Poses(position, quaternion)}

    def rate(self) -> float:
        """Frames per second."""
        values = self.arrays.scalars("fps")
        if values.size != 1 or not 1e-3 <= values[0] <= 1e6:
            raise FormatError(f"{self.place}: 'fps' holds {values[:3]}; expected one rate above 0 [Hz]")
        return float(values[0])

    def _rows(self, key: str) -> np.ndarray:
        values = self.arrays.vectors(key)
        if len(values) != len(self.joint_pos):
            raise FormatError(f"{self.place}: {key!r} has {len(values)} frames, joint_pos has {len(self.joint_pos)}")
        return values


def _open(path: Path, place: str) -> _Motion:
    arrays = Npz(path)
    names = tuple(arrays.texts("joint_names")) if "joint_names" in arrays.names() else ()
    joint_pos = arrays.vectors("joint_pos")
    width = joint_pos.shape[1]
    root = ROOT if width == (ROOT + len(names) if names else G1_WIDTH) else 0
    if len(set(names)) != len(names):
        raise FormatError(f"{place}: 'joint_names' has a name twice; expected one per joint")
    if not 0 < width - root <= MAX_JOINTS or (names and width - root != len(names)):
        expected = f"{len(names)} joints, with or without {ROOT} for the root" if names else f"1 to {MAX_JOINTS} joints"
        raise FormatError(f"{place}: 'joint_pos' has {width} numbers per frame; expected {expected}")
    return _Motion(arrays, place, joint_pos, names, root)


def _is_motion(arrays: Npz) -> bool:
    names = set(arrays.names())
    return {"fps", "joint_pos"} <= names and (names >= _BODIES or "joint_names" in names)


def _robot(root: Path, name: str, single: Path | None) -> str:
    """The G1, unless the first file names joints that it does not have."""
    try:
        arrays = Npz(single or inside(root, name))
        named = set(arrays.texts("joint_names")) if "joint_names" in arrays.names() else set()
    except InputError:
        return "g1"  # what is wrong with the file is said when its episode is read
    return "g1" if named <= set(JOINTS) else ""


def _names(folder: Path) -> list[str]:
    return sorted((p.name for p in folder.iterdir() if p.suffix == ".npz" and p.is_file()), key=natural_key)


def write_example(folder: Path) -> Path:
    """Two seconds of a G1 that sways about its standing pose: as BeyondMimic writes it, and as holosoma with a box."""
    time = np.arange(100) / 50.0
    half = 0.5 * 0.1 * np.sin(2.0 * time)  # yaw ±0.1 rad
    position = np.tile([0.0, 0.0, 0.793], (len(time), 1))
    quaternion = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    angles = np.zeros((len(time), len(JOINTS)))
    angles[:, JOINTS.index("left_elbow_joint")] = 0.5 + 0.2 * np.sin(3.0 * time)
    np.savez(
        folder / "sway.npz",
        fps=[50],
        joint_pos=angles,
        joint_vel=np.gradient(angles, 0.02, axis=0),
        body_pos_w=position[:, None],
        body_quat_w=quaternion[:, None],
    )
    np.savez(
        folder / "sway_with_box.npz",
        fps=[50],
        joint_pos=np.hstack([position, quaternion, angles]),
        joint_names=JOINTS,
        object_pos_w=0.5 * position,
        object_quat_w=quaternion,
    )
    return folder
