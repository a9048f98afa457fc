"""Data checks and the checks of the model against the data: each on both sides, on arrays made for it."""

from dataclasses import replace

import numpy as np
import pytest

from simcheck import checks, formats
from simcheck.checks import (
    action_unit_mismatch,
    constant_column,
    frozen_recording,
    implausible_unit,
    joint_order_or_sign_mismatch,
    model_and_data_disagree,
    non_finite_value,
    quaternion_norm,
    quaternion_order_or_sign,
    repeated_frame,
    saturated_column,
    time_gap,
    time_jitter,
    time_not_increasing,
    too_few_frames,
    velocity_contradicts_position,
)
from simcheck.columns import Table, finite_part, fresh_rows, resolution, runs, several, with_values
from simcheck.flags import Evidence, Finding, Skipped, Status
from simcheck.quantities import Quantities, altered, example
from simcheck.trajectory import ActionKind, Channel, Note, Poses, SimState, TimeBase, Trajectory

RECORDED = [m for m in checks.modules() if m.CODE[0] in "DX" and not m.NEEDS]


def answers(module, q: Quantities) -> list[Finding | Skipped]:
    return list(module.check(q, module.Tolerance()))


def found(module, q: Quantities) -> list[Finding]:
    return [a for a in answers(module, q) if isinstance(a, Finding)]


def recording(**changes) -> Quantities:
    """Only a recording: nothing is bound, nothing computed."""
    trajectory = replace(example().trajectory, **changes)
    return Quantities(trajectory, np.arange(len(trajectory)), trajectory.time)


def with_position(values, names=None, unit="rad", **changes) -> Quantities:
    values = np.asarray(values, dtype=float)
    names = names or tuple(f"j{i}" for i in range(values.shape[1]))
    time = np.arange(len(values)) / 30
    return recording(time=time, position=Channel(names, values, (unit,) * len(names)), **({"action": None} | changes))


def smooth(frames: int, columns: int = 3) -> np.ndarray:
    """Joints that never stand still all at once."""
    t = np.arange(frames)[:, None] / 30
    return 0.5 * np.sin(2 * np.pi * 0.3 * t * (1 + np.arange(columns) / 3) + np.arange(columns))


@pytest.mark.parametrize("module", RECORDED, ids=[m.CODE for m in RECORDED])
@pytest.mark.parametrize("frames", [0, 1, 2, 6])
def test_no_data_check_stumbles_over_short_episodes(module, frames):
    trajectory = example().trajectory
    short = {
        k: replace(getattr(trajectory, k), values=getattr(trajectory, k).values[:frames])
        for k in ("position", "action")
    }
    q = recording(time=trajectory.time[:frames], **short)
    assert {type(a) for a in answers(module, q)} <= {Finding, Skipped}
    assert bool(found(module, q)) == (module is too_few_frames)


@pytest.mark.parametrize("module", RECORDED, ids=[m.CODE for m in RECORDED])
def test_no_data_check_but_its_own_flags_a_recording_full_of_nan(module):
    nothing = with_position(np.full((90, 2), np.nan), action=None)
    assert bool(found(module, nothing)) == (module is non_finite_value)


