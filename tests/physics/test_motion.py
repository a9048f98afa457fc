"""Derivatives: closed forms, numerical references, coverage of the stated noise."""

import mujoco
import numpy as np
import pytest

from simcheck.physics import motion
from tests.physics.models import FREE, PENDULUM, compiled


def smooth(time, rng, joints=1, modes=4, fastest=1.0):
    """Sums of sinusoids up to `fastest` [Hz] and their exact derivatives 0…3, (4, T, joints)."""
    omega = 2 * np.pi * rng.uniform(0.1, fastest, (modes, joints))
    phase, amplitude = rng.uniform(0, 6, (modes, joints)), rng.uniform(0.1, 0.4, (modes, joints))
    angle = omega * time[:, None, None] + phase
    waves = [np.sin(angle), np.cos(angle), -np.sin(angle), -np.cos(angle)]
    return np.stack([(amplitude * omega**k * w).sum(axis=1) for k, w in enumerate(waves)])


def test_quartic_is_differentiated_exactly_on_uneven_time_stamps():
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.uniform(0.02, 0.05, 80))
    c = rng.normal(size=5)
    q = np.polynomial.polynomial.polyval(time, c)[:, None]
    found = motion.estimate(compiled(PENDULUM), time, q)
    for k, value in ((1, found.qvel), (2, found.qacc), (3, found.jerk)):
        exact = np.polynomial.polynomial.polyval(time, np.polynomial.polynomial.polyder(c, k))
        np.testing.assert_allclose(value[:, 0], exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())


def test_assuming_an_even_grid_would_not_be_exact():
    """The negative twin: the same samples read as evenly spaced give another derivative."""
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.uniform(0.02, 0.05, 80))
    q = (time**3)[:, None]
    even = np.linspace(time[0], time[-1], 80)
    found = motion.estimate(compiled(PENDULUM), even, q)
    assert np.abs(found.qacc[:, 0] - 6 * time).max() > 0.5


