"""Numbers out of pickles that nobody vouches for: what a pickle says is acted out on plain data only.

A pickle is a program for a small stack machine, two of whose instructions import and call anything. This is a
machine of our own for the same programs, which imports and calls nothing: a global is a name that is looked up
among the few that numpy and plain containers need, and what it stands for is done here. Anything else is
refused with the name that was asked for.

- Arrays stay in the file until their values are asked for. joblib writes them between the instructions, after
  a byte that counts the padding before them.
- Text of Python 2 is read as latin-1, in which every byte means something and ASCII stays ASCII.
- The file, an array, what is held in memory, the number of instructions and nesting have caps.
"""

from __future__ import annotations

import codecs
import pickletools
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from simcheck.errors import FormatError, RefusedError

MAX_FILE_BYTES = 8 << 30
MAX_ARRAY_BYTES = 1 << 30  # an hour of 50 joints at 120 Hz has 0.2 GB
MAX_HELD_BYTES = 512 << 20  # text and short bytes; long byte strings stay in the file
MAX_STEPS = 5_000_000  # a motion takes some 140; so many take 7 s and 1.2 GB at worst
MAX_MARKS = 1000  # containers begun and not ended
_INLINE = 1024  # bytes of a string that is held in memory
_DTYPE = re.compile(r"[<>=|]?(?:[biufc][1-9][0-9]?|[SU][1-9][0-9]{0,6}|\?)")
_FORTRAN = {"C": False, "F": True}  # how joblib and protocol 5 spell the order of an array
_DAMAGE = (ValueError, TypeError, LookupError, OverflowError, MemoryError, OSError)  # what it raises


@dataclass(frozen=True, slots=True)
class _Blob:
    """Bytes that are still in the file."""

    path: Path
    offset: int
    size: int


@dataclass
class PickledArray:
    """An array whose values are read when asked for; without dtype while nothing is known of it."""

    place: str
    dtype: np.dtype | None = None
    shape: tuple[int, ...] = ()
    fortran: bool = False
    data: bytes | _Blob = b""
    follows: bool = False  # joblib: in the file, after what is said about it

    def values(self) -> np.ndarray:
        """The array itself, read-only."""
        if self.dtype is None:
            raise FormatError(f"{self.place}: an array is announced, but its values are not there")
        try:
            data = self.data
            if isinstance(data, _Blob):
                with data.path.open("rb") as file:
                    file.seek(data.offset)
                    data = file.read(data.size)
            flat = np.frombuffer(data, self.dtype) if data else np.empty(0, self.dtype)
            return flat.reshape(self.shape, order="F" if self.fortran else "C")
        except _DAMAGE as error:
            raise FormatError(f"{self.place}: an array cannot be read ({str(error)[:120]})") from error


@dataclass
class _Dtype:
    value: np.dtype


@dataclass(frozen=True)
class _Global:
    """A module and a name that a pickle asks for, with a blank between; never what they stand for."""

    name: str


def load(path: Path, place: str) -> Any:
    """What a pickle holds: plain containers, numbers, text, bytes and `PickledArray`.

    The caller has made sure that `path` is a regular file of at most MAX_FILE_BYTES; messages call it `place`.

    Raises:
        FormatError: it is damaged or cut short.
        RefusedError: it asks for something that is not on the list, or exceeds a cap.
    """
    machine = _Machine(path, place)
    if not machine.run(MAX_STEPS):
        raise RefusedError(f"{place}: more than {MAX_STEPS} instructions; expected arrays, not lists of numbers")
    if len(machine.stack) != 1:
        raise FormatError(f"{place}: ends with {len(machine.stack)} objects; expected one")
    return machine.stack[0]


def first_texts(path: Path, steps: int = 4000) -> set[str]:
    """Short texts, such as keys, among the first instructions, up to the first that is damaged or refused."""
    machine = _Machine(path, path.name)
    with suppress(FormatError, RefusedError):
        machine.run(steps)
    return machine.texts


