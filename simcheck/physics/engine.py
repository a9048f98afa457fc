"""The engine's C functions called over all frames from compiled loops that release the GIL.

A Python loop over frames costs 1.3–1.7 µs a frame in binding overhead and holds the GIL; a loop compiled by
numba calls the same symbols of the same library at C speed, so several threads can sweep chunks at once. The
compiled code names the symbols (it holds no addresses), hence it can be cached on disk.
"""

from __future__ import annotations

import pathlib
from typing import NamedTuple

import llvmlite.binding
import mujoco
import numba
import numpy as np
from numba import types

from simcheck.errors import ModelError
from simcheck.physics import _layout

_LIBRARY = next(pathlib.Path(mujoco.__file__).parent.glob("libmujoco.*"))
llvmlite.binding.load_library_permanently(str(_LIBRARY))

_P, _I, _V = types.intp, types.int32, types.void
_ARRAY = types.CPointer(types.float64)
_kinematics = types.ExternalFunction("mj_kinematics", _V(_P, _P))
_com_pos = types.ExternalFunction("mj_comPos", _V(_P, _P))
_com_vel = types.ExternalFunction("mj_comVel", _V(_P, _P))
_tendon = types.ExternalFunction("mj_tendon", _V(_P, _P))
_passive = types.ExternalFunction("mj_passive", _V(_P, _P))
_collision = types.ExternalFunction("mj_collision", _V(_P, _P))
_make_m = types.ExternalFunction("mj_makeM", _V(_P, _P))
_full_m = types.ExternalFunction("mj_fullM", _V(_P, _P, _ARRAY))
_rne = types.ExternalFunction("mj_rne", _V(_P, _P, _I, _ARRAY))
_inverse = types.ExternalFunction("mj_inverse", _V(_P, _P))
_jac = types.ExternalFunction("mj_jac", _V(_P, _P, _ARRAY, _ARRAY, _ARRAY, _I))


class Handles(NamedTuple):
    """One thread's engine: addresses for C calls and views of the state they read and write."""

    m: int
    d: int
    qpos: np.ndarray
    qvel: np.ndarray
    qacc: np.ndarray
    qfrc_inverse: np.ndarray
    qfrc_passive: np.ndarray
    xpos: np.ndarray
    xmat: np.ndarray
    site_xpos: np.ndarray
    site_xmat: np.ndarray
    armature: np.ndarray
    ncon: np.ndarray
    contact: np.ndarray  # address of the contact list
    arena_address: int
    arena: np.ndarray
    arena_int: np.ndarray
    stride: int  # [8 bytes] size of one mjContact
    at: np.ndarray  # [8 bytes] offsets of dist, pos, frame; then [4 bytes] of geom