class TestColumns:
    def test_runs_are_the_maximal_ones(self):
        assert runs(np.array([1, 1, 0, 1, 0, 0, 1], bool)) == [(0, 1), (3, 3), (6, 6)]
        assert runs(np.zeros(4, bool)) == []

    def test_resolution_is_the_quantum_not_the_rounding(self):
        quantum = 0.0015
        x = quantum * np.round(200 * np.sin(np.arange(2000) / 77))[:, None]
        x = np.c_[x + 1e-9 * np.cos(np.arange(2000))[:, None], np.full(2000, 3.0)]
        assert resolution(x)[0] == pytest.approx(quantum, rel=1e-4)
        assert np.isinf(resolution(x)[1])

    def test_fresh_rows_are_those_that_change(self):
        x = np.array([[0, 1], [0, 1], [0, 2], [1, 2], [1, 2.0]])
        assert fresh_rows(x).tolist() == [0, 2, 3]
        assert fresh_rows(x[:0]).tolist() == []

    def test_a_dead_column_does_not_hide_the_others(self):
        values = np.arange(12.0).reshape(4, 3)
        values[:, 1], values[2, 0] = np.nan, np.inf
        rows, rest = finite_part(Table("position", ("a", "b", "c"), values))
        assert rows.tolist() == [0, 1, 3]
        assert rest.names == ("a", "c")

    def test_long_lists_are_cut(self):
        assert several(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


@pytest.mark.parametrize("code", ["D101", "D108", "D114"])
def test_notes_of_the_reader_become_findings_of_their_own_code(code):
    module = next(m for m in checks.modules() if code == m.CODE)
    notes = (Note(code, "a.parquet", "is short", (3, 5)), Note("D199", "b", "other"), Note(code, "c", "all of it"))
    first, second = found(module, recording(notes=notes))
    assert (first.frames, first.place) == ((3, 5), "a.parquet")
    assert "is short" in first.message
    assert second.frames == (0, 89)


class TestNonFinite:
    def test_names_the_column_and_every_range(self):
        values = np.array(example().trajectory.position.values)
        values[3:5, 0], values[80, 0] = np.nan, np.inf
        (finding,) = found(non_finite_value, recording(position=Channel(("a", "b"), values, ("rad",) * 2)))
        assert (finding.place, finding.frames, finding.value) == ("position a", (3, 80), 3)
        assert "3–4, 80" in finding.message

    @pytest.mark.parametrize("where", ["time", "base", "ee", "object", "state"])
    def test_looks_everywhere(self, where):
        bad = np.zeros((90, 3))
        bad[7, 1] = np.nan
        time = np.array(example().time)
        time[7] = np.nan
        changes = {
            "time": {"time": time}, "base": {"base": Poses(bad, None)}, "ee": {"ee": {"hand": Poses(bad, None)}},
            "object": {"objects": {"cube": Poses(bad, None)}}, "state": {"sim": SimState(bad, "<mujoco/>")},
        }[where]  # fmt: skip
        (finding,) = found(non_finite_value, recording(**changes))
        assert finding.frames == (7, 7)

    def test_many_columns_are_counted(self):
        q = with_position(np.full((9, 30), np.nan))
        (finding,) = found(non_finite_value, q)
        assert "24 more" in finding.message


class TestTime:
    def test_steps_back_and_repeats_are_told_apart(self):
        time = np.array(example().time)
        time[10], time[50] = time[9], time[48]
        repeat, back = found(time_not_increasing, recording(time=time))
        assert "repeats" in repeat.message
        assert back.value == pytest.approx(-1 / 30)
        assert back.frames == (49, 50)

    def test_single_precision_unix_time_stands_still(self):
        time = (1.7e9 + example().time).astype(np.float32).astype(float)
        assert found(time_not_increasing, recording(time=time))

    @pytest.mark.parametrize(
        ("rate", "steps", "flagged"), [(1000, 9, False), (1000, 60, True), (100, 3, False), (20, 4, True)]
    )
    def test_gap_needs_two_lost_samples_and_50_ms(self, rate, steps, flagged):
        time = np.arange(90) / rate
        time[40:] += (steps - 1) / rate
        gaps = found(time_gap, recording(time=time))
        assert bool(gaps) == flagged
        if flagged:
            assert f"{steps - 1} samples are missing" in gaps[0].message
            assert gaps[0].frames == (39, 40)

    @pytest.mark.parametrize("module", [time_gap, time_jitter])
    def test_nominal_time_is_not_judged(self, module):
        time = np.array(example().time)
        time[40:] += 5
        (skipped,) = answers(module, recording(time=time, time_base=TimeBase.NOMINAL))
        assert isinstance(skipped, Skipped)
        assert "nominal" in skipped.reason

    def test_jitter_is_what_was_put_in(self):
        rng = np.random.default_rng(0)
        step = 0.01 * (1 + 0.15 * rng.uniform(-np.sqrt(3), np.sqrt(3), 5000))
        values = np.zeros((5000, 1))
        q = with_position(values)
        q = replace(q, trajectory=replace(q.trajectory, time=np.cumsum(step)))
        assert found(time_jitter, q)[0].value == pytest.approx(0.15, rel=0.05)

    def test_lost_samples_are_not_jitter(self):
        time = np.delete(np.arange(200) / 100, np.arange(5, 200, 17))
        assert not found(time_jitter, _timed(time))


def _timed(time) -> Quantities:
    trajectory = Trajectory("t", time, TimeBase.MEASURED)
    return Quantities(trajectory, np.arange(len(time)), time)


class TestRepeatedFrame:
    def test_finds_exactly_the_runs_that_were_put_in(self):
        values = smooth(600)
        for start, count in ((100, 3), (250, 1), (400, 6)):
            values[start : start + count] = values[start - 1]
        start, count = repeated_frame.stale_runs(values, 5.0)
        assert start.tolist() == [100, 250, 400]
        assert count.tolist() == [3, 1, 6]

    def test_a_slow_sensor_in_a_fast_log_is_found(self):
        values = smooth(600)
        values = values[np.arange(600) // 3 * 3]
        assert repeated_frame.stale_runs(values, 5.0)[1].sum() > 0.9 * 400

    def test_quantised_joints_that_creep_and_rest_are_not(self):
        quantum = 2 * np.pi / 4096
        rng = np.random.default_rng(1)
        pace = np.clip(np.sin(np.arange(3000) / 60), 0, None) * rng.uniform(0, 0.004, 3000)
        values = np.round(np.cumsum(pace)[:, None] * np.array([1, -0.5, 0.2]) / quantum) * quantum
        assert len(fresh_rows(values)) < 2000
        assert not found(repeated_frame, with_position(values))

    def test_a_stop_and_go_is_not(self):
        way = np.concatenate([np.linspace(0, 1, 30) ** 2, np.ones(40), 1 + np.linspace(0, 1, 30) ** 2])
        assert not found(repeated_frame, with_position(np.c_[way, 2 * way]))

    def test_one_stale_frame_in_a_long_episode_is_let_pass(self):
        values = smooth(600)
        values[100] = values[99]
        assert not found(repeated_frame, with_position(values))

    def test_the_simulator_state_stands_in_for_positions(self):
        values = smooth(90)
        values[40:44] = values[39]
        assert found(repeated_frame, recording(position=None, action=None, sim=SimState(values, "<mujoco/>")))


class TestFrozen:
    def test_nothing_ever_changes(self):
        assert found(frozen_recording, with_position(np.ones((90, 2))))

    def test_live_effort_shows_a_robot_at_rest(self):
        effort = Channel(("j0",), np.random.default_rng(0).normal(size=(90, 1)), ("N m",))
        assert not found(frozen_recording, with_position(np.ones((90, 2)), effort=effort))

    def test_rest_without_a_command_is_rest(self):
        values = smooth(150)
        values[20:] = values[20]
        names = ("a", "b", "c")
        still = Channel(names, values, ("rad",) * 3)
        assert not found(frozen_recording, with_position(values, names, action=still))
        moving = Channel(names, smooth(150), ("rad",) * 3)
        (finding,) = found(frozen_recording, with_position(values, names, action=moving))
        assert finding.frames == (20, 149)

    def test_a_command_at_the_very_end_may_be_answered_later(self):
        values = smooth(150)
        values[20:100] = values[20]
        action = np.array(values)
        action[90:] += 1.0  # 0.3 s before the robot moves
        names = ("a", "b", "c")
        assert not found(frozen_recording, with_position(values, names, action=Channel(names, action, ("rad",) * 3)))


class TestUnits:
    def bound(self, values, evidence=Evidence.DECLARED) -> Quantities:
        q = example()
        return replace(q, position=values, joints=replace(q.joints, evidence=(evidence,) * 2))

    def test_degrees_taken_for_radians(self):
        (finding,) = found(implausible_unit, self.bound(np.degrees(example().position)))
        assert finding.status is Status.FLAGGED
        assert "degrees" in finding.remedy

    def test_an_inferred_unit_leaves_it_open(self):
        (finding,) = found(implausible_unit, self.bound(np.degrees(example().position), Evidence.INFERRED))
        assert finding.status is Status.UNDECIDED

    def test_one_glitch_is_no_unit(self):
        values = np.array(example().position)
        values[5] = 50.0
        assert not found(implausible_unit, self.bound(values))

    def test_a_joint_a_little_past_its_limit_is_no_unit(self):
        assert not found(implausible_unit, self.bound(np.array(example().position) + 3.0))

    def test_radians_declared_as_degrees(self):
        (finding,) = found(implausible_unit, with_position(smooth(90), unit="deg"))
        assert finding.status is Status.UNDECIDED
        assert not found(implausible_unit, with_position(np.degrees(smooth(90)), unit="deg"))

    @pytest.mark.parametrize(
        ("top", "unit", "flagged"), [(100, "unknown", 1), (99.9, "unknown", 0), (100, "m100", 0), (101, "deg", 0)]
    )
    def test_exactly_one_hundred_is_a_signature(self, top, unit, flagged):
        values = np.clip(150 * smooth(90), -99, top)
        values[30, 0] = top
        assert len(found(implausible_unit, with_position(values, unit=unit))) == flagged

    def test_a_gripper_at_one_hundred_is_not(self):
        values = np.c_[smooth(90, 1), np.linspace(0, 100, 90)]
        assert not found(implausible_unit, with_position(values, ("a", "gripper.pos"), unit="unknown"))

    def test_millimetres_of_an_object_stay_open(self):
        pose = Poses(np.tile([400.0, 0, 100], (90, 1)), None)
        (finding,) = found(implausible_unit, altered("trajectory", objects={"cube": pose}))
        assert finding.status is Status.UNDECIDED


class TestPathShape:
    ROTATION = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]

    def compared(self, computed, recorded, known=False, evidence=Evidence.DECLARED) -> Quantities:
        ee = example().ee["ee"]
        ee = replace(
            ee, position=computed, recorded=Poses(recorded, None), recorded_frame_known=known, evidence=evidence
        )
        return example(ee={"ee": ee})

    def test_the_best_rotation_is_the_one_that_was_applied(self):
        rotation = self.ROTATION * np.sign(np.linalg.det(self.ROTATION))
        points = smooth(90)
        assert joint_order_or_sign_mismatch.best_rotation(points, points @ rotation) == pytest.approx(rotation)

    def test_it_is_never_a_mirror(self):
        found_rotation = joint_order_or_sign_mismatch.best_rotation(smooth(90), smooth(90) * np.array([-1, 1, 1]))
        assert np.linalg.det(found_rotation) == pytest.approx(1)

    def test_another_frame_and_an_offset_leave_the_shape(self):
        rotation = self.ROTATION * np.sign(np.linalg.det(self.ROTATION))
        path = smooth(90)
        assert not found(joint_order_or_sign_mismatch, self.compared(path, path @ rotation + 3.0))
        assert not found(joint_order_or_sign_mismatch, self.compared(path, path + 3.0, known=True))

    def test_another_shape_is_flagged_unless_a_joint_was_only_inferred(self):
        path, other = smooth(90), smooth(90)[:, ::-1] ** 2
        (finding,) = found(joint_order_or_sign_mismatch, self.compared(path, other))
        assert finding.status is Status.FLAGGED
        (finding,) = found(joint_order_or_sign_mismatch, self.compared(path, other, evidence=Evidence.INFERRED))
        assert finding.status is Status.UNDECIDED

    def test_what_a_rotation_undoes_is_undecided_in_a_known_frame(self):
        path = smooth(90)
        turned = path * np.array([-1.0, -1.0, 1.0])
        (finding,) = found(joint_order_or_sign_mismatch, self.compared(path, turned, known=True))
        assert finding.status is Status.UNDECIDED
        assert not found(joint_order_or_sign_mismatch, self.compared(path, turned))

    def test_a_small_path_is_not_judged(self):
        path, other = 0.05 * smooth(90), 0.05 * smooth(90)[:, ::-1] ** 2
        assert not found(joint_order_or_sign_mismatch, self.compared(path, other))


class TestQuaternions:
    def test_half_precision_is_good_enough(self):
        q = np.random.default_rng(0).normal(size=(90, 4))
        q = (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float16).astype(float)
        assert not found(quaternion_norm, altered("trajectory", base=Poses(np.zeros((90, 3)), q)))

    def test_free_joints_are_found_among_the_others(self):
        q = example()
        names = ("hinge", *("cube",) * 6, *("ball",) * 3, "slide")
        joints = replace(q.joints, names=names, units=("rad",) * 11)
        qpos = np.zeros((90, 1 + 7 + 4 + 1))
        qpos[:, 4], qpos[:, 8] = 1.0, 1.0
        assert not found(quaternion_norm, replace(q, joints=joints, qpos=qpos))
        qpos[20:22, 4], qpos[5, 8] = 1.1, 0.0
        cube, ball = found(quaternion_norm, replace(q, joints=joints, qpos=qpos))
        assert (cube.place, cube.frames) == ("joint cube", (20, 21))
        assert (ball.place, ball.value) == ("joint ball", 1.0)

    def base(self, heading, order) -> Quantities:
        half = np.asarray(heading) / 2
        wxyz = np.stack([np.cos(half), 0.02 + 0 * half, 0 * half, np.sin(half)], axis=1)
        wxyz /= np.linalg.norm(wxyz, axis=1, keepdims=True)
        return altered("trajectory", base=Poses(np.zeros((90, 3)), wxyz[:, order]))

    def test_an_upright_base_read_in_the_wrong_order_is_undecided(self):
        heading = np.linspace(1.2, 2.0, 90)
        (finding,) = found(quaternion_order_or_sign, self.base(heading, [1, 2, 3, 0]))
        assert finding.status is Status.UNDECIDED
        assert not found(quaternion_order_or_sign, self.base(heading, [0, 1, 2, 3]))

    def test_a_base_that_lies_down_in_both_orders_is_let_be(self):
        lying = np.tile([np.sqrt(0.5), np.sqrt(0.5), 0, 0], (90, 1))
        assert not found(quaternion_order_or_sign, altered("trajectory", base=Poses(np.zeros((90, 3)), lying)))

    def test_a_fast_turn_is_not_a_flip(self):
        angle = np.arange(90) * 2.0  # 115° per frame
        q = np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], axis=1)
        assert not found(quaternion_order_or_sign, altered("trajectory", objects={"top": Poses(np.zeros((90, 3)), q)}))


