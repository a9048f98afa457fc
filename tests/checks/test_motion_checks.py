"""Kinematics and contact checks: closed forms, negative twins, and what holds for every limit check."""

import dataclasses
import re
from dataclasses import replace

import numpy as np
import pytest

from simcheck import checks
from simcheck.flags import Evidence, Finding, Skipped, Status
from simcheck.kinematics import relative_rotation, rotation_angle, spoiled, teleports, unrotated
from simcheck.quantities import Limits, Quantities, altered, example
from simcheck.trajectory import Poses

BY_CODE = {m.CODE: m for m in checks.modules()}
JUDGES = [m for m in BY_CODE.values() if m.CODE[0] in "KFC" and m.CODE[1] == "1"]
IDS = [m.CODE for m in JUDGES]
LIMIT_OF = {
    "K101": "position", "K102": "velocity", "K103": "acceleration", "K104": "jerk", "K106": "reach",
    "K107": "ee_speed", "K108": "ee_acceleration", "F101": "effort", "F102": "effort_continuous",
    "F103": "effort_rate", "F104": "effort", "F105": "effort", "F107": "effort", "K111": "position",
}  # fmt: skip


def answers(code: str, q: Quantities, **tolerance: float) -> list[Finding | Skipped]:
    return list(BY_CODE[code].check(q, BY_CODE[code].Tolerance(**tolerance)))


def findings(code: str, q: Quantities, **tolerance: float) -> list[Finding]:
    return [a for a in answers(code, q, **tolerance) if isinstance(a, Finding)]


def statuses(code: str, q: Quantities, **tolerance: float) -> list[Status]:
    return [f.status for f in findings(code, q, **tolerance)]


def first(value: object, frames: int) -> object:
    """`value` with every array over time cut to its first frames."""
    if isinstance(value, np.ndarray):
        return value[:frames] if value.ndim and len(value) == 90 else value
    if isinstance(value, dict):
        return {k: first(v, frames) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: first(getattr(value, f.name), frames) for f in dataclasses.fields(value)}
        return replace(value, **fields)
    return value


def cut(q: Quantities, frames: int) -> Quantities:
    kept = {f.name: first(getattr(q, f.name), frames) for f in dataclasses.fields(q) if f.name != "trajectory"}
    return replace(q, **kept)


def only_inferred(q: Quantities) -> Quantities:
    both = (Evidence.INFERRED,) * 2
    return replace(
        q, joints=replace(q.joints, evidence=both, effort_evidence=both),
        ee={k: replace(e, evidence=Evidence.INFERRED) for k, e in q.ee.items()},
        contacts=replace(q.contacts, evidence=Evidence.INFERRED),
        measured_effort=replace(q.measured_effort, evidence=Evidence.INFERRED),
    )  # fmt: skip


@pytest.mark.parametrize("module", JUDGES, ids=IDS)
class TestEveryLimitCheck:
    def test_inferred_inputs_never_flag(self, module):
        found = statuses(module.CODE, only_inferred(module.example_flagged()))
        assert set(found) == {Status.UNDECIDED}

    @pytest.mark.parametrize("frames", [1, 2, 3, 8])
    def test_short_episodes_are_judged_or_skipped(self, module, frames):
        answers(module.CODE, cut(module.example_flagged(), frames))

    def test_nothing_declared_is_skipped_or_clean(self, module):
        none = np.full(2, np.nan)
        q = replace(module.example_flagged(), limits=Limits(np.full((2, 2), np.nan), *[none] * 6))
        told = answers(module.CODE, q)
        if module.CODE in LIMIT_OF or module.CODE in ("K110", "F106"):
            assert [type(a) for a in told] == [Skipped]
            assert not told[0].partly

    def test_joints_that_are_not_the_robots_are_not_judged(self, module):
        if "joints" in module.NEEDS and module.CODE != "K110":
            q = module.example_flagged()
            assert not findings(module.CODE, replace(q, joints=replace(q.joints, robot=np.zeros(2, bool))))

    def test_a_limit_of_one_joint_only_judges_that_joint(self, module):
        field = LIMIT_OF.get(module.CODE)
        q = module.example_flagged()
        if field is None or np.ndim(getattr(q.limits, field)) == 0:
            return
        limit = np.array(getattr(q.limits, field))
        limit[1] = np.nan
        told = answers(module.CODE, replace(q, limits=replace(q.limits, **{field: limit})))
        assert all(a.place == "shoulder" for a in told if isinstance(a, Finding))
        assert any(isinstance(a, Skipped) and "elbow" in a.reason for a in told) or module.CODE == "F107"

    @pytest.mark.parametrize("factor", [1.01, 1.2, 3.0, 100.0])
    def test_raising_the_limit_never_adds_a_flag(self, module, factor):
        field = LIMIT_OF.get(module.CODE)
        if field is None:
            return
        q = module.example_flagged()
        higher = replace(q, limits=replace(q.limits, **{field: np.asarray(getattr(q.limits, field)) * factor}))
        before, after = findings(module.CODE, q), findings(module.CODE, higher)
        assert len(after) <= len(before)
        assert sum(f.frames[1] - f.frames[0] for f in after) <= sum(f.frames[1] - f.frames[0] for f in before)
        assert not findings(module.CODE, higher) or factor < 100


