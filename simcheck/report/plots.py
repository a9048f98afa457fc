"""Drawings of the report as inline SVG: numbers become coordinates, text is escaped, colours are CSS classes.

A plot is two SVGs side by side: labels of fixed size, and an area as wide as the page whose curves live in a
nested SVG of 1000 × 1000 units that is stretched to it. So it is crisp and readable at any width.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from simcheck.flags import Flag, Status
from simcheck.report.words import plain, when

if TYPE_CHECKING:
    from simcheck.report.evidence import Pose, Track

HEIGHT = 132  # [px] of a plot
LANE = 18  # [px] of one code in the strip of flags
NARROWEST = 2  # [units of 1000] of a flagged span, so that one frame is seen
UNIT = 1000


@dataclass(frozen=True, slots=True)
class Axis:
    """Linear map of a value onto 0…1000, upwards or to the right."""

    low: float
    high: float

    def at(self, value: float | np.ndarray) -> np.ndarray:
        """Coordinate of a value."""
        return UNIT * (np.asarray(value, float) - self.low) / max(self.high - self.low, 1e-12)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the y axis."""

    value: float
    label: str
    limit: bool = False


def nice_step(span: float, most: int) -> float:
    """A step of 1, 2 or 5 × 10ⁿ that cuts `span` into at most `most` parts."""
    raw = max(span, 1e-9) / most
    power = 10.0 ** np.floor(np.log10(raw))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9)))


def time_ticks(duration: float) -> list[tuple[float, str]]:
    """Times [s] and their labels."""
    step = nice_step(duration, 6)
    digits = max(0, int(-np.floor(np.log10(step))))
    return [(k * step, f"{k * step:.{digits}f} s") for k in range(int(duration / step + 1e-9) + 1)]


def path(x: np.ndarray, y: np.ndarray) -> str:
    """SVG path through finite points, in whole units, with gaps where y is not finite."""
    parts = []
    keep = np.isfinite(y) & np.isfinite(x)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], keep.astype(np.int8), [0]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        points = np.round(np.stack([x[start:stop], y[start:stop]], axis=1)).clip(-9999, 9999).astype(int)
        steps = np.diff(points, axis=0)
        tail = " ".join(f"{a} {b}" for a, b in steps[np.any(steps != 0, axis=1)].tolist()).replace(" -", "-")
        parts.append(f"M{points[0, 0]} {points[0, 1]}" + (f"l{tail}" if tail else "h1"))
    return "".join(parts)