class TestColumnsThatDoNotBehave:
    def test_constant_columns_of_both_channels_are_one_finding(self):
        values = smooth(90, 4)
        values[:, 1:3] = 0.5
        action = Channel(("a", "b", "c", "d"), np.where(np.arange(4) == 2, 0.0, smooth(90, 4)), ("rad",) * 4)
        (finding,) = found(constant_column, with_position(values, ("a", "b", "c", "d"), action=action))
        assert finding.value == 3
        assert "(b, c)" in finding.message

    def test_saturation_is_counted_per_end(self):
        values = np.c_[np.clip(3 * smooth(600, 1), -1.1, 1.2), smooth(600, 1)[::-1]]
        low, high = sorted(found(saturated_column, with_position(values)), key=lambda f: f.message)
        assert "-1.1" in low.message
        assert "1.2" in high.message
        assert high.value == pytest.approx(np.mean(values[:, 0] == 1.2), abs=0.08)

    def test_rest_at_the_end_of_the_range_is_not_saturation(self):
        x = np.r_[np.zeros(30), 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 60)), np.ones(40)]
        assert not found(saturated_column, with_position(np.c_[1 + x, x]))

    def test_grippers_are_let_be_and_unnamed_columns_stay_open(self):
        values = np.c_[np.clip(3 * smooth(600, 1), -1.1, 1.2), smooth(600, 1)[::-1]]
        assert not found(saturated_column, with_position(values, ("left_gripper", "b")))
        q = with_position(values)
        unnamed = replace(q.trajectory.position, named=False)
        open_ones = found(saturated_column, replace(q, trajectory=replace(q.trajectory, position=unnamed)))
        assert {f.status for f in open_ones} == {Status.UNDECIDED}


