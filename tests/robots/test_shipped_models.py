"""The shipped models against the menagerie models they stand for: dynamics, limits, and collision shapes to 10 mm.

Both models are asked for the smallest signed distance [m] of every body pair that MuJoCo considers, per random
configuration. Bodies deeper in one another than 10 mm must touch in ours, bodies more than 10 mm apart must not.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MENAGERIE = Path(os.environ.get("MENAGERIE_ROOT") or REPOSITORY.parent / "shared" / "menagerie")

TOLERANCE = 0.010  # [m] what the shapes may differ by before a verdict must agree
MARGIN = 0.015  # [m] per geom; margins add up, so gaps of up to 30 mm are listed
CONFIGURATIONS = 10_000

REFERENCE = {
    "panda": "franka_emika_panda/panda.xml",
    "panda_nohand": "franka_emika_panda/panda_nohand.xml",
    "ur5e": "universal_robots_ur5e/ur5e.xml",
    "so101": "robotstudio_so101/so101.xml",
    "aloha": "aloha/aloha.xml",
}
EFFORT = {
    "panda": [87.0] * 4 + [12.0] * 3 + [140.0] * 2,
    "panda_nohand": [87.0] * 4 + [12.0] * 3,
    "ur5e": [150.0] * 3 + [28.0] * 3,
    "so101": [2.942] * 6,
    "aloha": ([35.0, 144.0, 59.0, 22.0] + [35.0] * 4) * 2,
}
PRIMITIVES = {
    mujoco.mjtGeom.mjGEOM_SPHERE,
    mujoco.mjtGeom.mjGEOM_CAPSULE,
    mujoco.mjtGeom.mjGEOM_CYLINDER,
    mujoco.mjtGeom.mjGEOM_BOX,
    mujoco.mjtGeom.mjGEOM_ELLIPSOID,
}
every_robot = pytest.mark.parametrize("name", REFERENCE)


class Twins(NamedTuple):
    """How the smallest distances of two models compare over one set of configurations."""

    penetrating: int  # configurations in which the reference is somewhere deeper than the tolerance
    apart: int  # configurations in which it is everywhere farther apart
    missed: int  # deeper than the tolerance in the reference and not in contact in ours: body pairs, all configurations
    false: int  # farther apart than the tolerance in the reference and in contact in ours: likewise


def our_spec(name: str) -> mujoco.MjSpec:
    return mujoco.MjSpec.from_file(str(REPOSITORY / "robots" / name / "model.xml"))


def reference_spec(name: str) -> mujoco.MjSpec:
    """The menagerie model without the visual meshes whose files are absent (a partial menagerie drops them)."""
    path = MENAGERIE / REFERENCE[name]
    if not path.is_file():
        pytest.skip(f"{name}: no {REFERENCE[name]} under {MENAGERIE}; set MENAGERIE_ROOT")
    spec = mujoco.MjSpec.from_file(str(path))
    folder = path.parent / (spec.meshdir or "")
    absent = {mesh.name for mesh in spec.meshes if not (folder / mesh.file).exists()}
    for geom in [g for g in spec.geoms if g.meshname in absent]:
        spec.delete(geom)
    for mesh in [m for m in spec.meshes if m.name in absent]:
        spec.delete(mesh)
    return spec


def with_margin(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Compiled so that near misses are contacts too; margins count in the broad phase only if set before compiling."""
    for geom in spec.geoms:
        if geom.contype or geom.conaffinity:
            geom.margin = MARGIN
    return spec.compile()


def configurations(model: mujoco.MjModel, number: int, seed: int) -> np.ndarray:
    """(number, nq) uniform in the joint ranges [rad, m]."""
    return np.random.default_rng(seed).uniform(*model.jnt_range.T, (number, model.nq))


def smallest_distances(model: mujoco.MjModel, qpos: np.ndarray, bodies: dict[str, int]) -> np.ndarray:
    """(T, n, n) smallest signed distance [m] per body pair, at [smaller, larger number]; 2 MARGIN where not nearer."""
    data = mujoco.MjData(model)
    number = np.array([bodies[model.body(b).name] for b in model.geom_bodyid])
    nearest = np.full((len(qpos), len(bodies), len(bodies)), 2 * MARGIN)
    for t, q in enumerate(qpos):
        data.qpos[:] = q
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_collision(model, data)
        if data.ncon:
            pair = np.sort(number[data.contact.geom], axis=1)
            np.minimum.at(nearest[t], (pair[:, 0], pair[:, 1]), data.contact.dist)
    return nearest


@cache
def reference_distances(name: str) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Configurations, the menagerie model's smallest distances there, and the numbers of its bodies."""
    model = with_margin(reference_spec(name))
    bodies = {model.body(b).name: b for b in range(model.nbody)}
    qpos = configurations(model, CONFIGURATIONS, seed=20)
    return qpos, smallest_distances(model, qpos, bodies), bodies


def compared(name: str, spec: mujoco.MjSpec) -> Twins:
    """Our model's verdicts against the menagerie's, over all configurations and body pairs."""
    qpos, reference, bodies = reference_distances(name)
    ours = smallest_distances(with_margin(spec), qpos, bodies)
    deep, far = reference < -TOLERANCE, reference > TOLERANCE
    return Twins(
        penetrating=deep.any(axis=(1, 2)).sum(),
        apart=far.all(axis=(1, 2)).sum(),
        missed=(deep & (ours >= 0)).sum(),
        false=(far & (ours < 0)).sum(),
    )


