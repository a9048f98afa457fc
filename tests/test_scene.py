"""A robot's data with recorded object poses, and the scene around it given by a file."""

import json
from pathlib import Path

import numpy as np
import pytest

from simcheck.config import Config
from simcheck.errors import ModelError, UsageError
from simcheck.flags import Status
from simcheck.formats import open_dataset
from simcheck.physics.model import load
from simcheck.physics.structure import Structure
from simcheck.runner import Judge, Models, Runner

FOLDER = Path(__file__).parents[1] / "examples" / "demo_dataset"
TRUTH = json.loads((FOLDER / "truth.json").read_text())


@pytest.fixture(scope="module")
def results():
    runner = Runner(Judge(Config(select=("M", "C103", "C105")), "panda", None, FOLDER / "scene.xml"), Models())
    dataset = open_dataset(FOLDER)
    return {e: runner.run(dataset, e) for e in dataset.episodes()}


def flagged(result):
    return [f for f in result.flags if f.status is Status.FLAGGED]


def test_clean_episodes_stay_clean_with_their_objects(results):
    for episode, truth in TRUTH.items():
        if not truth["fault"]:
            assert results[episode].verdict is Status.CLEAN, episode


@pytest.mark.parametrize(
    ("fault", "codes"),
    [("ghost grasp", {"M103"}), ("one finger never touches", {"M101"}), ("object teleport", {"M104"})],
)
def test_faults_that_only_the_objects_show(results, fault, codes):
    for episode, truth in TRUTH.items():
        if truth["fault"] == fault:
            found = flagged(results[episode])
            assert codes <= {f.code for f in found}
            first, last = truth["frames"]
            rows = np.zeros(2000, bool), np.zeros(2000, bool)
            rows[0][first : last + 1] = True
            for f in found:
                rows[1][f.frames[0] : f.frames[1] + 1] = True
            overlap = (rows[0] & rows[1]).sum() / (rows[0] | rows[1]).sum()
            assert overlap > 0.7, (episode, truth["frames"], [f.frames for f in found])


def test_the_scene_is_not_the_robot():
    model = load("panda", scene=FOLDER / "scene.xml")
    structure = Structure(model)
    cube = model.mj.body("scene/cube").id
    assert not structure.robot_body[cube]
    assert structure.robot.sum() == 9
    assert structure.free_base == -1


def test_bad_scenes_are_refused_with_a_reason(tmp_path):
    with pytest.raises(UsageError, match="no such scene file"):
        load("panda", scene=tmp_path / "absent.xml")
    (tmp_path / "robot.xml").write_text("<robot name='r'/>")
    with pytest.raises(ModelError, match="a scene is an MJCF file"):
        load("panda", scene=tmp_path / "robot.xml")
