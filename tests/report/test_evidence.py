"""Evidence: what is kept of an episode, that it survives a disk, and that pictures are a luxury."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import made_up

from simcheck.config import Config
from simcheck.physics import render
from simcheck.physics.render import Shot, bodies_named, pictures, sticks
from simcheck.quantities import altered, example
from simcheck.report import evidence as module
from simcheck.report import keep
from simcheck.report.html import render as page
from simcheck.runner import Judge, Models, Runner
from simcheck.trajectory import Channel, TimeBase, Trajectory

ARM = """
<mujoco model="arm">
  <compiler angle="radian"/>
  <default><geom type="capsule" size=".04"/><joint axis="0 1 0" range="-2 2" limited="true" actuatorfrcrange="-60 60"
    actuatorfrclimited="true"/></default>
  <worldbody>
    <body name="base"><geom fromto="0 0 0 0 0 .3" contype="0" conaffinity="0"/>
      <body name="upper" pos="0 0 .3"><joint name="shoulder"/><geom fromto="0 0 0 0 0 .4"/>
        <body name="lower" pos="0 0 .4"><joint name="elbow"/><geom fromto="0 0 0 0 0 .3"/></body>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="shoulder"/><motor joint="elbow"/></actuator>
</mujoco>
"""


@pytest.fixture(scope="module")
def arm() -> Shot:
    model = mujoco.MjModel.from_xml_string(ARM)
    robot = np.arange(model.nbody) > 0
    tinted = np.array([bodies_named(model, "elbow"), bodies_named(model, "base / lower")])
    return Shot(model, np.array([[0.0, 0.5], [1.0, -1.0]]), robot, tinted, floating=False)


class Recordings:
    """Two episodes in memory: one in which the elbow jumps by a radian, one in which it does not."""

    name, format, robot_type, notes = "memory", "memory", "", ()

    def episodes(self) -> list[str]:
        return ["jump", "calm", "broken"]

    def read(self, episode: str) -> Trajectory:
        if episode == "broken":
            raise AssertionError("a defect of the reader")
        time = np.arange(1000) / 50
        q = 0.3 * np.sin(time[:, None] + np.arange(2))
        if episode == "jump":
            q[500:, 1] += 1.0
        channel = Channel(("shoulder", "elbow"), q, ("rad", "rad"))
        return Trajectory(episode, time, TimeBase.MEASURED, position=channel, fingerprint=episode)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    path = tmp_path_factory.mktemp("model") / "arm.xml"
    path.write_text(ARM)
    return Runner(Judge(Config(), str(path)), Models())


def test_evidence_is_collected_of_flagged_episodes_only(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCHECK_RENDER", "none")
    data = Recordings()
    results = [runner.run(data, "jump"), made_up.episode("calm")]
    assert results[0].score > 0
    (found,) = module.collect(data, runner, results)
    assert found.episode == "jump"
    assert len(found.time) == module.POINTS
    assert {t.quantity for t in found.tracks} >= {"effort", "position"}
    (elbow,) = (t for t in found.tracks if t.quantity == "position" and t.name == "elbow")
    recorded = data.read("jump").position
    assert recorded
    # Thinning keeps the extremes.
    assert np.ptp(elbow.values) == pytest.approx(np.ptp(recorded.values[:, 1]) / 2.0, rel=1e-3)
    assert 1 <= len(found.poses) <= module.POSES
    assert any(abs(p.frame - 500) < 30 for p in found.poses)
    assert all(not p.picture and len(p.sticks) for p in found.poses)
    assert 'class="figure"' in page(made_up.report(results), [found])


def test_what_cannot_be_replayed_again_costs_nothing(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCHECK_RENDER", "none")
    gone = made_up.episode("broken", [made_up.flag("broken")])
    assert module.collect(Recordings(), runner, [gone]) == []


def test_the_most_urgent_come_first(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCHECK_RENDER", "none")
    seen = []
    monkeypatch.setattr(module, "_episode", lambda _d, _r, result: (seen.append(result.episode), (None, None))[1])
    results = [made_up.episode(f"e{k}", [made_up.flag(f"e{k}", margin=-k / 10)]) for k in range(5)]
    module.collect(Recordings(), runner, results, limit=3)
    assert seen == ["e4", "e3", "e2"]


def test_the_nearest_contact_of_a_frame_is_its_clearance() -> None:
    q = example()
    rows = np.array([3, 3, 3, 7])
    q = altered("contacts", row=rows, pair=np.zeros(4, int), dist=np.array([0.03, 0.01, 0.02, 0.05]),
                sigma=np.array([1, 2, 3, 4]) * 1e-3, position=np.zeros((4, 3)))  # fmt: skip
    assert q.contacts
    (track,) = module._clearances(q.contacts, 90)
    assert track.values[3] == 0.01
    assert track.band[3] == pytest.approx(0.005)
    assert track.values[0] == track.ceiling == q.contacts.margin


def test_evidence_survives_a_disk(tmp_path: Path) -> None:
    before = [made_up.evidence("b", b"RIFF\x00\x00\x00\x00WEBP"), made_up.evidence("a")]
    keep.save(before, tmp_path)
    after = keep.load(tmp_path)
    assert [e.episode for e in after] == ["b", "a"]
    for old, new in zip(before, after, strict=True):
        assert old.poses[0].picture == new.poses[0].picture
        np.testing.assert_array_equal(old.poses[0].sticks, new.poses[0].sticks)
        np.testing.assert_array_equal(old.paths["ee"], new.paths["ee"])
        for t, u in zip(old.tracks, new.tracks, strict=True):
            np.testing.assert_array_equal(t.values, u.values)
            np.testing.assert_array_equal(t.band, u.band)
            assert replace(t, values=u.values, band=u.band, ceiling=0.0) == replace(u, ceiling=0.0)
    report = made_up.report([made_up.episode(e, [made_up.flag(e)]) for e in "ab"])
    assert page(report, before) == page(report, after)
    keep.save(before[:1], tmp_path)
    assert len(keep.load(tmp_path)) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version": 1}', b"\xff\xfe"])
def test_damaged_evidence_is_left_out(tmp_path: Path, damage: bytes) -> None:
    keep.save([made_up.evidence("a"), made_up.evidence("b")], tmp_path)
    first, second = sorted(tmp_path.glob("*.json"))
    first.write_bytes(damage)
    assert [e.episode for e in keep.load(tmp_path)] == ["b"]
    second.with_suffix(".npz").write_bytes(damage)
    assert keep.load(tmp_path) == []
    assert keep.load(tmp_path / "nowhere") == []


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    keep.save([made_up.evidence("a")], tmp_path)
    (npz,) = tmp_path.glob("*.npz")
    with np.load(npz) as arrays:
        content = dict(arrays)
    np.savez(npz, **{**content, "time": np.array([{}], object)})
    assert keep.load(tmp_path) == []


def test_bodies_are_found_by_their_name_or_their_joint(arm: Shot) -> None:
    names = [arm.model.body(b).name for b in range(arm.model.nbody)]
    expected = {
        "elbow": ["lower"], "upper / lower": ["upper", "lower"], "base and lower": ["base", "lower"],
        "position[3]": [], "": [], "elb": [],
    }  # fmt: skip
    for place, found in expected.items():
        assert [n for n, hit in zip(names, bodies_named(arm.model, place), strict=True) if hit] == found


def test_the_stick_figure_is_in_the_picture_and_shows_what_is_flagged(arm: Shot) -> None:
    figures = sticks(arm)
    assert figures.shape == (2, 3, 6)
    assert figures[..., [0, 2]].min() > 0
    assert figures[..., [0, 2]].max() < 4
    assert figures[..., [1, 3]].min() > 0
    assert figures[..., [1, 3]].max() < 3
    assert np.all(np.diff(figures[..., 4], axis=1) >= 0)
    assert figures[0, :, 5].sum() == 2  # the link to the elbow and the tip beyond it
    # The arm stands up: what is higher in the world is higher in the picture.
    assert figures[0, :, [1, 3]].min() < 1.2 < 1.8 < figures[0, :, [1, 3]].max()


@pytest.mark.parametrize("backend", ["egl", "osmesa"])
def test_pictures_are_small_and_show_something(arm: Shot, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from io import BytesIO

    from PIL import Image

    monkeypatch.setenv("SIMCHECK_RENDER", backend)
    (images,) = pictures([arm])
    if not images:
        pytest.skip(f"no {backend} on this machine")
    for content in images:
        assert len(content) <= 20_000
        pixels = np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(int)
        assert pixels.shape == (render.HEIGHT, render.WIDTH, 3)
        red = (pixels[..., 0] - pixels[..., 1] > 60).mean()
        assert 0.005 < red < 0.3
        assert pixels.std() > 10
    assert images[0] != images[1]


def test_without_opengl_there_are_no_pictures_and_no_failure(arm: Shot, monkeypatch: pytest.MonkeyPatch) -> None:
    for choice in ("none", "glfw"):
        monkeypatch.setenv("SIMCHECK_RENDER", choice)
        assert pictures([arm]) == [[]]
    monkeypatch.setenv("SIMCHECK_RENDER", "auto")
    assert pictures([]) == []


def test_a_renderer_that_crashes_or_hangs_costs_its_pictures(arm: Shot, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def crash(*_args: object, **options: object) -> None:
        asked.append(options["env"])

    monkeypatch.setenv("SIMCHECK_RENDER", "auto")
    monkeypatch.setattr(subprocess, "run", crash)
    assert pictures([arm]) == [[]]
    assert [e["MUJOCO_GL"] for e in asked] == ["egl", "osmesa"]

    def hang(*_args: object, **_options: object) -> None:
        raise subprocess.TimeoutExpired("python", 1)

    monkeypatch.setattr(subprocess, "run", hang)
    assert pictures([arm]) == [[]]


def test_evidence_files_hold_no_pickle_and_no_path(tmp_path: Path) -> None:
    keep.save([made_up.evidence("a")], tmp_path)
    (words,) = (json.loads(p.read_text()) for p in tmp_path.glob("*.json"))
    assert words["episode"] == "a"
    assert not [p for p in tmp_path.iterdir() if p.suffix not in (".npz", ".json")]
    assert str(tmp_path) not in json.dumps(words)
