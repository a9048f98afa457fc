"""Which checks run, with which tolerances: from TOML, command-line options or Python.

[checks]
select = ["K", "F1"]          # code prefixes; everything if absent
ignore = ["K110"]

[tolerances.K102]
scale = 0.9
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from simcheck import checks
from simcheck.errors import UsageError, nearest


@dataclass(frozen=True, slots=True)
class Config:
    """Immutable settings of a run.

    Attributes:
        select, ignore: code prefixes in upper or lower case; the longest matching prefix wins.
        tolerances: values by code and name that replace the defaults.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    tolerances: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that mean nothing, with the nearest that would."""
        known = {m.CODE: m for m in checks.modules()}
        for name in ("select", "ignore"):
            object.__setattr__(self, name, tuple(prefix.upper() for prefix in getattr(self, name)))
        for prefix in (*self.select, *self.ignore):
            if not any(code.startswith(prefix) for code in known):
                raise UsageError(f"no check code starts with {prefix!r}; known: {', '.join(known)}")
        for code, values in self.tolerances.items():
            if code not in known:
                raise UsageError(f"tolerances.{code}: no such check{nearest(code, list(known))}")
            defaults = {f.name: f.default for f in dataclasses.fields(known[code].Tolerance)}
            for name, value in values.items():
                if name not in defaults:
                    raise UsageError(f"tolerances.{code}.{name}: no such tolerance{nearest(name, list(defaults))}")
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise UsageError(
                        f"tolerances.{code}.{name} is {value!r}; expected a number like {defaults[name]!r}"
                    )

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
    except FileNotFoundError as error:
        raise UsageError(f"{path}: does not exist; expected a TOML file with [checks] or [tolerances]") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); expected a TOML file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path.name}: not TOML: {error}") from error
    for key in raw:
        if key not in ("checks", "tolerances"):
            raise UsageError(f"{path.name}: unknown table [{key}]{nearest(key, ['checks', 'tolerances'])}")
    table, tolerances = raw.get("checks", {}), raw.get("tolerances", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path.name}: checks is {table!r:.40}; expected a table [checks]")
    if not isinstance(tolerances, dict) or not all(isinstance(v, dict) for v in tolerances.values()):
        raise UsageError(f"{path.name}: tolerances is {tolerances!r:.40}; expected tables such as [tolerances.K102]")
    for key in table:
        if key not in ("select", "ignore"):
            raise UsageError(f"{path.name}: unknown key checks.{key}{nearest(key, ['select', 'ignore'])}")
    select, ignore = (_prefixes(path, key, table.get(key, [])) for key in ("select", "ignore"))
    return Config(select, ignore, tolerances)


def _prefixes(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise UsageError(f'{path.name}: checks.{key} is {value!r:.40}; expected a list of codes such as ["K", "F1"]')
    return tuple(value)
