"""Limits of every degree of freedom, from the card where it states them, else from wherever the model does.

MuJoCo models keep effort limits in three places (joint `actuatorfrcrange`, actuator `forcerange`, and a motor's
`ctrlrange` × gear); URDF `effort` arrives as the first. Velocity limits exist only in URDF and cards.
"""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np

from simcheck.physics.model import RobotModel
from simcheck.physics.structure import Structure
from simcheck.quantities import Limits
from simcheck.robot import Limit

DEFAULT_SIGMA = {
    "identified": 0.02,
    "cad": 0.05,
    "guessed": 0.10,
}  # share of the effort limit, where no figure is given


def assemble(model: RobotModel, structure: Structure) -> Limits:
    """All limits with their sources; nan where nobody declared one."""
    card, source = model.card, {}
    stated = card.limits if card else None
    values = {}
    for name in ("velocity", "acceleration", "jerk", "effort", "effort_continuous", "effort_rate"):
        limit: Limit | None = getattr(stated, name) if stated else None
        values[name] = _by_dof(structure, card.joints if card else [], limit)
        if limit:
            source[name] = limit.source
    if "velocity" not in source and model.velocity:
        values["velocity"] = np.array([model.velocity.get(n, np.nan) for n in structure.dof_names])
        source["velocity"] = "URDF limit velocity"
    if "effort" not in source:
        values["effort"], source["effort"] = model_effort(model.mj, structure)
    position = structure.range.copy()
    source["position"] = "model joint range"
    if card and stated and stated.position:
        at = {n: k for k, n in enumerate(card.joints)}
        for v, name in enumerate(structure.dof_names):
            if name in at:
                position[v] = stated.position.values[at[name]]
        source["position"] = stated.position.source
    scalars = _scalars(model, source)
    return replace(Limits(position=position, **values, source=source), **scalars)


def _by_dof(structure: Structure, joints: list[str], limit: Limit | None) -> np.ndarray:
    out = np.full(len(structure.dof_names), np.nan)
    at = {n: k for k, n in enumerate(joints)}
    for v, name in enumerate(structure.dof_names):
        if limit and name in at:
            out[v] = limit.values[at[name]]
    return out


def _scalars(model: RobotModel, source: dict[str, str]) -> dict[str, float]:
    card, out = model.card, {}
    if card is None:
        return out
    for name, entry in (("ee_speed", card.limits.ee_speed), ("ee_acceleration", card.limits.ee_acceleration)):
        if entry:
            out[name], source[name] = entry.value, entry.source
    if card.payload:
        out["payload"], source["payload"] = card.payload.max, card.payload.source
    if card.reach is not None:
        out["reach"], source["reach"] = card.reach, card.reach_source
    return out


def model_effort(mj: mujoco.MjModel, structure: Structure) -> tuple[np.ndarray, str]:
    """(nv,) effort limit the model declares [N m, N] and where; the tightest where several do."""
    limit, places = np.full(mj.nv, np.inf), set()
    ranged = mj.jnt_actfrclimited[mj.dof_jntid].astype(bool)
    if ranged.any():
        limit[ranged] = np.abs(mj.jnt_actfrcrange[mj.dof_jntid]).max(axis=1)[ranged]
        places.add("joint actuatorfrcrange")
    for a in range(mj.nactuator):
        if mj.actuator_trntype[a] != mujoco.mjtTrn.mjTRN_JOINT:
            continue
        v = mj.jnt_dofadr[mj.actuator_trnid[a, 0]]
        gear = abs(float(np.ravel(mj.actuator_gear[a])[0]))
        bound, place = np.inf, ""
        if mj.actuator_forcelimited[a]:
            bound, place = float(np.abs(mj.actuator_forcerange[a]).max()) * gear, "actuator forcerange"
        elif _is_motor(mj, a) and mj.actuator_ctrllimited[a]:
            bound, place = float(np.abs(mj.actuator_ctrlrange[a]).max()) * gear, "motor ctrlrange × gear"
        if bound < limit[v]:
            limit[v] = bound
        if place:
            places.add(place)
    judged = structure.robot & np.isfinite(limit) & (limit > 0)
    return np.where(judged, limit, np.nan), "model " + ", ".join(sorted(places)) if places else "none"


def _is_motor(mj: mujoco.MjModel, actuator: int) -> bool:
    """Force is the control signal itself: fixed unit gain, no bias."""
    return bool(
        mj.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED
        and mj.actuator_gainprm[actuator, 0] == 1
        and mj.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE
    )


def effort_sigma(model: RobotModel, structure: Structure, effort: np.ndarray) -> np.ndarray:
    """(nv,) one standard deviation of the model's torque error [N m, N].

    The card's figure where it has one, else a share of the limit. A model that came with simulated data counts as
    identified: what is left is torque that changed within one period of the log.
    """
    card = model.card
    if card and card.model.effort_sigma:
        at = {n: s for n, s in zip(card.joints, card.model.effort_sigma, strict=True)}
        return np.array([at.get(n, 0.0) for n in structure.dof_names])
    grade = "identified" if model.embedded else card.model.grade if card else "guessed"
    return np.nan_to_num(DEFAULT_SIGMA[grade] * effort)
