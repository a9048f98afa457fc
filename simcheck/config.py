"""Which checks run, with which tolerances: from TOML, command-line options or Python.

[checks]
select = ["K", "F1"]          # code prefixes; everything if absent
ignore = ["K110"]

[tolerances.K102]
scale = 0.9
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from simcheck import checks
from simcheck.errors import UsageError


@dataclass(frozen=True, slots=True)
class Config:
    """Immutable settings of a run.

    Attributes:
        select, ignore: code prefixes; the longest matching prefix wins.
        tolerances: values by code and name that replace the defaults.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    tolerances: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that mean nothing, with the nearest that would."""
        known = {m.CODE: m for m in checks.modules()}
        for prefix in (*self.select, *self.ignore):
            if not any(code.startswith(prefix) for code in known):
                raise UsageError(f"no check code starts with {prefix!r}; known: {', '.join(known)}")
        for code, values in self.tolerances.items():
            if code not in known:
                raise UsageError(f"tolerances.{code}: no such check{_nearest(code, list(known))}")
            names = [f.name for f in dataclasses.fields(known[code].Tolerance)]
            for name in values:
                if name not in names:
                    raise UsageError(f"tolerances.{code}.{name}: no such tolerance{_nearest(name, names)}")

    def modules(self) -> list[ModuleType]:
        """The selected checks, sorted by code."""
        return [m for m in checks.modules() if self._selected(m.CODE)]

    def _selected(self, code: str) -> bool:
        chosen = max((len(p) for p in self.select if code.startswith(p)), default=-1 if self.select else 0)
        refused = max((len(p) for p in self.ignore if code.startswith(p)), default=-1)
        return chosen > refused or (chosen >= 0 and refused < 0)

    def tolerance(self, module: ModuleType) -> Any:
        """The check's Tolerance with the user's values."""
        return module.Tolerance(**self.tolerances.get(module.CODE, {}))

    @property
    def sha256(self) -> str:
        """Hash of everything that can change an answer."""
        content = {m.CODE: dataclasses.asdict(self.tolerance(m)) for m in self.modules()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_config(path: Path) -> Config:
    """Read a TOML file.

    Raises:
        UsageError: it does not parse, or has an unknown key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path.name}: {error}") from error
    for key in raw:
        if key not in ("checks", "tolerances"):
            raise UsageError(f"{path.name}: unknown table [{key}]{_nearest(key, ['checks', 'tolerances'])}")
    table = raw.get("checks", {})
    for key in table:
        if key not in ("select", "ignore"):
            raise UsageError(f"{path.name}: unknown key checks.{key}{_nearest(key, ['select', 'ignore'])}")
    return Config(tuple(table.get("select", ())), tuple(table.get("ignore", ())), raw.get("tolerances", {}))


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
