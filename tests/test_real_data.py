"""What real recordings must show. They are not part of the repository; see `shared_data` in conftest."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.csv as pacsv
import pytest

from simcheck import api
from simcheck.config import Config
from simcheck.decide import COVERAGE
from simcheck.flags import Severity, Status
from simcheck.formats import ReadOptions, open_dataset
from simcheck.physics.model import load
from simcheck.physics.replay import Worker, prepare

MAPPINGS = Path(__file__).parents[1] / "examples" / "mappings"
CHANNELS = ("effort", "measured_effort", "contacts")


def mapped(name: str) -> ReadOptions:
    return ReadOptions(mapping=MAPPINGS / f"{name}.toml")


def quantities(path, robot, options=None, episode=0):
    dataset = open_dataset(path, options)
    return Worker(prepare(load(robot))).quantities(dataset.read(dataset.episodes()[episode]), CHANNELS)


def found(report, *, status=Status.FLAGGED, families="DKFCX"):
    """Codes of flags, remarks left out."""
    flags = [f for f in report.flags if f.status is status and f.severity is not Severity.INFO]
    return {f.code for f in flags if f.code[0] in families}


class TestPanda:
    """Real Panda without hand, 1 kHz, torque measured on the link side."""

    @pytest.fixture
    def folder(self, shared_data):
        return shared_data / "panda_identification"

    def residual(self, q):
        arm = [q.joints.names.index(f"joint{i}") for i in range(1, 8)]
        return (q.effort.needed - q.measured_effort.smooth)[:, arm]

    def test_band_limited_torque_is_the_measured_one(self, folder):
        rmse = np.sqrt(
            np.mean(self.residual(quantities(folder, "panda_nohand", mapped("panda_identification"))) ** 2, 0)
        )
        assert np.all(rmse <= 0.7), rmse

    def test_the_hand_that_was_not_there_is_blamed_on_the_model(self, folder):
        right = api.check(folder, "panda_nohand", options=mapped("panda_identification"))
        wrong = api.check(folder, "panda", options=mapped("panda_identification"))
        assert "X903" not in found(right)
        assert "X903" in found(wrong)
        assert not found(wrong, families="FK")
        message = next(f.message for f in wrong.flags if f.code == "X903")
        assert "the model carries 0." in message

    @pytest.mark.parametrize("rate", [15, 30])
    @pytest.mark.parametrize("velocities", [True, False])
    def test_at_dataset_rates_intervals_hold_the_measured_torque(self, folder, tmp_path, rate, velocities):
        table = pacsv.read_csv(next(folder.glob("*.csv")))
        time = table.column(0).to_numpy()
        rows = np.unique([int(np.argmin(np.abs(time - t))) for t in np.arange(time[0], time[-1], 1 / rate)])
        names = [n for n in table.column_names if velocities or not n.startswith("dq")]
        with (tmp_path / "slow.csv").open("w") as out:
            writer = csv.writer(out)
            writer.writerow(names)
            writer.writerows(zip(*(table[n].to_numpy()[rows] for n in names), strict=True))
        text = (MAPPINGS / "panda_identification.toml").read_text().replace("panda_exciting_1khz.csv", "slow.csv")
        text = text if velocities else text[: text.index("[velocity]")] + text[text.index("[effort]") :]
        (tmp_path / "map.toml").write_text(text)
        options = ReadOptions(mapping=tmp_path / "map.toml")
        q = quantities(tmp_path, "panda_nohand", options)
        arm = slice(0, 7)
        error = np.abs(q.effort.needed - q.measured_effort.raw)[:, arm]
        inside = error < COVERAGE * q.effort.sigma[:, arm]
        assert inside.mean() >= 0.9, inside.mean(axis=0)
        report = api.check(tmp_path, "panda_nohand", options=options)
        assert not found(report, families="F")


class TestRobosuite:
    def test_all_demos_are_judged_and_none_is_convicted_falsely(self, shared_data):
        report = api.check(shared_data / "robosuite_demos")
        assert len(report.episodes) == 19
        assert all(e.model for e in report.episodes)
        assert not [f for f in report.flags if f.status is Status.FLAGGED and f.code[0] == "F"]
        # Four Sawyer demos begin with a finger 7.4 mm outside the model's own range: that is so in the files.
        beyond = [f for f in report.flags if f.code[0] == "K" and f.status is Status.FLAGGED]
        assert {f.place for f in beyond} == {"r_gripper_l_finger_joint"}
        assert all("0.3.0" in f.episode and f.frames[1] <= 3 for f in beyond)

    def test_logged_torques_agree_with_the_replayed_ones(self, shared_data):
        """Controller torques of 20 Hz logs, out of contact: within 3 % of the limit in the median."""
        report_config = Config(select=("X903",))
        report = api.check(shared_data / "robosuite_demos" / "robosuite-1.0.1", config=report_config)
        compared = [e for e in report.episodes if e.outcomes[0].status is not Status.SKIPPED]
        assert len(compared) == 5


class TestLeRobot:
    def test_undeclared_units_never_convict(self, shared_data):
        report = api.check(shared_data / "so101_lerobot_v30", "so101")
        assert not found(report, families="KFC")
        assert any("inferred m100" in note for e in report.episodes for note in e.notes)
        efforts = [f for f in report.flags if f.code == "F101"]
        assert all(f.status is Status.UNDECIDED for f in efforts)

    def test_declared_units_decide(self, shared_data):
        units = {"observation.state": "m100", "action": "m100", "gripper.pos": "percent"}
        report = api.check(shared_data / "so101_lerobot_v30", "so101", options=ReadOptions(units=units))
        decided = [o.status for e in report.episodes for o in e.outcomes if o.code == "F101"]
        assert any(s in (Status.CLEAN, Status.FLAGGED) for s in decided)
        assert not any("inferred" in note for e in report.episodes for note in e.notes)

    def test_contradicting_metadata_is_found(self, shared_data):
        report = api.check(shared_data / "reachy2_lerobot_v30_broken")
        text = " ".join(f.message for f in report.info.dataset_flags)
        assert "14983" in text.replace(",", "")
        assert "899" in text
        assert Status.CLEAN not in {e.verdict for e in report.episodes}

    def test_clean_teleoperation_convicts_nobody(self, shared_data, shared_menagerie):
        assert shared_menagerie
        report = api.check(
            shared_data / "g1_inspire_lerobot_v21", "g1", episodes=[f"episode_{i:06d}" for i in range(30)]
        )
        assert not found(report, families="KFC")


class TestOthers:
    def test_servo_torque_estimates_beyond_stall_are_seen_but_convict_nobody(self, shared_data):
        report = api.check(
            shared_data / "so101_sage", "so101", options=mapped("so101_sage"), episodes=["static_holding"]
        )
        (outcome,) = [o for o in report.episodes[0].outcomes if o.code == "F105"]
        assert outcome.status is Status.UNDECIDED
        assert max(f.value for f in outcome.flags) == pytest.approx(6.5, abs=0.1)

    def test_retargeted_motion_passes_through_itself(self, shared_data, shared_menagerie):
        assert shared_menagerie
        report = api.check(shared_data / "g1_lafan1" / "walk1_subject1.csv", "g1")
        assert "C101" in found(report)

    def test_static_poses_of_the_ur10e_need_what_its_controller_asked_for(self, shared_data, shared_menagerie):
        assert shared_menagerie
        options = mapped("ur10e_identification")
        dataset = open_dataset(shared_data / "ur10e_identification", options)
        for episode in [e for e in dataset.episodes() if "p1" in e or "p5" in e]:
            q = quantities(shared_data / "ur10e_identification", "ur10e", options, dataset.episodes().index(episode))
            error = np.abs(q.effort.gravity - q.measured_effort.smooth).mean(axis=0)
            assert np.all(error < 2.5 * q.effort.sigma.mean(axis=0)), (episode, error)
