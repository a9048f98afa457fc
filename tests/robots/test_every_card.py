"""Contracts every shipped robot card keeps, and what a broken card is told."""

from __future__ import annotations

import math
import os
import re
from functools import cache
from pathlib import Path

import mujoco
import pytest

from simcheck.errors import CardError, UsageError
from simcheck.robot import Limit, Range, RobotCard, Scalar, find_card, read_card, robot_names, shipped_folder

REPOSITORY = Path(__file__).resolve().parents[2]
MENAGERIE = Path(os.environ.get("MENAGERIE_ROOT") or REPOSITORY.parent / "shared" / "menagerie")

NAMES = robot_names()
every_card = pytest.mark.parametrize("name", NAMES)
# By text, so that a broken card fails its own test and not the collection of all.
FLOATING = [n for n in NAMES if 'base = "free"' in (shipped_folder("robots") / n / "card.toml").read_text("utf-8")]


@cache
def compiled(path: Path) -> mujoco.MjModel:
    """The model without the meshes whose files are absent: a partial menagerie drops visual ones."""
    spec = mujoco.MjSpec.from_file(str(path))
    folder = path.parent / (spec.meshdir or "")
    absent = [mesh for mesh in spec.meshes if mesh.file and not (folder / mesh.file).exists()]
    names = {mesh.name or Path(mesh.file).stem for mesh in absent}
    for geom in [g for g in spec.geoms if g.meshname in names]:
        spec.delete(geom)
    for mesh in absent:
        spec.delete(mesh)
    return spec.compile()


def card_and_model(name: str) -> tuple[RobotCard, mujoco.MjModel]:
    card = find_card(name)
    path = card.folder / card.model.file if card.model.file else MENAGERIE / card.model.menagerie
    if card.model.menagerie and not path.is_file():
        pytest.skip(f"{name}: no {card.model.menagerie} under {MENAGERIE}; set MENAGERIE_ROOT")
    return card, compiled(path)


def exists(model: mujoco.MjModel, kind: mujoco.mjtObj, name: str) -> bool:
    return mujoco.mj_name2id(model, kind, name) >= 0


def has_free_joint(model: mujoco.MjModel) -> bool:
    return int(mujoco.mjtJoint.mjJNT_FREE) in model.jnt_type.tolist()


def declared_effort(model: mujoco.MjModel, joint: str) -> float:
    """The tightest limit the model declares for a joint [N m, N]; inf where it declares none."""
    j = model.joint(joint).id
    limits = [math.inf]
    if model.jnt_actfrclimited[j]:
        limits.append(float(model.jnt_actfrcrange[j, 1]))
    for a in range(model.nu):
        if model.actuator_trntype[a] != int(mujoco.mjtTrn.mjTRN_JOINT) or model.actuator_trnid[a, 0] != j:
            continue
        gear = abs(float(model.actuator_gear[a, 0]))
        if model.actuator_forcelimited[a]:
            limits.append(float(model.actuator_forcerange[a, 1]) * gear)
        # A control is a force only in a motor; in a servo it is a position.
        if model.actuator_ctrllimited[a] and model.actuator_biastype[a] == int(mujoco.mjtBias.mjBIAS_NONE):
            limits.append(float(model.actuator_ctrlrange[a, 1] * model.actuator_gainprm[a, 0]) * gear)
    return min(limits)


def stated_limits(card: RobotCard) -> list[tuple[str, Limit | Range | Scalar]]:
    return [(what, limit) for what, limit in card.limits if limit is not None]


def test_there_are_cards():
    assert len(NAMES) >= 16
    assert {"g1", "go1", "h1"} <= set(FLOATING)


@every_card
def test_names_in_the_card_exist_in_the_model(name):
    card, model = card_and_model(name)
    joints = [*card.joints, *(joint for gripper in card.gripper for joint in gripper.joints)]
    assert [j for j in joints if not exists(model, mujoco.mjtObj.mjOBJ_JOINT, j)] == []
    assert [b for b in card.feet if not exists(model, mujoco.mjtObj.mjOBJ_BODY, b)] == []
    kinds = {"site": mujoco.mjtObj.mjOBJ_SITE, "body": mujoco.mjtObj.mjOBJ_BODY}
    for frame in card.frames.values():
        kind, _, target = frame.partition(":")
        assert kind in kinds, frame
        assert exists(model, kinds[kind], target), frame


@every_card
def test_joints_turn_or_slide(name):
    card, model = card_and_model(name)
    movable = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
    assert {int(model.joint(joint).type[0]) for joint in card.joints} <= movable


