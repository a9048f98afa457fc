"""Checks: one file each, found by listing this folder. A check is a pure function of arrays.

A check module offers

    CODE          family letter and three digits: "K102"
    NAME          the bad thing, in words a person would use: "joint-velocity-limit"
    SEVERITY      how bad it is if it is right
    NEEDS         names of the groups of Quantities it reads; if one is None the check is SKIPPED with its reason
    BLOCKS        (rarely) code prefixes that are SKIPPED where this check is FLAGGED: data wrong as a whole
    Tolerance     frozen dataclass of everything a user may set, each with unit and source in a comment
    check(q, tolerance) -> Iterator[Finding | Skipped]
    example_flagged(), example_clean()   the smallest Quantities on either side of the limit

Its docstring is its page, printed by `simcheck explain CODE`, with the headings What, How, Silent when,
Fails to see, References. A check imports numpy and simcheck's own flags, quantities, decide, kinematics,
columns and trajectory; never the engine, a format or another check. What several checks share lies in files whose
name starts with "_".
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from simcheck.errors import UsageError


def modules() -> list[ModuleType]:
    """Every check, sorted by code.

    Raises:
        UsageError: two files claim one code.
    """
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    found = sorted((importlib.import_module(f"{__name__}.{n}") for n in names), key=lambda m: m.CODE)
    codes = [m.CODE for m in found]
    if len(set(codes)) != len(codes):
        raise UsageError(f"two checks share a code: {sorted({c for c in codes if codes.count(c) > 1})}")
    return found


def explain(code: str) -> str:
    """The documentation page of a check.

    Raises:
        UsageError: no check has this code.
    """
    for module in modules():
        if code.upper() in (module.CODE, module.NAME.upper()):
            return f"{module.CODE} {module.NAME} ({module.SEVERITY.value})\n\n{module.__doc__}"
    known = ", ".join(f"{m.CODE} {m.NAME}" for m in modules())
    raise UsageError(f"no check {code!r}; known: {known}")
