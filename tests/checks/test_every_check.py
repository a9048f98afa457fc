"""Contracts every check keeps."""

import dataclasses
import re

import numpy as np
import pytest

from simcheck import checks
from simcheck.flags import Finding, Severity, Skipped, Status
from simcheck.quantities import Quantities, example

MODULES = checks.modules()
IDS = [m.CODE for m in MODULES]
HEADINGS = ("What:", "How:", "Silent when:", "Fails to see:", "References:")


def answers(module, q: Quantities) -> list[Finding | Skipped]:
    return list(module.check(q, module.Tolerance()))


def findings(module, q: Quantities) -> list[Finding]:
    return [a for a in answers(module, q) if isinstance(a, Finding)]


@pytest.mark.parametrize("module", MODULES, ids=IDS)
class TestEveryCheck:
    def test_is_documented_and_named(self, module):
        assert re.fullmatch(r"[DKFCMGBASX]\d{3}", module.CODE)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", module.NAME)
        assert module.__name__.rpartition(".")[2] == module.NAME.replace("-", "_")
        assert not re.match(r"(check|validate|bad|test)", module.NAME)
        assert isinstance(module.SEVERITY, Severity)
        positions = [module.__doc__.index(h) for h in HEADINGS]
        assert positions == sorted(positions)

    def test_needs_are_groups(self, module):
        fields = {f.name for f in dataclasses.fields(Quantities)}
        assert set(module.NEEDS) <= fields

    def test_flags_its_example(self, module):
        found = findings(module, module.example_flagged())
        assert found
        assert any(f.status is Status.FLAGGED for f in found)

    def test_flags_carry_numbers_and_place(self, module):
        for f in findings(module, module.example_flagged()):
            assert f.place
            assert f.message
            assert f.frames[0] <= f.frames[1]
            low, high = f.interval
            if np.isfinite(f.value):
                assert low <= f.value <= high

    def test_its_clean_example_is_clean_for_every_check(self, module):
        q = module.example_clean()
        for other in MODULES:
            assert not findings(other, q), f"{other.CODE} flags the clean example of {module.CODE}"

    def test_its_flagged_example_gives_no_other_error(self, module):
        q = module.example_flagged()
        others = {o.CODE for o in MODULES if o.CODE != module.CODE and findings(o, q)}
        assert others <= set(getattr(module, "ALSO", ())), "one cause, one code; list the unavoidable in ALSO"

    def test_tolerance_is_frozen(self, module):
        assert dataclasses.is_dataclass(module.Tolerance)
        assert module.Tolerance.__dataclass_params__.frozen


def test_the_plain_example_is_clean():
    for module in MODULES:
        assert not findings(module, example()), module.CODE


def test_at_least_thirty_checks_in_families_d_k_f_c():
    assert sum(m.CODE[0] in "DKFC" for m in MODULES) >= 30