@every_card
def test_base_is_that_of_the_model(name):
    card, model = card_and_model(name)
    assert (card.base == "free") == has_free_joint(model)
    assert (card.base == "free") == (card.base_height is not None)
    if card.kind in ("humanoid", "quadruped"):
        assert card.feet


@every_card
def test_home_and_gripper_are_within_the_joint_ranges(name):
    card, model = card_and_model(name)
    poses = [*card.home.items()]
    for gripper in card.gripper:
        poses += [*zip(gripper.joints, gripper.closed, strict=True)]
        poses += [*zip(gripper.joints, gripper.open, strict=True)]
    assert card.home
    for joint, position in poses:
        j = model.joint(joint).id
        if model.jnt_limited[j]:
            low, high = model.jnt_range[j]
            assert low - 1e-5 <= position <= high + 1e-5, joint  # 1e-5: cards round angles


@pytest.mark.parametrize("name", FLOATING)
def test_home_of_a_floating_base_stands_on_the_floor(name):
    card, model = card_and_model(name)
    assert card.base == "free"
    data = mujoco.MjData(model)
    root = next(j for j in range(model.njnt) if model.jnt_type[j] == int(mujoco.mjtJoint.mjJNT_FREE))
    data.qpos[model.jnt_qposadr[root] :][:7] = [0, 0, card.base_height, 1, 0, 0, 0]
    for joint, position in card.home.items():
        data.qpos[model.joint(joint).qposadr[0]] = position
    mujoco.mj_kinematics(model, data)
    feet = {model.body(body).id for body in card.feet}
    soles = [lowest_point(model, data, g) for g in range(model.ngeom) if model.geom_bodyid[g] in feet]
    assert min(soles) == pytest.approx(0, abs=0.005)  # 5 mm: what a contact check lets a foot sink


