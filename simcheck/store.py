"""Results on disk: `episodes.parquet`, `flags.jsonl` (the stable contract) and `run.json`.

Every file is written beside its place and renamed into it, so a reader never sees half of one.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from simcheck.flags import Evidence, Flag, Outcome, Severity, Status
from simcheck.results import EpisodeResult, Report, RunInfo

SCHEMA_VERSION = 1


def write(report: Report, out: Path) -> None:
    """Write a run into folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    _replace(out / "flags.jsonl", "".join(f.to_json() + "\n" for f in report.flags).encode())
    run = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(report.info)}
    run["dataset_flags"] = [json.loads(f.to_json()) for f in report.info.dataset_flags]
    _replace(out / "run.json", (json.dumps(run, indent=1, ensure_ascii=False) + "\n").encode())
    temporary = out / ".episodes.parquet.part"
    pq.write_table(episode_table(report), temporary, write_page_checksum=True)
    os.replace(temporary, out / "episodes.parquet")


def read(out: Path) -> Report:
    """Read a run back from the folder it was written to."""
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    run.pop("schema_version")
    run["dataset_flags"] = tuple(_flag(f) for f in run["dataset_flags"])
    run["models"], run["model_findings"] = tuple(run["models"]), tuple(run["model_findings"])
    by_place: dict[tuple[str, str], list[Flag]] = {}
    with (out / "flags.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            flag = _flag(json.loads(line))
            by_place.setdefault((flag.episode, flag.code), []).append(flag)
    table = pq.read_table(out / "episodes.parquet", page_checksum_verification=True)
    return Report(RunInfo(**run), tuple(_episode(row, by_place) for row in table.to_pylist()))


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
    return Flag(**fields)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    os.replace(temporary, path)
