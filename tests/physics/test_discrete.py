"""Forward → inverse closure when every simulator step was logged."""

import mujoco
import numpy as np
import pytest

from simcheck.errors import ModelError
from simcheck.physics import engine
from tests.physics.models import ARM, compiled


def simulated(integrator, steps=200):
    """(model, qpos, qvel, applied) of a free run with random torques; one row per step."""
    model = compiled(ARM)
    model.opt.integrator = integrator
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    data, rng, rows = mujoco.MjData(model), np.random.default_rng(0), []
    for _ in range(steps):
        data.qfrc_applied[:] = rng.normal(0, 3, model.nv)
        rows.append((data.qpos.copy(), data.qvel.copy(), data.qfrc_applied.copy()))
        mujoco.mj_step(model, data)
    return model, *(np.array(column) for column in zip(*rows, strict=True))


def recovered(model, qpos, qvel):
    e = engine.Engine(model)
    qacc = np.diff(qvel, axis=0) / model.opt.timestep
    out = np.empty(qacc.shape)
    engine.sweep_discrete(e.handles, qpos[:-1], qvel[:-1], qacc, out)
    return out


@pytest.mark.parametrize("name", ["mjINT_EULER", "mjINT_IMPLICIT", "mjINT_IMPLICITFAST"])
def test_torques_of_logged_steps_are_recovered_exactly(name):
    model, qpos, qvel, applied = simulated(getattr(mujoco.mjtIntegrator, name))
    np.testing.assert_allclose(recovered(engine.discrete(model), qpos, qvel), applied[:-1], atol=1e-9)


@pytest.mark.parametrize("name", ["mjINT_EULER", "mjINT_IMPLICITFAST"])
def test_continuous_inverse_dynamics_would_not_recover_them(name):
    """The negative twin: without INVDISCRETE the integrator's own damping shows as torque."""
    model, qpos, qvel, applied = simulated(getattr(mujoco.mjtIntegrator, name))
    assert np.abs(recovered(model, qpos, qvel) - applied[:-1]).max() > 1e-3


def test_steps_of_rk4_cannot_be_inverted():
    model = compiled(ARM)
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_RK4
    with pytest.raises(ModelError, match="RK4"):
        engine.discrete(model)
