"""Results on disk: `episodes.parquet`, `flags.jsonl` (the stable contract) and `run.json`.

Every file is written beside its place and renamed into it, so a reader never sees half of one.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simcheck.errors import FormatError, UsageError
from simcheck.flags import Evidence, Flag, Outcome, Severity, Status
from simcheck.results import EpisodeResult, Report, RunInfo

SCHEMA_VERSION = 1
FILES = ("flags.jsonl", "run.json", "episodes.parquet")  # in the order they are written
# What damaged JSON or Parquet, or JSON of another shape, raises.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, pa.ArrowException)


def prepare(out: Path) -> None:
    """Make the folder `out` and see that it can be written, before hours are spent on what goes there.

    Raises:
        UsageError: it cannot.
    """
    probe = out / ".simcheck.part"
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(probe, b"")
        probe.unlink()
    except OSError as error:
        found = "is a file" if out.is_file() else f"cannot be written ({error.strerror or error})"
        raise UsageError(f"--out {out}: {found}; expected a folder that simcheck can make and write") from error


def write(report: Report, out: Path) -> None:
    """Write a run into folder `out`; where that fails, what was finished stays."""
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / "flags.jsonl", "".join(f.to_json() + "\n" for f in report.flags).encode())
    run = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(report.info)}
    run["dataset_flags"] = [json.loads(f.to_json()) for f in report.info.dataset_flags]
    replace_file(out / "run.json", (json.dumps(run, indent=1, ensure_ascii=False) + "\n").encode())
    sink = pa.BufferOutputStream()
    pq.write_table(episode_table(report), sink, write_page_checksum=True)
    replace_file(out / "episodes.parquet", sink.getvalue())


def read(out: Path) -> Report:
    """Read a run back from the folder it was written to.

    Raises:
        FormatError: a file of it is missing or damaged.
    """
    missing = [name for name in FILES if not (out / name).is_file()]
    if missing:
        found = "does not exist" if not out.exists() else f"holds no {', '.join(missing)}"
        raise FormatError(f"{out}: {found}; expected the folder that `simcheck check --out` wrote")
    with _reading("run.json"):
        info = _info(json.loads((out / "run.json").read_text(encoding="utf-8")))
    by_place: dict[tuple[str, str], list[Flag]] = {}
    with _reading("flags.jsonl"), (out / "flags.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            flag = _flag(json.loads(line))
            by_place.setdefault((flag.episode, flag.code), []).append(flag)
    with _reading("episodes.parquet"):
        table = pq.read_table(out / "episodes.parquet", page_checksum_verification=True)
        rows = table.select(_EPISODES.names).cast(_EPISODES).drop_null().to_pylist()
        if len(rows) != table.num_rows:
            raise ValueError(f"{table.num_rows - len(rows)} rows lack a value")
        return Report(info, tuple(_episode(row, by_place) for row in rows))


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]:.120}"
        raise FormatError(
            f"{name}: not a result that this version of simcheck wrote ({said}); run `simcheck check` again"
        ) from error


def _info(run: dict[str, Any]) -> RunInfo:
    version = run.pop("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema_version is {version!r:.20}, expected {SCHEMA_VERSION}")
    run["dataset_flags"] = tuple(_flag(f) for f in run["dataset_flags"])
    run["models"], run["model_findings"] = tuple(run["models"]), tuple(run["model_findings"])
    for name, kind in {"total": int, "interrupted": bool, "seconds": float}.items():
        if type(run[name]) is not kind:
            raise ValueError(f"{name} is {run[name]!r:.20}, expected {kind.__name__}")
    texts = [run[k] for k in ("dataset", "format", "robot", "simcheck", "engine", "config")]
    if not all(isinstance(text, str) for text in (*texts, *run["models"], *run["model_findings"])):
        raise ValueError("a name or hash is not text")
    return RunInfo(**run)


def episode_table(report: Report) -> pa.Table:
    """One row per episode."""
    return pa.Table.from_pylist([_row(report, e) for e in report.episodes], schema=_EPISODES)


_EPISODES = pa.schema(
    [
        ("dataset", pa.string()), ("episode", pa.string()), ("fingerprint", pa.string()), ("task", pa.string()),
        ("robot", pa.string()), ("model", pa.string()), ("engine", pa.string()), ("config", pa.string()),
        ("verdict", pa.string()), ("score", pa.float64()), ("frames", pa.int64()), ("duration", pa.float64()),
        ("codes", pa.list_(pa.string())), ("undecided", pa.list_(pa.string())), ("notes", pa.list_(pa.string())),
        ("highlights", pa.map_(pa.string(), pa.float64())),
        ("outcomes", pa.list_(pa.struct([("code", pa.string()), ("name", pa.string()), ("status", pa.string()),
                                         ("reason", pa.string())]))),
    ]
)  # fmt: skip


def _row(report: Report, e: EpisodeResult) -> dict[str, Any]:
    return {
        "dataset": report.info.dataset, "episode": e.episode, "fingerprint": e.fingerprint, "task": e.task,
        "robot": e.robot, "model": e.model, "engine": report.info.engine, "config": report.info.config,
        "verdict": e.verdict.value, "score": e.score, "frames": e.frames, "duration": e.duration,
        "codes": _codes(e.outcomes, Status.FLAGGED), "undecided": _codes(e.outcomes, Status.UNDECIDED),
        "notes": list(e.notes), "highlights": list(e.highlights.items()),
        "outcomes": [_answer(o) for o in e.outcomes],
    }  # fmt: skip


def _answer(o: Outcome) -> dict[str, str]:
    return {"code": o.code, "name": o.name, "status": o.status.value, "reason": o.reason}


def _codes(outcomes: Iterable[Outcome], status: Status) -> list[str]:
    return [o.code for o in outcomes if o.status is status]


def _episode(row: dict[str, Any], by_place: dict[tuple[str, str], list[Flag]]) -> EpisodeResult:
    outcomes = tuple(
        Outcome(
            o["code"], o["name"], Status(o["status"]), o["reason"], tuple(by_place.get((row["episode"], o["code"]), ()))
        )
        for o in row["outcomes"]
    )
    return EpisodeResult(
        episode=row["episode"], frames=row["frames"], duration=row["duration"], fingerprint=row["fingerprint"],
        task=row["task"], robot=row["robot"], model=row["model"], outcomes=outcomes, notes=tuple(row["notes"]),
        highlights=dict(row["highlights"]),
    )  # fmt: skip


def _flag(row: dict[str, Any]) -> Flag:
    def number(value: Any) -> float:
        return float("nan") if value is None else float(value)

    fields = dict(row)
    for name in ("value", "limit", "margin"):
        fields[name] = number(row[name])
    fields["interval"] = (number(row["interval"][0]), number(row["interval"][1]))
    fields["times"] = (number(row["times"][0]), number(row["times"][1]))
    fields["frames"] = (int(row["frames"][0]), int(row["frames"][1]))
    fields["severity"], fields["status"] = Severity(row["severity"]), Status(row["status"])
    fields["evidence"] = Evidence(row["evidence"])
    words = ("episode", "code", "name", "place", "unit", "message", "remedy", "engine", "model", "config")
    if not all(isinstance(row[name], str) for name in words):
        raise ValueError(f"one of {', '.join(words)} is not text")
    return Flag(**fields)


def replace_file(path: Path, content: bytes | pa.Buffer) -> None:
    """Write beside `path` and rename into it; where that fails, nothing is left beside it."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
