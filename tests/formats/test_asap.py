"""Motions in pickles: what they mean, and that nothing in a pickle runs, whatever it asks for."""

import builtins
import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcheck.errors import FormatError, InputError, RefusedError, UsageError
from simcheck.formats import ReadOptions, _pickles, asap, lafan1, open_dataset
from simcheck.formats._pickles import PickledArray
from simcheck.trajectory import TimeBase

FRAMES = {"CR7_video_CR7": 119, "smpl_video_CR7": 119, "video_kick": 119, "video_squat": 158}


def motion(frames=5, joints=23, keys=("root_trans_offset", "dof")):
    turn = np.tile([0.0, 0.0, 0.6, 0.8], (frames, 1))
    at = np.arange(3.0 * frames).reshape(frames, 3)
    return {keys[0]: at, "root_rot": turn, keys[1]: np.zeros((frames, joints), np.float32), "fps": 30}


def load(data: bytes, folder: Path):
    (folder / "a.pkl").write_bytes(data)
    return _pickles.load(folder / "a.pkl", "a.pkl")


def plain(value):
    """The same with arrays in place of what stands for them."""
    if isinstance(value, PickledArray):
        return value.values()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


# --- motions ---


def test_every_real_file_is_read(shared_data):
    dataset = open_dataset(shared_data / "g1_asap")
    assert dataset.robot_type == "g1"
    for episode in dataset.episodes():
        read = dataset.read(episode)
        assert len(read) == next(n for part, n in FRAMES.items() if part in episode)
        assert len(read.position.names) == 23
        assert read.position.named
        assert set(read.position.units) == {"rad"}
        assert np.abs(np.linalg.norm(read.base.quaternion, axis=1) - 1).max() < 1e-12
        assert read.time_base is TimeBase.NOMINAL
        assert read.time[30] == 1.0
        upright = 1 - 2 * (read.base.quaternion[:, 1] ** 2 + read.base.quaternion[:, 2] ** 2)
        assert upright.min() > 0.6  # xyzw taken for wxyz would lay the robot down


def test_a_real_file_alone_gives_the_same(shared_data):
    folder = open_dataset(shared_data / "g1_asap")
    for episode in folder.episodes():
        alone = open_dataset(shared_data / "g1_asap" / f"{episode}.pkl")
        assert list(alone.episodes()) == [episode]
        assert alone.read(episode).fingerprint == folder.read(episode).fingerprint


def test_the_23_joints_are_the_29_without_the_wrists(shared_data):
    names = asap.NAMES[23]
    assert len(names) == 23
    assert names[:15] == lafan1.JOINTS[:15]
    assert names[15:19] == (*lafan1.JOINTS[15:18], "left_elbow_joint")
    (episode,) = open_dataset(next(iter((shared_data / "g1_asap").glob("*squat*")))).episodes()
    squat = open_dataset(shared_data / "g1_asap").read(episode).position
    knees = squat.values[:, [squat.names.index(f"{side}_knee_joint") for side in ("left", "right")]]
    assert knees.max(axis=0).min() > 1.0  # both knees bend in a squat, and never backwards
    assert knees.min() > -0.1


def test_the_example_is_what_pickle_itself_reads(tmp_path):
    asap.write_example(tmp_path)
    for file in tmp_path.glob("*.pkl"):
        theirs, ours = pickle.loads(file.read_bytes()), plain(_pickles.load(file, file.name))
        np.testing.assert_equal(ours, theirs)
    assert list(open_dataset(tmp_path).episodes()) == ["asap/sway_0.1", "asap/sway_0.2", "gmr"]
    read = open_dataset(tmp_path).read("gmr")
    assert read.position.names == lafan1.JOINTS
    yaw = 2 * np.arctan2(read.base.quaternion[:, 3], read.base.quaternion[:, 0])
    np.testing.assert_allclose(yaw, 0.3 * np.sin(2 * read.time), atol=1e-12)


def test_other_widths_are_read_without_names(tmp_path):
    (tmp_path / "h1.pkl").write_bytes(pickle.dumps(motion(joints=19)))
    dataset = open_dataset(tmp_path)
    assert dataset.robot_type == ""
    position = dataset.read("h1").position
    assert not position.named
    assert position.names[:2] == ("dof[0]", "dof[1]")


