"""Velocity, acceleration and jerk of sampled configurations, with their noise floor.

Around every frame a polynomial of order p = 4 is fitted by least squares to the samples of a window, on the
recorded time stamps (on a uniform grid this is the Savitzky–Golay filter). With u_i = (t_i − t)/h and rows
X_ij = u_i^j for positions, √ρ j u_i^(j−1)/h for recorded velocities (ρ = σ_q²/σ_v²),

    c = (XᵀX)⁻¹Xᵀy      q̇ = c₁/h      q̈ = 2c₂/h²      q⃛ = 6c₃/h³
    noise:  q⁽ᵏ⁾ = Σ_i w_i q_i + w'_i q̇_i  ⇒  Var(q⁽ᵏ⁾) = σ_q² Σ w_i² + σ_v² Σ w'_i²

σ_q comes from the residuals of 7-sample fits (they see only what a quartic cannot follow), floored by the
recording's quantum/√12. A polynomial that is too stiff is biased where noise is not the problem: the bias is
estimated from a window of 3/5 the length, b² = local mean of (q⁽ᵏ⁾ − q⁽ᵏ⁾_narrow)² minus its noise part.

Rotations are fitted in the rotation vector φ_i = log(q⁻¹ ⊗ q_i) relative to the frame itself, where ω = φ̇ and
α = φ̈ hold exactly at φ = 0 (body frame, as a free joint's qvel). Torques from these accelerations are
torques of the band-limited motion: content faster than about 1.5/window [Hz] is not in the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numba
import numpy as np

from simcheck.quantities import Motion

ORDER = 4
MIN_SAMPLES = 7
WINDOW = 0.5  # [s] best over robots, rates and noise levels measured; see README of benchmarks
NARROW = 0.6  # the window that measures bias, as a share of the window


@numba.njit(nogil=True, cache=True)
def _invert(a, out) -> None:
    """Out = a⁻¹ for a small symmetric positive definite matrix (Cholesky, then columns)."""
    n = a.shape[0]
    for i in range(n):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= a[i, k] * a[j, k]
            a[i, j] = np.sqrt(max(s, 1e-300)) if i == j else s / a[j, j]
    for col in range(n):
        for i in range(n):
            s = 1.0 if i == col else 0.0
            for k in range(i):
                s -= a[i, k] * out[k, col]
            out[i, col] = s / a[i, i]
        for i in range(n - 1, -1, -1):
            s = out[i, col]
            for k in range(i + 1, n):
                s -= a[k, i] * out[k, col]
            out[i, col] = s / a[i, i]


@numba.njit(nogil=True, cache=True)
def _weights(time, lo, n, t, rho, order, normal, inverse, wq, wv, var) -> None:
    """Filter weights of the window time[lo : lo + n] about time[t], for derivatives 0…3.

    q⁽ᵏ⁾ = Σ_i wq[k, i] q_i + wv[k, i] q̇_i, and Var(q⁽ᵏ⁾) = var[0, k] σ_q² + var[1, k] σ_v².
    """
    h = max(time[t] - time[lo], time[lo + n - 1] - time[t])
    moment = np.zeros(2 * order + 1)  # Σ u^m
    for i in range(n):
        u, power = (time[lo + i] - time[t]) / h, 1.0
        for m in range(2 * order + 1):
            moment[m] += power
            power *= u
    for j in range(order + 1):
        for k in range(j + 1):
            normal[j, k] = moment[j + k]
            if rho > 0.0 and k > 0:
                normal[j, k] += rho / (h * h) * j * k * moment[j + k - 2]
    _invert(normal, inverse)
    var[:] = 0.0
    for i in range(n):
        u, scale = (time[lo + i] - time[t]) / h, 1.0
        for k in range(4):
            q, v, power, below = 0.0, 0.0, 1.0, 0.0  # u^j and u^(j−1)
            for j in range(order + 1):
                q += inverse[k, j] * power
                v += inverse[k, j] * j * below
                power, below = power * u, power
            if k > 0:
                scale *= k / h
            wq[k, i] = q * scale
            wv[k, i] = v * scale * rho / h
            var[0, k] += wq[k, i] ** 2
            var[1, k] += wv[k, i] ** 2


@numba.njit(nogil=True, cache=True)
def _relative_rotation(a, b, out) -> None:
    """Out = log(a⁻¹ ⊗ b), the rotation vector [rad] from a to b in a's frame; sign of b does not matter."""
    w = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
    x = a[0] * b[1] - a[1] * b[0] - a[2] * b[3] + a[3] * b[2]
    y = a[0] * b[2] + a[1] * b[3] - a[2] * b[0] - a[3] * b[1]
    z = a[0] * b[3] - a[1] * b[2] + a[2] * b[1] - a[3] * b[0]
    if w < 0:
        w, x, y, z = -w, -x, -y, -z
    s = np.sqrt(x * x + y * y + z * z)
    factor = 2.0 * np.arctan2(s, w) / s if s > 1e-12 else 2.0
    out[0], out[1], out[2] = factor * x, factor * y, factor * z


