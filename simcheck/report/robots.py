"""What is known about a robot, as text: every limit with its source, and the model lint."""

from __future__ import annotations

import numpy as np

from simcheck.physics.model import load
from simcheck.physics.replay import Replayer, prepare

_UNITS = {
    "velocity": ("rad/s", "m/s"), "acceleration": ("rad/s²", "m/s²"), "jerk": ("rad/s³", "m/s³"),
    "effort": ("N m", "N"), "effort_continuous": ("N m", "N"), "effort_rate": ("N m/s", "N/s"),
}  # fmt: skip


def limits_table(name: str) -> str:
    """Limits of every robot joint, their sources, how exact the model is, and what is wrong with it."""
    replayer = prepare(load(name))
    lines = [*_heading(replayer), "", *_joints(replayer), "", "sources"]
    lines += [f"  {what}: {source}" for what, source in replayer.limits.source.items()]
    return "\n".join([*lines, "", "model lint", *(f"  {f}" for f in replayer.findings or ("nothing found",))])


def _heading(replayer: Replayer) -> list[str]:
    card, model = replayer.model.card, replayer.model
    lines = [card.title if card else model.label]
    lines.append(
        f"  model {model.sha256[:12]}, {model.mj.nv} degrees of freedom, {model.mj.body_subtreemass[0]:.2f} kg"
    )
    if card:
        lines.append(f"  forces: {card.model.grade}; {card.model.effort_sigma_source or 'share of the effort limit'}")
        if card.model.tuning:
            lines.append(
                f"  not counted, as the model's values were chosen for stability: {', '.join(card.model.tuning)}"
            )
    for what, unit in (("payload", "kg"), ("reach", "m"), ("ee_speed", "m/s"), ("ee_acceleration", "m/s²")):
        value = getattr(replayer.limits, what)
        if np.isfinite(value):
            lines.append(f"  {what} {value:g} {unit}")
    return lines


def _joints(replayer: Replayer) -> list[str]:
    limits, structure = replayer.limits, replayer.structure
    shown = [w for w in _UNITS if np.isfinite(getattr(limits, w)).any()]
    width = max(len(n) for n in structure.dof_names) + 2
    head = f"{'joint':{width}}{'position':>18}" + "".join(f"{w:>19}" for w in shown) + f"{'model ± 1σ':>14}"
    rows = [head]
    for v in np.flatnonzero(structure.robot):
        slide = structure.units[v] == "m"
        low, high = limits.position[v]
        row = f"{structure.dof_names[v]:{width}}{f'{low:.4g} … {high:.4g} {structure.units[v]}':>18}"
        for what in shown:
            value = getattr(limits, what)[v]
            text = f"{value:g} {_UNITS[what][slide]}" if np.isfinite(value) else "–"
            row += f"{text:>19}"
        rows.append(row + f"{replayer.effort_sigma[v]:>10.3g} {'N' if slide else 'N m'}")
    return rows