class TestSlowing:
    @pytest.mark.parametrize(("code", "group", "order"), [
        ("K102", "motion", 1), ("K103", "motion", 2), ("K104", "motion", 3), ("K107", "ee", 1), ("K108", "ee", 2),
    ])  # fmt: skip
    def test_by_the_remedys_factor_removes_the_flag(self, code, group, order):
        name = {"K102": "qvel", "K103": "qacc", "K104": "jerk", "K107": "speed", "K108": "acceleration"}[code]
        q = BY_CODE[code].example_flagged()
        s = max(float(re.search(r"slowed ([\d.]+)×", f.remedy).group(1)) for f in findings(code, q))
        assert 1 < s < 1.5
        part = q.ee["ee"] if group == "ee" else q.motion
        slow = {n: getattr(part, n) / s**order for n in (name, f"sigma_{name}")}
        part = replace(part, **slow)
        assert not findings(code, replace(q, **{group: {"ee": part} if group == "ee" else part}))

    def test_by_less_does_not(self):
        q = BY_CODE["K103"].example_flagged()
        assert statuses("K103", replace(q, motion=replace(q.motion, qacc=q.motion.qacc / 1.04**2)))


def jumping(by: float = 1.0, row: int = 45) -> Quantities:
    base = example()
    position = np.array(base.position)
    position[row:, 1] += by
    return replace(base, position=position)


class TestTeleport:
    def test_is_found_in_its_row_and_joint(self):
        assert np.argwhere(teleports(jumping())).tolist() == [[45, 1]]
        (f,) = findings("K105", jumping())
        assert f.frames == (45, 45)
        assert f.value == pytest.approx(1.0, abs=0.04)
        assert f.limit == pytest.approx(3 * 5 / 30)

    def test_a_lone_corrupt_sample_is_one_event(self):
        q = example()
        position = np.array(q.position)
        position[45, 1] += 1.0
        (f,) = findings("K105", replace(q, position=position))
        assert f.frames == (45, 46)

    def test_spoils_half_a_second_either_side_of_its_joint_only(self):
        mask = spoiled(jumping())
        assert not mask[:, 0].any()
        assert np.flatnonzero(mask[:, 1]).tolist() == list(range(30, 61))

    @pytest.mark.parametrize("code", ["K102", "K103", "K104"])
    def test_its_burst_of_derivatives_has_no_second_code(self, code):
        q = jumping()
        qvel, qacc, jerk = (np.array(getattr(q.motion, n)) for n in ("qvel", "qacc", "jerk"))
        qvel[38:53, 1], qacc[38:53, 1], jerk[38:53, 1] = 9.0, 300.0, 9000.0
        burst = replace(q.motion, qvel=qvel, qacc=qacc, jerk=jerk)
        assert not findings(code, replace(q, motion=burst))
        assert findings(code, replace(example(), motion=burst))

    def test_forces_and_hand_speed_leave_it_out_too(self):
        q = jumping()
        needed, speed = np.array(q.effort.needed), np.array(q.ee["ee"].speed)
        needed[40:50], speed[40:50] = 500.0, 9.0
        spoilt = {"effort": replace(q.effort, needed=needed), "ee": {"ee": replace(q.ee["ee"], speed=speed)}}
        for code in ("F101", "F102", "F103", "F107", "K107"):
            assert not findings(code, replace(q, **spoilt)), code
        assert findings("F101", replace(example(), **spoilt))
        assert findings("K107", replace(example(), **spoilt))

    def test_a_motion_in_degrees_read_as_radians_does_not_jump(self):
        q = replace(example(), position=np.degrees(example().position))
        assert not findings("K105", q)

    def test_a_slow_sensor_in_a_fast_log_does_not_jump(self):
        time = np.arange(3000) / 1000
        held = np.repeat(0.8 * np.sin(2 * np.pi * 0.4 * time[::100]), 100)
        q = replace(example(), time=time, position=np.stack([held, held], axis=1), motion=None)
        assert not findings("K105", q)

    def test_a_pause_of_a_fast_logger_does_not_jump(self):
        time = np.arange(3000) / 1000
        position = 0.8 * np.sin(2 * np.pi * 0.4 * time)
        position[500:509] = position[500]
        q = replace(example(), time=time, position=np.stack([position, position], axis=1), motion=None)
        assert not findings("K105", q)

    def test_a_turned_over_angle_is_named(self):
        (f,) = findings("K105", jumping(2 * np.pi))
        assert "unwrap" in f.remedy

    def test_without_limits_the_joints_own_steps_decide(self):
        q = jumping(0.8)
        none = replace(q.limits, velocity=np.full(2, np.nan))
        assert statuses("K105", replace(q, limits=none)) == [Status.FLAGGED]
        assert statuses("K105", replace(q, limits=None)) == [Status.FLAGGED]
        assert not findings("K105", replace(jumping(0.15), limits=None))


