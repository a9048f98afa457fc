"""Real demonstrations with objects, damaged on purpose: what the momentum checks see, and where."""

import numpy as np
import pytest

from simcheck.config import Config
from simcheck.flags import Status
from simcheck.formats import open_dataset
from simcheck.physics.model import load_embedded
from simcheck.physics.replay import Worker, prepare
from simcheck.runner import Judge, Models, Runner
from simcheck.trajectory import SimState, Trajectory

EPISODE = "robosuite-1.4.1/lift/demo_1"


class Demo:
    """One Lift demonstration and the columns of its cube and fingers."""

    def __init__(self, folder):
        self.dataset = open_dataset(folder / "robosuite_demos")
        self.trajectory = self.dataset.read(EPISODE)
        sim = self.trajectory.sim
        self.model = load_embedded(sim.model_xml, sim.asset_root).mj
        joint = int(np.flatnonzero(self.model.jnt_type == 0)[0])
        self.cube, self.cube_dof = int(self.model.jnt_qposadr[joint]), int(self.model.jnt_dofadr[joint])
        self.fingers = [int(self.model.joint(f"gripper0_finger_joint{i}").qposadr[0]) for i in (1, 2)]
        height = sim.state[:, self.cube + 2]
        self.lifted = np.flatnonzero(height > height[0] + 0.02)

    def changed(self, change) -> Trajectory:
        state = np.array(self.trajectory.sim.state)
        change(state, self.model.nq)
        return Trajectory(
            "damaged", self.trajectory.time, self.trajectory.time_base,
            sim=SimState(state, self.trajectory.sim.model_xml, self.trajectory.sim.asset_root),
        )  # fmt: skip

    def flagged(self, trajectory):
        """Frames flagged by the M family, by code."""
        runner = Runner(Judge(Config(select=("M",))), Models())

        class One:
            name, format, robot_type, notes = "d", "f", "", ()

            def read(self, _):
                return trajectory

        result = runner.run(One(), "damaged")
        flags = [f for f in result.flags if f.status is Status.FLAGGED]
        return {f.code for f in flags}, flags


@pytest.fixture(scope="module")
def demo(shared_data):
    return Demo(shared_data)


def test_the_demonstration_lifts_the_cube_and_is_clean(demo):
    assert len(demo.lifted) > 5, "the demonstration must lift"
    assert demo.flagged(demo.trajectory) == (set(), [])


def test_a_lift_with_the_fingers_opened_is_a_ghost(demo):
    def open_fingers(state, _):
        state[:, demo.fingers[0]] += 0.02
        state[:, demo.fingers[1]] -= 0.02

    codes, flags = demo.flagged(demo.changed(open_fingers))
    assert "M103" in codes
    assert any(f.frames[0] <= demo.lifted[len(demo.lifted) // 2] <= f.frames[1] for f in flags)


def test_a_cube_held_by_one_finger_is_unexplained(demo):
    def one_finger(state, _):
        state[:, demo.fingers[0]] += 0.03

    assert demo.flagged(demo.changed(one_finger))[0] & {"M101", "M102"}


def test_a_cube_that_jumps_is_seen_where_it_jumps(demo):
    at = 60

    def jump(state, nq):
        state[at:, demo.cube + 2] += 0.0
        state[at, nq + demo.cube_dof + 2] += 1.0

    codes, flags = demo.flagged(demo.changed(jump))
    assert codes
    assert all(at - 2 <= f.frames[0] <= f.frames[1] <= at + 2 for f in flags)


def test_heavier_objects_need_more_grip_than_there_is(demo):
    """Where the object is made heavier in the model than the fingers can hold, the lift stays unexplained."""
    sim = demo.trajectory.sim
    replayer = prepare(load_embedded(sim.model_xml, sim.asset_root))
    body = int(replayer.model.mj.jnt_bodyid[np.flatnonzero(replayer.model.mj.jnt_type == 0)[0]])

    def left(factor):
        mj = replayer.model.mj
        mass, inertia, subtree = mj.body_mass[body], mj.body_inertia[body].copy(), mj.body_subtreemass[body]
        mj.body_mass[body] *= factor
        mj.body_inertia[body] *= factor
        mj.body_subtreemass[body] *= factor
        e = Worker(replayer).quantities(demo.trajectory, ["explanation"]).explanation
        mj.body_mass[body], mj.body_subtreemass[body] = mass, subtree
        mj.body_inertia[body] = inertia
        middle = demo.lifted[2:-2]
        middle = middle[middle < len(e.force)]
        return np.median(e.force[middle, 0] / e.weight[0])

    assert left(1.0) < 0.02
    assert left(300.0) > 0.4
