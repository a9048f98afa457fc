"""Evidence on disk: one compressed .npz and one .json per episode. Numbers and text only, nothing that runs."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simcheck.report.evidence import EpisodeEvidence, Pose, Track
from simcheck.store import replace_file

VERSION = 1
_OURS = re.compile(r"\d{3}-[0-9a-f]{12}\.(npz|json)")


def save(evidence: Sequence[EpisodeEvidence], folder: Path) -> None:
    """Write into `folder`, replacing what an earlier run left there."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if _OURS.fullmatch(old.name):
            old.unlink()
    for k, e in enumerate(evidence):
        stem = f"{k:03d}-{hashlib.sha256(e.episode.encode()).hexdigest()[:12]}"
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **_arrays(e))  # pyright: ignore[reportArgumentType]
        replace_file(folder / f"{stem}.npz", buffer.getvalue())
        replace_file(folder / f"{stem}.json", json.dumps(_words(e), ensure_ascii=False).encode())


def load(folder: Path) -> list[EpisodeEvidence]:
    """Read what `save` wrote, in its order; damaged files are left out."""
    out = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        if not _OURS.fullmatch(path.name):
            continue
        try:
            words = json.loads(path.read_text(encoding="utf-8"))
            with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
                out.append(_evidence(words, arrays))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, zlib.error, zipfile.BadZipFile):
            continue
    return out


def _arrays(e: EpisodeEvidence) -> dict[str, np.ndarray]:
    n = len(e.time)
    out = {
        "time": e.time,
        "values": np.array([t.values for t in e.tracks], np.float16).reshape(len(e.tracks), n),
        "band": np.array([t.band for t in e.tracks], np.float16).reshape(len(e.tracks), n),
        "path_time": e.path_time,
    }
    out |= {f"path{k}": path for k, path in enumerate(e.paths.values())}
    for k, pose in enumerate(e.poses):
        out |= {f"picture{k}": np.frombuffer(pose.picture, np.uint8), f"sticks{k}": pose.sticks.astype(np.float32)}
    return out


def _words(e: EpisodeEvidence) -> dict[str, Any]:
    return {
        "version": VERSION, "episode": e.episode, "origin": e.origin, "duration": e.duration, "paths": list(e.paths),
        "tracks": [
            {"quantity": t.quantity, "name": t.name, "unit": t.unit, "limit": t.limit,
             "ceiling": t.ceiling if np.isfinite(t.ceiling) else None} for t in e.tracks
        ],
        "poses": [{"frame": p.frame, "time": p.time, "codes": p.codes, "places": p.places} for p in e.poses],
    }  # fmt: skip


def _evidence(words: dict[str, Any], arrays: Any) -> EpisodeEvidence:
    values, band, time = arrays["values"].astype(np.float32), arrays["band"].astype(np.float32), arrays["time"]
    if values.shape != (len(words["tracks"]), len(time)) or band.shape != values.shape:
        raise ValueError(f"tracks have shape {values.shape}; expected ({len(words['tracks'])}, {len(time)})")
    tracks = tuple(
        Track(t["quantity"], t["name"], t["unit"], float(t["limit"]), values[k], band[k],
              np.nan if t["ceiling"] is None else float(t["ceiling"]))
        for k, t in enumerate(words["tracks"])
    )  # fmt: skip
    poses = tuple(
        Pose(int(p["frame"]), float(p["time"]), tuple(p["codes"]), tuple(p["places"]), arrays[f"picture{k}"].tobytes(),
             arrays[f"sticks{k}"].reshape(-1, 6))
        for k, p in enumerate(words["poses"])
    )  # fmt: skip
    return EpisodeEvidence(
        episode=str(words["episode"]), origin=float(words["origin"]), duration=float(words["duration"]), time=time,
        tracks=tracks, paths={name: arrays[f"path{k}"].reshape(-1, 3) for k, name in enumerate(words["paths"])},
        path_time=arrays["path_time"], poses=poses,
    )  # fmt: skip