class TestVelocity:
    def recorded(self, v, used=False) -> Quantities:
        return altered("motion", velocity_recorded=v, velocity_used=np.array([used, used]))

    def test_reports_slope_and_correlation(self):
        derived = example().motion.qvel
        shoulder, elbow = found(velocity_contradicts_position, self.recorded(derived * [-1, np.degrees(1)]))
        assert "slope -1.00, correlation -1.00" in shoulder.message
        assert "slope 57.30, correlation 1.00" in elbow.message
        assert shoulder.value == pytest.approx(2)

    def test_used_columns_agree_by_definition(self):
        assert not found(velocity_contradicts_position, self.recorded(0 * example().motion.qvel, used=True))

    def test_a_joint_at_rest_cannot_tell(self):
        motion = example().motion
        q = altered("motion", qvel=0 * motion.qvel, velocity_recorded=motion.qvel, velocity_used=np.zeros(2, bool))
        (skipped,) = answers(velocity_contradicts_position, q)
        assert isinstance(skipped, Skipped)
        assert skipped.partly


class TestActionScale:
    def scaled(self, factor, names=("a", "b", "c"), units=("rad",) * 3, **changes) -> Quantities:
        values = smooth(300)
        action = Channel(names, np.roll(values, -5, axis=0) * factor, units)
        return with_position(values, ("a", "b", "c"), action=action, **changes)

    def test_degrees_against_radians(self):
        assert len(found(action_unit_mismatch, self.scaled(57.3))) == 3
        assert len(found(action_unit_mismatch, self.scaled(1 / 57.3))) == 3
        assert not found(action_unit_mismatch, self.scaled(1.5))

    def test_declared_units_are_converted_first(self):
        assert not found(action_unit_mismatch, self.scaled(57.3, units=("deg",) * 3))
        assert not found(action_unit_mismatch, self.scaled(60.0, units=("m100",) * 3))

    def test_increments_are_no_targets(self):
        assert not found(action_unit_mismatch, self.scaled(0.01, action_kind=ActionKind.OTHER))

    def test_other_names_are_not_compared(self):
        assert not found(action_unit_mismatch, self.scaled(57.3, names=("x", "y", "z")))

    def test_a_blocked_finger_keeps_its_size(self):
        values = smooth(300)
        values[:, 2] = np.clip(0.5 + values[:, 2], 0.93, 1.0)
        action = smooth(300) + np.array([0, 0, 0.5])
        names = ("a", "b", "thumb")
        assert not found(
            action_unit_mismatch, with_position(values, names, action=Channel(names, action, ("rad",) * 3))
        )