def test_a_last_axis_of_length_one_is_dropped(tmp_path):
    content = motion()
    content["dof"] = content["dof"][..., None]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"clip": content}))
    assert open_dataset(tmp_path).read("a").position.values.shape == (5, 23)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fps": 0}, "a.pkl: clip: 'fps' is 0.0; expected one rate above 0"),
        ({"fps": "fast"}, "'fps' is str"),
        ({"fps": None}, "'fps' is NoneType"),
        ({"fps": np.ones(2)}, "'fps' is PickledArray"),
        ({"dof": np.zeros((5, 0))}, "'dof' has shape (5, 0); expected (T, joints), at most 200"),
        ({"dof": np.zeros((5, 201))}, "'dof' has shape (5, 201)"),
        ({"dof": [[0.0] * 23] * 5}, "'dof' is no array of numbers"),
        ({"dof": np.zeros((5, 23), "S4")}, "'dof' is no array of numbers"),
        ({"root_rot": np.zeros((4, 4))}, "'root_rot' has shape (4, 4); expected (5, 4)"),
        ({"root_trans_offset": np.zeros((5, 2))}, "'root_trans_offset' has shape (5, 2); expected (5, 3)"),
    ],
)
def test_a_wrong_motion_says_what_and_where(tmp_path, change, said):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"clip": motion() | change}))
    with pytest.raises(FormatError) as error:
        open_dataset(tmp_path).read("a")
    assert said in str(error.value)


def test_rates_are_read_as_they_come(tmp_path):
    for fps in (30, 30.0, np.float64(30), np.int64(30), np.array(30), np.array([30.0])):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"clip": motion() | {"fps": fps}}))
        assert open_dataset(tmp_path).read("a").time[3] == 0.1


def test_one_bad_file_of_a_folder_fails_alone(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(motion()))
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(Bad(os.system, "true")))
    dataset = open_dataset(tmp_path)
    assert list(dataset.episodes()) == ["a", "b"]
    assert len(dataset.read("a")) == 5
    with pytest.raises(RefusedError, match=r"b\.pkl: asks for '(posix|nt)\.system'"):
        dataset.read("b")
    with pytest.raises(FormatError, match="no episode 'c'; it has a, b"):
        dataset.read("c")
    with pytest.raises(UsageError, match="did you mean 'position'"):
        open_dataset(tmp_path, ReadOptions(units={"positions": "deg"}))


def test_a_clip_name_that_is_no_text_for_a_report_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"x\x1b[2J": motion()}))
    with pytest.raises(FormatError, match="a clip is called"):
        open_dataset(tmp_path / "a.pkl")


def test_pickled_preferences_are_no_motions(shared_data, tmp_path):
    for file in (shared_data / "human_preferences" / "human_label").glob("*/*"):
        assert not asap.sniff(file)
        assert not asap.sniff(file.parent)
        (tmp_path / "a.pkl").write_bytes(file.read_bytes())
        assert not asap.sniff(tmp_path)
        assert isinstance(plain(_pickles.load(file, file.name)), np.ndarray | list)


# --- what honest pickles hold ---

HONEST = [
    {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3))},
    np.zeros((0, 3)),
    np.array(["left", "right"]),
    [
        np.float32(1.5),
        np.bool_(True),
        np.int64(-3),
        1 << 40,
        -1.5,
        None,
        True,
        "text",
        "é",
        b"\x00\xff",
        (1, 2),
        (1,),
        (),
    ],
    collections.OrderedDict(a=np.ones(2000), b=1),
    {"nested": [[], [1], {"x": (1, 2, 3, 4)}]},
    {1, 2, 3},
    [slice(1, 2, None), complex(1, 2)],
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", HONEST, ids=range(len(HONEST)))
def test_honest_pickles_of_every_protocol(tmp_path, value, protocol):
    if protocol < 3 and isinstance(value, np.ndarray) and not value.size:
        pytest.skip("an empty array of old protocols calls bytes(), which is not on the list")
    if protocol < 2 and isinstance(value, list) and isinstance(value[0], slice):
        pytest.skip("complex numbers of old protocols need copyreg, which is not on the list")
    np.testing.assert_equal(plain(load(pickle.dumps(value, protocol), tmp_path)), value)


def test_a_defaultdict_is_a_dict(tmp_path):
    value = collections.defaultdict(list, a=[1])
    assert load(pickle.dumps(value), tmp_path) == {"a": [1]}


def python2_array(values: np.ndarray) -> bytes:
    """As Python 2 wrote it with protocol 2: the bytes of the array are text."""
    data = values.tobytes()
    head = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
    shape = b"(" + b"".join(b"J" + struct.pack("<i", n) for n in values.shape) + b"t"
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return head + shape + dtype + b"\x89T" + struct.pack("<I", len(data)) + data + b"tb."


