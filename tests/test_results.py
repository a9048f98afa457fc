"""Where results go wrong: folders that cannot be written, results that cannot be read, exit codes."""

from __future__ import annotations

import errno
import inspect
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from simcheck import api, cli, store
from simcheck.config import Config, read_config
from simcheck.errors import FormatError, UsageError
from simcheck.flags import Outcome, Severity, Status
from simcheck.formats import robosuite, table
from simcheck.formats._lerobot_write import FeatureSpec, NewEpisode, write_dataset
from simcheck.results import EpisodeResult, Report
from simcheck.robot import find_card

NAMES = [f"joint{i}" for i in range(1, 8)]
HOME = np.array([0, 0, 0, -1.57, 0, 1.57, 0])


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    time = np.arange(60)[:, None] / 30
    rows = [HOME + 0.1 * np.sin(2 * time + k + np.arange(7)) for k in range(3)]
    features = {"observation.state": FeatureSpec(NAMES, ["rad"] * 7)}
    folder = tmp_path_factory.mktemp("data") / "set"
    write_dataset(
        folder, [NewEpisode({"observation.state": q}, "x") for q in rows], features, fps=30, robot_type="panda"
    )
    return folder


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out")
    store.write(api.check(data, config=Config(select=("K102",))), out)
    return out


def run(*arguments):
    command = [sys.executable, "-m", "simcheck.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def one_line(done, code: int) -> str:
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


# Folders that cannot be written.


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/foo"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_judged(data, tmp_path, monkeypatch, where):
    (tmp_path / "file").touch()
    monkeypatch.setattr(api.Run, "report", lambda *_, **__: pytest.fail("was judged"))
    done = CliRunner().invoke(cli.app, ["check", str(data), "--out", str(tmp_path / where)])
    assert isinstance(done.exception, UsageError)
    assert "expected a folder that simcheck can make and write" in str(done.exception)
    if where == "/proc/foo":
        assert "--out /proc/foo" in one_line(run("check", data, "--out", where), 2)


@pytest.mark.parametrize("name", ["flags.jsonl", "episodes.parquet", "report.html"])
def test_a_full_disk_is_one_line_and_leaves_what_was_finished(data, tmp_path, monkeypatch, name):
    real = Path.write_bytes

    def full(self, content):
        real(self, b"")
        if name in self.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    done = CliRunner().invoke(cli.app, ["check", str(data), "--out", str(tmp_path), "--select", "k102", "-q"])
    assert done.exit_code == 3
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    left = {p.name for p in tmp_path.iterdir() if p.is_file()}
    order = [*store.FILES, "report.html"]
    assert left == set(order[: order.index(name)])


def test_ctrl_c_while_the_report_is_written_keeps_the_results(data, tmp_path, monkeypatch):
    monkeypatch.setattr(api.Run, "evidence", lambda *_: signal.raise_signal(signal.SIGINT))
    done = CliRunner().invoke(cli.app, ["check", str(data), "--out", str(tmp_path), "--select", "K102"])
    assert done.exit_code == 130
    assert "interrupted while writing" in done.stderr
    assert "simcheck report" in done.stderr
    assert len(store.read(tmp_path).episodes) == 3


# Results that cannot be read.


def test_a_folder_without_results_is_said(tmp_path):
    assert "holds no flags.jsonl, run.json, episodes.parquet" in one_line(run("report", tmp_path), 4)
    assert "does not exist" in one_line(run("report", tmp_path / "nope"), 4)


@pytest.mark.parametrize("name", store.FILES)
@pytest.mark.parametrize("content", [b"\xff\x00garbage", b"{}", b"[1]", b"5", b"[" * 100_000])
def test_damaged_results_are_one_line(finished, tmp_path, name, content):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=f"{name}: not a result that this version of simcheck wrote"):
        store.read(tmp_path)


@pytest.mark.parametrize("change", [{"schema_version": 9}, {"total": "many"}, {"dataset": 5}, {"models": [1]}])
def test_a_run_of_another_shape_is_said(finished, tmp_path, change):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    info = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**info, **change}))
    assert "run.json" in one_line(run("report", tmp_path), 4)


# Exit codes.


def result(name: str, *outcomes: Outcome, frames: int = 60, fingerprint: str = "x") -> EpisodeResult:
    return EpisodeResult(name, frames, 2.0, fingerprint, "", "", "", outcomes)


