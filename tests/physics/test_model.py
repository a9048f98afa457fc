"""Loading models: where they come from, what is dropped, what is refused."""

import os

import mujoco
import numpy as np
import pytest

from simcheck.errors import InputError, ModelError, UsageError
from simcheck.physics import model as models
from simcheck.physics.limits import assemble, model_effort
from simcheck.physics.lint import lint
from simcheck.physics.replay import prepare
from simcheck.physics.structure import Structure
from tests.physics.models import ARM, PENDULUM

BOX = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"
MESHED = """<mujoco><asset><mesh name="seen" file="{visual}"/><mesh name="felt" file="{solid}"/></asset><worldbody>
<body name="link"><joint name="j"/>{inertial}<geom type="mesh" mesh="seen" contype="0" conaffinity="0"/>
<geom type="mesh" mesh="felt"/></body></worldbody></mujoco>"""
INERTIAL = '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'


def write(folder, text, name="robot.xml"):
    path = folder / name
    path.write_text(text)
    return str(path)


def meshed(folder, visual="seen.obj", solid="felt.obj", inertial=INERTIAL, present=("felt.obj",)):
    for name in present:
        (folder / name).write_text(BOX)
    return write(folder, MESHED.format(visual=visual, solid=solid, inertial=inertial))


def test_missing_visual_mesh_is_dropped_with_a_note(tmp_path):
    loaded = models.load(meshed(tmp_path))
    assert "1 visual meshes are absent" in loaded.notes[0]
    assert loaded.torque_block == ""
    assert loaded.mj.ngeom == 1


def test_missing_visual_mesh_that_carried_mass_blocks_torque(tmp_path):
    loaded = models.load(meshed(tmp_path, inertial=""))
    assert "link" in loaded.torque_block


