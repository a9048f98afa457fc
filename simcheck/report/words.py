"""Text of the report: names made safe to show, numbers, and the order in which things are told."""

from __future__ import annotations

import math
import re
import unicodedata

from markupsafe import Markup, escape

from simcheck.flags import Flag, Severity, Status
from simcheck.results import weight

LONG_WORD = 20  # characters from which on a word may be broken behind "/", "_", "." and the like
_JOINT = re.compile(r"(?<=[/_.,:=-])(?=[^\W_])")
LONGEST = 160  # characters of a name that is not otherwise bounded
# Folders of a machine that a message may mention; the file's own name says enough.
_HOST_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|root|Users|tmp|var|mnt|media|opt|private|srv|scratch|usr|etc|work|workspace|data)"
    r"(?:/[^\s/:'\"<>|]+)*/([^\s/:'\"<>|]+)"
)
_WINDOWS_PATH = re.compile(r"(?<!\w)[A-Za-z]:\\(?:[^\\\s:'\"<>|]+\\)*([^\\\s:'\"<>|]+)")


def plain(text: object, longest: int = LONGEST) -> str:
    """One line without control, format (bidi, zero width) or private characters, and without folders of a machine.

    Cut in the middle to `longest` characters, so that both ends of a long name stay readable.
    """
    line = _line(text, longest)
    if len(line) <= longest:
        return line
    head = 2 * longest // 3
    return f"{line[:head]}…{line[len(line) - (longest - head - 1) :]}"


def sentence(text: object, longest: int = 400) -> str:
    """The same for running text: cut at its end, between words."""
    line = _line(text, longest)
    return line if len(line) <= longest else f"{line[: longest - 1].rsplit(' ', 1)[0]} …"


def _line(text: object, longest: int) -> str:
    raw = str(text)
    raw = raw if len(raw) <= 20 * longest else raw[: 10 * longest] + raw[-10 * longest :]
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in raw if _shown(c))
    line = " ".join("".join(kept).split())
    return _WINDOWS_PATH.sub(r"\1", _HOST_PATH.sub(r"\1", line))


def _shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cf", "Cs", "Co", "Cn")


def breakable(text: object) -> Markup:
    """The same text for a page, with places to break a long path or name that are better than within a word."""
    return Markup("").join(
        Markup("<wbr>").join(escape(part) for part in _JOINT.split(word)) if len(word) > LONG_WORD else escape(word)
        for word in re.split(r"(?<=\s)", str(text))
    )


def number(value: float, digits: int = 3) -> str:
    """A number for people: `digits` significant ones, no exponent where it can be helped; "–" for none."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
        text = f"{value:.{places}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return text.replace("-", "−")
    return f"{value:.{digits - 1}e}".replace("-", "−")


def percent(share: float) -> str:
    """A share of a limit."""
    return f"{100 * share:.0f} %" if math.isfinite(share) else "–"


def seconds(value: float) -> str:
    """A duration or a time [s] for people."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def plural(count: int, word: str) -> str:
    """As in "1 episode", "2 episodes"."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def when(flag: Flag, origin: float = 0.0) -> str:
    """The time range of a flag [s after `origin`], or its frames where there is no usable time."""
    first, last = flag.times[0] - origin, flag.times[1] - origin
    if not (math.isfinite(first) and math.isfinite(last)) or abs(first) > 1e6:
        return (
            f"frame {flag.frames[0]}"
            if flag.frames[0] == flag.frames[1]
            else f"frames {flag.frames[0]}–{flag.frames[1]}"
        )
    return f"{first:.2f} s" if last - first < 0.005 else f"{first:.2f}–{last:.2f} s"


def by_urgency(flag: Flag) -> tuple[bool, float, int, bool, float]:
    """Sort key of flags, the most urgent first: weighed as EpisodeResult.score does, then what is sure.

    A remark comes after everything else, however doubtful that is. Wrong data (family D) comes before what it causes.
    """
    margin = -abs(flag.margin) if math.isfinite(flag.margin) else 0.0
    return (
        flag.severity is Severity.INFO,
        -weight(flag),
        list(Status).index(flag.status),
        not flag.code.startswith("D"),
        margin,
    )
