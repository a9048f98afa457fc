"""Joint positions or poses look like another unit than the one they are taken for.

What:
    Joint positions of the bound robot, the raw columns of position and action, and recorded poses.

How:
    in more than 5 % of the frames:
    (a) hinge   |q| > max(2 · |limit|, 6.5 rad);   slide   |q| > 10 · |limit| [m]
        FLAGGED where the unit was declared; UNDECIDED where it was inferred.
    (b) ≥ 3 columns declared in degrees move, and all stay within ± 6.5°: radians? UNDECIDED.
    (c) columns not declared as −100…100 reach exactly 100 or −100 and never go beyond: −100…100 of a calibrated
        range? UNDECIDED.
    (d) a recorded end effector is further than 10 · reach from the base, and within it if read as millimetres:
        FLAGGED where the recording says it is in the base frame; UNDECIDED for other ones and objects.
    6.5 rad is one turn and 3 %: hinges that have a limit have it within one turn.

Silent when:
    (a) no position limit is known; (d) no reach is known. Grippers are left out of (b) and (c).

Fails to see:
    radians against degrees in a robot that stays near zero; continuous joints; units that are plausible and wrong
    (−100…100 taken for degrees unless it saturates).

References:
    formats 2.4 (units are declared nowhere in LeRobot; exactly ±100 is the signature of M100_100).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.columns import channel_of, exact, finite_part, grippers, normalised, several, span_of, tables, whole
from simcheck.flags import Evidence, Finding, Severity, Skipped, Status, weakest
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import Poses, Trajectory

CODE = "D109"
NAME = "implausible-unit"
SEVERITY = Severity.ERROR
NEEDS = ()
BLOCKS = ("C", "F", "K", "M", "G", "B", "D110", "X903")  # would only repeat this cause

_TURN = 6.5  # [rad] 2π and 3 %
_FACTOR = {"rad": 180 / np.pi, "m": 1000.0}  # a number in the smaller unit is this much larger
_OTHER = {"rad": "degrees or −100…100", "m": "millimetres"}
_MOVES = 0.2  # [deg] a column that moves less says nothing about its unit: ten times the noise of a servo encoder


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    hinge: float = 2.0  # [1] of the position limit; twice past a mechanical end is not calibration
    slide: float = 10.0  # [1] of the position limit: half-way (in ratio) to 1000 would be 30; grippers are rough
    reach: float = 10.0  # [1] of the robot's reach; millimetres exceed it unless the pose is within 1 % of it
    share: float = 0.05  # [1] of the frames: single ones are glitches, a unit is wrong throughout
    degrees: int = 3  # columns that have to move before (b) speaks


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Compare magnitudes with what the unit allows."""
    if q.joints is None or q.limits is None or q.position is None:
        yield Skipped("no robot is bound: joint positions are not compared with limits", partly=True)
    else:
        yield from _beyond_limits(q, tolerance)
    yield from _radians_as_degrees(q.trajectory, tolerance)
    yield from _hundreds(q.trajectory)
    reach = q.limits.reach if q.limits else np.nan
    if np.isfinite(reach):
        yield from _millimetres(q.trajectory, reach, tolerance)


def _beyond_limits(q: Quantities, tolerance: Tolerance) -> Iterator[Finding]:
    assert q.joints
    assert q.limits
    assert q.position is not None
    bound = np.abs(q.limits.position).max(axis=1)
    hinge = np.array([u == "rad" for u in q.joints.units], dtype=bool)
    limit = np.where(hinge, np.maximum(tolerance.hinge * bound, _TURN), tolerance.slide * bound)
    limit = np.where(q.joints.robot & q.joints.observed & np.isfinite(bound), limit, np.inf)
    size = np.abs(q.position)
    wrong = (size > limit).sum(axis=0) > tolerance.share * len(size)
    for unit in ("rad", "m"):
        joints = [int(j) for j in np.flatnonzero(wrong) if q.joints.units[j] == unit]
        if not joints:
            continue
        worst = max(joints, key=lambda j: float(np.nanmax(size[:, j]) / limit[j]))
        value = float(np.nanmax(size[:, worst]))
        evidence = weakest(*(q.joints.evidence[j] for j in joints))
        fits = all(float(np.nanmax(size[:, j])) <= _FACTOR[unit] * limit[j] for j in joints)
        names = several([q.joints.names[j] for j in joints])
        message = f"{names}: up to {value:.4g} {unit}, {value / bound[worst]:.3g} times the position limit"
        yield exact(
            (int(q.frame[0]), int(q.frame[-1])), q.joints.names[worst], value, float(limit[worst]), unit, message,
            status=Status.UNDECIDED if evidence is Evidence.INFERRED else Status.FLAGGED, evidence=evidence,
            remedy=f"plausible if the numbers are {_OTHER[unit]}" if fits else "",
        )  # fmt: skip