class TestModel:
    def test_the_payload_is_recovered(self):
        q = example()
        rng = np.random.default_rng(0)
        per_kg = np.stack([8 * np.cos(q.time), 3 * np.sin(q.time)], axis=1)
        measured = q.effort.needed - 0.73 * per_kg + 0.1 * rng.normal(size=per_kg.shape)
        q = replace(
            q, effort=replace(q.effort, per_payload=per_kg), measured_effort=replace(q.measured_effort, smooth=measured)
        )
        (finding,) = found(model_and_data_disagree, q)
        assert "the model carries 0.73 kg" in finding.message
        assert "the model does not" in finding.message

    def test_one_event_is_not_the_model(self):
        q = example()
        measured = np.array(q.effort.needed)
        measured[40:60] += 30.0
        assert not found(
            model_and_data_disagree, replace(q, measured_effort=replace(q.measured_effort, smooth=measured))
        )

    def test_frames_in_contact_do_not_count(self):
        q = model_and_data_disagree.example_flagged()
        q = replace(q, effort=replace(q.effort, in_contact=np.ones(90, bool)))
        (skipped,) = answers(model_and_data_disagree, q)
        assert isinstance(skipped, Skipped)

    def test_no_payload_is_named_where_none_explains(self):
        q = example()
        measured = q.effort.needed + 4 * np.sign(np.sin(np.arange(90)))[:, None]
        (finding,) = found(
            model_and_data_disagree, replace(q, measured_effort=replace(q.measured_effort, smooth=measured))
        )
        assert "kg" not in finding.message

    def test_an_inferred_effort_leaves_it_open(self):
        q = model_and_data_disagree.example_flagged()
        q = replace(q, measured_effort=replace(q.measured_effort, evidence=Evidence.INFERRED))
        assert found(model_and_data_disagree, q)[0].status is Status.UNDECIDED


