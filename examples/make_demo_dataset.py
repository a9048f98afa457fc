"""Make the demo dataset: simulated Panda pick-and-place with known truth, as LeRobot v3.0 at 30 Hz.

    python examples/make_demo_dataset.py [folder] [--seed 7]

12 clean episodes, then one for every entry of `_demo_damage.FAULTS`, then a copy of a clean one. Beside the
dataset: truth.json, which says for every episode what is wrong, where, how much, and which checks must see it; and
scene.xml, the table and the cube. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from _demo_damage import FAULTS
from _demo_faults import Fault, Made, Studio, clean
from _demo_record import FEATURES
from _demo_scene import CUBE_EDGE, Cube, Kinematics, add_table_and_cube
from _demo_simulate import FPS

from simcheck.formats._lerobot_write import NewEpisode, write_dataset

FOLDER = Path(__file__).resolve().parent / "demo_dataset"
SEED = 7
CLEAN = 12
TASK = "pick up the cube and put it down at the goal"
NOTHING = Fault("", clean, (), "")
DUPLICATE = Fault("duplicated episode", clean, ("D113",), "D")


def schedule() -> list[Fault]:
    """What every episode is, but for the duplicate at the end."""
    return [NOTHING] * CLEAN + list(FAULTS)


def make(index: int, seed: int, kinematics: Kinematics) -> Made:
    """Episode `index`; its random numbers depend on nothing but seed and index."""
    return schedule()[index].make(Studio(kinematics, np.random.default_rng([seed, index])))


def episodes(seed: int, truth: dict[str, Any]) -> Iterator[NewEpisode]:
    """All episodes in order; `truth` is filled on the way."""
    kinematics, kept = Kinematics(), {}
    for index, fault in enumerate(schedule()):
        made = make(index, seed, kinematics)
        truth[name(index)] = told(fault, made)
        if index < CLEAN:
            kept[index] = made
        yield NewEpisode(made.columns, TASK)
    source = int(np.random.default_rng([seed, len(schedule())]).integers(CLEAN))
    copy = kept[source]
    last = len(copy.columns["action"]) - 1
    again = Made(copy.columns, copy.plan, (0, last), last + 1, "frames", "recording", source)
    truth[name(len(schedule()))] = told(DUPLICATE, again)
    yield NewEpisode(copy.columns, TASK)


def name(index: int) -> str:
    """What readers call episode `index`."""
    return f"episode_{index:06d}"


def told(fault: Fault, made: Made) -> dict[str, Any]:
    """The entry of truth.json."""
    cube = {
        "edge_m": CUBE_EDGE,
        "mass_kg": round(made.plan.cube.mass, 4),
        "friction": round(made.plan.cube.friction, 3),
    }
    entry: dict[str, Any] = {"fault": fault.name, "expected": list(fault.expected), "cube": cube}
    if fault.name:
        entry |= {
            "frames": made.frames, "size": round(float(made.size), 4), "unit": made.unit, "place": made.place,
            "family_needed": fault.family,
        }  # fmt: skip
    return entry if made.source is None else {**entry, "source": name(made.source)}


def write(folder: Path, seed: int) -> Path:
    """Write dataset, truth and scene into `folder`, replacing what was there."""
    for part in ("data", "meta"):
        shutil.rmtree(folder / part, ignore_errors=True)
    truth: dict[str, Any] = {}
    write_dataset(folder, episodes(seed, truth), FEATURES, fps=FPS, robot_type="panda")
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    spec = mujoco.MjSpec()
    spec.modelname = "table and cube"
    add_table_and_cube(spec, Cube(mass=0.1, friction=0.75))
    (folder / "scene.xml").write_text(spec.to_xml(), encoding="utf-8")
    return folder


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    print(write(arguments.folder, arguments.seed))


if __name__ == "__main__":
    main()
