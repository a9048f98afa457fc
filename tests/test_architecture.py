"""Imports run one way, and files stay small enough to read."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "simcheck"
FILES = sorted(p for p in PACKAGE.rglob("*.py"))

# What a module may import from simcheck; a name stands for the module and everything inside it.
LOW = {"errors", "flags"}
DATA = LOW | {"trajectory", "robot", "quantities", "decide", "columns", "kinematics"}
MAY = {
    "errors": set(), "flags": set(), "trajectory": {"flags"}, "robot": {"errors"},
    "quantities": {"flags", "trajectory"}, "decide": {"flags", "quantities"},
    "columns": LOW | {"trajectory", "quantities"}, "kinematics": LOW | {"quantities", "decide"},
    "formats": LOW | {"trajectory", "formats"},
    "physics": DATA | {"physics"},
    "checks": {"errors", "flags", "trajectory", "quantities", "decide", "columns", "kinematics", "checks"},
    "results": {"flags"}, "config": {"errors", "checks"},
    "runner": DATA | {"config", "formats", "physics", "results", "checks"},
    "pool": LOW | {"formats", "results", "runner"},
    "store": LOW | {"results"},
    "report": DATA | {"results", "checks", "config", "runner", "store", "formats", "physics", "report", "pool"},
    "progress": {"flags", "results"},
    "api": LOW | {"", "pool", "config", "formats", "physics", "report", "results", "robot", "runner"},
    "cli": None, "__init__": set(),
}  # fmt: skip

EXTERNAL = {
    "mujoco": {"physics"}, "ray": {"pool"}, "typer": {"cli"}, "rich": {"progress"}, "jinja2": {"report"},
    "h5py": {"formats"}, "pyarrow": {"formats", "store"}, "pydantic": {"robot", "formats"}, "pybullet": {"physics"},
}  # fmt: skip


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{a.name}" if node.module == "simcheck" else node.module for a in node.names]
    return names


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(PACKAGE)) for f in FILES])
def test_imports_run_one_way(path):
    own = layer(path)
    assert own in MAY, f"{own}: say in this test what it may import"
    for name in imported(path):
        root, _, rest = name.partition(".")
        if root in EXTERNAL:
            assert own in EXTERNAL[root], f"{name} belongs to {EXTERNAL[root]}"
        if root != "simcheck" or MAY[own] is None:
            continue
        target = rest.partition(".")[0]
        if target == "__version__":
            target = ""
        assert target in MAY[own] or target == own, f"{own} must not import {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "checks").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_no_check_imports_another(path):
    assert not [n for n in imported(path) if n.startswith("simcheck.checks") and not n.startswith("simcheck.checks._")]


@pytest.mark.parametrize("path", FILES, ids=[str(f.relative_to(PACKAGE)) for f in FILES])
def test_files_and_functions_are_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 75, f"{node.name} is {node.end_lineno - node.lineno} lines"