@numba.njit(nogil=True, cache=True)
def _rotation_rate(phi, omega, out) -> None:
    """Out = J_r(φ)⁻¹ ω ≈ ω + φ×ω/2 + φ×(φ×ω)/12: rate of the rotation vector from the body rate [rad/s]."""
    cx = phi[1] * omega[2] - phi[2] * omega[1]
    cy = phi[2] * omega[0] - phi[0] * omega[2]
    cz = phi[0] * omega[1] - phi[1] * omega[0]
    out[0] = omega[0] + 0.5 * cx + (phi[1] * cz - phi[2] * cy) / 12.0
    out[1] = omega[1] + 0.5 * cy + (phi[2] * cx - phi[0] * cz) / 12.0
    out[2] = omega[2] + 0.5 * cz + (phi[0] * cy - phi[1] * cx) / 12.0


@numba.njit(nogil=True, cache=True)
def fit(time, segment, x, v, rotation, rho, samples, uniform, order, out, var) -> None:
    """Local polynomial fit of every frame.

    Args:
        time: (T,) [s], increasing.
        segment: (T, 2) first frame and one past the last frame of the unbroken stretch each frame lies in.
        x: (T, n) coordinates, or (T, 4) quaternions wxyz when `rotation`.
        v: (T, n) recorded rates (body frame for a rotation); read only where rho > 0.
        rotation: whether x is a quaternion.
        rho: (σ_q/σ_v)² [s²]; 0 ignores v.
        samples: window length in samples.
        uniform: the time grid is even, so interior windows share their weights.
        order: polynomial order.
        out: (4, T, n) fitted value and derivatives 1…3; written.
        var: (2, 4, T) their variance per σ_q² and per σ_v²; written.

    Every stretch must hold at least order + 1 frames.
    """
    wq, wv = np.zeros((4, samples)), np.zeros((4, samples))
    normal, inverse = np.zeros((order + 1, order + 1)), np.zeros((order + 1, order + 1))
    dim = out.shape[2]
    value, rate = np.zeros(dim), np.zeros(dim)
    last_offset, last_n = -1, -1
    for t in range(time.shape[0]):
        first, end = segment[t, 0], segment[t, 1]
        n = min(samples, end - first)
        lo = min(max(t - n // 2, first), end - n)
        if not uniform or t - lo != last_offset or n != last_n:
            _weights(time, lo, n, t, rho, order, normal, inverse, wq, wv, var[:, :, t])
            last_offset, last_n = t - lo, n
        else:
            var[:, :, t] = var[:, :, t - 1]
        out[:, t] = 0.0
        for i in range(n):
            if rotation:
                _relative_rotation(x[t], x[lo + i], value)
                if rho > 0.0:
                    _rotation_rate(value, v[lo + i], rate)
            else:
                value[:] = x[lo + i]
                if rho > 0.0:
                    rate[:] = v[lo + i]
            for k in range(4):
                for c in range(dim):
                    out[k, t, c] += wq[k, i] * value[c] + wv[k, i] * rate[c]


def window_samples(dt: float, window: float, least: int = MIN_SAMPLES) -> int:
    """Odd number of samples of a window [s] at period dt [s], at least `least`."""
    return max(least, 2 * int(window / dt / 2) + 1)


def samples_in(time: np.ndarray, window: float = WINDOW) -> int:
    """Samples of a window [s] on a recording's own period."""
    return window_samples(float(np.median(np.diff(time))), window)


def smoothed(time: np.ndarray, x: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit of plain coordinates x (T, n): (4, T, n) value and derivatives, (4, T) their variance per σ_x²."""
    out, var = np.zeros((4, *x.shape)), np.zeros((2, 4, len(time)))
    fit(time, segments(time), x, x, False, 0.0, samples, _is_uniform(time), ORDER, out, var)
    return out, var[0]


def segments(time: np.ndarray) -> np.ndarray:
    """(T, 2) bounds of the unbroken stretch of every frame: no derivative is taken across a gap.

    A gap is more than 5 periods and more than 0.1 s: shorter ones are bridged by the fit, which uses the
    time stamps.
    """
    step = np.diff(time)
    dt = float(np.median(step)) if len(step) else 1.0
    cuts = np.flatnonzero(step > max(5 * dt, 0.1)) + 1
    bounds = np.concatenate(([0], cuts, [len(time)]))
    index = np.searchsorted(bounds, np.arange(len(time)), side="right") - 1
    return np.stack([bounds[index], bounds[index + 1]], axis=1)


def edges(time: np.ndarray, window: float = WINDOW) -> np.ndarray:
    """(T,) bool: less than a quarter of the window lies on one side, so the fit extrapolates more than it averages."""
    stretch, t = segments(time), np.arange(len(time))
    quarter = np.minimum(samples_in(time, window), stretch[:, 1] - stretch[:, 0]) // 4
    return (t - stretch[:, 0] < quarter) | (stretch[:, 1] - 1 - t < quarter)


def _is_uniform(time: np.ndarray) -> bool:
    step = np.diff(time)
    return bool(len(step)) and float(np.ptp(step)) < 1e-6 * float(np.median(step)) + 1e-9


def quantum(x: np.ndarray) -> float:
    """Step of a quantised column: the smallest change all changes are multiples of; 0 if there is none."""
    step = np.abs(np.diff(x))
    step = step[step > 1e-9]
    if len(step) < 8:
        return 0.0
    smallest = float(step.min())
    multiple = step / smallest
    tolerance = 0.02 + 0.002 * multiple
    return smallest if np.mean(np.abs(multiple - np.round(multiple)) < tolerance) > 0.99 else 0.0


def sample_noise(x: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(n,) standard deviation of one sample, from residuals of 7-sample fits, floored by quantum/√12.

    Residuals of frames that did not change are left out: a joint at rest says nothing about its noise.
    """
    out, var = smoothed(time, x, MIN_SAMPLES)
    residual = np.abs(x - out[0]) / np.sqrt(np.maximum(1 - var[0], 0.05))[:, None]
    moving = np.diff(x, axis=0, prepend=x[:1]) != 0
    sigma = np.zeros(x.shape[1])
    for c in range(x.shape[1]):
        seen = residual[moving[:, c], c]
        sigma[c] = np.median(seen) / 0.6745 if len(seen) >= MIN_SAMPLES else 0.0
        sigma[c] = max(sigma[c], quantum(x[:, c]) / np.sqrt(12), 1e-9)
    return sigma


@dataclass(frozen=True, slots=True)
class _Samples:
    """What is differentiated at once: plain coordinates, or one quaternion."""

    time: np.ndarray  # (T,) [s]
    segment: np.ndarray  # (T, 2)
    x: np.ndarray  # (T, n), or (T, 4) wxyz
    v: np.ndarray  # (T, n or 3) recorded rates; zeros where there are none
    rotation: bool
    sigma_x: np.ndarray  # (n or 3,)
    sigma_v: np.ndarray  # (n or 3,); inf where rates are not used

    def derivatives(self, window: float) -> tuple[np.ndarray, np.ndarray]:
        """(4, T, n) value and derivatives, and (4, T, n) their standard deviations, bias included."""
        dt = float(np.median(np.diff(self.time)))
        wide, narrow = window_samples(dt, window), window_samples(dt, window * NARROW, ORDER + 1)
        out, noise = self._fit(wide)
        out_narrow, noise_narrow = self._fit(narrow)
        # The wide fit is the more efficient of two unbiased ones, so the noise part of their difference
        # is the difference of their variances.
        excess = (out - out_narrow) ** 2 - np.maximum(noise_narrow - noise, 0)
        return out, np.sqrt(noise + np.maximum(_moving_mean(excess, wide), 0))

    def _fit(self, samples: int) -> tuple[np.ndarray, np.ndarray]:
        shape = (4, len(self.time), len(self.sigma_x))
        out, var = np.zeros(shape), np.zeros((2, 4, len(self.time)))
        rho = self._trust()
        fit(
            self.time,
            self.segment,
            self.x,
            self.v,
            self.rotation,
            rho,
            samples,
            _is_uniform(self.time),
            ORDER,
            out,
            var,
        )
        sigma_v = np.where(np.isfinite(self.sigma_v), self.sigma_v, 0.0)
        return out, var[0, :, :, None] * self.sigma_x**2 + var[1, :, :, None] * sigma_v**2

    def _trust(self) -> float:
        """ρ [s²], one for all columns: their median. The noise above is exact for any ρ."""
        used = np.isfinite(self.sigma_v)
        return float(np.median((self.sigma_x[used] / self.sigma_v[used]) ** 2)) if used.any() else 0.0


def _moving_mean(x: np.ndarray, samples: int) -> np.ndarray:
    """Mean over the window of each frame along axis 1; shorter at the ends."""
    total = np.cumsum(x, axis=1)
    total = np.concatenate([np.zeros_like(total[:, :1]), total], axis=1)
    t = np.arange(x.shape[1])
    lo, hi = np.maximum(t - samples // 2, 0), np.minimum(t + samples // 2 + 1, x.shape[1])
    return (total[:, hi] - total[:, lo]) / (hi - lo)[:, None]


def _columns(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """(qpos columns, qvel columns) of plain coordinates, and (qpos, qvel) address of each rotation."""
    q_plain, v_plain, rotations = [], [], []
    for j in range(model.njnt):
        q, v, kind = int(model.jnt_qposadr[j]), int(model.jnt_dofadr[j]), int(model.jnt_type[j])
        if kind == mujoco.mjtJoint.mjJNT_FREE:
            q_plain += range(q, q + 3)
            v_plain += range(v, v + 3)
            q, v = q + 3, v + 3
        if kind in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL):
            rotations.append((q, v))
        else:
            q_plain.append(q)
            v_plain.append(v)
    return np.array(q_plain, int), np.array(v_plain, int), rotations


def consistent(recorded: np.ndarray, derived: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """(n,) whether recorded rates are the derivative of the recorded positions.

    They are where the residual's median is within 3 of its own noise floor, or within 5 % of the rate's
    rms: a filtered, lagged or wrongly scaled velocity is neither.
    """
    residual = np.median(np.abs(recorded - derived), axis=0) / 0.6745
    rms = np.sqrt(np.mean(derived**2, axis=0))
    return residual < np.maximum(3 * np.median(sigma, axis=0), 0.05 * rms)


def rotation_noise(quaternion: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(3,) standard deviation [rad] of a recorded orientation: quaternion components move by φ/2."""
    sign = np.cumprod(np.where(np.sum(quaternion[1:] * quaternion[:-1], axis=1) < 0, -1.0, 1.0))
    smooth = quaternion.copy()
    smooth[1:] *= sign[:, None]
    return np.full(3, 2 * float(np.sqrt(np.mean(sample_noise(smooth, time) ** 2))))


def estimate(
    model: mujoco.MjModel, time: np.ndarray, qpos: np.ndarray, qvel: np.ndarray | None = None, window: float = WINDOW
) -> Motion:
    """Derivatives of a sampled configuration.

    Args:
        model: gives the meaning of the columns.
        time: (T,) [s], strictly increasing; every unbroken stretch has at least MIN_SAMPLES frames.
        qpos: (T, nq).
        qvel: (T, nv) recorded velocity with nan in columns that were not recorded, or None.
        window: [s].
    """
    segment, nv = segments(time), model.nv
    q_plain, v_plain, rotations = _columns(model)
    out, sigma = np.zeros((4, len(time), nv)), np.zeros((4, len(time), nv))
    noise, used = np.zeros(nv), np.zeros(nv, bool)
    blocks = [(q_plain, v_plain, False)] if len(q_plain) else []
    blocks += [(np.arange(q, q + 4), np.arange(v, v + 3), True) for q, v in rotations]
    for q, v, rotation in blocks:
        x = np.ascontiguousarray(qpos[:, q])
        noise[v] = rotation_noise(x, time) if rotation else sample_noise(x, time)
        blank = np.zeros((len(time), len(v)))
        samples = _Samples(time, segment, x, blank, rotation, noise[v], np.full(len(v), np.inf))
        out[:, :, v], sigma[:, :, v] = samples.derivatives(window)
        if qvel is None:
            continue
        agree = np.all(np.isfinite(qvel[:, v]), axis=0)
        agree[agree] = consistent(qvel[:, v][:, agree], out[1][:, v][:, agree], sigma[1][:, v][:, agree])
        used[v] = agree.all() if rotation else agree
        take = used[v]
        if take.any():
            rates = np.ascontiguousarray(qvel[:, v][:, take])
            keep = np.arange(4) if rotation else take
            fused = _Samples(time, segment, np.ascontiguousarray(x[:, keep]), rates, rotation, noise[v][take],
                             sample_noise(rates, time))  # fmt: skip
            out[:, :, v[take]], sigma[:, :, v[take]] = fused.derivatives(window)
    m = (samples_in(time, window) - 1) / 2
    rate = 1 / float(np.median(np.diff(time)))
    return Motion(
        qvel=out[1], qacc=out[2], jerk=out[3], sigma_qvel=sigma[1], sigma_qacc=sigma[2], sigma_jerk=sigma[3],
        sigma_qpos=noise, velocity_used=used,
        velocity_recorded=np.full((len(time), nv), np.nan) if qvel is None else qvel,
        bandwidth=(ORDER + 1) / (3.2 * m - 4.6) * rate / 2,
    )  # fmt: skip