def test_a_position_below_its_range_counts_like_one_above():
    q = altered("limits", position=np.array([[-0.38, 2.0], [-2.0, 0.38]]))
    found = findings("K101", q)
    assert {f.place for f in found} == {"shoulder", "elbow"}
    assert all(f.value == pytest.approx(0.02, abs=1e-3) for f in found)
    assert not findings("K101", q, rad=0.03)


def test_a_noisy_joint_at_its_stop_is_clean():
    q = altered("limits", position=np.array([[-0.4, 0.4]] * 2))
    assert not findings("K101", replace(q, motion=replace(q.motion, sigma_qpos=np.full(2, 0.02))))


def posed(position=None, rotation=None, end=None) -> Quantities:
    """The example whose recorded pose is changed in the base frame."""
    base = example()
    ee = replace(base.ee["ee"], **(end or {}))
    recorded = Poses(ee.position if position is None else position, rotation)
    return replace(base, ee={"ee": replace(ee, recorded=recorded)})


def about_z(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], axis=1)


class TestEePoseDrift:
    path = example().ee["ee"].position
    angle = np.linspace(0, 2.0, 90)

    def test_rotation_helpers_undo_a_turn(self):
        quaternion = about_z(np.array([np.pi / 2]))
        np.testing.assert_allclose(unrotated(quaternion, np.array([[0.0, 1.0, 0.0]])), [[1.0, 0, 0]], atol=1e-12)
        there = relative_rotation(about_z(np.array([0.3])), -about_z(np.array([0.8])))
        np.testing.assert_allclose(rotation_angle(there), 0.5, atol=1e-12)

    def test_a_delay_is_named_with_its_length(self):
        time = example().time
        speed = {"position": 0.5 * np.stack([np.sin(4 * time), np.cos(4 * time), 0 * time], axis=1)}
        late = 0.5 * np.stack([np.sin(4 * (time - 0.05)), np.cos(4 * (time - 0.05)), 0 * time], axis=1)
        (f, *_) = findings("K109", posed(late, end=speed))
        assert f.status is Status.FLAGGED
        assert "50 ms late" in f.remedy

    def test_another_tool_frame_is_undecided(self):
        tool = np.stack([0.1 * np.cos(self.angle), 0.1 * np.sin(self.angle), 0 * self.angle], axis=1)
        (f,) = findings("K109", posed(self.path + tool, end={"quaternion": about_z(self.angle)}))
        assert f.status is Status.UNDECIDED
        assert "[100, 0, 0] mm" in f.remedy

    def test_another_base_frame_is_flagged_and_named(self):
        moved = self.path + np.array([0.1, 0.0, 0.1])
        (f, *_) = findings("K109", posed(moved, end={"quaternion": about_z(self.angle)}))
        assert f.status is Status.FLAGGED
        assert "base frame offset of [100, 0, 100] mm" in f.remedy

    def test_drift_is_named(self):
        (f, *_) = findings("K109", BY_CODE["K109"].example_flagged())
        assert "drift" in f.remedy
        assert f.value == pytest.approx(0.02, rel=0.01)

    def test_a_turning_hand_is_flagged_in_radians(self):
        (f, *_) = findings("K109", posed(rotation=about_z(0.2 * self.angle)))
        assert f.unit == "rad"
        assert f.value == pytest.approx(0.2, rel=0.05)
        assert not findings("K109", posed(rotation=about_z(0 * self.angle + 0.7)))

    def test_pose_in_an_unknown_frame_is_skipped(self):
        q = BY_CODE["K109"].example_flagged()
        unknown = replace(q.ee["ee"], recorded_frame_known=False)
        assert isinstance(answers("K109", replace(q, ee={"ee": unknown}))[0], Skipped)

    def test_frames_without_a_pose_are_left_out(self):
        path = np.array(self.path)
        path[:20] = np.nan
        assert not findings("K109", posed(path))
        assert isinstance(answers("K109", posed(np.full_like(path, np.nan)))[0], Skipped)


