"""A joint is somewhere else in the next frame than any drive could have taken it.

What:
    The step of each robot joint between neighbouring frames. Spliced episodes, lost frames, wrapped angles and
    single corrupt samples look like this.

How:
    |q_i − q_(i−1)| ± 2.5 √2 σ_q > 3 · q̇_max · max(Δt, h, 10 ms)        [rad, m]
    h is the period at which the joint's value changes at all, at most 0.1 s (sample-and-hold sensors); 10 ms are
    the pauses of fast loggers. Without a velocity limit the bound is the largest of 10 × the 95th percentile of the
    joint's own steps, 8 rad/s · Δt (1 m/s · Δt) and 0.2 rad (20 mm). The step must also stand 5 × above the median
    of the 8 steps around it: a recording in wrong units or a merely fast motion does not jump.

Silent when:
    fewer than 3 frames. Derivative checks (K102–K104, K107, K108, F101–F107) leave out 0.5 s either side of every
    teleport found with the default tolerance, so that one cause has one code.

Fails to see:
    steps below three times the velocity limit (0.5 rad at 30 Hz and 5 rad/s); more than 4 teleports within 9
    frames; a floating base.

References:
    numerics: a fit of 0.5 s smears a step d into a peak speed near 6 d/s. 8 rad/s: the profile value linters use for
    hobby servos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simcheck.decide import Signal, Span
from simcheck.flags import Finding, Severity, Skipped
from simcheck.kinematics import STEP, allowed_steps, isolated, steps
from simcheck.quantities import Quantities, example

CODE = "K105"
NAME = "teleport"
SEVERITY = Severity.ERROR
NEEDS = ("joints", "position")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a user may set."""

    factor: float = STEP  # [1] times what the velocity limit allows between two frames; two lost frames make 3


def check(q: Quantities, tolerance: Tolerance) -> Iterator[Finding | Skipped]:
    """Find steps that no drive could make."""
    assert q.joints
    assert q.position is not None
    if len(q.time) < 3:
        yield Skipped(f"{len(q.time)} frames; a step needs a step beside it to be compared with, so at least 3")
        return
    step = steps(q)
    noise = np.sqrt(2) * (q.motion.sigma_qpos if q.motion else np.zeros(step.shape[1]))
    allowed = allowed_steps(q, tolerance.factor)
    judged = isolated(step, step > 0.5 * allowed) & q.joints.robot & q.joints.observed
    jump = Signal(
        derived=False, value=step, sigma=np.broadcast_to(noise, step.shape), limit=np.where(judged, allowed, np.nan),
        names=q.joints.names, unit=q.joints.units, evidence=q.joints.evidence, what="step from the frame before",
    )  # fmt: skip

    def cause(joint: int, span: Span) -> str:
        turns = step[span.worst, joint] / (2 * np.pi)
        if q.joints and q.joints.units[joint] == "rad" and turns > 0.9 and abs(turns - round(turns)) < 0.05:
            return "the step is a whole turn: unwrap the angle"
        return ""

    yield from jump.exceeding(q, cause)


def _elbow_jumps(by: float) -> Quantities:
    base = example()
    position = np.array(base.position)
    position[45:, 1] += by
    return replace(base, position=position, qpos=position)


def example_flagged() -> Quantities:
    """The elbow is 1 rad further on in the next frame; at 5 rad/s it makes 0.17 rad."""
    return _elbow_jumps(1.0)


def example_clean() -> Quantities:
    """0.3 rad: two lost frames would explain it."""
    return _elbow_jumps(0.3)