SKIPPED = result("a", Outcome("K102", "x", Status.SKIPPED, "no robot"))
UNREADABLE = result("b", Outcome("D101", "x", Status.SKIPPED, "unreadable"), frames=0, fingerprint="")
CLEAN = result("c", Outcome("K102", "x", Status.CLEAN))
CRASHED = result("d", Outcome("X901", "x", Status.CRASHED, "oops"), frames=0, fingerprint="")


@pytest.mark.parametrize(
    ("episodes", "code"),
    [((UNREADABLE, UNREADABLE), 4), ((SKIPPED, SKIPPED), 3), ((UNREADABLE, SKIPPED), 3), ((UNREADABLE, CLEAN), 0),
     ((CLEAN, CRASHED), 3), ((CRASHED,), 3), ((), 3)],
)  # fmt: skip
@pytest.mark.parametrize("fail_on", [None, Severity.ERROR])
def test_exit_codes_of_runs_that_judged_little(finished, episodes, code, fail_on):
    assert Report(store.read(finished).info, episodes).exit_code(fail_on) == code


def test_a_dataset_of_which_nothing_reads_is_unreadable_input(data, tmp_path):
    shutil.copytree(data, tmp_path / "set")
    for file in (tmp_path / "set/data").rglob("*.parquet"):
        file.write_bytes(b"PAR1 and nothing else")
    done = run("check", tmp_path / "set", "--out", tmp_path / "out", "--fail-on", "never", "-q")
    assert done.returncode == 4


# Names.


@pytest.mark.parametrize(
    ("asked", "found"),
    [(["1"], ["episode_000001"]), (["000002", "episode_000000"], ["episode_000002", "episode_000000"]),
     (["1", "episode_000001"], ["episode_000001"])],
)  # fmt: skip
def test_an_episode_may_be_named_by_its_number(data, asked, found):
    assert api.Run(data, episodes=asked).episodes == found


def test_a_number_that_several_episodes_have_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        robosuite.write_example(tmp_path / name)
    with pytest.raises(UsageError, match="has several episodes 1: a/demo_1, b/demo_1"):
        api.Run(tmp_path, episodes=["1"])
    with pytest.raises(UsageError, match="has no episode '7'; it has 4, 'a/demo_0' to 'b/demo_1'"):
        api.Run(tmp_path, episodes=["7"])


def test_names_of_robots_and_checks_may_be_in_either_case(data):
    assert api.Run(data, "PANDA").robot == "panda"
    assert find_card("Panda").name == "panda"
    assert Config(select=("k10",), ignore=("K102",)) == Config(select=("K10",), ignore=("k102",))


def test_a_robot_that_a_mapping_names_must_exist(tmp_path):
    table.write_example(tmp_path)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('robot = "pandaa"\n' + mapping.read_text())
    with pytest.raises(UsageError, match=r"robot of the mapping: no robot called 'pandaa'; did you mean 'panda'\?"):
        api.Run(tmp_path)
    assert api.Run(tmp_path, "panda").robot == "panda"


@pytest.mark.parametrize(
    ("robot_type", "said"),
    [
        (
            "pandaa",
            "no robot (dataset says its robot is 'pandaa': no card of that name; name one with --robot, such as panda)",
        ),
        ("", "no robot"),
    ],
)
def test_a_dataset_without_a_known_robot_says_so(data, tmp_path, robot_type, said):
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    info = tmp_path / "meta/info.json"
    info.write_text(info.read_text().replace('"panda"', f'"{robot_type}"'))
    assert api.check(tmp_path).info.robot == said


def test_models_of_the_dataset_are_called_so(tmp_path):
    assert api.check(robosuite.write_example(tmp_path)).info.robot == "models of the dataset"


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "does not exist; expected a TOML file"), ("checks = 3", "expected a table"),
     ("[checks]\nselect = 'K'", "expected a list of codes"), ("tolerances = 1", "expected tables such as"),
     ("[tolerances]\nK102 = 3", "expected tables such as")],
)  # fmt: skip
def test_a_wrong_config_is_said(tmp_path, text, said):
    path = tmp_path / "c.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_config(path)


def test_explain_without_a_code_lists_every_check():
    done = CliRunner().invoke(cli.app, ["explain"])
    assert done.exit_code == 0
    assert "K102  error    joint-velocity-limit" in done.stdout


def test_the_api_takes_what_a_run_takes():
    given = set(inspect.signature(api.check).parameters)
    assert given == {*inspect.signature(api.Run).parameters, *inspect.signature(api.Run.report).parameters} - {"self"}
    with pytest.raises(TypeError, match="units"):
        api.check(".", units={})  # pyright: ignore[reportCallIssue]
