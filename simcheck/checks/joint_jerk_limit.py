"""A joint's acceleration changes faster than its drive's interface accepts.

What:
    Jerk of each robot joint against the jerk limit of its card. A warning: controllers refuse or clip such a
    command, but the mechanics would survive it.

How:
    |q⃛_j| ± 2.5 σ_q⃛,j > q⃛_max,j        [rad/s³, m/s³]
    q⃛ from the local quartic fit of the recorded positions; σ from sample noise and fit bias.
    Slowing the motion by s divides q⃛ by s³, so s = ∛((|q⃛_j| + 2.5 σ) / q⃛_max,j).

Silent when:
    no jerk limit is declared for the joint (cards of robots with a streaming interface have one); within 0.5 s of
    a teleport of the joint (K105).

Fails to see:
    anything faster than about 1.5 / 0.5 s: jerk is mostly high-frequency content, so a clean answer says little
    about a recording below 100 Hz. What is flagged is sure, as the estimate understates peaks.

References:
    libfranka include/franka/rate_limiting.h (a jerk limit as a drive's interface states it); numerics: estimator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simcheck.checks._derivative import joints_beyond
from simcheck.flags import Finding, Severity, Skipped
from simcheck.quantities import Quantities, altered, example

CODE = "K104"
NAME = "joint-jerk-limit"
SEVERITY = Severity.WARNING
NEEDS = ("joints", "limits", "motion")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    scale: float = 1.0  # [1] share of the declared limit that is allowed


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find ranges in which a joint jerks too hard."""
    yield from joints_beyond(q, 3, tolerance.scale)


def example_flagged() -> Quantities:
    """The elbow jerks with 560 rad/s³ for a third of a second; its limit is 500."""
    jerk = np.array(example().motion.jerk)  # pyright: ignore[reportOptionalMemberAccess]
    jerk[40:50, 1] = 560.0
    return altered("motion", jerk=jerk)


def example_clean() -> Quantities:
    """The same with 450 rad/s³."""
    jerk = np.array(example().motion.jerk)  # pyright: ignore[reportOptionalMemberAccess]
    jerk[40:50, 1] = 450.0
    return altered("motion", jerk=jerk)