def test_resting_near_a_singularity_is_clean():
    q = BY_CODE["K110"].example_flagged()
    assert not findings("K110", replace(q, ee={"ee": replace(q.ee["ee"], speed=np.full(90, 0.01))}))


class TestTargets:
    @pytest.mark.parametrize("code", ["K111", "K112"])
    def test_grippers_are_not_judged(self, code):
        q = BY_CODE[code].example_flagged()
        assert not findings(code, replace(q, joints=replace(q.joints, names=("shoulder", "gripper"))))

    def test_lag_while_moving_is_not_an_unreached_target(self):
        assert not findings("K112", replace(example(), target=example().position + 0.5))

    def test_a_short_rest_is_not_judged(self):
        q = BY_CODE["K112"].example_flagged()
        qvel = np.full_like(q.motion.qvel, 1.0)
        qvel[30:40] = 0.0
        assert not findings("K112", replace(q, motion=replace(q.motion, qvel=qvel)))

    def test_joints_without_a_command_are_not_judged(self):
        q = BY_CODE["K111"].example_flagged()
        assert not findings("K111", replace(q, target=np.full_like(q.target, np.nan)))


def contacts(**changes) -> Quantities:
    return altered("contacts", **changes)


class TestContacts:
    def test_depth_of_the_deepest_contact_in_millimetres(self):
        row, dist = np.repeat(np.arange(90), 2), np.full(180, 0.05)
        dist[100], dist[101] = -0.004, -0.007
        q = contacts(row=row, pair=np.zeros(180, int), dist=dist, sigma=np.full(180, 1e-3), position=np.zeros((180, 3)))
        (f,) = findings("C101", q)
        assert f.frames == (50, 50)
        assert f.value == pytest.approx(7.0)
        assert f.interval == pytest.approx((4.5, 9.5))
        assert f.place == "upper_arm / hand"

    def test_an_overlap_within_the_shapes_error_is_undecided(self):
        assert statuses("C101", contacts(dist=np.linspace(0.05, -0.002, 90))) == [Status.UNDECIDED]

    def test_neighbours_at_a_constant_distance_are_judged_only_if_they_surely_overlap(self):
        for code in ("C101", "C104"):
            assert not findings(code, contacts(dist=np.full(90, -0.002)))
            assert not findings(code, contacts(dist=np.full(90, 0.001)))
        assert statuses("C101", contacts(dist=np.full(90, -0.01))) == [Status.FLAGGED]

    @pytest.mark.parametrize("change", [
        {"permanent": (True,)}, {"pairs": (("left_finger", "right_finger"),)}, {"kind": ("other",)},
    ])  # fmt: skip
    def test_what_the_model_itself_makes_is_left_out(self, change):
        for code in ("C101", "C102", "C104"):
            assert not findings(code, contacts(dist=np.full(90, -0.01), **change))

    def test_each_kind_has_its_own_code(self):
        for kind, code in {"self": "C101", "arms": "C102", "scenery": "C103", "object": "C105"}.items():
            q = contacts(dist=np.full(90, -0.02), kind=(kind,))
            assert [c for c in ("C101", "C102", "C103", "C104", "C105") if findings(c, q)] == [code]

    def test_an_object_may_be_pressed(self):
        assert not findings("C105", contacts(dist=np.full(90, -0.004), kind=("object",)))

    def test_no_contacts_is_clean(self):
        none = {"row": np.zeros(0, int), "pair": np.zeros(0, int), "dist": np.zeros(0), "sigma": np.zeros(0)}
        for code in ("C101", "C102", "C103", "C104", "C105"):
            assert not answers(code, contacts(**none, position=np.zeros((0, 3)), pairs=(), kind=(), permanent=()))

    def test_clearance_is_worse_the_closer_and_ends_where_collision_begins(self):
        near = contacts(dist=np.linspace(0.05, 0.002, 90), sigma=np.full(90, 1e-4))
        (f,) = findings("C104", near)
        assert (f.value, f.limit) == pytest.approx((-2.0, -5.0))
        assert "2.0 mm apart" in f.message
        assert not findings("C104", contacts(dist=np.linspace(0.05, -0.002, 90), sigma=np.full(90, 1e-4)))

    def test_a_list_that_ends_before_the_margin_says_so(self):
        assert isinstance(answers("C104", contacts(margin=0.002))[0], Skipped)
