"""How close to the engine's own speed? Everything is measured side by side in one run, on one thread.

    python benchmarks/speed.py [frames] [robot]

Trust the ratios; absolute times are those of the machine. The yardsticks are the loop over `mj_inverse` a user would
write in Python, and the same engine calls over the same frames at C speed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import mujoco
import numpy as np

from simcheck.config import Config
from simcheck.physics.engine import Engine, sweep_contacts, sweep_inverse
from simcheck.physics.model import load
from simcheck.physics.replay import Worker, prepare
from simcheck.runner import Judge, Models, Runner
from simcheck.trajectory import Channel, TimeBase, Trajectory

REPEATS = 3


def best(action: Callable[[], object]) -> float:
    """Shortest of some repeats [s], the first call left out (it compiles)."""
    action()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def motion(model: mujoco.MjModel, frames: int) -> np.ndarray:
    """(T, nq) slow sinusoids well inside the joint ranges, 30 Hz."""
    rng = np.random.default_rng(0)
    low, high = model.jnt_range.T
    t = np.arange(frames)[:, None] / 30
    wave = np.sin(2 * np.pi * 0.3 * t + rng.uniform(0, 6, model.nq))
    return (low + high) / 2 + 0.2 * (high - low) * wave + rng.normal(0, 1e-4, (frames, model.nq))


def python_loop(model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray) -> None:
    """What a user would write."""
    data = mujoco.MjData(model)
    for q, v, a in zip(qpos, qvel, qacc, strict=True):
        data.qpos[:], data.qvel[:], data.qacc[:] = q, v, a
        mujoco.mj_inverse(model, data)
        data.qfrc_inverse.copy()


def bare_engine(engine: Engine, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray) -> None:
    """The engine's inverse dynamics and collision over all frames, and nothing else."""
    nv, shape = engine.model.nv, qvel.shape
    sweep_inverse(engine.handles, qpos, qvel, qacc, np.ones(shape), np.empty((nv, nv)), *np.empty((3, *shape)))
    size = 16 * len(qpos)
    lists = (
        np.empty(size, np.int64),
        np.empty((size, 2), np.int64),
        np.empty(size),
        np.empty((size, 3)),
        np.empty((size, 3)),
    )
    sweep_contacts(engine.handles, qpos, 0, *lists)


def main() -> None:
    """Print microseconds per frame and ratios."""
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    robot = sys.argv[2] if len(sys.argv) > 2 else "panda"
    replayer = prepare(load(robot))
    worker, runner = Worker(replayer), Runner(Judge(Config(), robot), Models())
    model = replayer.model.mj
    qpos = motion(model, frames)
    names = replayer.structure.dof_names
    episode = Trajectory(
        "e", np.arange(frames) / 30, TimeBase.NOMINAL, position=Channel(names, qpos, replayer.structure.units)
    )
    q = worker.quantities(episode, runner.groups)
    assert q.motion
    state = qpos, q.motion.qvel, q.motion.qacc
    rows = {
        "Python loop over mj_inverse": best(lambda: python_loop(model, *state)),
        "bare engine, C speed": best(lambda: bare_engine(worker.engine, *state)),
        "simcheck: all quantities": best(lambda: worker.quantities(episode, runner.groups)),
        "simcheck: all checks on them": best(lambda: runner._outcomes(q, replayer.model)),
    }
    print(f"{robot}, {frames} frames, {model.nv} degrees of freedom, mujoco {mujoco.__version__}")
    for name, seconds in rows.items():
        print(
            f"  {name:32} {seconds / frames * 1e6:8.2f} µs/frame   {seconds / rows['bare engine, C speed']:6.2f} × bare"
        )


if __name__ == "__main__":
    main()
