"""The built wheel works where the checkout is not."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """An empty environment with the wheel in it; heavy dependencies are borrowed, the package is not."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    wheel = next(folder.glob("simcheck_replay-*.whl"))
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, capture_output=True, text=True)
    return environment


def run(installed: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MENAGERIE", "VIRTUAL_ENV"))}
    program = installed / "bin" / command[0]
    return subprocess.run([program, *command[1:]], cwd=cwd, env=clean, capture_output=True, text=True)


def test_demo_runs_outside_the_checkout(installed, tmp_path):
    done = run(installed, "simcheck", "demo", "--out", "result", cwd=tmp_path)
    assert done.returncode == 0, done.stderr  # its findings are meant
    assert "flagged 23" in done.stdout
    assert (tmp_path / "result" / "report.html").stat().st_size > 10_000
    verdicts = json.loads((tmp_path / "result" / "run.json").read_text())
    assert verdicts["total"] >= 12


def test_no_module_comes_from_the_checkout(installed, tmp_path):
    done = run(installed, "python", "-c", "import simcheck; print(simcheck.__file__)", cwd=tmp_path)
    assert str(ROOT) not in done.stdout


def test_robots_are_inside(installed, tmp_path):
    done = run(installed, "simcheck", "robots", "list", cwd=tmp_path)
    assert "panda" in done.stdout
    assert "g1" in done.stdout