def test_missing_collision_mesh_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match=r"collision mesh 'felt\.obj' of body 'link' is missing"):
        models.load(meshed(tmp_path, present=("seen.obj",)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<mujoco/>", "nothing moves"),
        ("<robot name='r'/>", "nothing moves"),
        ("<html></html>", "expected <mujoco> or <robot>"),
        ("<mujoco>", "not well-formed"),
        ('<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><mujoco>&x;</mujoco>', "DTDs are not read"),
        (PENDULUM.replace('timestep="0.001"', 'timestep="0"'), "timestep is 0"),
        ('<mujoco><include file="/etc/hostname"/></mujoco>', "outside its folders"),
        ('<mujoco><include file="robot.xml"/></mujoco>', "includes itself"),
        ('<mujoco><asset><model file="robot.xml"/></asset></mujoco>', "includes itself"),
    ],
)
def test_bad_models_are_refused_with_a_reason(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        models.load(write(tmp_path, text))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.xml")
    with pytest.raises(InputError, match="not a regular file"):
        models.load(write(tmp_path, '<mujoco><include file="pipe.xml"/></mujoco>'))


def test_a_model_that_eats_memory_ends_alone(tmp_path):
    heavy = PENDULUM.replace("<worldbody>", '<size nuserdata="900000000"/><worldbody>')
    with pytest.raises(ModelError):
        models.load(write(tmp_path, heavy))


def test_unknown_robot_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'ur10e'"):
        models.load("ur10")


URDF = """<robot name="r"><link name="base"/><link name="arm"><inertial><mass value="2"/><origin xyz="0 0 .3"/>
<inertia ixx=".1" iyy=".1" izz=".01" ixy="0" ixz="0" iyz="0"/></inertial>{collision}</link>
<joint name="lift" type="revolute"><parent link="base"/><child link="arm"/><axis xyz="0 1 0"/>
<limit lower="-1" upper="1.5" effort="40" velocity="2.5"/></joint></robot>"""


def test_urdf_limits_are_all_read(tmp_path):
    loaded = models.load(write(tmp_path, URDF.format(collision=""), "r.urdf"))
    limits = assemble(loaded, Structure(loaded))
    assert limits.velocity[0] == 2.5
    assert limits.effort[0] == 40
    assert tuple(limits.position[0]) == (-1, 1.5)
    assert limits.source["velocity"] == "URDF limit velocity"
    assert loaded.collision_block


def test_urdf_package_paths_resolve_inside_the_roots_only(tmp_path):
    (tmp_path / "arm_description" / "meshes").mkdir(parents=True)
    (tmp_path / "arm_description" / "meshes" / "arm.obj").write_text(BOX)
    (tmp_path / "arm_description" / "urdf").mkdir()
    mesh = '<collision><geometry><mesh filename="{}"/></geometry></collision>'
    good = URDF.format(collision=mesh.format("package://arm_description/meshes/arm.obj"))
    loaded = models.load(write(tmp_path / "arm_description" / "urdf", good, "r.urdf"))
    assert loaded.mj.ngeom == 1
    bad = URDF.format(collision=mesh.format("package://arm_description/../../../../etc/passwd"))
    with pytest.raises(InputError):
        models.load(write(tmp_path / "arm_description" / "urdf", bad, "bad.urdf"))


def test_urdf_meshes_the_engine_cannot_read_block_collisions(tmp_path):
    mesh = '<collision><geometry><mesh filename="arm.dae"/></geometry></collision>'
    loaded = models.load(write(tmp_path, URDF.format(collision=mesh), "r.urdf"))
    assert "arm.dae" in loaded.collision_block


def test_effort_limits_are_found_in_all_three_places(tmp_path):
    xml = """<mujoco><compiler angle="radian"/><worldbody>
    <body><joint name="a" actuatorfrcrange="-7 7" actuatorfrclimited="true"/><geom size=".1"/>
    <body><joint name="b"/><geom size=".1"/><body><joint name="c"/><geom size=".1"/><body><joint name="d"/><geom size=".1"/>
    </body></body></body></body></worldbody>
    <actuator><position joint="b" forcerange="-5 5" gear="2"/><motor joint="c" ctrlrange="-1.5 1.5" gear="10"/></actuator></mujoco>"""
    loaded = models.load(write(tmp_path, xml))
    limit, source = model_effort(loaded.mj, Structure(loaded))
    np.testing.assert_array_equal(limit, [7, 10, 15, np.nan])
    assert source == "model actuator forcerange, joint actuatorfrcrange, motor ctrlrange × gear"


def test_shipped_models_compile_here_and_others_in_a_child(tmp_path, monkeypatch):
    def forbidden(*_):
        raise AssertionError("compiled in this process")

    monkeypatch.setattr(mujoco.MjModel, "from_xml_path", forbidden)
    assert models.load(write(tmp_path, ARM)).mj.nv == 4


def findings(folder, xml):
    loaded = models.load(write(folder, xml))
    structure = Structure(loaded)
    return " | ".join(lint(loaded, structure, assemble(loaded, structure)))


GOOD = """<mujoco><compiler angle="{angle}" balanceinertia="false"/><worldbody>
<body name="a"><joint name="j1" range="{low} {high}"/><inertial pos="0 0 .1" mass="{mass}" diaginertia="{inertia}"/>
<geom type="box" size=".05 .05 .1"/></body></worldbody></mujoco>"""


def variant(**changes):
    values = {"angle": "radian", "low": -2, "high": 2, "mass": 2, "inertia": ".01 .01 .005"}
    return GOOD.format(**{**values, **changes})


def test_lint_finds_nothing_wrong_with_a_good_model(tmp_path):
    text = findings(tmp_path, variant())
    assert "error" not in text
    assert "warning" not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mass": 2000}, "kg/m³ over its collision shapes"),
        ({"mass": 2000}, "total mass is 2e"),
        ({"angle": "radian", "low": -170, "high": 170}, "degrees read as radians"),
    ],
)
def test_lint_finds_what_is_wrong(tmp_path, changes, said):
    assert said in findings(tmp_path, variant(**changes))


def test_lint_finds_shapes_that_overlap_at_home(tmp_path):
    xml = """<mujoco><worldbody><body name="a"><joint/><geom size=".1"/><body name="b"><joint/><geom size=".05" pos="0 0 .5"/>
    <body name="c"><joint/><geom size=".1" pos="0 0 .15"/></body></body></body></worldbody></mujoco>"""
    assert "a and c overlap by 50.0 mm at the home pose" in findings(tmp_path, xml)


def test_tuning_values_are_not_counted_as_needed_force():
    """The Panda's armature and damping were chosen for stability: the card says so and they are zeroed."""
    replayer = prepare(models.load("panda_nohand"))
    assert not replayer.model.mj.dof_damping.any()
    assert not replayer.model.mj.dof_armature.any()
