"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings (its README.md says what they are); not part of the repository."""
    shared = os.environ.get("SIMCHECK_SHARED")
    folder = Path(shared) / "data" if shared else _REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real recordings: {folder} is not there; name its parent with SIMCHECK_SHARED")
    return folder


@pytest.fixture(scope="session")
def shared_menagerie() -> Path:
    """A checkout of the MuJoCo menagerie; MENAGERIE_ROOT is set to it for the whole test session."""
    root = os.environ.get("MENAGERIE_ROOT") or str(_REPOSITORY.parent / "shared" / "menagerie")
    if not Path(root).is_dir():
        pytest.skip(f"no robot models: {root} is not there; name a menagerie checkout with MENAGERIE_ROOT")
    os.environ["MENAGERIE_ROOT"] = root
    return Path(root)