class _Stream:
    """A file that never allocates more than it has, and counts what it gave."""

    def __init__(self, path: Path, place: str, file: IO[bytes]) -> None:
        self.path, self.place, self._file = path, place, file
        self._size, self._held, self.at = path.stat().st_size, 0, 0

    def read(self, size: int) -> bytes:
        self._advance(size)
        self.charge(size)
        return self._file.read(size)

    def readline(self) -> bytes:
        line = self._file.readline(MAX_HELD_BYTES)
        self.charge(len(line))
        self._advance(len(line))
        return line

    def skip(self, size: int) -> _Blob:
        blob = _Blob(self.path, self.at, size)
        self._advance(size)
        self._file.seek(self.at)
        return blob

    def charge(self, size: int) -> None:
        """Count bytes that are held in memory."""
        self._held += size
        if self._held > MAX_HELD_BYTES:
            raise RefusedError(f"{self.place}: more than {MAX_HELD_BYTES} bytes of text; expected numpy arrays")

    def _advance(self, size: int) -> None:
        if size > self._size - self.at:
            raise FormatError(f"{self.place}: cut short: {self._size} bytes; expected {size} more from byte {self.at}")
        self.at += size


class _Machine:
    """Acts out the instructions of one pickle."""

    def __init__(self, path: Path, place: str) -> None:
        self.path, self.place, self.steps = path, place, 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.texts: set[str] = set()

    def run(self, steps: int) -> bool:
        """Whether the end came within so many steps."""
        try:
            with self.path.open("rb") as file:
                self.stream = _Stream(self.path, self.place, file)
                while self.steps < steps:
                    self.steps += 1
                    if self._step():
                        return True
        except _DAMAGE as error:
            raise FormatError(f"{self.place}: damaged ({type(error).__name__}: {str(error)[:120]})") from error
        return False

    def _step(self) -> bool:
        code = self.stream.read(1)
        if code == b".":
            return True
        if code not in _INSTRUCTIONS:
            raise FormatError(f"{self.place}: byte {self.stream.at - 1} is {code!r}; expected a pickle instruction")
        info = _INSTRUCTIONS[code]
        if info.name in _RAW:
            _push(self, _RAW[info.name](self.stream))
            return False
        argument: Any = info.arg.reader(cast(Any, self.stream)) if info.arg else None
        if info.name not in _ACTIONS:
            asked = f" for {argument[:120]!r}" if info.name == "INST" else ""
            raise self.refusal(f"uses the pickle instruction {info.name}{asked}")
        _ACTIONS[info.name](self, argument)
        return False

    def refusal(self, what: str) -> RefusedError:
        said = f"{what}, which may run code; expected numpy arrays, numbers and text in plain containers"
        return RefusedError(f"{self.place}: {said}")

    def cut(self) -> list[Any]:
        """Everything since the last mark."""
        items = self.stack[(mark := self.marks.pop()) :]
        del self.stack[mark:]
        return items

    def pop(self, count: int) -> list[Any]:
        return [self.stack.pop() for _ in range(count)][::-1]

    def copied(self, items: Any) -> list[Any]:
        """The items of a container that is copied; each counts as an instruction."""
        if not isinstance(items, list | tuple | set | dict):
            raise TypeError(f"{type(items).__name__} in place of a container")
        self.steps += len(items)
        return list(items.items()) if isinstance(items, dict) else list(items)

    def size(self, dtype: Any, shape: Any) -> int:
        """Bytes of an array as it declares itself."""
        if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple) or len(shape) > 8:
            raise TypeError("an array without dtype or shape")
        if not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
            raise ValueError("a shape that is not made of counts")
        if (size := prod(shape) * dtype.value.itemsize) > MAX_ARRAY_BYTES:
            raise RefusedError(f"{self.place}: an array declares {size} bytes; expected at most {MAX_ARRAY_BYTES}")
        return size

    def fill(self, array: PickledArray, shape: Any, dtype: Any, fortran: bool, data: Any) -> PickledArray:
        data = _make_encoded(self, data, "latin1") if isinstance(data, str) else data
        size, have = self.size(dtype, shape), data.size if isinstance(data, _Blob) else len(data)
        if size != have or not isinstance(data, bytes | _Blob):
            raise FormatError(f"{self.place}: an array declares {size} bytes and has {have}; expected as many")
        array.dtype, array.shape, array.fortran, array.data = dtype.value, shape, fortran, data
        return array


def _mark(machine: _Machine, _: Any) -> None:
    machine.marks.append(len(machine.stack))
    if len(machine.marks) > MAX_MARKS:
        raise RefusedError(f"{machine.place}: containers nested deeper than {MAX_MARKS}; expected a few levels")


def _push(machine: _Machine, value: Any) -> None:
    if isinstance(value, str) and len(value) <= 40 and len(machine.texts) < 1000:
        machine.texts.add(value)
    machine.stack.append(value)