def mass_matrix(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    return full


def considered_pairs(model: mujoco.MjModel) -> set[frozenset[str]]:
    """Names of the body pairs MuJoCo tests: not welded together, not parent and child, not excluded."""
    weld = model.body_weldid
    excluded = {frozenset((int(s) >> 16, int(s) & 0xFFFF)) for s in model.exclude_signature}
    bodies = sorted({int(b) for g, b in enumerate(model.geom_bodyid) if model.geom_contype[g]})
    pairs = set()
    for i, a in enumerate(bodies):
        for b in bodies[i + 1 :]:
            above_a, above_b = weld[model.body_parentid[weld[a]]], weld[model.body_parentid[weld[b]]]
            joined = weld[a] and weld[b] and (above_a == weld[b] or above_b == weld[a])
            if weld[a] != weld[b] and not joined and frozenset((a, b)) not in excluded:
                pairs.add(frozenset((model.body(a).name, model.body(b).name)))
    return pairs


@every_robot
def test_joints_are_those_of_the_reference(name):
    ours, reference = our_spec(name).compile(), reference_spec(name).compile()
    assert [ours.joint(j).name for j in range(ours.njnt)] == [reference.joint(j).name for j in range(reference.njnt)]
    assert [ours.body(b).name for b in range(ours.nbody)] == [
        reference.body(b).name for b in range(reference.nbody) if reference.body(b).name != "attachment"
    ]  # "attachment" is a massless body that only holds the flange site
    np.testing.assert_allclose(ours.jnt_range, reference.jnt_range)
    for field in ("jnt_type", "dof_armature", "dof_damping", "dof_frictionloss", "eq_type", "eq_data"):
        np.testing.assert_array_equal(getattr(ours, field), getattr(reference, field), err_msg=field)


@every_robot
def test_inertia_and_gravity_are_those_of_the_reference(name):
    ours, reference = our_spec(name).compile(), reference_spec(name).compile()
    assert all(body.explicitinertial for body in our_spec(name).bodies if body.name != "world")
    datas = mujoco.MjData(ours), mujoco.MjData(reference)
    worst_mass, errors, forces = 0.0, [], []
    for q in configurations(ours, 1000, seed=1):
        for model, data in zip((ours, reference), datas, strict=True):
            data.qpos[:] = q
            mujoco.mj_forward(model, data)
        mine, theirs = mass_matrix(ours, datas[0]), mass_matrix(reference, datas[1])
        worst_mass = max(worst_mass, np.abs(mine - theirs).max() / np.abs(theirs).max())
        errors.append(np.abs(datas[0].qfrc_bias - datas[1].qfrc_bias))
        forces.append(np.abs(datas[1].qfrc_bias))
    assert worst_mass < 0.01
    assert np.max(forces) > 0.1  # [N m] gravity acts
    # A joint that gravity never loads (a vertical first axis) is held to 1 % of the weakest loaded one.
    scale = np.max(forces, axis=0)
    assert (np.max(errors, axis=0) <= 0.01 * np.maximum(scale, scale[scale > 1e-3].min())).all()


@every_robot
def test_effort_limits_are_declared(name):
    model = our_spec(name).compile()
    assert model.nu == 0
    assert model.jnt_actfrclimited.all()
    np.testing.assert_allclose(model.jnt_actfrcrange[:, 1], EFFORT[name])
    np.testing.assert_allclose(model.jnt_actfrcrange[:, 0], -model.jnt_actfrcrange[:, 1])


@every_robot
def test_collision_shapes_are_primitives(name):
    model = our_spec(name).compile()
    assert {mujoco.mjtGeom(kind) for kind in model.geom_type} <= PRIMITIVES
    assert model.geom_contype.all()
    assert model.nmesh == 0


@every_robot
def test_the_same_body_pairs_are_tested(name):
    ours, reference = considered_pairs(our_spec(name).compile()), considered_pairs(reference_spec(name).compile())
    assert len(reference) >= 10
    assert ours == reference


@every_robot
def test_nothing_touches_at_home(name):
    model = our_spec(name).compile()
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


@every_robot
def test_verdicts_agree_beyond_10_mm(name):
    twins = compared(name, our_spec(name))
    assert twins.penetrating >= 200
    assert twins.apart >= 1000
    assert twins.missed == 0
    assert twins.false == 0


# Negative twins: the comparison must notice each of these. The body is one that often collides.
SPOILED = {
    "panda": "link5",
    "panda_nohand": "link5",
    "ur5e": "upper_arm_link",
    "so101": "shoulder",
    "aloha": "left/base_link",
}


@every_robot
def test_a_link_without_shapes_is_noticed(name):
    spec = our_spec(name)
    for geom in list(spec.body(SPOILED[name]).geoms):
        spec.delete(geom)
    assert compared(name, spec).missed > 0


@every_robot
@pytest.mark.parametrize(("growth", "noticed_as"), [(-0.015, "missed"), (0.015, "false")])
def test_shapes_off_by_15_mm_are_noticed(name, growth, noticed_as):
    spec = our_spec(name)
    for geom in spec.body(SPOILED[name]).geoms:
        resize(geom, growth)
    assert getattr(compared(name, spec), noticed_as) > 0


def resize(geom: mujoco.MjsGeom, growth: float) -> None:
    """Move the surface of a shape outwards by `growth` [m]; a shape thinner than that all but vanishes."""
    size = geom.size
    if geom.type == mujoco.mjtGeom.mjGEOM_BOX or (
        geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER and np.isnan(geom.fromto[0])
    ):
        size = size + growth
    else:  # the radius; the length of a capsule, or of a cylinder between two ends, stays
        size = np.concatenate([[size[0] + growth], size[1:]])
    geom.size = np.where(np.isnan(size), size, np.maximum(size, 1e-4))
