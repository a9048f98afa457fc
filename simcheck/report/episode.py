"""One flagged episode as the report shows it: plots of its quantities against their limits, pictures, flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from simcheck.flags import Flag, Severity, Status
from simcheck.report import plots
from simcheck.report.plots import Axis, Tick
from simcheck.report.words import by_urgency, number, percent, plain, seconds, sentence, when
from simcheck.results import EpisodeResult

if TYPE_CHECKING:
    from simcheck.report.evidence import EpisodeEvidence, Track

COLOURS = 4  # curves told apart by colour and dash
FAINT = 6  # others drawn behind them
NEAR = 3  # curves shown at least, those nearest to their limit
TALLEST = 3.0  # shares above this are cut off: one jump must not flatten the rest
MOST_FLAGS = 40  # rows of an episode's table, most of them folded away
TITLES = {
    "effort": "Torque or force the motion needs without a load",
    "measured": "Recorded torque or force",
    "velocity": "Joint speed",
    "position": "Joint position within its range",
    "clearance": "Clearance between the robot's own parts",
}
MEASURES = {"position": "0 is the middle of the range, ±1 its ends", "clearance": "mm"}
FAMILY = {"effort": "F", "measured": "F", "velocity": "K", "position": "K", "clearance": "C"}
UNITS = {
    "effort": ("N m", "N"), "measured": ("N m", "N"), "velocity": ("rad/s", "m/s"), "position": ("rad", "m"),
    "clearance": ("m", "mm"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a plot's legend."""

    style: str
    name: str
    peak: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One quantity over time."""

    title: str
    measure: str
    note: str
    keys: tuple[Key, ...]
    svg: Markup


@dataclass(frozen=True, slots=True)
class FlagRow:
    """One flag as text."""

    flag: Flag
    time: str
    place: str
    value: str
    limit: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of the filmstrip."""

    svg: Markup
    time: str
    codes: str
    places: str


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """Everything the page shows about one episode."""

    name: str
    anchor: str
    verdict: Status
    facts: str
    task: str
    stills: tuple[Still, ...]
    lanes: Markup
    plots: tuple[Plot, ...]
    plans: tuple[tuple[str, Markup], ...]
    rows: tuple[FlagRow, ...]
    more: int


def view(result: EpisodeResult, evidence: EpisodeEvidence | None, anchor: str) -> EpisodeView:
    """The view of one episode; without evidence it has its flags only."""
    flags = sorted(result.flags, key=by_urgency)
    origin = evidence.origin if evidence else 0.0
    facts = f"{seconds(result.duration)}, {result.frames:,} frames"
    rows = tuple(_row(f, origin) for f in flags[:MOST_FLAGS])
    return EpisodeView(
        name=plain(result.episode), anchor=anchor, verdict=result.verdict, facts=facts,
        task=sentence(result.task, 300), rows=rows, more=len(flags) - len(rows),
        stills=_stills(evidence) if evidence else (),
        lanes=plots.lanes(flags, origin, evidence.duration) if evidence and flags else Markup(),
        plots=_plots(flags, evidence) if evidence else (), plans=_plans(flags, evidence) if evidence else (),
    )  # fmt: skip


def _row(f: Flag, origin: float) -> FlagRow:
    half = (f.interval[1] - f.interval[0]) / 2
    value = number(f.value) + (f" ± {number(half, 2)}" if np.isfinite(half) and half > 0 else "")
    unit = f" {plain(f.unit, 12)}" if np.isfinite(f.value) and f.unit not in ("", "1") else ""
    return FlagRow(
        flag=f, time=when(f, origin), place=plain(f.place, 90), value=value + unit,
        limit=number(f.limit) + (unit if np.isfinite(f.limit) else ""), message=sentence(f.message, 500),
        remedy=sentence(f.remedy, 300),
    )  # fmt: skip


def _stills(evidence: EpisodeEvidence) -> tuple[Still, ...]:
    out = []
    for pose in evidence.poses:
        codes, places = ", ".join(pose.codes[:4]), ", ".join(plain(p, 60) for p in pose.places[:2])
        more = len(pose.places) - 2
        out.append(
            Still(
                plots.picture(pose, plain(f"robot at {pose.time:.2f} s: {codes} {places}", 200)),
                f"{pose.time:.2f} s", plain(codes, 40), places + (f" and {more} more" if more > 0 else ""),
            )
        )  # fmt: skip
    return tuple(out)


def _plots(flags: Sequence[Flag], evidence: EpisodeEvidence) -> tuple[Plot, ...]:
    present = [q for q in TITLES if any(t.quantity == q for t in evidence.tracks)]
    return tuple(_plot(q, flags, evidence, times=q == present[-1]) for q in present)


