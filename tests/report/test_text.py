"""The terminal's summary, and the words every output shares."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import made_up

from simcheck.flags import Outcome, Severity, Status
from simcheck.report.text import WIDTH, lines
from simcheck.report.words import breakable, number, plain, sentence, when


def test_the_summary_tells_verdicts_findings_watch_list_gaps_and_files() -> None:
    report = made_up.report([made_up.episode("ep0", [made_up.flag()]), made_up.episode("ep1")])
    out = lines(report, ["out/report.html"])
    assert out[0] == "made_up (LeRobot v3.0) on arm: 2 episodes"
    assert out[1] == "  flagged 1   clean 1"
    text = "\n".join(out)
    assert "  K102  joint-velocity-limit  error    1 flagged" in text
    assert "  1. ep0  K102 1.30–1.60 s  speed of elbow is 6 ± 0.1 rad/s, limit 5 rad/s" in text
    assert "     feasible if slowed 1.20×" in text
    assert "  K103: no acceleration limit is declared (2 episodes)" in text
    assert out[-1] == "Results: out/report.html"


def test_the_watch_list_is_short() -> None:
    episodes = [made_up.episode(f"ep{k}", [made_up.flag(f"ep{k}")]) for k in range(30)]
    out = lines(made_up.report(episodes))
    assert sum(line.startswith(f"  {k}. ") for k in range(1, 40) for line in out) == 8
    assert "  and 22 more" in out


def test_nothing_assessable_is_not_called_clean() -> None:
    skipped = Outcome("K102", "joint-velocity-limit", Status.SKIPPED, "no robot was given")
    text = "\n".join(lines(made_up.report([made_up.episode("a", outcomes=(skipped,))], interrupted=True, total=9)))
    assert "1 of 9 episodes, interrupted" in text
    assert "No findings" not in text
    assert "clean" not in text


def test_a_doubtful_error_heads_its_episode_before_a_sure_remark() -> None:
    remark = made_up.flag(code="C104", severity=Severity.INFO, message="only a remark")
    doubt = made_up.flag(code="F101", status=Status.UNDECIDED, message="perhaps too much torque")
    text = "\n".join(lines(made_up.report([made_up.episode("ep0", [remark, doubt])])))
    assert "1. ep0  F101 1.30–1.60 s  perhaps too much torque" in text


def test_findings_about_the_dataset_are_no_episodes() -> None:
    whole = made_up.flag("", "D101", name="unreadable-data", place="a.parquet", message="the footer is damaged")
    own = made_up.flag("ep0", "D101", name="unreadable-data")
    out = lines(made_up.report([made_up.episode("ep0", [own])], dataset_flags=(whole,)))
    assert "  D101  unreadable-data  error    1 flagged" in out
    assert "  D101  error    a.parquet: the footer is damaged" in out
    clean = lines(made_up.report([made_up.episode("ep0")], dataset_flags=(whole,) * 9))
    assert "No findings in the episodes." in clean
    assert "  and 3 more" in clean


def test_what_to_do_about_a_gap_is_never_cut() -> None:
    reason = f"{'the model names meshes that are not there: ' + 'link.obj, ' * 12}Give its folder with --assets"
    skipped = Outcome("K102", "joint-velocity-limit", Status.SKIPPED, reason)
    out = lines(made_up.report([made_up.episode("a", outcomes=(skipped,))]))
    assert "Give its folder with --assets (1 episode)" in " ".join(" ".join(out).split())
    assert max(map(len, out)) <= WIDTH


def test_without_a_robot_nothing_is_judged_on_models() -> None:
    robot = "no robot (dataset says its robot is 'pandaa': no card of that name; name one with --robot)"
    assert lines(made_up.report([made_up.episode()], robot=robot))[0] == f"made_up (LeRobot v3.0), {robot}: 1 episode"


def test_long_words_break_at_their_joints_and_stay_inert() -> None:
    assert breakable("a/b <c>") == "a/b &lt;c&gt;"
    assert breakable("see data/chunk-000/<b>.parquet") == "see data/<wbr>chunk-<wbr>000/&lt;b&gt;.<wbr>parquet"


def test_hostile_names_cannot_steer_a_terminal() -> None:
    name = made_up.HOSTILE
    text = "\n".join(lines(made_up.report([made_up.episode(name, [made_up.flag(name, message=name)])], dataset=name)))
    assert not set(text) & set("\x00\x07\x1b\u202e\u2066\u200b\r")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\u202egnp\u2066.exe", "gnp.exe"),
        ("café 手首 α", "café 手首 α"),
        ("read /home/ann/a b/x.csv", "read a b/x.csv"),
        ("/tmp/deep/er/x.parquet: no footer", "x.parquet: no footer"),
        ("/joint_states/arm", "/joint_states/arm"),
        ("5 rad/s and N m/s", "5 rad/s and N m/s"),
        ("torso_link / left_hand", "torso_link / left_hand"),
    ],
)
def test_plain(raw: str, shown: str) -> None:
    assert plain(raw) == shown


def test_long_names_keep_both_ends_and_sentences_their_start() -> None:
    short = plain("a" * 5000 + "end", 30)
    assert len(short) == 30
    assert short.endswith("end")
    assert sentence("one two three four", 12) == "one two …"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (123.456, "123"), (0.012345, "0.0123"), (-2.5, "−2.5"), (1234.0, "1234"), (float("nan"), "–"),
     (3e-7, "3.00e−07"), (1.0, "1"), (0.1 + 0.2, "0.3")],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_times_without_a_clock_are_frames() -> None:
    nan = float("nan")
    assert when(made_up.flag(times=(nan, nan))) == "frames 40–49"
    assert when(made_up.flag(times=(1.7e9, 1.7e9 + 1))) == "frames 40–49"
    assert when(made_up.flag(times=(1.7e9 + 1, 1.7e9 + 2)), origin=1.7e9) == "1.00–2.00 s"