def lowest_point(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> float:
    """Height [m] of the lowest point of a colliding geom; inf of a visual one."""
    if not (model.geom_contype[geom] or model.geom_conaffinity[geom]):
        return math.inf
    up = data.geom_xmat[geom].reshape(3, 3)[2]
    size = model.geom_size[geom]
    side = math.hypot(up[0], up[1])
    types = mujoco.mjtGeom
    reach = {
        types.mjGEOM_SPHERE: size[0],
        types.mjGEOM_CAPSULE: size[0] + abs(up[2]) * size[1],
        types.mjGEOM_CYLINDER: side * size[0] + abs(up[2]) * size[1],
        types.mjGEOM_BOX: abs(up) @ size,
    }
    return float(data.geom_xpos[geom][2] - reach[types(model.geom_type[geom])])


@every_card
def test_limits_are_positive_or_unknown(name):
    for what, limit in stated_limits(find_card(name)):
        if isinstance(limit, Range):
            assert all(low < high for low, high in limit.values), what
        else:
            values = limit.values if isinstance(limit, Limit) else [limit.value]
            assert all(math.isnan(v) or 0 < v < math.inf for v in values), what


@every_card
def test_every_number_has_a_source(name):
    card = find_card(name)
    sources = [limit.source for _, limit in stated_limits(card)]
    sources += [card.payload.source] if card.payload else []
    sources += [card.reach_source] if card.reach is not None else []
    sources += [card.model.effort_sigma_source] if card.model.effort_sigma else []
    # A source names a document, a file or what is unknown: more than a word.
    assert [s for s in sources if len(s.split()) < 2] == []
    assert all(math.isfinite(s) and s > 0 for s in card.model.effort_sigma)


@every_card
def test_effort_agrees_with_the_model_or_says_why_not(name):
    card, model = card_and_model(name)
    if card.limits.effort is None:
        return
    for joint, effort in zip(card.joints, card.limits.effort.values, strict=True):
        model_effort = declared_effort(model, joint)
        if math.isfinite(model_effort) and not math.isclose(effort, model_effort, rel_tol=0.01):
            assert "differs" in card.limits.effort.source, f"{joint}: {effort} against {model_effort}"


@every_card
def test_no_two_joints_answer_to_one_name(name):
    card = find_card(name)
    # A gripper's joint may share its gripper's names: both lead to the same joint.
    gripping = {joint for gripper in card.gripper for joint in gripper.joints}
    names = [n for j in card.joints if j not in gripping for n in [j, *card.aliases.get(j, [])]]
    names += [n for gripper in card.gripper for n in {gripper.name, *gripper.aliases}]
    assert sorted(n for n in set(names) if names.count(n) > 1) == []


def test_declared_effort_reads_all_three_places():
    xml = """<mujoco><worldbody><body><joint name="a" actuatorfrcrange="-3 3"/><geom size=".1"/>
      <body><joint name="b"/><geom size=".1"/>
      <body><joint name="c"/><geom size=".1"/>
      <body><joint name="d"/><geom size=".1"/></body></body></body></body></worldbody>
      <actuator><position joint="b" forcerange="-4 4" gear="2"/>
      <motor joint="c" ctrlrange="-1 1" gear="5"/>
      <position joint="d" ctrlrange="-1 1"/></actuator></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    assert [declared_effort(model, j) for j in "abcd"] == [3, 8, 5, math.inf]


def test_absent_meshes_are_dropped(tmp_path):
    path = tmp_path / "robot.xml"
    path.write_text(
        '<mujoco><asset><mesh file="absent.obj"/></asset><worldbody><body><joint name="j"/>'
        '<geom size=".1"/><geom type="mesh" mesh="absent"/></body></worldbody></mujoco>'
    )
    assert compiled(path).ngeom == 1


# What a broken card is told. Each case edits this one, which is valid.
VALID = """
name = "two_link"
title = "Two links"
kind = "arm"
joints = ["shoulder", "elbow"]
[model]
file = "model.xml"
grade = "guessed"
[home]
shoulder = 0.1
[limits.velocity]
values = [2.0, nan]
source = "a datasheet"
"""

BROKEN = [
    # replaced text, replacement, what the message must name
    ('kind = "arm"', 'kind = "arm"\ncolour = "red"', "colour"),
    ('grade = "guessed"', 'grade = "guessed"\nmass = 3', "model.mass"),
    ("[limits.velocity]", "[limits.speed]", "limits.speed"),
    ('source = "a datasheet"', 'source = "a datasheet"\nunit = "deg"', "limits.velocity.unit"),
    ('source = "a datasheet"', "", "limits.velocity.source"),
    ('source = "a datasheet"', 'source = ""', "limits.velocity.source"),
    ("values = [2.0, nan]", "values = [2.0]", "limits.velocity has 1 values for 2 joints"),
    ("values = [2.0, nan]", 'values = [2.0, "fast"]', "limits.velocity.values.1"),
    ('grade = "guessed"', 'grade = "good"', "model.grade"),
    ('grade = "guessed"', 'grade = "cad"\neffort_sigma = [1.0, 2.0]', "effort_sigma_source"),
    (
        'grade = "guessed"',
        'grade = "cad"\neffort_sigma = [1.0]\neffort_sigma_source = "a guess"',
        "model.effort_sigma has 1 values for 2 joints",
    ),
    ('file = "model.xml"', 'file = "model.xml"\nmenagerie = "a/b.xml"', "exactly one of"),
    ('file = "model.xml"', "", "exactly one of"),
    ("shoulder = 0.1", "sholder = 0.1", "did you mean 'shoulder'"),
    ('["shoulder", "elbow"]', '["elbow", "elbow"]', "twice"),
    ('kind = "arm"', 'kind = "tentacle"', "kind"),
    ('title = "Two links"', "", "title"),
    ('name = "two_link"', 'name = "three_link"', "three_link"),
    ("[home]", "[home", "card.toml"),
    (
        "[home]",
        '[[gripper]]\nname = "g"\njoints = ["f"]\nclosed = [0.0]\nopen = []\n[home]',
        "gripper.0",
    ),
]


def write_card(folder: Path, text: str) -> Path:
    robot = folder / "two_link"
    robot.mkdir()
    (robot / "card.toml").write_text(text, encoding="utf-8")
    return robot


def test_a_valid_card_is_read(tmp_path):
    card = read_card(write_card(tmp_path, VALID))
    assert card.joints == ["shoulder", "elbow"]
    assert card.limits.velocity is not None
    assert math.isnan(card.limits.velocity.values[1])
    assert card.frames == {}


@pytest.mark.parametrize(("old", "new", "named"), BROKEN, ids=[named for _, _, named in BROKEN])
def test_a_broken_card_is_refused_by_name(tmp_path, old, new, named):
    assert VALID.count(old) == 1
    with pytest.raises(CardError, match=re.escape(named)) as caught:
        read_card(write_card(tmp_path, VALID.replace(old, new)))
    assert "two_link/card.toml" in str(caught.value)


def test_a_missing_card_is_refused(tmp_path):
    with pytest.raises(CardError, match=r"nothing/card\.toml"):
        read_card(tmp_path / "nothing")


def test_an_unknown_robot_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'xarm7'"):
        find_card("xarm77")


def test_cards_lie_beside_the_package():
    assert shipped_folder("robots") == REPOSITORY / "robots"
