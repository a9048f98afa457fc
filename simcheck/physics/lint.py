"""Is the model itself fit for a verdict? Runs before any episode is judged.

Each finding is one sentence that starts with its severity. References: a rigid body's principal moments obey
I₁ + I₂ ≥ I₃ (from Σ m r² ≥ 0); explicit integration of a servo with damping k_v on inertia M is stable only for
k_v h/M < 2; gyration radius √(I/m) beyond a body's own size means the inertia is a placeholder.
"""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np

from simcheck.physics.model import RobotModel
from simcheck.physics.structure import Structure
from simcheck.quantities import Limits

DENSITY = (50.0, 20_000.0)  # [kg/m³] foam to lead, of a body's collision shapes
TOTAL_MASS = (0.05, 500.0)  # [kg] a hand to a heavy humanoid with payload


def lint(model: RobotModel, structure: Structure, limits: Limits) -> list[str]:
    """Every finding, errors first."""
    found = [
        *_blocks(model), *_inertia(model, structure), *_mass(model), *_ranges(model, structure, limits),
        *_units(structure), *_home_contact(model, structure), *_stiff_servo(model),
    ]  # fmt: skip
    order = ("error", "warning", "info")
    return sorted(found, key=lambda text: order.index(text.partition(":")[0]))


def _blocks(model: RobotModel) -> Iterator[str]:
    if model.torque_block:
        yield f"error: forces cannot be judged: {model.torque_block}"
    if model.collision_block:
        yield f"warning: collisions cannot be judged: {model.collision_block}"
    for note in model.notes:
        yield f"info: {note}"


def _inertia(model: RobotModel, structure: Structure) -> Iterator[str]:
    mj = model.mj
    moving = structure.robot_body & (mj.body_weldid != 0)
    for b in np.flatnonzero(moving):
        mass, inertia = mj.body_mass[b], np.sort(mj.body_inertia[b])
        name = model.body_name(int(b))
        if mass < 1e-5 and mj.body_dofnum[b] and mj.body_subtreemass[b] < 1e-5:
            yield f"error: body {name} moves but has no mass"
        elif mass < 1e-9 and inertia.max() > 1e-9:
            yield f"error: body {name} has inertia but no mass"
        elif inertia[0] + inertia[1] < inertia[2] * (1 - 1e-3):
            sides = f"{inertia[0]:.3g} + {inertia[1]:.3g} < {inertia[2]:.3g} kg m²"
            yield f"error: inertia of {name} breaks the triangle inequality: {sides}"
    yield from _placeholders(model, np.flatnonzero(moving))


def _placeholders(model: RobotModel, bodies: np.ndarray) -> Iterator[str]:
    """Several bodies with one and the same inertia were not measured."""
    mj = model.mj
    heavy = [b for b in bodies if mj.body_mass[b] > 1e-3]
    if len(heavy) < 4:
        return
    keys = np.round(mj.body_inertia[heavy] / np.maximum(mj.body_inertia[heavy].max(axis=1, keepdims=True), 1e-12), 3)
    same = {}
    for b, key in zip(heavy, keys, strict=True):
        if np.ptp(key) == 0:  # a sphere's inertia on every link
            same.setdefault(float(mj.body_inertia[b, 0]), []).append(b)
    for value, group in same.items():
        if len(group) >= 3:
            names = ", ".join(model.body_name(b) for b in group[:4])
            yield f"error: {len(group)} bodies ({names}…) share the inertia {value:.3g}·1 kg m²: a placeholder"


def _mass(model: RobotModel) -> Iterator[str]:
    total = float(model.mj.body_subtreemass[0])
    low, high = TOTAL_MASS
    if not model.embedded and not low <= total <= high:
        yield f"warning: total mass is {total:.3g} kg; expected {low:g} to {high:g}"
    volume = _collision_volume(model.mj)
    for b in np.flatnonzero((volume > 1e-5) & (model.mj.body_mass > 0.05)):
        density = model.mj.body_mass[b] / volume[b]
        if not DENSITY[0] <= density <= DENSITY[1]:
            text = f"{density:.3g} kg/m³ over its collision shapes; expected {DENSITY[0]:g} to {DENSITY[1]:g}"
            yield f"warning: {model.body_name(int(b))} has {text}"


