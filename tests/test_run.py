"""A whole run: answers, order, storage, exit codes. The data is written by the formats' own examples."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from simcheck import api, store
from simcheck.config import Config, read_config
from simcheck.errors import FormatError, UsageError
from simcheck.flags import Severity, Status
from simcheck.formats import lerobot
from simcheck.formats._lerobot_write import FeatureSpec, NewEpisode, write_dataset
from simcheck.results import Report
from simcheck.runner import Judge, Models, Runner

NAMES = [f"joint{i}" for i in range(1, 8)]
HOME = np.array([0, 0, 0, -1.57, 0, 1.57, 0])


def motion(frames=90, scale=0.2, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None] / 30
    return HOME + scale * np.sin(2 * np.pi * 0.3 * t + rng.uniform(0, 6, 7)) + rng.normal(0, 1e-4, (frames, 7))


def dataset(folder: Path, episodes: list[np.ndarray], units="rad") -> Path:
    features = {"observation.state": FeatureSpec(NAMES, [units] * 7), "action": FeatureSpec(NAMES, [units] * 7)}
    rows = [NewEpisode({"observation.state": q, "action": q}, "move") for q in episodes]
    write_dataset(folder, rows, features, fps=30, robot_type="panda")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    fast = motion(seed=2)
    fast[40:50, 1] += np.linspace(0, 1.2, 10)
    fast[50:, 1] += 1.2
    return dataset(tmp_path_factory.mktemp("data"), [motion(seed=1), fast, motion(seed=1), motion(seed=3)])


@pytest.fixture(scope="module")
def report(data) -> Report:
    return api.check(data, "panda")


def verdicts(report):
    return [e.verdict for e in report.episodes]


def test_each_episode_gets_its_answer(report):
    assert verdicts(report) == [Status.CLEAN, Status.FLAGGED, Status.FLAGGED, Status.CLEAN]
    assert "K102" in {f.code for f in report.episodes[1].flags}
    assert {f.code for f in report.episodes[2].flags} == {"D113"}


def test_the_robot_is_taken_from_the_dataset_when_it_names_a_card(data, report):
    assert verdicts(api.check(data)) == verdicts(report)


def test_threads_change_nothing(data, report):
    again = api.check(data, "panda", threads=3)
    assert repr(again.episodes) == repr(report.episodes)  # nan equals nothing, its text does


def test_flags_carry_everything_needed_to_cite_them(report):
    flag = next(f for f in report.flags if f.code == "K102")
    assert flag.place == "joint2"
    assert 38 <= flag.frames[0] <= flag.frames[1] <= 52
    assert flag.times == (pytest.approx(flag.frames[0] / 30), pytest.approx(flag.frames[1] / 30))
    assert flag.margin < 0
    assert flag.limit == 2.175
    assert "slowed" in flag.remedy
    assert flag.engine.startswith("mujoco ")
    assert len(flag.model) == len(flag.config) == 64


def test_results_survive_storage(report, tmp_path):
    store.write(report, tmp_path)
    again = store.read(tmp_path)
    assert [e.verdict for e in again.episodes] == verdicts(report)
    assert [f.to_json() for f in again.flags] == [f.to_json() for f in report.flags]
    assert repr(again.info) == repr(report.info)
    lines = (tmp_path / "flags.jsonl").read_text().splitlines()
    assert {json.loads(line)["code"] for line in lines} == {f.code for f in report.flags}
    assert pq.read_table(tmp_path / "episodes.parquet")["verdict"].to_pylist() == [v.value for v in verdicts(report)]


def test_wrong_robot_is_never_clean(data):
    report = api.check(data, "ur5e")
    assert Status.CLEAN not in verdicts(report)
    assert {f.code for f in report.episodes[0].flags} == {"D108"}


def test_no_robot_at_all_is_not_assessed(tmp_path):
    folder = dataset(tmp_path, [motion()])
    info = folder / "meta" / "info.json"
    info.write_text(info.read_text().replace('"panda"', '"mystery"'))
    report = api.check(folder)
    assert verdicts(report) == [Status.SKIPPED]
    assert report.exit_code(Severity.ERROR) == 3


def test_undeclared_units_convict_nobody(tmp_path):
    """Declared, the same excess is FLAGGED; inferred, UNDECIDED."""
    fast = motion(seed=2)
    fast[40:50, 1] += np.linspace(0, 1.2, 10)
    fast[50:, 1] += 1.2
    folder = dataset(tmp_path, [fast])
    assert verdicts(api.check(folder, "panda")) == [Status.FLAGGED]
    info = json.loads((folder / "meta" / "info.json").read_text())
    for feature in info["features"].values():
        feature.pop("units", None)
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    report = api.check(folder, "panda")
    assert verdicts(report) == [Status.UNDECIDED]
    assert any("inferred rad" in note for note in report.episodes[0].notes)


def test_an_unreadable_episode_loses_nothing_else(data, report, monkeypatch):
    real = lerobot.open_dataset

    def flaky(path, options):
        opened = real(path, options)

        def read(episode):
            if episode.endswith("1"):
                raise FormatError("data/chunk-000/file-000.parquet: truncated")
            return opened.read(episode)

        return SimpleNamespace(
            name=opened.name,
            format=opened.format,
            robot_type=opened.robot_type,
            notes=opened.notes,
            episodes=opened.episodes,
            read=read,
        )

    monkeypatch.setattr(lerobot, "open_dataset", flaky)
    again = api.check(data, "panda")
    assert {f.code for f in again.episodes[1].flags} == {"D101"}
    assert repr(again.episodes[0]) == repr(report.episodes[0])


def test_a_crashing_check_is_ours_and_the_run_goes_on(data, monkeypatch):
    from simcheck.checks import joint_velocity_limit

    def broken(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(joint_velocity_limit, "check", broken)
    report = api.check(data, "panda")
    assert set(verdicts(report)) == {Status.CRASHED}
    crashed = next(o for o in report.episodes[0].outcomes if o.code == "K102")
    assert "ZeroDivisionError: oops" in crashed.reason
    assert report.exit_code(None) == 3


def test_selection_and_tolerances(data):
    only = api.check(data, "panda", config=Config(select=("K",), ignore=("K110",)))
    codes = {o.code for o in only.episodes[0].outcomes}
    assert all(c.startswith("K") for c in codes)
    assert "K110" not in codes
    strict = api.check(data, "panda", config=Config(select=("K102",), tolerances={"K102": {"scale": 0.1}}))
    assert verdicts(strict).count(Status.FLAGGED) == 4
    assert strict.info.config != only.info.config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[checks]\nselects = ['K']", "did you mean 'select'"),
        ("[tolerances.K102]\nscal = 1", "did you mean 'scale'"),
        ("[tolerances.K102]\nscale = 'x'", "expected a number like 1.0"),
        ("[tolerances.K1O2]\nscale = 1", "no such check"),
        ("[checks]\nselect = ['Q']", "no check code starts with 'Q'"),
        ("[check", "config.toml"),
    ],
)
def test_config_errors_name_what_would_be_right(tmp_path, text, said):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_config(path)


def test_unknown_episode_is_a_usage_error(data):
    with pytest.raises(UsageError, match="no episode 'seven'"):
        api.check(data, "panda", episodes=["seven"])


def run(*arguments, **more):
    command = [sys.executable, "-m", "simcheck.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def test_command_line_writes_everything(data, tmp_path):
    done = run("check", data, "--robot", "panda", "--out", tmp_path / "out", "--pictures", 1)
    assert done.returncode == 1, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {
        "episodes.parquet",
        "flags.jsonl",
        "run.json",
        "report.html",
    }
    assert str(data.parent) not in (tmp_path / "out" / "report.html").read_text()
    assert "FLAGGED" in done.stdout.upper()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("check", "/nowhere"), 4, "does not exist"),
        (("check", ".", "--robot", "pandaa"), 4, "not recognised"),
        (("explain", "Z999"), 2, "no check 'Z999'"),
        (("explain", "k102"), 0, "faster than its drive"),
        (("robots", "show", "pandda"), 2, "did you mean 'panda'"),
        (("robots", "show", "panda"), 0, "2.175"),
        (("robots", "lint", "panda"), 0, ""),
        (("check", ".", "--units", "deg"), 2, "expected NAME=UNIT"),
        (("--version",), 0, "0.1.0"),
    ],
)
def test_exit_codes(arguments, code, said, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr


def test_unknown_robot_is_said_before_any_episode_is_read(data, tmp_path):
    done = run("check", data, "--robot", "pandaa", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'panda'" in done.stderr


def test_stopping_keeps_what_is_finished(tmp_path):
    folder, stop, seen = dataset(tmp_path, [motion(seed=s) for s in range(30)]), Event(), []

    def third(result):
        seen.append(result.episode)
        if len(seen) == 3:
            stop.set()

    report = api.check(folder, threads=1, on_result=third, stop=stop)
    assert report.info.interrupted
    assert 3 <= len(report.episodes) < report.info.total == 30
    assert [e.episode for e in report.episodes] == seen
    assert report.exit_code(None) == 130


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    folder, seen = dataset(tmp_path, [motion(seed=s) for s in range(30)]), []

    def interrupted(result):
        seen.append(result.episode)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    report = api.check(folder, threads=2, on_result=interrupted)
    assert report.info.interrupted
    assert 3 <= len(report.episodes) < 30


def test_help_loads_neither_engine_nor_arrow():
    heavy = ("mujoco", "pyarrow", "numba", "ray", "scipy")
    code = f"import sys; import simcheck.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_results_pickle(report):
    import pickle

    assert repr(pickle.loads(pickle.dumps(report))) == repr(report)


def test_a_runner_reuses_its_engine(data):
    from simcheck.formats import open_dataset

    runner, opened = Runner(Judge(Config(), "panda"), Models()), open_dataset(data)
    for episode in opened.episodes():
        runner.run(opened, episode)
    assert len(runner._workers) == 1


def test_verdict_of_remarks_is_clean(report):
    info = replace(report.episodes[1].flags[0], severity=Severity.INFO)
    outcomes = tuple(
        replace(o, status=Status.FLAGGED, flags=(info,))
        if o.code == "K110"
        else replace(o, status=Status.CLEAN, flags=())
        for o in report.episodes[1].outcomes
    )
    assert replace(report.episodes[1], outcomes=outcomes).verdict is Status.CLEAN