def test_weights_equal_an_ordinary_least_squares_fit():
    """Slow, obvious reference: numpy's polynomial fit of each window."""
    rng = np.random.default_rng(1)
    time = np.arange(60) / 25 + rng.uniform(-2e-3, 2e-3, 60)
    q = rng.normal(size=(60, 1))
    found = motion.estimate(compiled(PENDULUM), time, q)
    n = motion.window_samples(float(np.median(np.diff(time))), motion.WINDOW)
    for t in (0, 3, 30, 59):
        lo = min(max(t - n // 2, 0), 60 - n)
        fit = np.polynomial.Polynomial.fit(time[lo : lo + n], q[lo : lo + n, 0], 4)
        assert found.qvel[t, 0] == pytest.approx(fit.deriv(1)(time[t]), rel=1e-6, abs=1e-6)
        assert found.qacc[t, 0] == pytest.approx(fit.deriv(2)(time[t]), rel=1e-6, abs=1e-5)


def test_nothing_is_differentiated_across_a_gap():
    time = np.concatenate([np.arange(30), np.arange(30) + 130]) / 30
    q = np.where(time < 2, 0.0, 1.0)[:, None]
    found = motion.estimate(compiled(PENDULUM), time, q)
    assert np.abs(found.qvel).max() < 1e-9


@pytest.mark.parametrize(("rate", "noise"), [(10, 1e-3), (15, 3e-4), (30, 1e-3), (50, 3e-4), (100, 1e-3)])
def test_stated_noise_covers_the_errors(rate, noise):
    """±2.5σ holds at least 95 % of errors of velocity and acceleration, and is not idly wide."""
    rng = np.random.default_rng(rate)
    inside = {"qvel": [], "qacc": []}
    width = []
    for _ in range(8):
        time = np.arange(int(12 * rate)) / rate
        exact = smooth(time, rng, joints=1, fastest=0.8)
        q = exact[0] + rng.normal(0, noise, exact[0].shape)
        found = motion.estimate(compiled(PENDULUM), time, q)
        for k, name in ((1, "qvel"), (2, "qacc")):
            error = np.abs(getattr(found, name) - exact[k])
            inside[name].append(error < 2.5 * getattr(found, f"sigma_{name}"))
        error = np.abs(found.qacc - exact[2])
        width.append(np.median(found.sigma_qacc) / np.sqrt(np.mean(error**2)))
    for name, values in inside.items():
        assert np.mean(values) > 0.95, (name, np.mean(values))
    assert np.median(width) < 3


def test_noise_of_a_sample_is_found():
    rng = np.random.default_rng(3)
    time = np.arange(600) / 30
    q = smooth(time, rng)[0] + rng.normal(0, 1e-3, (600, 1))
    found = motion.estimate(compiled(PENDULUM), time, q)
    assert found.sigma_qpos[0] == pytest.approx(1e-3, rel=0.2)


def test_quantised_positions_keep_the_quantum_as_noise_floor():
    step = 2 * np.pi / 4096
    time = np.arange(300) / 30
    q = np.round(0.5 * np.sin(time) / step)[:, None] * step
    found = motion.estimate(compiled(PENDULUM), time, q)
    assert motion.quantum(q[:, 0]) == pytest.approx(step)
    assert found.sigma_qpos[0] >= step / np.sqrt(12)


def test_recorded_velocity_is_used_only_where_it_is_the_derivative():
    rng = np.random.default_rng(4)
    time = np.arange(300) / 30
    exact = smooth(time, rng, fastest=0.6)
    q = exact[0] + rng.normal(0, 1e-3, exact[0].shape)
    v = exact[1] + rng.normal(0, 2e-3, exact[1].shape)
    without = motion.estimate(compiled(PENDULUM), time, q)
    good = motion.estimate(compiled(PENDULUM), time, q, v)
    scaled = motion.estimate(compiled(PENDULUM), time, q, 1.3 * v)
    assert good.velocity_used.all()
    assert not scaled.velocity_used.any()

    def rms(found):
        return np.sqrt(np.mean((found.qacc - exact[2]) ** 2))

    assert rms(good) < 0.7 * rms(without)


def spinning(time, sign_flips=False):
    """A body turning about a wandering axis; body-frame ω by the engine's own difference of close poses."""

    def pose(t):
        q = np.zeros(4)
        mujoco.mju_axisAngle2Quat(q, np.array([0.0, 0.0, 1.0]), 0.8 * np.sin(1.1 * t))
        r = np.zeros(4)
        mujoco.mju_axisAngle2Quat(r, np.array([1.0, 0.0, 0.0]), 0.6 * np.cos(0.7 * t))
        out = np.zeros(4)
        mujoco.mju_mulQuat(out, q, r)
        return out

    qpos = np.zeros((len(time), 7))
    omega = np.zeros((len(time), 3))
    h = 1e-5
    for i, t in enumerate(time):
        qpos[i, 3:] = pose(t)
        mujoco.mju_subQuat(omega[i], pose(t + h), pose(t - h))
        omega[i] /= 2 * h
    if sign_flips:
        qpos[::7, 3:] *= -1
    return qpos, omega


def test_rotations_are_differentiated_in_the_body_frame_whatever_the_sign():
    time = np.arange(150) / 30
    qpos, omega = spinning(time, sign_flips=True)
    found = motion.estimate(compiled(FREE), time, qpos)
    np.testing.assert_allclose(found.qvel[:, 3:], omega, atol=2e-3)
    alpha = np.gradient(omega, time, axis=0)
    np.testing.assert_allclose(found.qacc[8:-8, 3:], alpha[8:-8], atol=2e-2)


def test_recorded_rotation_rates_agree_with_the_rotations():
    time = np.arange(150) / 30
    qpos, omega = spinning(time)
    qvel = np.hstack([np.zeros((150, 3)), omega])
    found = motion.estimate(compiled(FREE), time, qpos, qvel)
    assert found.velocity_used[3:].all()
    np.testing.assert_allclose(found.qvel[:, 3:], omega, atol=2e-3)
    wrong = motion.estimate(compiled(FREE), time, qpos, -qvel)
    assert not wrong.velocity_used[3:].any()
