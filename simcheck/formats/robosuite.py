"""robosuite, robomimic, MimicGen and LIBERO demonstrations in HDF5.

    data/                     attributes env_args or env_info (JSON), repository_version
    data/demo_3/              attribute model_file: MJCF text, or the name of a file under models/
    data/demo_3/states        (T, 1 + nq + nv): simulator time [s], qpos, qvel
    data/demo_3/actions       (T, n): operational-space commands in [−1, 1], gripper last
    data/demo_3/joint_torques (T, 7): the torques [N m] that the controller of robosuite 1.0 logged; they are
                              what it asked for, no sensor read them
    data/demo_3/obs/…         observations

States are the simulator's own, so nothing is taken from `obs` where there are states: LIBERO's observations
are one step later and come from a second simulation. Success is left open: rewards and dones are written as 1
at the last step by converters that did not look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from simcheck.errors import FormatError, InputError
from simcheck.formats import ReadOptions, _hdf5
from simcheck.formats._files import (
    check_units,
    fingerprint,
    inside,
    make_channel,
    named_file,
    natural_key,
)
from simcheck.formats._robosuite_meta import (
    file_says,
    hdf5_files,
    lookup,
    prefixes,
    robot_name,
    survey,
    task_text,
)
from simcheck.formats._robosuite_model import asset_root, model_text, read_states
from simcheck.formats._robosuite_obs import read_observations
from simcheck.trajectory import UNKNOWN, ActionKind, Channel, Note, SimState, TimeBase, Trajectory

NAME = "robosuite"
_DEMO_KEYS = ("states", "actions", "obs", "joint_velocities")
_DEFAULT_RATE = 20.0  # Hz, robosuite's own control_freq
# The arrays that were sent to the robot: `actions`, or before robosuite 1.0 these two side by side.
_ACTION_KEYS = (("actions",), ("joint_velocities", "gripper_actuations"))


def sniff(path: Path) -> bool:
    """Whether `path` is such a file, or a folder whose first HDF5 file is one; never raises."""
    try:
        file = path if path.is_file() else next((path / name for name in hdf5_files(path)), None)
        if file is None or not _hdf5.is_hdf5(file):
            return False
        with _hdf5.open_file(file) as opened:
            data = _hdf5.group_at(opened, "data")
            first = next(iter(_hdf5.names(data)), None) if data is not None else None
            demo = _hdf5.group_at(data, first) if data is not None and first is not None else None
            return demo is not None and not set(_DEMO_KEYS).isdisjoint(_hdf5.names(demo))
    except (InputError, OSError):
        return False


def open_dataset(path: Path, options: ReadOptions) -> RobosuiteDataset:
    """One HDF5 file, or a folder that holds several at any depth."""
    single = path.is_file()
    root = path.parent if single else path
    files = [path.name] if single else list(hdf5_files(path))
    demos: dict[str, Demo] = {}
    notes: list[Note] = []
    robots: set[str] = set()
    for relative, prefix in zip(files, prefixes(files), strict=True):
        file = named_file(path) if single else root / relative
        try:
            names, robot = survey(file if single else inside(root, relative))
        except InputError as error:
            if single:
                raise
            notes.append(Note("D101", relative, str(error)))
            continue
        robots.add(robot)
        demos |= {f"{prefix}{name}": Demo(file, relative, name) for name in names}
    if not demos:
        found = "; ".join(note.message for note in notes) or "no group below 'data'"
        raise FormatError(f"{path.name}: no demo to read ({found}); expected groups data/demo_0, data/demo_1, …")
    dataset = RobosuiteDataset(
        name=path.absolute().name,
        robot_type=robots.pop() if len(robots) == 1 else "",
        notes=tuple(notes),
        root=root,
        demos=demos,
        options=options,
    )
    if options.units:
        _check_units(dataset.read(next(iter(demos))), options)
    return dataset


@dataclass(frozen=True, slots=True)
class Demo:
    """Where one episode is: the file, its path relative to the dataset, the group below `data`."""

    file: Path
    relative: str
    group: str


@dataclass(frozen=True, slots=True)
class RobosuiteDataset:
    """The demos of one or several files, in natural order."""

    name: str
    robot_type: str  # empty where the files of a folder name different robots
    notes: Sequence[Note]
    root: Path
    demos: Mapping[str, Demo]
    options: ReadOptions
    format: str = "robosuite HDF5"

    def episodes(self) -> Sequence[str]:
        """Names such as "demo_3", or "<folder>/demo_3" where the dataset has several files."""
        return sorted(self.demos, key=natural_key)

    def read(self, episode: str) -> Trajectory:
        """One demo."""
        if episode not in self.demos:
            raise FormatError(f"{self.name}: no episode {episode!r}; it has {', '.join(self.episodes()[:5])}, …")
        demo = self.demos[episode]
        with _hdf5.open_file(demo.file) as opened:
            data = _hdf5.group_at(opened, "data")
            group = _hdf5.group_at(data, demo.group) if data is not None else None
            if data is None or group is None:
                raise FormatError(f"{demo.relative}: no group data/{demo.group}; the file changed since it was opened")
            found = _hdf5.datasets(group)
            place = f"{demo.relative}:data/{demo.group}"
            return _Reader(self, demo, data, group, found, place).trajectory(episode)


@dataclass(frozen=True, slots=True)
class _Reader:
    """One demo of an opened file."""

    dataset: RobosuiteDataset
    demo: Demo
    data: h5py.Group
    group: h5py.Group
    found: Mapping[str, h5py.Dataset]
    place: str

    def trajectory(self, episode: str) -> Trajectory:
        said, notes = file_says(self.data)
        xml, repaired = model_text(self.group, self.demo.file.parent)
        states = read_states(self.found, self.place) if xml else None
        notes += repaired
        if states is None:
            return self._from_observations(episode, said, notes)
        notes += self._other_lengths(len(states))
        action = self._action(len(states))
        return Trajectory(
            episode=episode,
            time=states[:, 0],
            time_base=TimeBase.MEASURED,  # the simulator's clock was logged with every row
            effort=self._channel("effort", ("joint_torques",), len(states), "N m"),
            action=action,
            action_kind=ActionKind.OTHER,
            sim=SimState(states[:, 1:], xml, self._assets()),
            robot_type=robot_name(said),
            task=task_text(self.group, said),
            notes=tuple(notes),
            fingerprint=fingerprint(states, action.values if action else None),
        )

    def _from_observations(self, episode: str, said: dict[str, Any], notes: list[Note]) -> Trajectory:
        if "states" in self.found:
            notes.append(Note("D114", f"{self.place}/states", "has no model_file to say what it means; not used"))
        observed, more = read_observations(self.found, self.place, self.dataset.options)
        rate = lookup(said, "env_args", "env_kwargs", "control_freq")
        if not isinstance(rate, int | float) or rate <= 0:
            notes.append(Note("D114", "env_args", f"control_freq is {rate!r}; {_DEFAULT_RATE:g} Hz assumed"))
            rate = _DEFAULT_RATE
        action = self._action(observed.frames)
        values = observed.position.values if observed.position is not None else None
        return Trajectory(
            episode=episode,
            time=np.arange(observed.frames) / rate,
            time_base=TimeBase.NOMINAL,
            position=observed.position,
            velocity=observed.velocity,
            effort=self._channel("effort", ("joint_torques",), observed.frames, "N m"),
            action=action,
            action_kind=ActionKind.OTHER,
            ee=observed.ee,  # in the world, not the base: ee_frame_known stays False
            objects=observed.objects,
            robot_type=robot_name(said),
            task=task_text(self.group, said),
            notes=(*notes, *more, *self._other_lengths(observed.frames)),
            fingerprint=fingerprint(values, action.values if action else None),
        )

    def _action(self, frames: int) -> Channel | None:
        parts = [keys for keys in _ACTION_KEYS if keys[0] in self.found]
        return self._channel("action", parts[0], frames, UNKNOWN) if parts else None

    def _channel(self, name: str, keys: Sequence[str], frames: int, unit: str) -> Channel | None:
        """Columns side by side; an array of another length is never zipped on by position."""
        arrays = {key: self.found[key] for key in keys if key in self.found}
        values = {k: _hdf5.read(d, 2) for k, d in arrays.items() if _hdf5.rows(d) == frames}
        names = [f"{key}[{i}]" for key, array in values.items() for i in range(array.shape[1])]
        if not names:
            return None
        joined = np.concatenate(list(values.values()), axis=1)
        return make_channel(self.dataset.options, name, names, joined, declared=[unit] * len(names), named=False)

    def _assets(self) -> str:
        version = _hdf5.text(self.data, "repository_version")
        return asset_root(self.dataset.options.assets, self.dataset.root, self.demo.relative, version)

    def _other_lengths(self, frames: int) -> list[Note]:
        """What a reader that zips by position would have got wrong."""
        notes = []
        for key in ("actions", "joint_torques", "rewards", "dones", "joint_velocities", "gripper_actuations"):
            if key in self.found and _hdf5.rows(self.found[key]) != frames:
                said = f"has {_hdf5.rows(self.found[key])} rows, states have {frames}; not used"
                notes.append(Note("D114", f"{self.place}/{key}", said))
        declared = _hdf5.number(self.group, "num_samples")
        if declared is not None and declared != frames:
            notes.append(Note("D114", self.place, f"num_samples says {declared:g}, there are {frames} frames"))
        return notes


def _check_units(trajectory: Trajectory, options: ReadOptions) -> None:
    channels = {k: getattr(trajectory, k) for k in ("position", "velocity", "effort", "action")}
    check_units(options, {k: channel.names for k, channel in channels.items() if channel is not None})


# -------------------------------------------------------------------------------------------- example

_EXAMPLE_MODEL = """<mujoco model="two hinges">
  <option timestep="0.002"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" range="-2 2" damping="0.1"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.03" mass="1"/>
      <body name="lower" pos="0 0 -0.3">
        <joint name="elbow" axis="0 1 0" range="-2 2" damping="0.1"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.03" mass="0.5"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="shoulder" forcerange="-20 20"/>
    <motor joint="elbow" forcerange="-10 10"/>
  </actuator>
</mujoco>"""


def write_example(folder: Path) -> Path:
    """Two demos of a two-joint arm at 20 Hz that follow sinusoids."""
    path = folder / "demo.hdf5"
    time = np.arange(60) / 20.0
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = '{"env_name": "Example", "env_kwargs": {"robots": "TwoHinges", "control_freq": 20}}'
        for number, rate in enumerate((1.0, 1.5)):  # rad/s
            amplitude = np.array([0.4, 0.3])
            qpos, qvel = (
                amplitude * np.sin(rate * time)[:, None],
                amplitude * rate * np.cos(rate * time)[:, None],
            )
            demo = data.create_group(f"demo_{number}")
            demo.attrs["model_file"] = _EXAMPLE_MODEL
            demo.attrs["num_samples"] = len(time)
            demo["states"] = np.column_stack([time, qpos, qvel])
            demo["actions"] = np.clip(qvel, -1.0, 1.0)
    return path