def _radians_as_degrees(trajectory: Trajectory, tolerance: Tolerance) -> Iterator[Finding]:
    channel = trajectory.position
    if channel is None:
        return
    judged = np.array([u == "deg" for u in channel.units], dtype=bool) & ~grippers(channel.names, channel.units)
    values = channel.values[:, judged]
    values = values[np.isfinite(values).all(axis=1)]
    if (span_of(values) > _MOVES).sum() >= tolerance.degrees and np.abs(values).max() <= _TURN:
        worst = float(np.abs(values).max())
        message = f"{values.shape[1]} columns declared in degrees stay within ± {worst:.3g}: radians?"
        yield _unsure(trajectory, "position", worst, _TURN, "deg", message, channel.evidence)


def _hundreds(trajectory: Trajectory) -> Iterator[Finding]:
    for table in tables(trajectory):
        channel = channel_of(trajectory, table.key) if table.key in ("position", "action") else None
        if channel is None:
            continue
        left_out = grippers(channel.names, channel.units) | normalised(channel.units)
        kept = {n for n, out in zip(channel.names, left_out, strict=True) if not out}
        _, table = finite_part(table)
        columns = np.flatnonzero([n in kept for n in table.names])
        size = np.abs(table.values[:, columns]).max(axis=0, initial=0)
        if size.max(initial=0) == 100:
            full = [table.names[c] for c in columns[size == 100]]
            message = f"{table.key} {several(full)} reaches exactly ±100, no column goes beyond: −100…100 of a range?"
            unit = channel.units[channel.names.index(full[0])]
            yield _unsure(trajectory, table.key, 100.0, 100.0, unit, message)


def _millimetres(trajectory: Trajectory, reach: float, tolerance: Tolerance) -> Iterator[Finding]:
    poses = {f"ee {k}": v for k, v in trajectory.ee.items()} | {f"object {k}": v for k, v in trajectory.objects.items()}
    limit = tolerance.reach * reach
    for name, pose in poses.items():
        distance = np.linalg.norm(pose.position[np.isfinite(pose.position).all(axis=1)], axis=1)
        if (distance > limit).sum() <= tolerance.share * len(distance) or distance.max() > 1000 * limit:
            continue
        far = float(distance.max())
        finding = _unsure(
            trajectory, name, far, limit, "m", f"{name} is up to {far:.4g} m away, reach is {reach:.3g} m"
        )
        sure = name.startswith("ee ") and trajectory.ee_frame_known
        yield replace(finding, status=Status.FLAGGED, evidence=Evidence.DECLARED) if sure else finding


def _unsure(
    trajectory: Trajectory, place: str, value: float, limit: float, unit: str, message: str,
    evidence: Evidence = Evidence.INFERRED,
) -> Finding:  # fmt: skip
    """What only looks like another unit."""
    return exact(
        whole(trajectory), place, value, limit, unit, message, status=Status.UNDECIDED, evidence=evidence,
        remedy="declare the unit of these columns",
    )  # fmt: skip


def _with_pose(scale: float) -> Quantities:
    q = example()
    assert q.ee
    pose = Poses(q.ee["ee"].position * scale, None)
    return altered("trajectory", ee={"ee": pose}, ee_frame_known=True)


def example_flagged() -> Quantities:
    """The recorded end effector is 707 "m" away from the base."""
    return _with_pose(1000.0)


def example_clean() -> Quantities:
    """It is 0.707 m away."""
    return _with_pose(1.0)