def test_with_values_replaces_one_channel_only():
    trajectory = example().trajectory
    changed = with_values(trajectory, "action", trajectory.action.values + 1)
    assert np.allclose(changed.action.values, trajectory.action.values + 1)
    assert changed.position is trajectory.position


class TestRealRecordings:
    def test_servos_at_rest_repeat_without_being_stale(self, shared_data):
        dataset = formats.open_dataset(shared_data / "so101_lerobot_v30")
        for episode in dataset.episodes():
            trajectory = dataset.read(episode)
            q = Quantities(trajectory, np.arange(len(trajectory)), trajectory.time)
            assert len(fresh_rows(trajectory.position.values)) < 0.85 * len(trajectory)
            assert not found(repeated_frame, q)
            (unit,) = found(implausible_unit, q)
            assert unit.status is Status.UNDECIDED

    def test_a_kilohertz_log_faster_than_its_source_is_stale(self, shared_data):
        path = shared_data / "panda_identification" / "panda_exciting_1khz.csv"
        values = np.genfromtxt(path, delimiter=",", skip_header=1)
        position = Channel(tuple("abcdefg"), values[:, 1:8], ("rad",) * 7)
        trajectory = Trajectory("panda", values[:, 0], TimeBase.MEASURED, position=position)
        q = Quantities(trajectory, np.arange(len(trajectory)), trajectory.time)
        (stale,) = found(repeated_frame, q)
        assert "335 of 20544 frames (1.6%)" in stale.message
        assert not found(time_gap, q)
        assert not found(saturated_column, q)
