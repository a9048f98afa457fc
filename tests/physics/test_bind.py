"""Columns become joints by name; units are declared, or inferred and said so."""

import numpy as np
import pytest

from simcheck.flags import Evidence
from simcheck.physics import bind
from simcheck.physics import model as models
from simcheck.physics.replay import Worker, prepare
from simcheck.trajectory import UNKNOWN, ActionKind, Channel, SimState, TimeBase, Trajectory
from tests.physics.models import ARM

T = 40


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    path = tmp_path_factory.mktemp("arm") / "arm.xml"
    path.write_text(ARM)
    return Worker(prepare(models.load(str(path))))


def episode(names, values, units=None, evidence=Evidence.DECLARED, named=True, **more):
    values = np.asarray(values, float)
    units = units or ("rad",) * len(names)
    channel = Channel(tuple(names), values, tuple(units), evidence, named)
    return Trajectory("e", np.arange(len(values)) / 30, TimeBase.NOMINAL, position=channel, **more)


def wave(scale=1.0, joints=2):
    return scale * 0.5 * np.sin(np.arange(T)[:, None] / 8 + np.arange(joints))


def test_names_decide_not_positions(worker):
    q = wave()
    straight = worker.binder.bind(episode(("shoulder", "elbow"), q))
    swapped = worker.binder.bind(episode(("observation.state.elbow.pos", "Shoulder_joint"), q[:, ::-1]))
    np.testing.assert_array_equal(straight.qpos, swapped.qpos)
    assert straight.joints.observed.tolist() == [True, True, False, False]


def test_declared_degrees_and_millimetres_become_si(worker):
    found = worker.binder.bind(
        episode(("shoulder", "left"), np.hstack([wave(50, 1), np.full((T, 1), 20.0)]), ("deg", "mm"))
    )
    np.testing.assert_allclose(found.qpos[:, 0], np.radians(wave(50, 1)[:, 0]))
    np.testing.assert_allclose(found.qpos[:, 2], 0.02)
    assert found.joints.evidence[0] is Evidence.DECLARED


def test_a_coupled_finger_follows(worker):
    found = worker.binder.bind(
        episode(("shoulder", "left"), np.hstack([wave(1, 1), np.full((T, 1), 0.03)]), ("rad", "m"))
    )
    np.testing.assert_allclose(found.qpos[:, 3], 0.03)
    assert found.joints.observed[3]


@pytest.mark.parametrize(("scale", "unit"), [(1, "rad"), (57.3, "deg")])
def test_undeclared_units_are_inferred_and_said_so(worker, scale, unit):
    found = worker.binder.bind(episode(("shoulder", "elbow"), wave(2 * scale), (UNKNOWN,) * 2))
    assert found.joints.evidence[0] is Evidence.INFERRED
    assert f"inferred {unit}" in found.notes[0]
    np.testing.assert_allclose(found.qpos[:, :2], wave(2 * scale) / (57.29578 if unit == "deg" else 1), rtol=1e-3)


def test_saturation_at_100_is_the_normalised_unit(worker):
    values = np.clip(wave(400), -100, 100)
    found = worker.binder.bind(episode(("shoulder", "elbow"), values, (UNKNOWN,) * 2))
    assert "inferred m100" in found.notes[0]
    np.testing.assert_allclose(found.qpos[:, 0].max(), 2.0)


def test_declaring_the_normalised_unit_makes_it_evidence(worker):
    values = np.clip(wave(400), -100, 100)
    found = worker.binder.bind(episode(("shoulder", "elbow"), values, ("m100",) * 2))
    assert found.joints.evidence[0] is Evidence.DECLARED
    np.testing.assert_allclose(found.qpos[:, 1].min(), -2.0)


def test_frames_that_are_not_finite_never_reach_the_engine(worker):
    q = wave()
    q[10, 0], q[11, 1] = np.nan, np.inf
    found = worker.binder.bind(episode(("shoulder", "elbow"), q))
    assert np.isfinite(found.qpos).all()
    assert list(found.frame) == [t for t in range(T) if t not in (10, 11)]
    quantities = worker.quantities(episode(("shoulder", "elbow"), q), ["effort", "contacts", "ee"])
    assert np.isfinite(quantities.effort.needed).all()
    assert not quantities.engine_warnings


def test_time_that_does_not_increase_is_left_out():
    time = np.array([0, 1, 2, 2, 1, 3, 4, 5, 6, 7, 8, 9]) / 30
    keep, notes = bind.usable(time, np.ones(12, bool))
    assert list(keep) == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]
    assert "2 of 12" in notes[0]


@pytest.mark.parametrize("frames", [0, 1, 6])
def test_too_few_frames_are_said_not_guessed(worker, frames):
    q = worker.quantities(episode(("shoulder", "elbow"), wave()[:frames]), ["effort"])
    assert q.effort is None
    assert q.joints is None


def test_a_foreign_robot_is_a_finding_not_a_clean_episode(worker):
    q = worker.quantities(episode(("wheel", "mast"), wave()), ["effort"])
    assert q.motion is None
    assert q.trajectory.notes[0].code == "D108"
    assert "known: shoulder, elbow, left, right" in q.trajectory.notes[0].message


def test_states_of_another_width_are_refused(worker):
    t = Trajectory("e", np.arange(T) / 30, TimeBase.MEASURED, sim=SimState(np.zeros((T, 9)), "<mujoco/>"))
    q = worker.quantities(t, ["effort"])
    assert "1 + nq 4 + nv 4 = 9" in q.trajectory.notes[0].message


def test_targets_share_the_unit_of_the_positions(worker):
    names = ("shoulder", "elbow")
    action = Channel(names, 57.29578 * (wave() + 0.1), ("deg",) * 2)
    found = worker.binder.bind(
        episode(names, 57.29578 * wave(), ("deg",) * 2, action=action, action_kind=ActionKind.ABS_JOINT)
    )
    np.testing.assert_allclose(found.target[:, :2] - found.qpos[:, :2], 0.1, atol=1e-6)


def test_torque_is_only_as_sure_as_what_it_hangs_on(worker):
    """The shoulder's torque depends on where the unseen elbow is; the elbow's does not need the fingers."""
    only_shoulder = worker.binder.bind(episode(("shoulder",), wave(1, 1)))
    both = worker.binder.bind(episode(("shoulder", "elbow"), wave()))
    assert only_shoulder.joints.effort_evidence[0] is Evidence.INFERRED
    assert both.joints.effort_evidence[1] is Evidence.DECLARED