def _quoted(stream: _Stream) -> str:
    """Text of protocol 0: a Python 2 repr."""
    line = stream.readline().strip()
    return codecs.escape_decode(line[1:-1])[0].decode("latin-1")  # pyright: ignore[reportAttributeAccessIssue]


def _bytes(stream: _Stream, width: int) -> bytes | _Blob:
    """A length of `width` bytes, then so many bytes."""
    size = int.from_bytes(stream.read(width), "little")
    return stream.read(size) if size <= _INLINE else stream.skip(size)


def _python2_text(stream: _Stream, width: int) -> str | _Blob:
    """Python 2 had one type for text and bytes; what is long is the values of an array."""
    data = _bytes(stream, width)
    return data.decode("latin-1") if isinstance(data, bytes) else data


def _key(key: Any) -> Any:
    """Only keys whose hashes cannot be chosen to collide: a million that do would take hours."""
    if not isinstance(key, str | bytes | int | float | None) or (isinstance(key, int) and abs(key) >> 60):
        raise TypeError(f"{type(key).__name__} as a key; expected text or a number")
    return key


def _dict(pairs: Iterable[Any]) -> dict[Any, Any]:
    return {_key(key): value for key, value in pairs}


def _extend(machine: _Machine, items: list[Any], kind: type = list) -> None:
    """Add to the container on the stack."""
    target = machine.stack[-1]
    if type(target) is not kind:
        raise TypeError(f"{type(target).__name__} in place of a {kind.__name__}")
    if kind is list:
        return target.extend(items)
    return target.update(_dict(zip(items[::2], items[1::2], strict=True)) if kind is dict else map(_key, items))


def _global(machine: _Machine, asked: str) -> None:
    if asked not in _MAKERS:
        raise machine.refusal(f"asks for {asked.replace(' ', '.')[:120]!r}")
    machine.stack.append(_Global(asked))


def _stack_global(machine: _Machine, _: Any) -> None:
    module, name = machine.pop(2)
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("a global whose name is no text")
    _global(machine, f"{module} {name}")


def _call(machine: _Machine, _: Any) -> None:
    """What is called is an entry of `_MAKERS`, or nothing."""
    wanted, arguments = machine.pop(2)
    maker = _MAKERS[wanted.name] if isinstance(wanted, _Global) else None
    if maker is None or not isinstance(arguments, tuple):
        raise machine.refusal(f"calls {wanted.name if isinstance(wanted, _Global) else type(wanted).__name__}")
    machine.stack.append(maker(machine, *arguments))


def _build(machine: _Machine, _: Any) -> None:
    match machine.pop(2):
        case [PickledArray(follows=True) as array, dict() as state]:
            machine.stack.append(_read_joblib(machine, array, state))
        case [PickledArray() as array, (_, shape, dtype, fortran, data)]:
            machine.stack.append(machine.fill(array, shape, dtype, bool(fortran), data))
        case [_Dtype() as dtype, (_, "<" | ">" | "=" | "|" as order, None, None, None, _, _, _)]:
            dtype.value = dtype.value.newbyteorder(order)
            machine.stack.append(dtype)
        case [target, _]:
            raise machine.refusal(f"sets the state of a {type(target).__name__.strip('_')}")


def _read_joblib(machine: _Machine, array: PickledArray, state: dict[Any, Any]) -> PickledArray:
    """The array follows: a byte that says how many bytes of padding come, these, then the values."""
    if state.get("subclass") != _Global("numpy ndarray"):
        raise machine.refusal("holds a subclass of numpy.ndarray")
    if state.get("numpy_array_alignment_bytes") is not None:  # joblib before 1.2 does not pad
        machine.stream.skip(machine.stream.read(1)[0])
    shape, dtype = state.get("shape"), state.get("dtype")
    return machine.fill(array, shape, dtype, _FORTRAN[state["order"]], machine.stream.skip(machine.size(dtype, shape)))


def _make_array(machine: _Machine, kind: Any, *_: Any) -> PickledArray:
    if kind != _Global("numpy ndarray"):
        raise machine.refusal("makes a subclass of numpy.ndarray")
    return PickledArray(machine.place)


