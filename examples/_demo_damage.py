"""Faults that damage the recorded numbers of a good episode."""

from __future__ import annotations

from functools import partial

import numpy as np
from _demo_faults import (
    CUBE,
    HAND,
    LOAD,
    RATE,
    STATE,
    TOLD,
    Fault,
    Made,
    Studio,
    dropped_frames,
    frozen,
    open_hand,
    out_of_range,
    payload,
    self_collision,
    stale_frames,
    teleport,
    too_fast,
    too_violent,
)  # fmt: skip
from _demo_simulate import FPS, minimum_jerk


def degrees(studio: Studio) -> Made:
    """The arm's positions, velocities and targets are in degrees, though declared in radians."""
    plan, truth = studio.act()
    columns = studio.record(truth)
    for key in (STATE, RATE, TOLD):
        columns[key][:, :7] = np.degrees(columns[key][:, :7])
    return Made(columns, plan, _whole(columns), 180 / np.pi, "× value", "arm")


def wrong_sign(studio: Studio, *, joint: int) -> Made:
    """A joint counts the other way round, in position, velocity and target."""
    plan, truth = studio.act()
    columns = studio.record(truth)
    for key in (STATE, RATE, TOLD):
        columns[key][:, joint] *= -1
    return Made(columns, plan, _whole(columns), -1.0, "× value", f"joint{joint + 1}")


def swapped_joints(studio: Studio) -> Made:
    """The columns of joint1 and joint7 are exchanged in everything that was recorded by joint."""
    plan, truth = studio.act()
    columns = studio.record(truth)
    for key in (STATE, RATE, LOAD, TOLD):
        columns[key][:, [0, 6]] = columns[key][:, [6, 0]]
    return Made(columns, plan, _whole(columns), 2, "columns", "joint1, joint7")


def drifting_pose(studio: Studio) -> Made:
    """The recorded pose of the hand drifts by 5 cm over the episode."""
    plan, truth = studio.act()
    columns, size = studio.record(truth), 0.05
    share = np.linspace(0, 1, len(columns[HAND]))[:, None]
    columns[HAND][:, :3] += size * share * studio.direction()
    return Made(columns, plan, _whole(columns), size, "m", HAND)


def not_a_number(studio: Studio) -> Made:
    """Six frames of joint data are not numbers."""
    plan, truth = studio.act()
    columns, length = studio.record(truth), 6
    first = studio.within((20, len(columns[STATE]) - 20), length)
    for key in (STATE, RATE, LOAD):
        columns[key][first : first + length] = np.nan
    return Made(columns, plan, (first, first + length - 1), length, "frames", "joints")


def not_unit(studio: Studio, *, feature: str, factor: float) -> Made:
    """An orientation is not of unit length in one stretch."""
    plan, truth = studio.act()
    columns, length = studio.record(truth), 40
    first = studio.within((10, len(columns[feature]) - 10), length)
    columns[feature][first : first + length, 3:] *= factor
    return Made(columns, plan, (first, first + length - 1), abs(factor - 1), "1", feature)


def target_out_of_range(studio: Studio) -> Made:
    """For a second, a joint is told to go 0.2 rad beyond its range; it does not."""
    plan, truth = studio.act()
    columns, size, seconds = studio.record(truth), 0.2, 1.0
    joint = int(studio.rng.choice([1, 3, 5]))
    low, high = studio.kinematics.range[joint]
    first = studio.within((10, len(columns[TOLD]) - 10), round(seconds * FPS))
    told = columns[TOLD][:, joint]
    here = told[first + round(seconds * FPS / 2)]
    end = low - size if here - low < high - here else high + size
    time = (np.arange(len(told)) - first) / FPS
    told += (end - here) * minimum_jerk(time / (seconds / 2)) * minimum_jerk((seconds - time) / (seconds / 2))
    beyond = np.flatnonzero((told < low) | (told > high))
    return Made(columns, plan, (int(beyond[0]), int(beyond[-1])), size, "rad", f"joint{joint + 1}")


def ghost_grasp(studio: Studio) -> Made:
    """The fingers stay open, and the cube is carried all the same."""
    plan, truth = studio.act()
    columns = studio.record(truth)
    open_hand(columns, np.s_[7:9], studio)
    return Made(columns, plan, (truth.frames("lift")[0], truth.frames("lower")[1]), 0.015, "m", "cube")


def cube_teleport(studio: Studio) -> Made:
    """Before the hand arrives, the cube is 8 cm elsewhere in the next frame."""
    plan, truth = studio.act()
    columns, size = studio.record(truth), 0.08
    frame = studio.within(truth.frames("approach"), 10) + 5
    columns[CUBE][:frame, :3] += size * studio.direction(level=True)
    return Made(columns, plan, (frame - 1, frame), size, "m", "cube")


def one_finger(studio: Studio) -> Made:
    """One finger stays open: the other carries the cube alone."""
    plan, truth = studio.act()
    columns, finger = studio.record(truth), 7 + int(studio.rng.integers(2))
    open_hand(columns, np.s_[finger : finger + 1], studio)
    return Made(columns, plan, (truth.frames("lift")[0], truth.frames("lower")[1]), 0.015, "m", "cube")


def _whole(columns: dict[str, np.ndarray]) -> tuple[int, int]:
    return 0, len(columns[STATE]) - 1


FAULTS = (
    Fault("velocity excess", too_fast, ("K102",), "K"),
    Fault("acceleration and torque excess", too_violent, ("K103", "F101"), "F"),
    Fault("joint beyond its range", out_of_range, ("K101",), "K"),
    Fault("teleport", partial(teleport, early=True), ("K105",), "K"),
    Fault("teleport", partial(teleport, early=False), ("K105",), "K"),
    Fault("dropped frames", dropped_frames, ("K105",), "K"),
    Fault("frozen recording", frozen, ("D107",), "D"),
    Fault("stale frames", stale_frames, ("D106",), "D"),
    Fault("degrees instead of radians", degrees, ("D109",), "D"),
    Fault("joint sign", partial(wrong_sign, joint=0), ("K109",), "K"),
    Fault("joint sign", partial(wrong_sign, joint=1), ("K109",), "K"),
    Fault("swapped joints", swapped_joints, ("K109",), "K"),
    Fault("hand pose drift", drifting_pose, ("K109",), "K"),
    Fault("not a number", not_a_number, ("D102",), "D"),
    Fault("hand quaternion norm", partial(not_unit, feature=HAND, factor=0.97), ("D111",), "D"),
    Fault("object quaternion norm", partial(not_unit, feature=CUBE, factor=1.02), ("D111",), "D"),
    Fault("self-collision", self_collision, ("C101",), "C"),
    Fault("target out of range", target_out_of_range, ("K111",), "K"),
    Fault("unmodelled payload", payload, ("X903",), "X"),
    Fault("ghost grasp", ghost_grasp, (), "M"),
    Fault("object teleport", cube_teleport, ("M104",), "M"),
    Fault("one finger never touches", one_finger, (), "G"),
)
