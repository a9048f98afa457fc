"""LeRobot datasets v2.0, v2.1 and v3.0, with the GR00T flavour (meta/modality.json).

`observation.state` becomes position, velocity and effort by the names of its columns (`_lerobot_names`);
`observation.velocity` and `observation.effort`, where a dataset has them, take precedence. LeRobot declares
no units: they are unknown unless the user, or an addition to the feature, says them. Videos are not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from simcheck.errors import FormatError, InputError, UsageError
from simcheck.formats import ReadOptions
from simcheck.formats._files import check_units, fingerprint, make_channel, read_text
from simcheck.formats._lerobot_audit import audit
from simcheck.formats._lerobot_meta import INFO, V1_ADVICE, Meta, read_meta
from simcheck.formats._lerobot_names import Feature, Role, roles
from simcheck.formats._lerobot_parquet import ParquetReader
from simcheck.formats._lerobot_poses import BASE, ee_name, is_pose, make_poses, object_name, order
from simcheck.formats._lerobot_rows import BOOKKEEPING, KEY, EpisodeRows, episode_time, read_rows
from simcheck.formats._lerobot_write import write_example
from simcheck.trajectory import ActionKind, Channel, Note, Poses, Trajectory

NAME = "lerobot"

__all__ = ["NAME", "LeRobotDataset", "open_dataset", "sniff", "write_example"]

_STATE, _ACTION = "observation.state", "action"
_OWN_FEATURE = {Role.VELOCITY: "observation.velocity", Role.EFFORT: "observation.effort"}
_CHANNELS = (_STATE, _ACTION, *_OWN_FEATURE.values())


def sniff(path: Path) -> bool:
    """A folder with a meta/info.json that names a codebase_version, or laid out as one; or the files of v1."""
    try:
        return _is_v1(path) or _is_laid_out(path) or '"codebase_version"' in read_text(path, INFO)
    except (InputError, OSError, ValueError):
        return False


def _is_laid_out(path: Path) -> bool:
    """Whether the folders are those of LeRobot; what is wrong with meta/info.json is said when it is opened."""
    return (path / "meta").is_dir() and any(p.is_dir() for p in (path / "data").glob("chunk-*"))


def _is_v1(path: Path) -> bool:
    files = ("train/*.arrow", "data/*.parquet", "meta_data/*.safetensors", "meta_data/info.json")
    return (path / "meta_data").is_dir() and any(next(path.glob(pattern), None) for pattern in files)


def open_dataset(path: Path, options: ReadOptions) -> LeRobotDataset:
    """Read meta/ of a dataset.

    Raises:
        FormatError: the metadata cannot be read, or is of a version that simcheck does not know.
        RefusedError: the metadata leads out of the dataset.
        UsageError: a unit is given for a column that the dataset does not have.
    """
    if _is_v1(path):
        raise FormatError(f"{path.name}: {V1_ADVICE}")
    return LeRobotDataset(path, options)


class LeRobotDataset:
    """An opened dataset. Reading the episodes in order decodes each row group once."""

    def __init__(self, root: Path, options: ReadOptions) -> None:
        self._meta = read_meta(root)
        self._options = options
        self._channels = {k: self._meta.features[k] for k in _CHANNELS if k in self._meta.features}
        state = self._channels.get(_STATE)
        self._roles = roles(state.names) if state else ()
        self._poses = {k: f for k, f in self._meta.features.items() if is_pose(k) and order(f) is not None}
        columns = {f.key: f.names for f in (*self._channels.values(), *self._poses.values())}
        check_units(options, columns, {_STATE: [r.value for r in self._roles]} if state else None)
        widths = dict.fromkeys(BOOKKEEPING, 1) | {k: f.width for k, f in self._features()}
        self._reader = ParquetReader(root, widths, KEY, keyed=self._meta.version[0] == 3)
        self._notes: tuple[Note, ...] | None = None
        self.name = root.resolve().name
        self.format = f"LeRobot v{self._meta.version[0]}.{self._meta.version[1]}"
        self.robot_type = self._meta.robot_type

    @property
    def notes(self) -> tuple[Note, ...]:
        """Where metadata, footers and folders contradict each other; looks into every data file."""
        if self._notes is None:  # a worker that reads a few of 10⁵ episodes never asks
            self._notes = audit(self._meta, self._reader)
        return self._notes

    def episodes(self) -> Sequence[str]:
        """Names in order of their number: episode_000000, episode_000001."""
        return tuple(self._meta.episodes)

    def read(self, episode: str) -> Trajectory:
        """One episode; raises FormatError or RefusedError for this episode only."""
        entry = self._meta.episodes.get(episode)
        if entry is None:
            names = self.episodes()
            raise UsageError(f"{self.name}: no episode {episode!r}; they are {names[0]} to {names[-1]}")
        rows = read_rows(self._meta, self._reader, entry)
        vectors = {k: _vector(rows, f, entry.file) for k, f in self._features() if k in rows.columns}
        time, base, notes = episode_time(rows, self._meta.fps, entry.file)
        task, more = _task(self._meta, rows, entry.tasks)
        position, velocity, effort = self._state(vectors)
        action = self._whole(_ACTION, vectors)
        poses = {k: make_poses(f, vectors[k], self._options) for k, f in self._poses.items() if k in vectors}
        return Trajectory(
            episode=episode,
            time=time,
            time_base=base,
            position=position,
            velocity=velocity,
            effort=effort,
            action=action,
            action_kind=_action_kind(position, action),
            base=poses.get(BASE),
            ee=_by_name(poses, ee_name),
            ee_frame_known={self._poses[k].frame for k in poses if ee_name(k)} == {"base"},
            objects=_by_name(poses, object_name),
            robot_type=self.robot_type,
            task=task,
            success=_success(rows),
            notes=(*rows.notes, *notes, *more),
            fingerprint=fingerprint(*(vectors.get(k) for k in _CHANNELS)),
        )

    def _features(self) -> list[tuple[str, Feature]]:
        return [*self._channels.items(), *self._poses.items()]

    def _state(self, vectors: Mapping[str, np.ndarray]) -> tuple[Channel | None, Channel | None, Channel | None]:
        velocity, effort = (
            self._whole(_OWN_FEATURE[role], vectors) or self._part(role, vectors)
            for role in (Role.VELOCITY, Role.EFFORT)
        )
        return self._part(Role.POSITION, vectors), velocity, effort

    def _part(self, role: Role, vectors: Mapping[str, np.ndarray]) -> Channel | None:
        """The columns of observation.state that are of one role."""
        if _STATE not in vectors:
            return None
        feature = self._channels[_STATE]
        columns = [i for i, r in enumerate(self._roles) if r is role]
        return self._channel(feature, columns, vectors[_STATE][:, columns]) if columns else None

    def _whole(self, key: str, vectors: Mapping[str, np.ndarray]) -> Channel | None:
        if key not in vectors:
            return None
        feature = self._channels[key]
        return self._channel(feature, range(feature.width), vectors[key])

    def _channel(self, feature: Feature, columns: Sequence[int], values: np.ndarray) -> Channel:
        return make_channel(
            self._options,
            feature.key,
            [feature.names[i] for i in columns],
            values,
            declared=[feature.units[i] for i in columns],
            named=feature.named,
        )


def _vector(rows: EpisodeRows, feature: Feature, place: str) -> np.ndarray:
    """The numbers of a feature as (T, width), as wide as its names say."""
    values = rows.columns[feature.key]
    values = values.reshape(rows.count, -1)
    if values.shape[1] != feature.width:
        found = f"{place} {feature.key}: frames hold {values.shape[1]} numbers"
        raise FormatError(f"{found}; {INFO} declares shape [{feature.width}]")
    return values


def _by_name(poses: Mapping[str, Poses], name_of: Callable[[str], str]) -> dict[str, Poses]:
    return {name_of(key): value for key, value in poses.items() if name_of(key)}


def _action_kind(position: Channel | None, action: Channel | None) -> ActionKind:
    """Absolute joint targets where the action is named exactly as the joint positions are; else unknown."""
    if position is None or action is None or not action.named:
        return ActionKind.UNKNOWN
    return ActionKind.ABS_JOINT if action.names == position.names else ActionKind.UNKNOWN


def _task(meta: Meta, rows: EpisodeRows, listed: Sequence[str]) -> tuple[str, list[Note]]:
    """The instruction: by the task_index of the first frame, else the first that the episodes table lists."""
    usual = listed[0] if listed else ""
    column = rows.columns.get("task_index")
    if column is None or column.ndim != 1 or not meta.tasks:
        return usual, []
    if column[0] in meta.tasks:
        return meta.tasks[int(column[0])], []
    return usual, [Note("D114", "meta/tasks", f"task_index {column[0]:g} is used by the rows and has no text")]


def _success(rows: EpisodeRows) -> bool | None:
    column = rows.columns.get("next.success")
    return None if column is None else bool(column.reshape(rows.count, -1)[-1, 0])
