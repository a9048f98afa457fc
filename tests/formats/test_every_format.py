"""What every format must keep, whatever it reads; the formats are found by listing the package."""

import ast
import dataclasses
import inspect
import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from simcheck.errors import FormatError, InputError, RefusedError
from simcheck.formats import ReadOptions, modules
from simcheck.trajectory import Trajectory

MODULES = modules()
PER_FORMAT = pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rpartition(".")[2])


@pytest.fixture
def example(module, tmp_path):
    folder = tmp_path / "example"
    folder.mkdir()
    return module.write_example(folder)


def read_all(module, path):
    dataset = module.open_dataset(path, ReadOptions())
    return {name: dataset.read(name) for name in dataset.episodes()}


def arrays(value):
    """Every array anywhere in an episode, with where it is."""
    if isinstance(value, np.ndarray):
        yield "", value
    elif dataclasses.is_dataclass(value):
        for f in dataclasses.fields(value):
            yield from ((f"{f.name}.{where}", a) for where, a in arrays(getattr(value, f.name)))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from ((f"{key}.{where}", a) for where, a in arrays(item))


def channels(trajectory: Trajectory):
    found = (trajectory.position, trajectory.velocity, trajectory.effort, trajectory.action)
    return [channel for channel in found if channel is not None]


def same(a: Trajectory, b: Trajectory) -> bool:
    left, right = dict(arrays(a)), dict(arrays(b))
    return (
        left.keys() == right.keys()
        and all(np.array_equal(left[k], right[k]) for k in left)
        and ((a.episode, a.fingerprint, a.notes, a.task) == (b.episode, b.fingerprint, b.notes, b.task))
    )


@contextmanager
def within(seconds):
    """Fail instead of hanging: a pipe that is opened blocks until somebody writes to it."""

    def stop(*_):
        raise AssertionError(f"still reading after {seconds} s: was a pipe opened?")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def files_of(path: Path) -> list[Path]:
    """Data and metadata; a TOML mapping is the user's own, and what is wrong in it is a UsageError."""
    return [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".toml")


def test_there_are_formats_and_their_names_are_unique():
    names = [module.NAME for module in MODULES]
    assert names
    assert all(names)
    assert len(set(names)) == len(names)


@PER_FORMAT
def test_an_example_is_recognised_by_its_own_format_and_no_other(module, example):
    assert [m.NAME for m in MODULES if m.sniff(example)] == [module.NAME]


@PER_FORMAT
def test_nothing_strange_is_recognised_and_nothing_raised(module, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(4096))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with within(10):
        assert not any(module.sniff(tmp_path / n) for n in ("empty", "noise", "folder", "pipe", "loop", "absent"))


@PER_FORMAT
def test_an_example_has_sound_episodes(module, example):
    dataset = module.open_dataset(example, ReadOptions())
    names = list(dataset.episodes())
    assert names
    assert len(set(names)) == len(names)
    assert not Path(dataset.name).is_absolute()
    assert dataset.format
    assert not list(dataset.notes)
    for name in names:
        trajectory = dataset.read(name)
        assert trajectory.episode == name
        assert len(trajectory) > 1
        assert np.all(np.diff(trajectory.time) > 0)
        assert channels(trajectory) or trajectory.sim or trajectory.base
        assert all(n for channel in channels(trajectory) for n in channel.names)
        assert trajectory.fingerprint
        assert not trajectory.notes


@PER_FORMAT
def test_every_array_of_an_example_is_finite_and_read_only(module, example):
    for trajectory in read_all(module, example).values():
        found = list(arrays(trajectory))
        assert len(found) > 1
        for where, array in found:
            assert np.all(np.isfinite(array)), where
            assert not array.flags.writeable, where


@PER_FORMAT
def test_an_episode_does_not_depend_on_what_was_read_before(module, example):
    first = read_all(module, example)
    dataset = module.open_dataset(example, ReadOptions())
    for _ in range(2):
        for name in reversed(list(dataset.episodes())):
            assert same(dataset.read(name), first[name])


@PER_FORMAT
def test_a_truncated_file_is_a_format_error_or_a_note(module, example):
    for file in files_of(example):
        whole = file.read_bytes()
        for kept in (0, 1, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:kept])
            assert_only_format_errors(module, example)
        file.write_bytes(whole)


def assert_only_format_errors(module, path):
    try:
        dataset = module.open_dataset(path, ReadOptions())
        list(dataset.notes)
    except FormatError:
        return
    for name in dataset.episodes():
        try:
            dataset.read(name)
        except FormatError as error:
            assert str(error)  # noqa: PT017


@PER_FORMAT
def test_damaged_bytes_raise_nothing_but_input_errors(module, example):
    rng = np.random.default_rng(1)
    for file in files_of(example):
        whole = file.read_bytes()
        for _ in range(40):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), 3):
                damaged[at] = rng.integers(256)
            file.write_bytes(damaged)
            assert_only_input_errors(module, example)
        file.write_bytes(whole)


def assert_only_input_errors(module, path):
    assert module.sniff(path) in (True, False)
    try:
        dataset = module.open_dataset(path, ReadOptions())
        list(dataset.notes)
    except InputError:
        return
    for name in dataset.episodes():
        try:
            dataset.read(name)
        except InputError as error:
            assert str(error)  # noqa: PT017


@PER_FORMAT
def test_a_missing_file_is_an_input_error_or_a_note(module, example):
    for file in files_of(example):
        moved = file.rename(file.with_name("away"))
        assert_only_input_errors(module, example)
        moved.rename(file)


@PER_FORMAT
def test_a_pipe_in_place_of_a_file_is_never_opened(module, example):
    for file in files_of(example):
        moved = file.rename(file.with_name("away"))
        os.mkfifo(file)
        with within(10):
            assert not module.sniff(example) or not example.is_file()
            assert_nothing_read_or_refused(module, example)
        file.unlink()
        moved.rename(file)


@PER_FORMAT
def test_a_link_out_of_the_dataset_is_never_followed(module, example, tmp_path):
    if example.is_file():
        pytest.skip("a dataset of one file is what the user named, link or not")
    for file in files_of(example):
        outside = Path(shutil.move(file, tmp_path / "outside"))
        file.symlink_to(outside)
        assert_nothing_read_or_refused(module, example)
        file.unlink()
        shutil.move(outside, file)


def assert_nothing_read_or_refused(module, path):
    """A file that episodes need is refused; one they do not need is left alone."""
    intact = None
    try:
        dataset = module.open_dataset(path, ReadOptions())
        list(dataset.notes)
        for name in dataset.episodes():
            intact = dataset.read(name)
    except RefusedError as error:
        assert str(error)  # noqa: PT017
        return
    except FormatError:
        return  # as if the file were not there
    assert intact is not None


@PER_FORMAT
def test_no_format_can_run_code_from_a_file(module):
    folder = Path(inspect.getfile(module)).parent
    for source in folder.glob("*.py"):
        tree = ast.parse(source.read_text(encoding="utf-8"))
        imported = {n for node in ast.walk(tree) for n in imports(node)}
        assert imported.isdisjoint({"pickle", "marshal", "shelve", "dill", "joblib", "torch", "yaml"}), source.name
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called.isdisjoint({"eval", "exec", "__import__"}), source.name
        allowed = [
            k for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords if k.arg == "allow_pickle"
        ]
        assert all(isinstance(k.value, ast.Constant) and k.value.value is False for k in allowed), source.name


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [(node.module or "").partition(".")[0]] if isinstance(node, ast.ImportFrom) else []