@pytest.mark.parametrize("count", [3, 3000])
def test_bytes_of_python_2_are_latin_1(tmp_path, count):
    values = np.random.default_rng(0).normal(size=(count, 3))
    np.testing.assert_array_equal(load(python2_array(values), tmp_path).values(), values)
    np.testing.assert_equal(load(b"(lp0\nS'\\xe9t\xe9'\np1\na.", tmp_path), ["été"])


class Wrapper:
    """joblib's NumpyArrayWrapper, as far as it is pickled."""

    def __init__(self, array: np.ndarray, padded: bool) -> None:
        self.subclass, self.shape, self.dtype, self.allow_mmap = type(array), array.shape, array.dtype, True
        self.order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        if padded:
            self.numpy_array_alignment_bytes = 16


class JoblibPickler(pickle._Pickler):
    """Writes arrays after their wrapper, aligned, as joblib does."""

    def __init__(self, file, padded: bool) -> None:
        super().__init__(file, protocol=4)
        self.file, self.padded = file, padded

    def save(self, obj, save_persistent_id=True):
        if not isinstance(obj, np.ndarray):
            return super().save(obj, save_persistent_id)
        super().save(Wrapper(obj, self.padded))
        self.framer.commit_frame(force=True)
        self.framer.end_framing()
        if self.padded:
            padding = 16 - (self.file.tell() + 1) % 16
            self.file.write(bytes([padding]) + b"\xff" * padding)
        self.file.write(obj.tobytes("F" if obj.flags.f_contiguous else "C"))
        self.framer.start_framing()
        return None


def joblib_dump(value, padded=True) -> bytes:
    module = types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = Wrapper
    Wrapper.__module__, Wrapper.__qualname__ = "joblib.numpy_pickle", "NumpyArrayWrapper"
    parents = {"joblib": types.ModuleType("joblib"), "joblib.numpy_pickle": module}
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in parents.items():
            patch.setitem(sys.modules, name, stand_in)
        JoblibPickler(file, padded).dump(value)
    return file.getvalue()


@pytest.mark.parametrize("padded", [True, False])
def test_joblib_arrays_lie_between_the_instructions(tmp_path, padded):
    rng = np.random.default_rng(2)
    value = {
        "c": rng.normal(size=(40, 3)),
        "f": np.asfortranarray(rng.normal(size=(4, 3)).astype(np.float32)),
        "n": 1,
        "i": np.arange(7),
    }
    np.testing.assert_equal(plain(load(joblib_dump(value, padded), tmp_path)), value)