def _plot(quantity: str, flags: Sequence[Flag], evidence: EpisodeEvidence, times: bool) -> Plot:
    tracks = [t for t in evidence.tracks if t.quantity == quantity]
    about = [f for f in flags if f.code[:1] == FAMILY[quantity] and f.unit in UNITS[quantity]]
    flagged = {f.place for f in about}
    tracks.sort(key=lambda t: (t.name not in flagged, -_nearness(t)))
    count = min(max(sum(t.name in flagged for t in tracks), NEAR), COLOURS)
    shown, behind = tracks[:count], tracks[count : count + FAINT]
    x, y, ticks, note = _axes(quantity, shown, evidence.duration)
    local = [f for f in flags if f.severity is not Severity.INFO and not _everywhere(f, evidence)]
    curves = plots.shade([f for f in local if f not in about], evidence.origin, x, strong=False)
    curves += plots.shade([f for f in about if f in local], evidence.origin, x, strong=True)
    for track in behind:
        curves += plots.faint(track, evidence.time, x, y)
    for k, track in reversed(list(enumerate(shown))):
        curves += plots.curve(track, evidence.time, x, y, f"c{k}")
    keys = tuple(Key(f"c{k}", plain(t.name, 60), _peak(t)) for k, t in enumerate(shown))
    some = quantity != "clearance" and len(tracks) > len(shown)
    notes = [
        note,
        f"{len(shown)} of {len(tracks)} joints, the flagged and those nearest to their limit" if some else "",
    ]
    return Plot(
        TITLES[quantity], MEASURES.get(quantity, "share of the limit"), "; ".join(n for n in notes if n), keys,
        plots.frame(curves, ticks, x, y, times),
    )  # fmt: skip


def _everywhere(flag: Flag, evidence: EpisodeEvidence) -> bool:
    """A flag about (nearly) the whole episode marks no place in it."""
    return flag.times[1] - flag.times[0] > 0.9 * max(evidence.duration, 1e-9)


def _nearness(track: Track) -> float:
    """How near to its limit a track comes; larger is nearer."""
    if track.quantity == "clearance":
        return -float(np.nanmin(track.values, initial=np.inf))
    return float(np.nanmax(np.abs(track.values) + track.band, initial=0.0))


def _peak(track: Track) -> str:
    """The extreme of a track in words."""
    if track.quantity == "clearance":
        k = int(np.nanargmin(track.values))
        return f"least {number(1e3 * float(track.values[k]))} ± {number(1e3 * float(track.band[k]), 2)} mm"
    k = int(np.nanargmax(np.abs(np.nan_to_num(track.values))))
    if track.quantity == "position":
        return f"up to {number(float(track.values[k]), 3)} of ± {number(track.limit)} {track.unit}"
    value, band = abs(float(track.values[k])), float(track.band[k])
    return f"up to {percent(value)} ± {percent(band)} of {number(track.limit)} {track.unit}"


def _axes(quantity: str, shown: Sequence[Track], duration: float) -> tuple[Axis, Axis, list[Tick], str]:
    x = Axis(0.0, max(duration, 1e-9))
    if quantity == "clearance":
        low, high = min(float(np.nanmin(t.values)) for t in shown), max(t.ceiling for t in shown)
        low = min(low - 0.25 * (high - low), -0.25 * high)
        step = plots.nice_step(high - low, 4)
        marks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        marks[np.abs(marks) < step / 2] = 0.0
        ticks = [Tick(float(m), f"{1e3 * m:g}".replace("-", "−"), limit=m == 0) for m in marks]
        return x, Axis(low, 1.06 * high), ticks, f"distances beyond {1e3 * high:.3g} mm are not listed"
    top = max(float(np.nanmax(np.abs(t.values) + np.minimum(t.band, 1.0), initial=0.0)) for t in shown)
    note = f"cut off at {TALLEST:g} × the limit" if top > TALLEST else ""
    top = min(max(1.15, 1.05 * top), TALLEST)
    if quantity == "position":
        return x, Axis(-top, top), [Tick(-1, "−1", True), Tick(0, "0"), Tick(1, "1", True)], note
    ticks = [Tick(0, "0"), Tick(0.5, "50 %"), Tick(1, "limit", True)]
    ticks += [Tick(float(k), f"{100 * k:.0f} %") for k in range(2, int(top) + 1)]
    return x, Axis(0.0, top), ticks, note


def _plans(flags: Sequence[Flag], evidence: EpisodeEvidence) -> tuple[tuple[str, Markup], ...]:
    time = evidence.path_time + evidence.origin
    hot = np.zeros(len(time), bool)
    for f in flags:
        if f.status is Status.FLAGGED and not _everywhere(f, evidence):
            hot |= (time >= f.times[0] - 0.02) & (time <= f.times[1] + 0.02)
    out = []
    for name, points in list(evidence.paths.items())[:2]:
        if len(points) > 1 and np.isfinite(points).all():
            out.append((f"{plain(name, 40)}, from above", plots.plan(points[:, [0, 1]], hot, ("x", "y"))))
            out.append((f"{plain(name, 40)}, from the side", plots.plan(points[:, [0, 2]], hot, ("x", "z"))))
    return tuple(out)


def dataset_row(flag: Flag) -> FlagRow:
    """A finding about the dataset as a whole."""
    return _row(flag, 0.0)