def _make_from_buffer(machine: _Machine, data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> PickledArray:
    return machine.fill(PickledArray(machine.place), shape, dtype, _FORTRAN[order], data)


def _make_dtype(machine: _Machine, code: Any, *_: Any) -> _Dtype:
    if not isinstance(code, str) or not _DTYPE.fullmatch(code):
        raise machine.refusal(f"holds an array of dtype {code[:20]!r}" if isinstance(code, str) else "makes a dtype")
    return _Dtype(np.dtype(code))


def _make_scalar(machine: _Machine, dtype: Any, data: Any) -> Any:
    return machine.fill(PickledArray(machine.place), (), dtype, False, data).values()[()]


def _make_encoded(machine: _Machine, text: Any, encoding: Any = "") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise machine.refusal("encodes something other than text to latin-1")
    machine.stream.charge(len(text))
    return text.encode("latin-1")


# What a pickle may ask for; None may be named but not called. Modules that were renamed have both names.
_MAKERS: dict[str, Callable[..., Any] | None] = {
    "numpy ndarray": None,
    "numpy dtype": _make_dtype,
    "collections OrderedDict": lambda m, items=(): _dict(m.copied(items)),
    "collections defaultdict": lambda *_: {},  # a factory is only for absent keys
    "_codecs encode": _make_encoded,
    "joblib.numpy_pickle NumpyArrayWrapper": lambda m: PickledArray(m.place, follows=True),
}
for _a, _b in (("numpy.core", "builtins"), ("numpy._core", "__builtin__")):
    _MAKERS |= {
        f"{_a}.multiarray _reconstruct": _make_array,
        f"{_a}.multiarray scalar": _make_scalar,
        f"{_a}.numeric _frombuffer": _make_from_buffer,
        f"{_b} dict": lambda m, items=(): _dict(m.copied(items)),
        f"{_b} list": lambda m, items=(): m.copied(items),
        f"{_b} tuple": lambda m, items=(): tuple(m.copied(items)),
        f"{_b} set": lambda m, items=(): {_key(item) for item in m.copied(items)},
        f"{_b} slice": lambda _, *numbers: slice(*numbers),
        f"{_b} complex": lambda _, *numbers: complex(*numbers),
    }

# Instructions that are not here are refused.
_ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda *_: None),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"), _push),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _push),
    "NONE": _push, "NEWTRUE": lambda m, _: _push(m, True), "NEWFALSE": lambda m, _: _push(m, False),
    "EMPTY_TUPLE": lambda m, _: _push(m, ()), "EMPTY_LIST": lambda m, _: _push(m, []),
    "EMPTY_DICT": lambda m, _: _push(m, {}), "EMPTY_SET": lambda m, _: _push(m, set()),
    "MARK": _mark, "TUPLE": lambda m, _: _push(m, tuple(m.cut())), "LIST": lambda m, _: _push(m, m.cut()),
    "TUPLE1": lambda m, _: _push(m, tuple(m.pop(1))), "TUPLE2": lambda m, _: _push(m, tuple(m.pop(2))),
    "TUPLE3": lambda m, _: _push(m, tuple(m.pop(3))), "DICT": lambda m, _: _extend(m, [m.cut(), _push(m, {})][0], dict),
    "APPEND": lambda m, _: _extend(m, m.pop(1)), "APPENDS": lambda m, _: _extend(m, m.cut()),
    "ADDITEMS": lambda m, _: _extend(m, m.cut(), set),
    "SETITEM": lambda m, _: _extend(m, m.pop(2), dict), "SETITEMS": lambda m, _: _extend(m, m.cut(), dict),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, n: m.memo.update({n: m.stack[-1]})),
    "MEMOIZE": lambda m, _: m.memo.update({len(m.memo): m.stack[-1]}),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, n: _push(m, m.memo[n])),
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "REDUCE": _call, "NEWOBJ": _call, "BUILD": _build,
}  # fmt: skip
# Instructions whose argument may be long, or not ASCII in Python 2.
_RAW: dict[str, Callable[[_Stream], Any]] = {
    "STRING": _quoted, "SHORT_BINSTRING": lambda s: _python2_text(s, 1), "BINSTRING": lambda s: _python2_text(s, 4),
    "SHORT_BINBYTES": lambda s: _bytes(s, 1), "BINBYTES": lambda s: _bytes(s, 4),
    "BINBYTES8": lambda s: _bytes(s, 8), "BYTEARRAY8": lambda s: _bytes(s, 8),
}  # fmt: skip
_INSTRUCTIONS = {info.code.encode("latin-1"): info for info in pickletools.opcodes}