def test_joblib_is_never_imported(tmp_path):
    (tmp_path / "a.pkl").write_bytes(joblib_dump({"clip": motion()}))
    code = (
        "import sys; from simcheck.formats import open_dataset; "
        f"open_dataset({str(tmp_path)!r}).read('a'); assert 'joblib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_stay_in_the_file_until_asked_for(tmp_path):
    data = pickle.dumps({"big": np.zeros((1 << 20, 8)), "small": np.ones(3)})
    (tmp_path / "a.pkl").write_bytes(data)
    tracemalloc.start()
    content = _pickles.load(tmp_path / "a.pkl", "a.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert content["big"].values().shape == (1 << 20, 8)
    (tmp_path / "a.pkl").write_bytes(data[:1000])
    with pytest.raises(FormatError, match=r"a\.pkl: an array cannot be read"):
        content["big"].values()


# --- what dishonest pickles ask for ---


class Bad:
    """Pickles as a call of anything."""

    def __init__(self, call, *arguments, state=None) -> None:
        self.reduced = (call, arguments, state)

    def __reduce__(self):
        return self.reduced


class Persistent(pickle.Pickler):
    def persistent_id(self, obj):
        return "somewhere" if isinstance(obj, set) else None


def persistent(protocol: int) -> bytes:
    file = io.BytesIO()
    Persistent(file, protocol).dump([set()])
    return file.getvalue()


NDARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
F8 = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8\x89\x88tR"
WRAPPER = b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"
RUN = b"cposix\nsystem\n(S'touch {ran}'\ntR"
DANGEROUS = {
    "GLOBAL os.system": b"cos\nsystem\n(S'touch {ran}'\ntR.",
    "GLOBAL posix.system, protocol 2": b"\x80\x02" + RUN + b".",
    "STACK_GLOBAL": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0btouch {ran}\x85R.",
    "builtins.eval": b'cbuiltins\neval\n(S\'open("{ran}","w")\'\ntR.',
    "builtins.exec": b"c__builtin__\nexec\n(S'1'\ntR.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(cnumpy\nndarray\nS'__reduce__'\ntR.",
    "builtins.__import__": b"cbuiltins\n__import__\n(S'os'\ntR.",
    "builtins.bytearray": b"cbuiltins\nbytearray\n(I1000000000000\ntR.",
    "operator.attrgetter": b"coperator\nattrgetter\n(S'system'\ntR.",
    "functools.partial": b"cfunctools\npartial\n(cnumpy\nndarray\ntR.",
    "numpy.load": b"cnumpy\nload\n(S'x'\ntR.",
    "numpy.f2py": b"cnumpy.testing._private.utils\nrunstring\n(S'1'\n}tR.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
    "dotted module": b"\x80\x04\x8c\x13numpy.core._methods\x8c\x0bos.getpid()\x93.",
    "name with a blank": b"\x80\x04\x8c\x11numpy ndarray eva\x8c\x01l\x93.",
    "INST": b"(S'touch {ran}'\nios\nsystem\n.",
    "OBJ": b"(cnumpy\nndarray\nI3\no.",
    "NEWOBJ_EX": b"\x80\x04cnumpy\nndarray\n)}\x92.",
    "NEWOBJ of ndarray": b"\x80\x02cnumpy\nndarray\n(I1000000000\nt\x81.",
    "REDUCE of ndarray": b"cnumpy\nndarray\n(I1000000000\ntR.",
    "REDUCE of text": b"S'os.system'\n(tR.",
    "REDUCE of a dict": b"\x80\x02}(tR.",
    "REDUCE without tuple": b"\x80\x02ccollections\nOrderedDict\n]R.",
    "in a list": b"\x80\x02](K\x01" + RUN + b"e.",
    "in OrderedDict": b"\x80\x02ccollections\nOrderedDict\n]" + RUN + b"a\x85R.",
    "in defaultdict": b"\x80\x02ccollections\ndefaultdict\n" + RUN + b"\x85R.",
    "in the state of an array": b"\x80\x03" + NDARRAY + b"(K\x01" + RUN + b"tb.",
    "in the state of a wrapper": WRAPPER + b"}(X\x05\x00\x00\x00shape" + RUN + b"ub.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT2": b"\x80\x02\x83\x01\x00.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "PERSID": persistent(0),
    "BINPERSID": persistent(2),
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "DUP": b"\x80\x02K\x012.",
    "BUILD on a dict": b"\x80\x02}}(X\x0c\x00\x00\x00__setstate__K\x01ub.",
    "BUILD on OrderedDict": b"\x80\x02ccollections\nOrderedDict\n)R}(X\x08\x00\x00\x00__dict__}ub.",
    "BUILD on a global": b"\x80\x02cnumpy\nndarray\n}(X\x01\x00\x00\x00aK\x01ub.",
    "BUILD with slots": b"\x80\x02" + NDARRAY + b"N}(X\x01\x00\x00\x00aK\x01u\x86b.",
    "object dtype": b"\x80\x02cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR.",
    "record dtype": b"\x80\x02cnumpy\ndtype\n(X\x03\x00\x00\x00V16\x89\x88tR.",
    "dtype of another type": b"\x80\x02cnumpy\ndtype\n(cnumpy\nndarray\ntR.",
    "dtype with fields": b"\x80\x02"
    + F8
    + b"(K\x03X\x01\x00\x00\x00<N(X\x01\x00\x00\x00at}J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
    "a subclass of ndarray": b"cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nlist\n(I0\ntS'b'\ntR.",
    "joblib: a subclass": WRAPPER + b"}(X\x08\x00\x00\x00subclasscbuiltins\nlist\nub.",
    "joblib: another class": b"cjoblib.numpy_pickle\nNDArrayWrapper\n(tR.",
    "encode with a codec": b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00zlibtR.",
    "encode of an object": b"c_codecs\nencode\n(cnumpy\nndarray\nX\x06\x00\x00\x00latin1tR.",
}


@pytest.fixture
def untouched(tmp_path, monkeypatch):
    """Fails if anything ran: a file appears, or something is imported or called that pickles call."""
    ran = Path("ran")
    monkeypatch.chdir(tmp_path)

    def never(*_, **__):
        raise AssertionError("a pickle called this")

    for name in ("loads", "load", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, never)
    monkeypatch.setattr(os, "system", never)
    loaded = set(sys.modules)
    yield ran
    assert not ran.exists()
    assert {m for m in set(sys.modules) - loaded if not m.startswith(("numpy", "simcheck", "encodings"))} == set()


@pytest.mark.parametrize("data", DANGEROUS.values(), ids=DANGEROUS.keys())
def test_what_could_run_code_is_refused_and_does_nothing(tmp_path, untouched, data):
    with pytest.raises(RefusedError, match=r"a\.pkl: .*which may run code; expected numpy arrays"):
        load(data.replace(b"{ran}", bytes(untouched)), tmp_path)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("GLOBAL os.system", "'os.system'"),
        ("builtins.eval", "'builtins.eval'"),
        ("in a list", "'posix.system'"),
        ("INST", "'os system'"),
        ("object dtype", "'O8'"),
        ("EXT1", "EXT1"),
        ("BINPERSID", "BINPERSID"),
    ],
)
def test_a_refusal_names_what_was_asked_for(tmp_path, key, named):
    with pytest.raises(RefusedError, match=named):
        load(DANGEROUS[key], tmp_path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_pickle_itself_would_run_is_refused(tmp_path, protocol, untouched):
    values = [Bad(os.getpid), [Bad(print, untouched)], {"clip": motion() | {"fps": Bad(len, "abc")}}, open, Path]
    for value in values:
        with pytest.raises(RefusedError, match="asks for"):
            load(pickle.dumps(value, protocol), tmp_path)


def test_arrays_of_objects_are_refused(tmp_path, untouched):
    hidden = np.array([Bad(os.getpid), {}], dtype=object)
    for data in (pickle.dumps(hidden), joblib_dump({"a": hidden.astype("O")[:0]})):
        with pytest.raises(RefusedError, match="dtype 'O8'"):
            load(data, tmp_path)
    assert not untouched.exists()


def test_a_motion_that_runs_code_is_recognised_and_refused(tmp_path, untouched):
    data = pickle.dumps({"clip": motion() | {"z": Bad(print, "x")}})
    (tmp_path / "a.pkl").write_bytes(data)
    assert asap.sniff(tmp_path / "a.pkl")
    with pytest.raises(RefusedError, match=r"a\.pkl: asks for '(__builtin__|builtins)\.print'"):
        open_dataset(tmp_path / "a.pkl")
    assert not untouched.exists()


# --- bombs and damage ---


def array_of(shape: bytes, data: bytes = b"C\x08" + bytes(8)) -> bytes:
    return b"\x80\x03" + NDARRAY + b"(K\x01" + shape + F8 + b"\x89" + data + b"tb."


def joblib_of(shape: bytes) -> bytes:
    state = b"}(X\x08\x00\x00\x00subclasscnumpy\nndarray\nX\x05\x00\x00\x00orderX\x01\x00\x00\x00C"
    return (
        WRAPPER + state + b"X\x05\x00\x00\x00dtype" + F8 + b"X\x05\x00\x00\x00shape" + shape + b"ub" + bytes(64) + b"."
    )


def doubled(times: int) -> bytes:
    """[x, x] of [x, x] of …: 2^times items if anybody ever walked them."""
    return b"\x80\x02]q\x00" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(times))


