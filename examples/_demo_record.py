"""What a recorder at 30 Hz writes of the truth: sensor noise, quantisation, the features of the dataset."""

from __future__ import annotations

import mujoco
import numpy as np
from _demo_scene import JOINTS, Kinematics
from _demo_simulate import STEPS, Truth

from simcheck.formats._lerobot_write import FeatureSpec

Sensor = tuple[tuple[float, float], tuple[float, float]]  # (arm, fingers): one standard deviation; quantum
POSITION: Sensor = ((1e-4, 2e-5), (2 * np.pi / 2**17, 1e-5))  # [rad, m] 17-bit encoder
VELOCITY: Sensor = ((2e-3, 2e-4), (1e-3, 1e-4))  # [rad/s, m/s]
EFFORT: Sensor = ((0.1, 0.3), (0.01, 0.01))  # [N m, N]
HAND = (1e-4, 2e-4)  # [m, rad] the controller's own estimate of the hand's pose
TRACKER = (1e-4, 5e-4)  # [m, rad] motion capture of the cube
METRE = 1e-5  # [m] quantum of recorded coordinates

POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")
_RADIANS = ("rad",) * 7
_METRES = ("m", "m", "m", *("unknown",) * 4)  # a quaternion has no unit
FEATURES = {
    "observation.state": FeatureSpec(JOINTS, (*_RADIANS, "m", "m")),
    "observation.velocity": FeatureSpec(JOINTS, (*("rad/s",) * 7, "m/s", "m/s")),
    "observation.effort": FeatureSpec(JOINTS, (*("N m",) * 7, "N", "N")),
    "action": FeatureSpec(JOINTS, (*_RADIANS, "m", "m")),
    "observation.ee_pose": FeatureSpec(POSE, _METRES, extra={"frame": "base"}),
    "observation.objects.cube": FeatureSpec(POSE, _METRES, extra={"frame": "world"}),
    "next.success": FeatureSpec(("success",), dtype="bool"),
}
OBSERVED = tuple(k for k in FEATURES if k.startswith("observation."))

Columns = dict[str, np.ndarray]


def record(truth: Truth, kinematics: Kinematics, rng: np.random.Generator) -> Columns:
    """The columns of one episode, (T, n) by feature."""
    rows = slice(0, len(truth), STEPS)
    qpos = truth.qpos[rows]
    success = np.zeros(len(qpos), bool)
    success[-1] = truth.success
    return {
        "observation.state": sensed(qpos, POSITION, rng),
        "observation.velocity": sensed(truth.qvel[rows], VELOCITY, rng),
        "observation.effort": sensed(truth.effort[rows], EFFORT, rng),
        "action": sensed(truth.target[rows], POSITION, rng),  # read from a leader arm with the same encoders
        "observation.ee_pose": tracked(kinematics.poses(qpos), HAND, rng),
        "observation.objects.cube": tracked(truth.cube[rows], TRACKER, rng),
        "next.success": success,
    }


def sensed(values: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """Joint readings (T, 9) with white noise, rounded to the quantum."""
    sigma, quantum = (np.array([arm] * 7 + [finger] * 2) for arm, finger in sensor)
    noisy = values + sigma * rng.standard_normal(values.shape)
    return np.round(noisy / quantum) * quantum


def tracked(poses: np.ndarray, noise: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Poses (T, 7) with white noise in position [m] and orientation [rad]."""
    out = poses.copy()
    out[:, :3] += noise[0] * rng.standard_normal((len(out), 3))
    out[:, :3] = np.round(out[:, :3] / METRE) * METRE
    for quaternion, turn in zip(out[:, 3:], noise[1] * rng.standard_normal((len(out), 3)), strict=True):
        mujoco.mju_quatIntegrate(quaternion, turn, 1.0)
    out[:, 3:] /= np.linalg.norm(out[:, 3:], axis=1, keepdims=True)
    return out