def _collision_volume(mj: mujoco.MjModel) -> np.ndarray:
    """(nbody,) [m³] of bounding boxes of collision shapes: an upper bound of the body's volume."""
    volume = np.zeros(mj.nbody)
    for g in range(mj.ngeom):
        if (mj.geom_contype[g] or mj.geom_conaffinity[g]) and mj.geom_type[g] != mujoco.mjtGeom.mjGEOM_PLANE:
            volume[mj.geom_bodyid[g]] += float(np.prod(2 * mj.geom_aabb[g, 3:]))
    return volume


def _ranges(model: RobotModel, structure: Structure, limits: Limits) -> Iterator[str]:
    mj, judged = model.mj, structure.robot
    ranges = mj.jnt_range[mj.dof_jntid]
    for v in np.flatnonzero(judged & (ranges[:, 0] > ranges[:, 1])):
        yield f"error: joint {structure.dof_names[v]} has its limits inverted: {ranges[v, 0]:g} > {ranges[v, 1]:g}"
    for what in ("effort", "velocity"):
        values = getattr(limits, what)
        missing = [structure.dof_names[v] for v in np.flatnonzero(structure.actuated & np.isnan(values))]
        if missing:
            listed = ", ".join(missing[:6]) + ("…" if len(missing) > 6 else "")
            yield f"info: no {what} limit for {len(missing)} joints: {listed}"
    unlimited = judged & np.isnan(structure.range[:, 0])
    if unlimited.any():
        yield f"info: {int(unlimited.sum())} joints have no position limit"


def _units(structure: Structure) -> Iterator[str]:
    """A hinge range of hundreds of radians was written in degrees."""
    hinge = np.array([u == "rad" for u in structure.units])
    span = np.nanmax(np.abs(structure.range), axis=1, initial=0, where=np.isfinite(structure.range))
    for v in np.flatnonzero(hinge & structure.robot & (span > 40)):
        yield f"error: joint {structure.dof_names[v]} ranges to {span[v]:.3g} rad: degrees read as radians?"
    small = hinge & structure.robot & (span > 0)
    if small.sum() >= 4 and np.all(span[small] < 0.12):
        yield 'error: every joint range is below 0.12 rad: radians read as degrees (angle="radian" missing)?'


def _home_contact(model: RobotModel, structure: Structure) -> Iterator[str]:
    """Self-contact at the home pose is how the model is built, not how the robot moves."""
    if model.embedded:  # its zero configuration is not a pose anybody chose
        return
    mj, data = model.mj, mujoco.MjData(model.mj)
    data.qpos[:] = structure.home
    mujoco.mj_kinematics(mj, data)
    mujoco.mj_comPos(mj, data)
    mujoco.mj_collision(mj, data)
    deepest: dict[tuple[str, str], float] = {}
    for c in range(data.ncon):
        contact = data.contact[c]
        bodies = mj.geom_bodyid[contact.geom]
        if structure.robot_body[bodies].all() and contact.dist < 0:
            pair = (model.body_name(bodies[0]), model.body_name(bodies[1]))
            deepest[pair] = min(deepest.get(pair, 0.0), float(contact.dist))
    for (a, b), dist in sorted(deepest.items(), key=lambda item: item[1]):
        yield f"warning: {a} and {b} overlap by {-dist * 1e3:.1f} mm at the home pose; the pair is not judged"


def _stiff_servo(model: RobotModel) -> Iterator[str]:
    """k_v h/M > 2: an explicit integrator would chatter, so forces simulated with it are not to be trusted."""
    mj = model.mj
    h = float(mj.opt.timestep)
    if mj.opt.integrator != mujoco.mjtIntegrator.mjINT_EULER:
        return
    for a in range(mj.nactuator):
        if mj.actuator_trntype[a] != mujoco.mjtTrn.mjTRN_JOINT:
            continue
        v = mj.jnt_dofadr[mj.actuator_trnid[a, 0]]
        kv, inertia = -float(mj.actuator_biasprm[a, 2]), float(mj.dof_M0[v])
        if inertia > 0 and kv * h / inertia > 2:
            ratio = kv * h / inertia
            yield f"warning: servo {mj.actuator(a).name}: kv·h/M = {ratio:.3g} > 2, unstable with the Euler integrator"
