"""Sweeps over frames against plain loops through the engine's own bindings."""

import mujoco
import numpy as np
import pytest

from simcheck.physics import engine
from tests.physics.models import ARM, PENDULUM, compiled


def random_state(model, frames, seed=0):
    rng = np.random.default_rng(seed)
    low, high = model.jnt_range.T
    return (
        low + rng.random((frames, model.nq)) * (high - low),
        rng.normal(size=(frames, model.nv)),
        5 * rng.normal(size=(frames, model.nv)),
    )


def inverse(model, qpos, qvel, qacc, sigma=None):
    e = engine.Engine(model)
    out = [np.empty(qvel.shape) for _ in range(3)]
    sigma = np.ones(qvel.shape) if sigma is None else sigma
    engine.sweep_inverse(e.handles, qpos, qvel, qacc, sigma, np.empty((model.nv, model.nv)), *out)
    return out


def test_inverse_equals_the_engine_without_constraints():
    model = compiled(ARM)
    qpos, qvel, qacc = random_state(model, 300)
    found = inverse(model, qpos, qvel, qacc)[0]
    reference = compiled(ARM)
    reference.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    data = mujoco.MjData(reference)
    for t in range(300):
        data.qpos[:], data.qvel[:], data.qacc[:] = qpos[t], qvel[t], qacc[t]
        mujoco.mj_inverse(reference, data)
        np.testing.assert_allclose(found[t], data.qfrc_inverse, atol=1e-9)


def test_inverse_with_constraints_would_be_something_else():
    """The negative twin: the finger equality alone changes the engine's answer."""
    model = compiled(ARM)
    qpos, qvel, qacc = random_state(model, 50)
    found = inverse(model, qpos, qvel, qacc)[0]
    data = mujoco.MjData(model)
    worst = 0.0
    for t in range(50):
        data.qpos[:], data.qvel[:], data.qacc[:] = qpos[t], qvel[t], qacc[t]
        mujoco.mj_inverse(model, data)
        worst = max(worst, np.abs(found[t] - data.qfrc_inverse).max())
    assert worst > 1


def test_pendulum_needs_m_g_l_sin_q():
    """τ = m l² q̈ + m g l sin q [N m], with m = 2 kg, l = 0.5 m."""
    model = compiled(PENDULUM)
    q = np.linspace(-3, 3, 61)[:, None]
    qacc = np.linspace(-4, 4, 61)[:, None]
    needed, gravity, sigma = inverse(model, q, 0 * q, qacc, np.full(q.shape, 0.3))
    static = 2 * 9.81 * 0.5 * np.sin(q)
    np.testing.assert_allclose(gravity, static, atol=1e-9)
    np.testing.assert_allclose(needed, static + 2 * 0.25 * qacc, atol=1e-6)
    np.testing.assert_allclose(sigma, 2 * 0.25 * 0.3, atol=1e-6)


def test_forward_then_inverse_returns_the_torque():
    model = compiled(ARM)
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    rng = np.random.default_rng(5)
    data, rows = mujoco.MjData(model), []
    for _ in range(100):
        data.qfrc_applied[:] = rng.normal(0, 5, model.nv)
        mujoco.mj_forward(model, data)
        rows.append((data.qpos.copy(), data.qvel.copy(), data.qacc.copy(), data.qfrc_applied.copy()))
        mujoco.mj_step(model, data)
    qpos, qvel, qacc, applied = (np.array(column) for column in zip(*rows, strict=True))
    np.testing.assert_allclose(inverse(model, qpos, qvel, qacc)[0], applied, atol=1e-9)


def test_sigma_is_the_spread_of_torque_under_acceleration_noise():
    model = compiled(ARM)
    qpos, qvel, qacc = random_state(model, 1)
    rng = np.random.default_rng(6)
    spread = rng.uniform(0.1, 1, model.nv)
    n = 20000
    many = np.repeat(qpos, n, 0), np.repeat(qvel, n, 0), qacc + rng.normal(size=(n, model.nv)) * spread
    observed = inverse(model, *many)[0].std(axis=0)
    stated = inverse(model, qpos, qvel, qacc, spread[None])[2][0]
    np.testing.assert_allclose(observed, stated, rtol=0.03)


def test_kinematics_and_jacobian():
    model = compiled(ARM)
    qpos, qvel, _ = random_state(model, 20)
    e = engine.Engine(model)
    body, site = np.array([model.body("hand").id] * 2, np.int32), np.array([-1, model.site("ee").id])
    pos, mat, jac = np.empty((20, 2, 3)), np.empty((20, 2, 9)), np.zeros((20, 2, 6, model.nv))
    engine.sweep_kinematics(e.handles, qpos, body, site, np.zeros(3), pos, mat, jac)
    h = 1e-6
    ahead, _, _ = np.empty((20, 2, 3)), None, None
    engine.sweep_kinematics(
        e.handles, qpos + h * qvel, body, site, np.zeros(3), ahead, mat.copy(), np.zeros((0, 2, 6, 1))
    )
    np.testing.assert_allclose(np.einsum("tkij,tj->tki", jac[:, :, :3], qvel), (ahead - pos) / h, atol=1e-5)
    data = mujoco.MjData(model)
    data.qpos[:] = qpos[7]
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(pos[7, 1], data.site("ee").xpos, atol=1e-12)
    np.testing.assert_allclose(mat[7, 1], data.site("ee").xmat, atol=1e-12)


def contacts(model, qpos, size):
    e, out, start = engine.Engine(model), [], 0
    while start < len(qpos):
        lists = (
            np.empty(size, np.int64),
            np.empty((size, 2), np.int64),
            np.empty(size),
            np.empty((size, 3)),
            np.empty((size, 3)),
        )
        start, n = engine.sweep_contacts(e.handles, qpos, start, *lists)
        out.append([column[:n].copy() for column in lists])
    return [np.concatenate(column) for column in zip(*out, strict=True)]


def test_contacts_equal_a_plain_loop_even_when_the_list_fills_up():
    model = compiled(ARM)
    model.geom_margin[:] = 0.05
    model.body_margin[:] = 0.05
    qpos, _, _ = random_state(model, 400)
    qpos[:, 1] *= 1.25  # past its range the hand meets the upper arm
    frame, geom, dist, pos, normal = contacts(model, qpos, size=10)
    assert len(frame) > 20, "the example must touch itself"
    data, row = mujoco.MjData(model), 0
    for t in range(400):
        data.qpos[:] = qpos[t]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_collision(model, data)
        for c in data.contact:
            assert frame[row] == t
            assert tuple(geom[row]) == tuple(c.geom)
            assert dist[row] == c.dist
            np.testing.assert_array_equal(pos[row], c.pos)
            np.testing.assert_array_equal(normal[row], c.frame[:3])
            row += 1
    assert row == len(frame)


def test_threads_do_not_share_state():
    """Two engines on two threads give what one gives alone."""
    from concurrent.futures import ThreadPoolExecutor

    model = compiled(ARM)
    states = [random_state(model, 2000, seed) for seed in range(4)]
    alone = [inverse(model, *s)[0] for s in states]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda s: inverse(model, *s)[0], states))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_models_with_activations_are_refused():
    xml = """<mujoco><worldbody><body><joint name="j"/><geom size=".1"/></body></worldbody>
    <actuator><general joint="j" dyntype="integrator"/></actuator></mujoco>"""
    with pytest.raises(Exception, match="1 activations"):
        engine.Engine(compiled(xml))
