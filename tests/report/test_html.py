"""The HTML report: offline, inert, small, fast, and honest about every kind of run."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import made_up

from simcheck.flags import Outcome, Severity, Status
from simcheck.report import write_html
from simcheck.report.html import render

VOID = {"meta", "img", "input", "br", "wbr", "link", "hr"}


class Page(HTMLParser):
    """What a browser would find in the page; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def usual() -> tuple:
    flags = [made_up.flag(), made_up.flag(code="F101", name="peak-effort-limit", unit="N m", status=Status.UNDECIDED)]
    report = made_up.report([made_up.episode("ep0", flags), made_up.episode("ep1")])
    return report, [made_up.evidence()]


def test_nothing_is_loaded_from_anywhere() -> None:
    text = render(*usual())
    assert not re.search(r"https?://", text)
    for tag, attributes in Page(text).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "style"
            if name in ("src", "href", "xlink:href", "action", "data"):
                assert value and (value.startswith(("#", "data:image/")))


def test_links_lead_somewhere() -> None:
    tags = Page(render(*usual())).tags
    anchors = {a["id"] for _, a in tags if "id" in a}
    links = {a["href"] for _, a in tags if a.get("href")}
    assert {"#e0", "#c-K102"} <= links
    assert {link[1:] for link in links if link} <= anchors


def test_the_policy_allows_the_scripts_and_styles_that_are_there_and_nothing_else() -> None:
    text = render(*usual())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy and policy[1].startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy[1]
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy[1]


@pytest.mark.parametrize(
    "name", [made_up.HOSTILE, "x" * 10_000, "\u202e" * 50, '\'" onmouseover=alert(1) x="', "{{7*7}}"]
)
def test_names_are_inert(name: str) -> None:
    f = made_up.flag(name, place=name, message=name, remedy=name, unit=name, times=(1.3, 1.6))
    result = made_up.episode(name, [f], task=name, notes=(name,), robot=name)
    skipped = Outcome("K103", name, Status.SKIPPED, name)
    crashed = Outcome("X901", name, Status.CRASHED, name)
    result = made_up.episode(name, [f], task=name, notes=(name,), outcomes=(*result.outcomes, skipped, crashed))
    report = made_up.report([result], dataset=name, format=name, robot=name, engine=name, model_findings=(name,),
                            dataset_flags=(made_up.flag("", "D114", message=name, place=name),))  # fmt: skip
    shown = made_up.evidence(name)
    text = render(report, [shown])
    usual_tags = {tag for tag, _ in Page(render(*usual())).tags}
    page = Page(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert {tag for tag, _ in page.tags} <= usual_tags | {"strong", "wbr"}
    assert not any(a.startswith("on") for _, attributes in page.tags for a in attributes)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert len(text) < 200_000


def test_folders_of_this_machine_are_not_in_it() -> None:
    f = made_up.flag(message="/home/ann/data/run7/episode.parquet: footer is damaged, see C:\\Users\\ann\\x.log")
    text = render(made_up.report([made_up.episode("ep0", [f])]), [])
    assert "ann" not in re.sub("[Cc]hannel|[Mm]ann", "", Page(text).words)
    assert "episode.parquet: footer is damaged, see x.log" in text


def test_a_thousand_episodes_are_quick_and_small(tmp_path: Path) -> None:
    episodes = []
    for k in range(1000):
        name = f"episode_{k:06d}"
        flags = [made_up.flag(name), made_up.flag(name, "F101", Status.UNDECIDED)] if k % 5 == 0 else []
        episodes.append(made_up.episode(name, flags))
    report, shown = made_up.report(episodes), [made_up.evidence(f"episode_{5 * k:06d}") for k in range(24)]
    start = time.perf_counter()
    write_html(report, shown, tmp_path / "report.html")
    assert time.perf_counter() - start < 3
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    table = text[text.index('id="all"') : text.index('id="details"')]
    assert len(table) < 1_500_000
    assert len(text) < 3_000_000
    assert table.count("<tr data-v=") == 1000


def test_no_flags() -> None:
    words = Page(render(made_up.report([made_up.episode("a"), made_up.episode("b")]), [])).words
    assert "No check raised a flag." in words
    assert "Watch these first" not in words


def test_findings_about_the_dataset_are_told_apart_and_lead_to_their_page() -> None:
    whole = made_up.flag("", "D101", name="unreadable-data", place="a.parquet", message="the footer is damaged")
    page = Page(render(made_up.report([made_up.episode("a")], dataset_flags=(whole,)), []))
    assert "No check raised a flag on an episode. The dataset as a whole" in page.words
    anchors = {a["id"] for _, a in page.tags if "id" in a}
    assert {a["href"][1:] for _, a in page.tags if a.get("href")} <= anchors


def test_everything_skipped_does_not_look_clean() -> None:
    outcome = Outcome("K102", "joint-velocity-limit", Status.SKIPPED, "no robot was given")
    page = Page(render(made_up.report([made_up.episode("a", outcomes=(outcome,), highlights={})]), []))
    assert [a["class"] for tag, a in page.tags if tag == "rect"] == ["skipped"]
    assert "no robot was given K102" in page.words


def test_interrupted() -> None:
    words = Page(render(made_up.report([made_up.episode("a")], interrupted=True, total=40), [])).words
    assert "Interrupted. 1 of 40 episodes were judged" in words
    assert "No episode was judged." in Page(render(made_up.report([], interrupted=True, total=40), [])).words


def test_a_crash_is_said_before_anything_else() -> None:
    crashed = Outcome("K102", "joint-velocity-limit", Status.CRASHED, "ValueError: shapes (check.py:10)")
    page = Page(render(made_up.report([made_up.episode("a", outcomes=(crashed,))]), []))
    assert page.words.index("simcheck failed on part of this run") < page.words.index("Findings by check")
    assert "ValueError: shapes (check.py:10)" in page.words


def test_episodes_with_remarks_only_are_not_to_be_watched() -> None:
    remark = made_up.flag("b", "C104", severity=Severity.INFO, name="clearance-below-margin")
    episodes = [made_up.episode("a", [made_up.flag("a")]), made_up.episode("b", [remark])]
    page = Page(render(made_up.report(episodes), []))
    assert sum(tag == "a" and a.get("class") == "thumb" for tag, a in page.tags) == 1
    assert "1 other with remarks only" in page.words


def test_value_interval_limit_and_remedy_are_told() -> None:
    words = Page(render(*usual())).words
    for expected in ("6 ± 0.1 rad/s", "5 rad/s", "1.30–1.60 s", "feasible if slowed 1.20×", "unit of position inferred",
                     "no acceleration limit is declared", "warning: link3 has no mass"):  # fmt: skip
        assert expected in words


def test_curves_hold_numbers_only() -> None:
    text = render(*usual())
    for path in re.findall(r' d="([^"]*)"', text):
        assert re.fullmatch(r"[MLlhvz\d\s.-]*", path), path[:80]
    for tag, attributes in Page(text).tags:
        assert tag not in ("rect", "circle", "text", "line") or "nan" not in str(attributes)


def test_a_picture_is_shown_only_if_it_is_one() -> None:
    report, _ = usual()
    webp = b"RIFF\x00\x00\x00\x00WEBPVP8 "
    assert "data:image/webp;base64," in render(report, [made_up.evidence(picture=webp)])
    foreign = render(report, [made_up.evidence(picture=b"<svg onload=alert(1)>")])
    assert "data:" not in foreign.replace("img-src data:", "")
    assert 'class="bone hot"' in foreign
