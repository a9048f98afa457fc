"""Force checks: closed forms, negative twins, remedies that work."""

import re
from dataclasses import replace

import numpy as np
import pytest

from simcheck import checks
from simcheck.checks._effort import kindest_load, slowing
from simcheck.flags import Finding, Skipped, Status
from simcheck.quantities import Quantities, altered, example

BY_CODE = {m.CODE: m for m in checks.modules()}
TIME = example().time
ONE = np.ones((90, 2))


def answers(code: str, q: Quantities) -> list[Finding | Skipped]:
    return list(BY_CODE[code].check(q, BY_CODE[code].Tolerance()))


def findings(code: str, q: Quantities) -> list[Finding]:
    return [a for a in answers(code, q) if isinstance(a, Finding)]


def effort(needed, gravity=0.0, damping=0.0, per_payload=0.0, sigma=0.2, contact=()) -> Quantities:
    """The example with effort given per frame, or constant, for both joints alike."""
    columns = {"needed": needed, "gravity": gravity, "damping": damping, "per_payload": per_payload, "sigma": sigma}
    columns = {k: np.reshape(np.asarray(v, float), (-1, 1)) * ONE for k, v in columns.items()}
    touching = np.zeros(90, bool)
    touching[list(contact)] = True
    return altered("effort", **columns, in_contact=touching)


def factor(found: list[Finding]) -> float:
    return max(float(re.search(r"slowed ([\d.]+)×", f.remedy).group(1)) for f in found)


def slower(q: Quantities, s: float) -> Quantities:
    """The same motion s times slower."""
    e = q.effort
    needed = e.gravity + e.damping / s + (e.needed - e.gravity - e.damping) / s**2
    return replace(q, effort=replace(e, needed=needed, damping=e.damping / s))


def test_the_kindest_load_is_the_best_of_all_loads():
    rng = np.random.default_rng(0)
    needed, per_payload = rng.normal(0, 30, (50, 3)), rng.normal(0, 20, (50, 3))
    loads = np.linspace(0, 2, 2001)[:, None, None]
    brute = np.abs(needed + loads * per_payload).min(axis=0)
    np.testing.assert_allclose(np.abs(needed + kindest_load(needed, per_payload, 2.0)), brute, atol=0.06)
    assert not kindest_load(needed, np.full_like(needed, np.nan), 2.0).any()


def test_slowing_is_the_smallest_factor_from_which_all_slower_ones_fit():
    assert slowing(lambda s: 80 / s**2, 50) == pytest.approx(np.sqrt(80 / 50), rel=0.01)
    assert slowing(lambda s: 80 / s**2, 50) >= np.sqrt(80 / 50)
    assert np.isnan(slowing(lambda s: 60 + s, 50))
    assert slowing(lambda s: 60 if 2 < s < 3 else 10, 50) > 2.9


class TestPeak:
    def test_payload_that_makes_it_feasible_is_granted(self):
        assert findings("F101", effort(60))
        assert not findings("F101", effort(60, per_payload=-20))
        assert findings("F101", effort(60, per_payload=20))

    def test_a_straddling_interval_is_undecided(self):
        (f, _) = findings("F101", effort(50.2))
        assert f.status is Status.UNDECIDED
        assert f.interval == pytest.approx((49.7, 50.7))

    def test_in_contact_it_is_undecided_at_most(self):
        found = findings("F101", effort(60, contact=range(90)))
        assert {f.status for f in found} == {Status.UNDECIDED}
        peak = 60 * np.exp(-(((TIME - 1.5) / 0.3) ** 2))
        found = findings("F101", effort(peak, contact=range(60)))
        assert {f.status for f in found} == {Status.UNDECIDED}

    def test_remedy_of_a_purely_inertial_torque_is_the_root_of_the_ratio(self):
        found = findings("F101", effort(80))
        assert factor(found) == pytest.approx(np.sqrt(80 / 49.5), rel=0.012)

    @pytest.mark.parametrize(("gravity", "damping"), [(0, 0), (40, 0), (-40, 0), (30, 20), (30, -20)])
    def test_slowing_by_the_remedy_removes_it(self, gravity, damping):
        q = effort(70 * np.cos(2 * TIME), gravity, damping)
        s = factor(findings("F101", q))
        assert s > 1
        assert not findings("F101", slower(q, s))
        assert findings("F101", slower(q, 0.97 * s))

    def test_no_slowing_helps_where_holding_is_as_much(self):
        found = findings("F101", effort(60, gravity=49.8))
        assert "no slowing helps: holding still alone needs 49.8 N m" in found[0].remedy


class TestStatic:
    def test_takes_the_rows_that_the_peak_then_leaves(self):
        q = effort(70, gravity=60)
        assert [f.status for f in findings("F104", q)] == [Status.FLAGGED] * 2
        assert not findings("F101", q)

    def test_leaves_a_straddling_one_to_the_peak_and_says_so(self):
        q = effort(50.2, gravity=50.2)
        (told,) = answers("F104", q)
        assert isinstance(told, Skipped)
        assert told.partly
        assert findings("F101", q)

    def test_needs_no_derivative_and_so_less_sigma(self):
        sigma = np.where(np.arange(90) == 10, 0.2, 20.0)
        assert findings("F104", effort(60, gravity=60, sigma=sigma))

    def test_something_may_carry_the_arm(self):
        found = findings("F104", effort(60, gravity=60, contact=range(90)))
        assert {f.status for f in found} == {Status.UNDECIDED}