MERSENNE, KEYS = (1 << 61) - 1, range(1, 99)  # multiples of it all have the hash 0
BOMBS = {
    "array larger than the cap": array_of(b"(I1000000\nI1000000\nt"),
    "array larger than its data": array_of(b"(I1000\nI1000\nt"),
    "array of 2^200": array_of(b"(L1606938044258990275541962092341162602522202993782792835301376L\nt"),
    "array of many dimensions": array_of(b"(" + b"K\x01" * 40 + b"t"),
    "array of a negative size": array_of(b"(J\xff\xff\xff\xfft"),
    "array of a shape that is text": array_of(b"(X\x01\x00\x00\x001t"),
    "joblib array larger than the cap": joblib_of(b"(I1000000\nI1000000\nt"),
    "joblib array larger than the file": joblib_of(b"(I1000\nI1000\nt"),
    "text of 4 GB": b"\x80\x02X\xff\xff\xff\xffabc.",
    "text of 2^62": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"abc.",
    "bytes of 2^62": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc.",
    "bytearray of 2^62": b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b"abc.",
    "LONG4 of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
    "LONG4 at all": b"\x80\x02\x8b\x00\x01\x00\x00" + b"\x7f" * 256 + b".",
    "number of 10^6 digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "nesting": b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
    "memo of nothing": b"\x80\x02h\x07.",
    "copies of copies": b"\x80\x02](" + b"K\x01" * 1000 + b"eq\x00" + b"cbuiltins\nlist\nh\x00\x85R" * 3000 + b".",
    "text encoded again and again": b"\x80\x02X\x00\x00\x10\x00" + b"a" * (1 << 20) + b"q\x00"
    + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 600 + b".",
    "keys that collide": b"\x80\x02}("
    + b"".join(b"\x8a\x09" + (k * MERSENNE).to_bytes(9, "little") + b"N" for k in KEYS) + b"u.",
    "a tuple as key": b"\x80\x02})Ns.",
    "a list in a set": b"\x80\x04\x8f(]\x90.",
    "a doubled list as dtype": doubled(60) + b"0" * 0 + b"cnumpy\ndtype\nh\x3c\x85R.",
    "a doubled list as global": doubled(60) + b"h\x3c\x93.",
    "a doubled list as key": doubled(60) + b"}h\x3cNs.",
    "a doubled list as order": doubled(60) + b"cnumpy.core.numeric\n_frombuffer\n("
    + b"C\x08" + bytes(8) + F8 + b"K\x01\x85h\x3ctR.",
}  # fmt: skip


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_in_little_memory(tmp_path, data):
    (tmp_path / "a.pkl").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"^a\.pkl: "):
        _pickles.load(tmp_path / "a.pkl", "a.pkl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (700 << 20 if "encode" in str(data[-60:]) else 40 << 20)


def test_instructions_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_pickles, "MAX_STEPS", 1000)
    load(b"\x80\x02](" + b"N" * 990 + b"e.", tmp_path)
    with pytest.raises(RefusedError, match=r"a\.pkl: more than 1000 instructions; expected arrays, not lists"):
        load(b"\x80\x02](" + b"N" * 1000 + b"e.", tmp_path)


