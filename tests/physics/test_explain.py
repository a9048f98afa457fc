"""Physical experiments with known answers, and the solver against a reference."""

import mujoco
import numpy as np
import pytest
from scipy.optimize import lsq_linear, nnls
from scipy.spatial.transform import Rotation

from simcheck.physics.bounded import bounded_least_squares
from simcheck.physics.explainer import Explainer

G = 9.81


def solve(a, b, upper):
    m, n = a.shape
    x, residual = np.zeros(n), np.zeros(m)
    scratch = np.zeros(m + 1, np.int64), np.zeros((m + 1, m + 1)), np.zeros(m + 1)
    iterations = bounded_least_squares(a, b, upper, x, np.zeros(n, np.int64), *scratch, residual, 500)
    return x, residual, iterations


class TestSolver:
    def test_agrees_with_nnls_dependent_columns_included(self):
        rng = np.random.default_rng(0)
        for k in range(500):
            m, n = rng.integers(3, 16), rng.integers(2, 73)
            a, b = rng.normal(size=(m, n)), rng.normal(size=m) * 10 ** rng.uniform(-3, 3)
            if k % 3 == 0:
                a[:, n // 2 :] = a[:, : n - n // 2] * rng.uniform(0.5, 2)
            x, residual, iterations = solve(a, b, np.full(n, np.inf))
            assert iterations >= 0
            assert (x >= 0).all()
            assert np.linalg.norm(residual) == pytest.approx(nnls(a, b, maxiter=5000)[1], abs=1e-6 * np.linalg.norm(b))

    def test_agrees_with_bvls(self):
        rng = np.random.default_rng(1)
        for _ in range(200):
            m, n = rng.integers(3, 16), rng.integers(2, 60)
            a, b, upper = rng.normal(size=(m, n)), 3 * rng.normal(size=m), rng.uniform(0.01, 1, n)
            upper[rng.random(n) < 0.3] = np.inf
            x, residual, iterations = solve(a, b, upper)
            reference = lsq_linear(a, b, (np.zeros(n), upper), method="bvls", tol=1e-14, max_iter=2000)
            assert iterations >= 0
            assert ((x >= 0) & (x <= upper)).all()
            assert np.linalg.norm(residual) == pytest.approx(np.sqrt(2 * reference.cost), abs=1e-6 * np.linalg.norm(b))


def explainer(xml, limit=None, reach=0.001):
    model = mujoco.MjModel.from_xml_string(xml)
    limit = np.full(model.nv, np.nan) if limit is None else np.asarray(limit, float)
    actuated = np.isfinite(limit)
    return model, Explainer(model, actuated, limit, reach)


def still(model, explain, frames=3, **changes):
    """Explanation of a configuration held still."""
    qpos = np.tile(model.qpos0, (frames, 1))
    return explain.explain(np.arange(frames) / 20, qpos, np.zeros((frames, model.nv)), **changes)


SLOPE = """<mujoco><worldbody><geom type="plane" size="5 5 .1" euler="0 {degrees} 0" friction="{mu} 0 0"/>
<body pos="0 0 0" euler="0 {degrees} 0"><freejoint/><geom type="box" size=".1 .1 .05" pos="0 0 .05" mass="2" friction="{mu} 0 0"/></body>
</worldbody></mujoco>"""


class TestSlope:
    """A block on a slope stays where tan θ ≤ μ."""

    def smallest_friction(self, degrees):
        model, explain = explainer(SLOPE.format(degrees=degrees, mu=1.0))
        low, high = 0.0, 2.0
        for _ in range(12):
            middle = (low + high) / 2
            left = np.linalg.norm(still(model, explain, friction=middle).residual[:, :3], axis=1).max()
            low, high = (low, middle) if left < 1e-6 * 2 * G else (middle, high)
        return high

    @pytest.mark.parametrize("degrees", [5, 15, 25, 35])
    def test_smallest_friction_is_the_slope(self, degrees):
        assert self.smallest_friction(degrees) == pytest.approx(np.tan(np.radians(degrees)), rel=0.02)

    def test_without_friction_the_downhill_force_stays_unexplained(self):
        model, explain = explainer(SLOPE.format(degrees=20, mu=1.0))
        left = np.linalg.norm(still(model, explain, friction=0.0).residual[:, :3], axis=1)
        np.testing.assert_allclose(left, 2 * G * np.sin(np.radians(20)), rtol=0.02)


GRIPPER = """<mujoco><worldbody>
<body name="left" pos="-.03 0 1"><joint name="l" type="slide" axis="1 0 0"/><geom type="box" size=".01 .02 .02" mass=".1" friction="{mu} 0 0"/></body>
<body name="right" pos=".03 0 1"><joint name="r" type="slide" axis="-1 0 0"/><geom type="box" size=".01 .02 .02" mass=".1" friction="{mu} 0 0"/></body>
<body name="cube" pos="0 0 1"><freejoint/><geom type="box" size=".02 .02 .02" mass=".5" friction="{mu} 0 0"/></body>
</worldbody></mujoco>"""


class TestGrip:
    """Two fingers hold a mass m against gravity and acceleration a where 2 μ F_n ≥ m (g + a)."""

    def held(self, force, mu=0.5, acceleration=0.0):
        """Largest unexplained force on the cube [N] with fingers that press with up to `force` [N]."""
        xml = GRIPPER.format(mu=mu)
        model, explain = explainer(xml, [force, force, *[np.nan] * 6])
        time = np.arange(6) / 20
        qpos, qvel = np.tile(model.qpos0, (6, 1)), np.zeros((6, model.nv))
        qvel[:, 4] = acceleration * time
        out = explain.explain(time, qpos, qvel)
        assert out.failed == 0
        return np.linalg.norm(out.residual[:, 2:5], axis=1).max()

    @pytest.mark.parametrize(("mu", "acceleration"), [(0.5, 0.0), (0.5, 3.0), (0.8, 1.0)])
    def test_the_grip_that_just_holds(self, mu, acceleration):
        enough = 0.5 * (G + acceleration) / (2 * mu)
        assert self.held(1.01 * enough, mu, acceleration) < 1e-6
        assert self.held(0.97 * enough, mu, acceleration) > 0.005 * 0.5 * G

    def test_a_grip_without_bound_would_explain_any_friction(self):
        """The negative twin: with unlimited fingers even μ = 0.01 holds."""
        assert self.held(1e6, mu=0.01) < 1e-6

    def test_the_witness_says_how_hard_the_fingers_press(self):
        model, explain = explainer(GRIPPER.format(mu=0.5), [8.0, 8.0, *[np.nan] * 6])
        torque = np.abs(still(model, explain).torque[0, :2])
        assert (torque >= 0.5 * G / (2 * 0.5) * 0.97).all()
        assert (torque <= 8.0 + 1e-9).all()

    def test_an_object_with_nothing_near_is_left_with_its_whole_weight(self):
        model, explain = explainer(GRIPPER.format(mu=0.5), [50.0, 50.0, *[np.nan] * 6])
        qpos = np.tile(model.qpos0, (3, 1))
        qpos[:, :2] = -0.02
        out = explain.explain(np.arange(3) / 20, qpos, np.zeros((3, model.nv)))
        np.testing.assert_allclose(np.linalg.norm(out.residual[:, 2:5], axis=1), 0.5 * G, rtol=1e-9)
        assert out.touched[0, -1] == 0


BALL = """<mujoco><option timestep="0.0005"/><worldbody><geom type="plane" size="5 5 .1"/>
<body pos="0 0 1"><freejoint/><geom size=".05" mass=".2"/></body></worldbody></mujoco>"""


class TestFlight:
    def simulated(self, rate=50, seconds=1.2):
        model = mujoco.MjModel.from_xml_string(BALL)
        data = mujoco.MjData(model)
        data.qvel[:] = [1, 0.5, 1, 3, -2, 1]
        every = round(1 / rate / model.opt.timestep)
        rows = []
        for step in range(int(seconds / model.opt.timestep)):
            if step % every == 0:
                rows.append((data.time, data.qpos.copy(), data.qvel.copy()))
            mujoco.mj_step(model, data)
        return model, *(np.array(c) for c in zip(*rows, strict=True))

    def test_a_thrown_and_bouncing_ball_needs_nobody(self):
        model, time, qpos, qvel = self.simulated()
        explain = Explainer(model, np.zeros(6, bool), np.full(6, np.nan), 0.002)
        out = explain.explain(time, qpos, qvel)
        left = np.linalg.norm(out.residual[:, :3], axis=1)
        flight = out.touched[:, -1] == 0
        assert left[flight].max() < 1e-9 * 0.2 * G
        # While it is compressed the simulated contact sits inside the ball: its lever is shorter by a few percent.
        assert (left <= 0.05 * np.linalg.norm(out.need[:, :3], axis=1) + 1e-9).all()
        assert (out.touched[:, -1] == 0).sum() > 20, "most of it is flight"
        assert (out.touched[:, -1] > 0).any(), "it must hit the ground"

    def test_another_gravity_is_seen(self):
        model, time, qpos, qvel = self.simulated()
        model.opt.gravity[2] = -8.0
        explain = Explainer(model, np.zeros(6, bool), np.full(6, np.nan), 0.002)
        out = explain.explain(time, qpos, qvel)
        flight = out.touched[:, -1] == 0
        np.testing.assert_allclose(np.linalg.norm(out.residual[flight][:, :3], axis=1), 0.2 * 1.81, rtol=0.02)


STANDING = """<mujoco><worldbody><geom type="plane" size="5 5 .1" friction="1 0 0"/>
<body name="trunk" pos="0 0 .5"><freejoint/><geom type="box" size=".1 .1 .1" mass="20" contype="0" conaffinity="0"/>
<body pos="0 0 -.1"><joint name="hip" axis="0 1 0"/><geom type="box" size=".03 .03 .19" pos="0 0 -.2" mass="2" contype="0" conaffinity="0"/>
<geom name="foot" type="box" size="{length} .05 .01" pos="0 0 -.39" mass=".5"/></body></body></worldbody></mujoco>"""


class TestStanding:
    """A body on a foot stands where its centre of mass is over the foot."""

    def left(self, lean, length=0.1):
        model, explain = explainer(STANDING.format(length=length), [*[np.nan] * 6, 100.0])
        qpos = np.tile(model.qpos0, (3, 1))
        # The trunk moves forward over the foot, which stays flat where it is.
        angle = np.arcsin(lean / 0.4)
        qpos[:, 3:7] = [1, 0, 0, 0]
        qpos[:, 7] = -angle
        qpos[:, 0] = 0
        qpos[:, 2] = 0.5
        foot_tilt = np.array([np.cos(angle / 2), 0, np.sin(angle / 2), 0])
        qpos[:, 3:7] = foot_tilt
        qpos[:, 7] = -angle
        out = explain.explain(np.arange(3) / 20, qpos, np.zeros((3, model.nv)))
        return np.linalg.norm(out.residual[:, 3:6], axis=1).max(), out

    def test_upright_it_stands(self):
        left, out = self.left(0.0)
        assert out.failed == 0
        assert left < 1e-6

    def test_on_a_foot_of_a_millimetre_shifted_aside_it_does_not(self):
        xml = STANDING.format(length=0.1).replace('pos="0 0 -.39"', 'pos=".2 0 -.39"')
        model, explain = explainer(xml, [*[np.nan] * 6, 100.0])
        out = still(model, explain)
        assert np.abs(out.residual * explain.problem.scale).max() > 0.05


def test_cost_per_frame_is_bounded():
    """No time is tested; the number of iterations is: a hard problem must not run away."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        a = rng.normal(size=(12, 128))
        assert 0 <= solve(a, rng.normal(size=12), np.full(128, np.inf))[2] < 60


class TestMomentumBalance:
    """A tumbling body whose centre of mass is off its origin: what was applied is what the balance says."""

    XML = """<mujoco><option timestep="0.001" integrator="implicitfast"/><worldbody><body pos="0 0 2"><freejoint/>
    <inertial pos=".05 -.02 .1" mass="1.5" diaginertia=".02 .03 .04"/></body></worldbody></mujoco>"""

    def test_applied_force_and_torque_are_recovered(self):
        model = mujoco.MjModel.from_xml_string(self.XML)
        data, rows = mujoco.MjData(model), []
        data.qvel[:] = [0.3, -0.2, 0.5, 1.0, 2.0, -1.5]
        force, torque = np.array([1.0, 2.0, 3.0]), np.array([0.05, -0.04, 0.02])
        for step in range(400):
            if step % 20 == 0:
                rows.append((data.time, data.qpos.copy(), data.qvel.copy()))
            # A force at the centre of mass and a torque, both fixed in the world.
            data.xfrc_applied[1, :3], data.xfrc_applied[1, 3:] = force, torque
            mujoco.mj_step(model, data)
        time, qpos, qvel = (np.array(c) for c in zip(*rows, strict=True))
        out = Explainer(model, np.zeros(6, bool), np.full(6, np.nan), 0.001).explain(time, qpos, qvel)
        np.testing.assert_allclose(out.need[:, :3], np.tile(force, (len(time) - 1, 1)), atol=2e-3)
        rotation = Rotation.from_quat(qpos[:, 3:], scalar_first=True)
        offset = rotation.apply(np.tile([0.05, -0.02, 0.1], (len(time), 1)))
        about_origin = torque + np.cross((offset[1:] + offset[:-1]) / 2, force)
        np.testing.assert_allclose(out.need[:, 3:], about_origin, atol=5e-3)