class TestRms:
    def test_of_a_sine(self):
        time = np.arange(90) / 90
        q = effort(48 * np.sin(2 * np.pi * time))
        (f, _) = findings("F102", q)
        assert f.value == pytest.approx(48 / np.sqrt(2), rel=0.01)
        assert f.frames == (0, 89)

    def test_frames_in_contact_are_the_least_they_can_be(self):
        assert {f.status for f in findings("F102", effort(40, contact=range(20)))} == {Status.FLAGGED}
        assert {f.status for f in findings("F102", effort(40, contact=range(60)))} == {Status.UNDECIDED}

    def test_one_load_is_granted_for_the_whole_episode(self):
        assert not findings("F102", effort(35, per_payload=-10))
        alternating = np.where(np.arange(90) % 2, 10, -10)
        assert findings("F102", effort(35, per_payload=alternating))

    def test_slowing_by_the_remedy_removes_it(self):
        q = effort(45, gravity=20, damping=5)
        assert not findings("F102", slower(q, factor(findings("F102", q))))

    def test_no_slowing_helps_where_holding_is_as_much(self):
        assert "31" in findings("F102", effort(45, gravity=31))[0].remedy


class TestRate:
    def test_of_a_ramp_is_its_slope(self):
        ramp = effort(20 * (TIME - 1.5), sigma=0.0)
        q = replace(ramp, limits=replace(ramp.limits, effort_rate=np.full(2, 19.9)))
        assert findings("F103", q)[0].value == pytest.approx(20)
        assert not findings("F103", replace(ramp, limits=replace(ramp.limits, effort_rate=np.full(2, 20.1))))

    def test_next_to_a_contact_it_is_not_judged(self):
        step = effort(np.where(np.arange(90) < 45, 0, 200.0))
        assert findings("F103", step)
        assert not findings("F103", effort(np.where(np.arange(90) < 45, 0, 200.0), contact=range(43, 48)))

    def test_slowing_by_the_remedy_removes_it(self):
        wave = 20 * np.sin(2 * np.pi * 2 * TIME)
        q = effort(wave, sigma=0.0)
        q = replace(q, limits=replace(q.limits, effort_rate=np.full(2, 150.0)))
        s = factor(findings("F103", q))
        assert s == pytest.approx((findings("F103", q)[0].value / 150) ** (1 / 3), rel=0.015)
        slow = replace(slower(q, s), time=q.time * s)
        assert not findings("F103", slow)


class TestMeasured:
    def test_joints_without_a_recording_are_not_judged(self):
        raw = np.full((90, 2), np.nan)
        raw[:, 0] = 60.0
        (f,) = findings("F105", altered("measured_effort", raw=raw))
        assert f.place == "shoulder"


class TestTorqueSpeed:
    def line(self, torque: float, speed: float) -> Quantities:
        q = effort(torque, sigma=0.0)
        source = {**q.limits.source, "effort": "stall torque", "velocity": "no-load speed"}
        motion = replace(q.motion, qvel=speed * ONE, sigma_qvel=0 * ONE)
        return replace(q, motion=motion, limits=replace(q.limits, source=source))

    def test_the_sum_of_the_shares_is_judged(self):
        assert findings("F106", self.line(30, 2.5))[0].value == pytest.approx(30 / 50 + 2.5 / 5)
        assert not findings("F106", self.line(30, 1.9))

    def test_braking_is_not(self):
        assert not findings("F106", self.line(30, -2.5))

    def test_one_limit_alone_has_another_code(self):
        assert not findings("F106", self.line(51, 1.0))
        assert not findings("F106", self.line(1, 5.1))

    def test_other_limits_are_not_ends_of_a_line(self):
        q = self.line(30, 2.5)
        assert isinstance(answers("F106", replace(q, limits=example().limits))[0], Skipped)

    def test_remedy_of_an_inertial_torque(self):
        s = factor(findings("F106", self.line(40, 2.5)))
        assert 40 / 50 / s**2 + 2.5 / 5 / s == pytest.approx(1, rel=0.02)


class TestRatedPayload:
    def test_remedy_is_the_load_that_fits(self):
        (f, _) = findings("F107", effort(10, per_payload=45))
        assert f.value == pytest.approx(55)
        assert f.remedy == "feasible with payload ≤ 0.88 kg"
        assert not findings("F107", effort(10 + 0.88 * 45, per_payload=1e-12))

    def test_direction_counts(self):
        assert not findings("F107", effort(-10, per_payload=45))
        assert findings("F107", effort(-10, per_payload=-45))

    def test_what_fails_empty_handed_is_not_repeated(self):
        q = effort(60, per_payload=45)
        assert findings("F101", q)
        assert not findings("F107", q)

    @pytest.mark.parametrize("payload", [0.0, np.nan])
    def test_without_a_rated_payload_it_is_skipped(self, payload):
        q = altered("limits", payload=payload)
        assert isinstance(answers("F107", q)[0], Skipped)


def test_drives_that_are_coupled_or_held_are_not_judged():
    for code in ("F101", "F102", "F103", "F104", "F107"):
        q = BY_CODE[code].example_flagged()
        for mask in ("actuated", "observed"):
            assert not findings(code, replace(q, joints=replace(q.joints, **{mask: np.zeros(2, bool)}))), (code, mask)
