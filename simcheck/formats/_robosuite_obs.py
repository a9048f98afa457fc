"""Observation keys of the robosuite family, for demos that carry no simulator state.

robosuite and robomimic call them `robot0_joint_pos`, LIBERO `joint_states`. Their quaternions are xyzw,
unlike the wxyz of the simulator state; end-effector and object poses are in the world.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import h5py
import numpy as np

from simcheck.errors import FormatError
from simcheck.formats import ReadOptions, _hdf5
from simcheck.formats._files import make_channel
from simcheck.trajectory import UNKNOWN, Channel, Note, Poses

# Columns of a joint channel, in this order, and their unit. A gripper's depends on the gripper (Panda's
# fingers slide [m], others turn [rad]), and the file does not say which it is.
_POSITION = (("joint_pos", "rad"), ("gripper_qpos", UNKNOWN))
_VELOCITY = (("joint_vel", "rad/s"), ("gripper_qvel", UNKNOWN))
_LIBERO_POSITION = (("joint_states", "rad"), ("gripper_states", UNKNOWN))


@dataclass(frozen=True, slots=True)
class Observed:
    """What the observations of one demo hold; `frames` is their common length."""

    frames: int
    position: Channel | None
    velocity: Channel | None
    ee: dict[str, Poses]
    objects: dict[str, Poses]


def read_observations(
    found: Mapping[str, h5py.Dataset], place: str, options: ReadOptions
) -> tuple[Observed, list[Note]]:
    """Joint channels and poses under `obs/`.

    Raises:
        FormatError: no joint positions under any known name.
    """
    obs = {key[4:]: dataset for key, dataset in found.items() if key.startswith("obs/") and dataset.ndim == 2}
    robots = sorted({m[1] for key in obs if (m := re.fullmatch(r"(robot\d+)_joint_pos", key))})
    position = [(f"{r}_{key}", unit) for r in robots for key, unit in _POSITION] or list(_LIBERO_POSITION)
    velocity = [(f"{r}_{key}", unit) for r in robots for key, unit in _VELOCITY]
    if position[0][0] not in obs:
        raise FormatError(
            f"{place}: neither 'states' nor joint positions; found {_listed(list(found))}; expected "
            f"'states' (T, 1 + nq + nv), 'obs/robot0_joint_pos' or 'obs/joint_states'"
        )
    frames = len(obs[position[0][0]])
    same = {key: dataset for key, dataset in obs.items() if len(dataset) == frames}
    notes = [
        Note("D114", f"obs/{key}", f"has {len(obs[key])} rows, joint positions have {frames}; not used")
        for key in sorted(set(obs) - set(same))
    ]
    observed = Observed(
        frames,
        _channel(options, "position", position, same),
        _channel(options, "velocity", velocity, same),
        _ee(same, robots),
        _objects(same),
    )
    return observed, notes


def _channel(
    options: ReadOptions, key: str, parts: list[tuple[str, str]], obs: Mapping[str, h5py.Dataset]
) -> Channel | None:
    present = [(name, unit, _hdf5.read(obs[name], 2)) for name, unit in parts if name in obs]
    if not present:
        return None
    names = [f"{name}[{i}]" for name, _, values in present for i in range(values.shape[1])]
    units = [unit for _, unit, values in present for _ in range(values.shape[1])]
    values = np.concatenate([values for _, _, values in present], axis=1)
    return make_channel(options, key, names, values, declared=units, named=False)


def _ee(obs: Mapping[str, h5py.Dataset], robots: list[str]) -> dict[str, Poses]:
    out = {f"{robot}_eef": pose for robot in robots if (pose := _pose(obs, f"{robot}_eef")) is not None}
    if "ee_states" in obs and obs["ee_states"].shape[1] == 6:
        states = _hdf5.read(obs["ee_states"], 2)
        out["ee"] = Poses(states[:, :3], _quaternion_of_rotation_vector(states[:, 3:]))
    return out


def _objects(obs: Mapping[str, h5py.Dataset]) -> dict[str, Poses]:
    """Poses under `<object>_pos` and `<object>_quat`; relative ones (`a_to_b_pos`) and robots' are none."""
    names = [key[:-4] for key in sorted(obs) if key.endswith("_pos") and f"{key[:-4]}_quat" in obs]
    world = [name for name in names if not name.startswith("robot") and "_to_" not in name]
    return {name: pose for name in world if (pose := _pose(obs, name)) is not None}


def _pose(obs: Mapping[str, h5py.Dataset], name: str) -> Poses | None:
    position, quaternion = obs.get(f"{name}_pos"), obs.get(f"{name}_quat")
    if position is None or position.shape[1] != 3:
        return None
    if quaternion is None or quaternion.shape[1] != 4:
        return Poses(_hdf5.read(position, 2), None)
    return Poses(_hdf5.read(position, 2), _hdf5.read(quaternion, 2)[:, [3, 0, 1, 2]])


def _quaternion_of_rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Wxyz of axis × angle: (cos θ/2, axis sin θ/2)."""
    half = 0.5 * np.linalg.norm(rotation, axis=1, keepdims=True)
    # sinc(x/π) = sin x / x, finite at 0
    return np.hstack([np.cos(half), 0.5 * np.sinc(half / np.pi) * rotation])


def _listed(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:8])
    return (shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "nothing"
