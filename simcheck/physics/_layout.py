"""Where fields lie inside the engine's C structs, computed from the engine's own description of them.

The Python bindings give numpy views of most of mjData, but not of the contact counter and the contact list,
which a compiled loop over frames has to read. `mujoco.introspect` ships the field types of every struct, so
their offsets follow from the C layout rules (System V ABI: each field aligned to its own alignment). What is
computed is verified against addresses the bindings do give, so that a changed engine is an error, never a
silently wrong number.
"""

from __future__ import annotations

import ctypes
import re
from functools import cache

import mujoco
import numpy as np
from mujoco.introspect import structs

from simcheck.errors import SimcheckError

_SCALAR = {
    "int": (4, 4), "mjtNum": (8, 8), "mjtSize": (8, 8), "size_t": (8, 8), "uintptr_t": (8, 8),
    "mjtBool": (1, 1), "mjtByte": (1, 1), "float": (4, 4), "double": (8, 8), "uint64_t": (8, 8),
    "char": (1, 1), "unsigned int": (4, 4),
}  # fmt: skip
_FALLBACK_ENUM = (4, 4)  # enums are ints in C


def _size_and_alignment(type_name: str) -> tuple[int, int]:
    array = re.fullmatch(r"(.+?)\s*\[(.+)\]", type_name)
    if array:
        size, alignment = _size_and_alignment(array[1])
        count = int(np.prod([int(n) for n in re.findall(r"\d+", array[2])]))
        return size * count, alignment
    name = type_name.removeprefix("const ").strip()
    if name.endswith("*"):
        return 8, 8
    if name in _SCALAR:
        return _SCALAR[name]
    if name in structs.STRUCTS:
        return layout(name).size, layout(name).alignment
    if name.startswith("mjt"):
        return _FALLBACK_ENUM
    raise SimcheckError(f"mujoco {mujoco.__version__}: unknown field type {type_name!r}; this version is not supported")


class Layout:
    """Byte offset of each field of one struct, its size and its alignment."""

    def __init__(self, struct: str) -> None:
        self.offset: dict[str, int] = {}
        self.alignment, end = 1, 0
        for struct_field in structs.STRUCTS[struct].fields:
            size, alignment = _size_and_alignment(str(struct_field.type))
            end = -(-end // alignment) * alignment
            self.offset[getattr(struct_field, "name", "")] = end
            end += size
            self.alignment = max(self.alignment, alignment)
        self.size = -(-end // self.alignment) * self.alignment


@cache
def layout(struct: str) -> Layout:
    """Layout of a struct by its C name."""
    return Layout(struct)


def int_view(data: mujoco.MjData, field: str) -> np.ndarray:
    """View (1,) of an int field of mjData."""
    return np.ctypeslib.as_array((ctypes.c_int32 * 1).from_address(data._address + layout("mjData").offset[field]))


def pointer_view(data: mujoco.MjData, field: str) -> np.ndarray:
    """View (1,) of a pointer field of mjData, as an integer address."""
    return np.ctypeslib.as_array((ctypes.c_int64 * 1).from_address(data._address + layout("mjData").offset[field]))


def arena_view(data: mujoco.MjData) -> np.ndarray:
    """View of mjData's arena, where contacts live, as float64."""
    address, size = int(pointer_view(data, "arena")[0]), int(pointer_view(data, "narena")[0])
    return np.ctypeslib.as_array((ctypes.c_double * (size // 8)).from_address(address))


_TWO_SPHERES = """
<mujoco><worldbody>
  <body pos="0 0 .09"><freejoint/><geom size=".1"/></body>
  <body pos="0 0 .27"><freejoint/><geom size=".1"/></body>
  <geom type="plane" size="1 1 1"/>
</worldbody></mujoco>"""


@cache
def verify() -> None:
    """Compare the computed layout with what the bindings report, on a scene with two contacts.

    Raises:
        SimcheckError: this engine lays its structs out differently.
    """
    model = mujoco.MjModel.from_xml_string(_TWO_SPHERES)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    contact, stride = layout("mjContact"), layout("mjContact").size // 8
    first = (int(pointer_view(data, "contact")[0]) - int(pointer_view(data, "arena")[0])) // 8
    arena = arena_view(data)
    found = [
        int(int_view(data, "ncon")[0]) == data.ncon == 2,
        int(pointer_view(data, "qpos")[0]) == data.qpos.__array_interface__["data"][0],
    ]
    for i in range(2):
        row = arena[first + i * stride : first + (i + 1) * stride]
        ints = row.view(np.int32)
        reported = data.contact[i]
        found += [
            row[contact.offset["dist"] // 8] == reported.dist,
            bool(np.all(row[contact.offset["pos"] // 8 :][:3] == reported.pos)),
            bool(np.all(row[contact.offset["frame"] // 8 :][:9] == reported.frame)),
            bool(np.all(ints[contact.offset["geom"] // 4 :][:2] == reported.geom)),
        ]
    if not all(found):
        raise SimcheckError(f"mujoco {mujoco.__version__} lays out mjData differently than it describes: not supported")