def _ribbon(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """Closed path around an interval; gaps are bridged."""
    ok = np.isfinite(low) & np.isfinite(high)
    if not ok.any():
        return "M0 0z"
    return path(np.concatenate([x[ok], x[ok][::-1]]), np.concatenate([high[ok], low[ok][::-1]])) + "z"


def curve(track: Track, time: np.ndarray, x: Axis, y: Axis, style: str) -> Markup:
    """A track's line and, where it can be seen, the ribbon of its uncertainty."""
    across, scale = x.at(time), UNIT / max(y.high - y.low, 1e-12)
    line = path(across, UNIT - y.at(track.values))
    out = Markup('<path class="line {}" d="{}"/>').format(style, line)
    if np.nanmax(track.band, initial=0.0) * scale < 4:
        return out
    low, high, middle = track.values - track.band, track.values + track.band, across
    if len(time) % 2 == 0 and len(time) > 300:  # pairs: the ribbon needs one point for both
        pairs = (low.reshape(-1, 2).min(axis=1), high.reshape(-1, 2).max(axis=1), across.reshape(-1, 2).mean(axis=1))
        low, high, middle = pairs
    ribbon = _ribbon(middle, UNIT - y.at(low), UNIT - y.at(high))
    return Markup('<path class="band {}" d="{}"/>').format(style, ribbon) + out


def faint(track: Track, time: np.ndarray, x: Axis, y: Axis) -> Markup:
    """A track that does not matter, with few points."""
    few = slice(None, None, max(len(time) // 150, 1))
    return Markup('<path class="line faint" d="{}"/>').format(path(x.at(time[few]), UNIT - y.at(track.values[few])))


def shade(flags: Sequence[Flag], origin: float, x: Axis, strong: bool) -> Markup:
    """Flagged ranges over the whole height, each status once: overlapping ranges are one."""
    out = Markup()
    for status in (Status.UNDECIDED, Status.FLAGGED):
        found = (_span(f, origin, x) for f in flags if f.status is status)
        for first, width in _union([s for s in found if s is not None]):
            style = f"{'shade' if strong else 'hint'} {status.value}"
            out += Markup('<rect class="{}" x="{}" y="0" width="{}" height="1000"/>').format(style, first, width)
    return out


def _union(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(start, width) of ranges, those that touch made one."""
    out: list[tuple[int, int]] = []
    for first, width in sorted(ranges):
        if out and first <= sum(out[-1]):
            start = out[-1][0]
            out[-1] = (start, max(sum(out[-1]), first + width) - start)
        else:
            out.append((first, width))
    return out


def _span(flag: Flag, origin: float, x: Axis) -> tuple[int, int] | None:
    if not np.isfinite(flag.times).all():
        return None
    first, last = (float(v) for v in np.clip(x.at(np.array(flag.times) - origin), 0, UNIT))
    width = max(round(last - first), NARROWEST)
    return min(round(first), UNIT - width), width


def frame(curves: Markup, ticks: Sequence[Tick], x: Axis, y: Axis, times: bool) -> Markup:
    """A whole plot: labels, grid, limits, curves; the time axis under the last one of a stack."""
    labels, grid = Markup(), Markup()
    for tick in ticks:
        level = float(np.clip(1 - y.at(tick.value) / UNIT, 0, 1))
        style = "limit" if tick.limit else "grid"
        labels += Markup('<text class="{}" x="56" y="{:.1f}">{}</text>').format(style, HEIGHT * level + 4, tick.label)
        grid += Markup('<path class="{}" d="M0 {:.0f}h1000"/>').format(style, UNIT * level)
    foot, upright = Markup(), Markup()
    for at, label in time_ticks(x.high):
        place = float(x.at(at))
        upright += Markup('<path class="grid" d="M{:.0f} 0v1000"/>').format(place)
        anchor = "end" if place > 950 else "start" if place < 20 else "middle"
        foot += Markup('<text class="time" x="{:.1f}%" y="{}" text-anchor="{}">{}</text>').format(
            place / 10, HEIGHT + 16, anchor, label
        )
    height = HEIGHT + (22 if times else 2)
    return Markup(
        '<div class="axes"><svg class="labels" width="60" height="{h}" aria-hidden="true">{labels}</svg>'
        '<svg class="area" width="100%" height="{h}" role="img"><svg class="stretch" width="100%" height="{inner}" '
        'viewBox="0 0 1000 1000" preserveAspectRatio="none">{upright}{grid}{curves}</svg>{foot}</svg></div>'
    ).format(
        h=height, inner=HEIGHT, labels=labels, upright=upright, grid=grid, curves=curves,
        foot=foot if times else Markup(),
    )  # fmt: skip


def lanes(flags: Sequence[Flag], origin: float, duration: float) -> Markup:
    """One row per code: when it was raised. Undecided ones are hatched."""
    codes = sorted({f.code for f in flags})
    x, height = Axis(0, max(duration, 1e-9)), LANE * len(codes) + 2
    labels, marks = Markup(), Markup()
    for row, code in enumerate(codes):
        labels += Markup('<text class="code" x="56" y="{}">{}</text>').format(LANE * row + 13, plain(code, 8))
        marks += Markup('<path class="grid" d="M0 {0}h1000"/>').format(LANE * row + LANE // 2 + 1)
        # What is sure lies on top.
        for flag in sorted((f for f in flags if f.code == code), key=lambda f: f.status is Status.FLAGGED):
            if (span := _span(flag, origin, x)) is not None:
                title = plain(f"{flag.code} {flag.place}, {when(flag, origin)}: {flag.status.value}", 120)
                marks += Markup(
                    '<rect class="mark {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
                ).format(_mark(flag), span[0], LANE * row + 4, span[1], LANE - 6, title)
    return Markup(
        '<div class="axes lanes"><svg class="labels" width="60" height="{h}" aria-hidden="true">{labels}</svg>'
        '<svg class="area" width="100%" height="{h}" role="img"><svg class="stretch" width="100%" height="{h}" '
        'viewBox="0 0 1000 {h}" preserveAspectRatio="none">{marks}</svg></svg></div>'
    ).format(h=height, labels=labels, marks=marks)


def _mark(flag: Flag) -> str:
    return f"{flag.status.value} {flag.severity.value}"


def plan(points: np.ndarray, hot: np.ndarray, axes: tuple[str, str]) -> Markup:
    """A path seen along one axis, to scale: points (n, 2) [m]; `hot` (n,) bool is drawn on top."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = max(float((high - low).max()), 1e-6)
    tall = 12 + max(160 * float(high[1] - low[1]) / span, 24)
    local = (points - (low + high) / 2) * 160 / span
    x, y = 100 + local[:, 0], tall / 2 - local[:, 1]
    bar = nice_step(span, 3)
    return Markup(
        '<svg class="plan" viewBox="0 0 200 {h:.0f}" role="img"><g transform="scale(.1)"><path class="line" d="{all}"/>'
        '<path class="line hot" d="{hot}"/></g><circle class="start" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
        '<path class="bar" d="M20 {below:.0f}h{bar:.1f}"/><text x="20" y="{text:.0f}">{metres} m</text>'
        '<text x="180" y="{text:.0f}" text-anchor="end">{right} →, {up} ↑</text></svg>'
    ).format(
        h=tall + 26, all=path(10 * x, 10 * y), hot=path(10 * x, np.where(hot, 10 * y, np.nan)), x=x[0], y=y[0],
        below=tall + 6, bar=160 * bar / span, text=tall + 20, metres=f"{bar:g}", right=axes[0], up=axes[1],
    )  # fmt: skip


def picture(pose: Pose, alt: str) -> Markup:
    """A rendered picture, or the stick figure."""
    kind = _image_type(pose.picture)
    if kind:
        data = base64.b64encode(pose.picture).decode()
        return Markup('<img src="data:{};base64,{}" alt="{}" width="320" height="240" loading="lazy">').format(
            kind, data, escape(alt)
        )
    out = Markup()
    for x1, y1, x2, y2, near, tinted in np.nan_to_num(pose.sticks).tolist():
        line = Markup('x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"').format(*(100 * v for v in (x1, y1, x2, y2)))
        width, style = 9 + 5 * near, " hot" if tinted else ""
        out += Markup('<line class="halo" {} stroke-width="{:.1f}"/>').format(line, width + 5)
        out += Markup('<line class="bone{}" {} stroke-width="{:.1f}"/>').format(style, line, width)
        out += Markup('<circle class="knob" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(100 * x1, 100 * y1, width / 3)
    return Markup('<svg class="figure" viewBox="0 0 400 300" role="img" aria-label="{}">{}</svg>').format(alt, out)


def _image_type(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return "image/png" if content[:8] == b"\x89PNG\r\n\x1a\n" else ""