def test_containers_that_hold_themselves_or_are_deep_are_data(tmp_path):
    loop = load(b"\x80\x02]q\x00h\x00a.", tmp_path)
    assert loop[0] is loop
    with pytest.raises(FormatError, match="holds a list without a motion"):
        open_dataset_of(b"\x80\x02]q\x00h\x00a.", tmp_path)
    with pytest.raises(FormatError, match="holds a dict without a motion"):
        open_dataset_of(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.", tmp_path)
    deep = load(b"\x80\x02)" + b"\x85" * 500_000 + b".", tmp_path)
    assert isinstance(deep, tuple)
    del deep  # half a million tuples, each within the next


def open_dataset_of(data: bytes, folder: Path):
    (folder / "a.pkl").write_bytes(data)
    return asap.open_dataset(folder / "a.pkl", ReadOptions())


def test_a_file_cut_short_anywhere_is_a_format_error(tmp_path):
    for whole in (joblib_dump({"clip": motion()}), pickle.dumps({"clip": motion()}), python2_array(np.ones((2, 3)))):
        for kept in range(0, len(whole)):
            with pytest.raises(FormatError):
                load(whole[:kept], tmp_path)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_bytes_give_data_or_an_input_error(tmp_path_factory, data):
    start = data.draw(
        st.sampled_from([b"", b"\x80\x02", WRAPPER, *DANGEROUS.values(), *(pickle.dumps(v) for v in HONEST)])
    )
    at = data.draw(st.integers(0, len(start)))
    file = tmp_path_factory.getbasetemp() / "any.pkl"
    file.write_bytes(start[:at] + data.draw(st.binary(max_size=30)) + start[at + data.draw(st.integers(0, 5)) :])
    try:
        content = _pickles.load(file, "any.pkl")
        if isinstance(content, PickledArray):
            content.values()
    except InputError as error:
        assert str(error).startswith("any.pkl: ")  # noqa: PT017
    assert asap.sniff(file) in (True, False)


def test_a_file_beyond_the_cap_is_refused_unread(tmp_path):
    with (tmp_path / "a.pkl").open("wb") as file:
        file.write(pickle.dumps(motion()))
        file.truncate(_pickles.MAX_FILE_BYTES + 1)  # sparse
    with pytest.raises(RefusedError, match=r"a\.pkl: has 8589934593 bytes"):
        open_dataset(tmp_path / "a.pkl")