class Engine:
    """A compiled model with one private mjData. Not shared between threads."""

    def __init__(self, model: mujoco.MjModel) -> None:
        _layout.verify()
        self.model, self.data = model, mujoco.MjData(model)
        d, contact = self.data, _layout.layout("mjContact")
        if model.na or model.nflex:
            raise ModelError(
                f"model has {model.na} activations and {model.nflex} flexes; simcheck handles rigid bodies"
            )
        mujoco.mj_forward(model, d)
        arena = _layout.arena_view(d)
        offsets = [contact.offset["dist"] // 8, contact.offset["pos"] // 8, contact.offset["frame"] // 8]
        self.handles = Handles(
            m=model._address, d=d._address, qpos=d.qpos, qvel=d.qvel, qacc=d.qacc, qfrc_inverse=d.qfrc_inverse,
            qfrc_passive=d.qfrc_passive,
            xpos=d.xpos, xmat=d.xmat, site_xpos=d.site_xpos, site_xmat=d.site_xmat, armature=model.dof_armature,
            ncon=_layout.int_view(d, "ncon"), contact=_layout.pointer_view(d, "contact"),
            arena_address=int(_layout.pointer_view(d, "arena")[0]), arena=arena, arena_int=arena.view(np.int32),
            stride=contact.size // 8, at=np.array([*offsets, contact.offset["geom"] // 4]),
        )  # fmt: skip

    def warnings(self) -> dict[str, int]:
        """Engine warnings raised so far, by name (indices move between versions, names do not)."""
        names = [n for n in mujoco.mjtWarning.__members__ if n != "mjNWARNING"]
        return {n: int(self.data.warning[i].number) for i, n in enumerate(names) if self.data.warning[i].number}


def discrete(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy of the model set up for `sweep_discrete`; not for RK4, which cannot be undone.

    Raises:
        ModelError: the model uses an integrator whose steps cannot be inverted.
    """
    if model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
        raise ModelError("the model's integrator is RK4: its steps cannot be inverted")
    out = model.__copy__()
    out.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    out.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_INVDISCRETE)
    return out


@numba.njit(nogil=True, cache=True)
def sweep_kinematics(h, qpos, body, is_site, point, pos, mat, jac) -> None:
    """Forward kinematics and Jacobians of some frames of reference.

    Args:
        h: Handles.
        qpos: (T, nq).
        body: (n,) body each frame of reference belongs to.
        is_site: (n,) site id, or −1 where the frame is the body's own.
        point: scratch (3,).
        pos: (T, n, 3) [m], world; written.
        mat: (T, n, 9) rotation matrices, row-major; written.
        jac: (T, n, 6, nv) rows: linear [m/rad], angular; world axes; written unless it has no frames.
    """
    for t in range(qpos.shape[0]):
        h.qpos[:] = qpos[t]
        _kinematics(h.m, h.d)
        if jac.shape[0]:
            _com_pos(h.m, h.d)
        for k in range(body.shape[0]):
            if is_site[k] >= 0:
                pos[t, k] = h.site_xpos[is_site[k]]
                mat[t, k] = h.site_xmat[is_site[k]]
            else:
                pos[t, k] = h.xpos[body[k]]
                mat[t, k] = h.xmat[body[k]]
            if jac.shape[0]:
                point[:] = pos[t, k]
                _jac(h.m, h.d, jac[t, k, :3].ctypes, jac[t, k, 3:].ctypes, point.ctypes, body[k])


@numba.njit(nogil=True, cache=True)
def sweep_inverse(h, qpos, qvel, qacc, sigma_qacc, mass, effort, gravity, sigma) -> None:
    """Generalized force of every frame without constraints, its static part, and its noise floor.

        qfrc_inverse = M(q) q̈ + c(q, q̇) + armature q̈ − qfrc_passive        [N m, N]
        qfrc_gravity = the same at q̇ = q̈ = 0, springs included
        σ_τ,j = √(Σ_k (M_jk σ_q̈,k)²),  M with armature on its diagonal

    mj_inverse would subtract soft-constraint forces implied by the recorded q̈ (788 N m from the Panda's
    finger equality alone), so its parts are called instead.

    Args:
        h: Handles.
        qpos, qvel, qacc: (T, nq), (T, nv), (T, nv).
        sigma_qacc: (T, nv) one standard deviation of q̈.
        mass: scratch (nv, nv).
        effort, gravity, sigma: (T, nv), written.
    """
    nv = qvel.shape[1]
    for t in range(qpos.shape[0]):
        h.qpos[:] = qpos[t]
        h.qvel[:] = qvel[t]
        h.qacc[:] = qacc[t]
        _kinematics(h.m, h.d)
        _com_pos(h.m, h.d)
        _tendon(h.m, h.d)
        _make_m(h.m, h.d)
        _com_vel(h.m, h.d)
        _passive(h.m, h.d)
        _rne(h.m, h.d, 1, effort[t].ctypes)
        for i in range(nv):
            effort[t, i] += h.armature[i] * qacc[t, i] - h.qfrc_passive[i]
        _full_m(h.m, h.d, mass.ctypes)
        for i in range(nv):
            total = 0.0
            for k in range(nv):
                total += (mass[i, k] * sigma_qacc[t, k]) ** 2
            sigma[t, i] = np.sqrt(total)
        h.qvel[:] = 0.0
        _com_vel(h.m, h.d)
        _passive(h.m, h.d)
        _rne(h.m, h.d, 0, gravity[t].ctypes)
        for i in range(nv):
            gravity[t, i] -= h.qfrc_passive[i]


@numba.njit(nogil=True, cache=True)
def sweep_discrete(h, qpos, qvel, qacc, effort) -> None:
    """Generalized force of steps the simulator took, exact for the integrator that took them.

    The model must be `discrete(model)`: with INVDISCRETE the engine undoes what its integrator did to the
    acceleration (q̇_(t+1) − q̇_t)/h, and without constraints nothing else is subtracted.

    Args:
        h: Handles.
        qpos, qvel, qacc: (T, nq), (T, nv), (T, nv) with qacc = (q̇_(t+1) − q̇_t)/timestep.
        effort: (T, nv), written.
    """
    for t in range(qpos.shape[0]):
        h.qpos[:] = qpos[t]
        h.qvel[:] = qvel[t]
        h.qacc[:] = qacc[t]
        _inverse(h.m, h.d)
        effort[t] = h.qfrc_inverse


@numba.njit(nogil=True, cache=True)
def collide(h) -> None:
    """Kinematics and collision at the configuration in h.qpos."""
    _kinematics(h.m, h.d)
    _com_pos(h.m, h.d)
    _collision(h.m, h.d)


@numba.njit(nogil=True, cache=True)
def point_jacobian(h, jac, point, body) -> None:
    """Jacobian (6, nv) of a point (3,) [m] fixed to a body, world axes, at the current kinematics; written."""
    _jac(h.m, h.d, jac[:3].ctypes, jac[3:].ctypes, point.ctypes, body)


@numba.njit(nogil=True, cache=True)
def sweep_contacts(h, qpos, start, frame, geom, dist, pos, normal) -> tuple[int, int]:
    """Contacts (and near contacts within the model's margins) of frames `start` and after, as a flat list.

    Args:
        h: Handles.
        qpos: (T, nq).
        start: first frame to look at.
        frame, geom, dist, pos, normal: (N,), (N, 2), (N,), (N, 3), (N, 3); written from row 0.

    Returns:
        (next frame to look at, rows written); the next frame is T unless the list was full.
    """
    row = 0
    for t in range(start, qpos.shape[0]):
        h.qpos[:] = qpos[t]
        collide(h)
        ncon = h.ncon[0]
        if row + ncon > frame.shape[0]:
            return t, row
        first = (h.contact[0] - h.arena_address) // 8
        for c in range(ncon):
            at = first + c * h.stride
            frame[row] = t
            geom[row, 0] = h.arena_int[2 * at + h.at[3]]
            geom[row, 1] = h.arena_int[2 * at + h.at[3] + 1]
            dist[row] = h.arena[at + h.at[0]]
            for i in range(3):
                pos[row, i] = h.arena[at + h.at[1] + i]
                normal[row, i] = h.arena[at + h.at[2] + i]
            row += 1
    return qpos.shape[0], row
