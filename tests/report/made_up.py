"""Runs that never happened, for the tests of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from simcheck.flags import Evidence, Flag, Outcome, Severity, Status
from simcheck.report.evidence import EpisodeEvidence, Pose, Track
from simcheck.results import EpisodeResult, Report, RunInfo

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp.exe\u2066\x00\x07\x1b[31m\u200b"


def flag(episode: str = "ep0", code: str = "K102", status: Status = Status.FLAGGED, **changes: object) -> Flag:
    values: dict = {
        "episode": episode, "code": code, "name": "joint-velocity-limit", "severity": Severity.ERROR, "status": status,
        "frames": (40, 49), "times": (1.3, 1.6), "place": "elbow", "value": 6.0, "limit": 5.0, "margin": -0.2,
        "interval": (5.9, 6.1), "unit": "rad/s", "evidence": Evidence.DECLARED,
        "message": "speed of elbow is 6 ± 0.1 rad/s, limit 5 rad/s", "remedy": "feasible if slowed 1.20×",
        "engine": "mujoco 4.0.0", "model": "ab" * 32, "config": "cd" * 32,
    }  # fmt: skip
    return Flag(**{**values, **changes})


def episode(name: str = "ep0", flags: Sequence[Flag] = (), **changes: object) -> EpisodeResult:
    codes = {f.code: f for f in flags}
    outcomes = [
        Outcome("D102", "non-finite-value", Status.CLEAN),
        Outcome("K105", "teleport", Status.CLEAN),
        Outcome("K103", "joint-acceleration-limit", Status.SKIPPED, "no acceleration limit is declared"),
        *(Outcome(c, f.name, f.status, "", tuple(g for g in flags if g.code == c)) for c, f in codes.items()),
    ]
    values: dict = {
        "episode": name, "frames": 90, "duration": 3.0, "fingerprint": name, "task": "pick up the cube",
        "robot": "arm", "model": "ab" * 32, "outcomes": tuple(outcomes), "notes": ("unit of position inferred",),
        "highlights": {"effort": 0.62, "velocity": 1.2, "clearance": 0.012},
    }  # fmt: skip
    return EpisodeResult(**{**values, **changes})


def report(episodes: Sequence[EpisodeResult], **changes: object) -> Report:
    values: dict = {
        "dataset": "made_up", "format": "LeRobot v3.0", "robot": "arm", "simcheck": "0.1.0", "engine": "mujoco 4.0.0",
        "config": "cd" * 32, "models": ("ab" * 32,), "model_findings": ("warning: link3 has no mass",),
        "dataset_flags": (), "seconds": 1.5, "interrupted": False, "total": len(episodes),
    }  # fmt: skip
    return Report(RunInfo(**{**values, **changes}), tuple(episodes))


def evidence(name: str = "ep0", picture: bytes = b"") -> EpisodeEvidence:
    time = np.linspace(0, 3, 90, dtype=np.float32)
    wave = np.sin(2 * time).astype(np.float32)
    band = np.full(90, 0.0625, np.float32)
    holes = wave.copy()
    holes[20:30] = math.nan
    tracks = (
        Track("effort", "shoulder", "N m", 50.0, np.abs(wave), band),
        Track("velocity", "elbow", "rad/s", 5.0, 1.25 * np.abs(wave), band),
        Track("velocity", "shoulder", "rad/s", 5.0, np.abs(holes), band),
        Track("position", "elbow", "rad", 2.0, wave, band),
        Track("clearance", "robot to itself", "m", 0.0, 0.0078125 * wave, band / 64, 0.015625),
    )
    tracks = tuple(Track(*(getattr(t, f) for f in ("quantity", "name", "unit", "limit")),
                         *(getattr(t, f).astype(np.float16).astype(np.float32) for f in ("values", "band")),
                         t.ceiling) for t in tracks)  # fmt: skip
    sticks = np.array([[2, 1, 2.5, 1.5, 0.4, 0], [2.5, 1.5, 3, 1, 0.6, 1]], np.float32)
    poses = (Pose(45, 1.5, ("K102",), ("elbow",), picture, sticks),)
    paths = {"ee": np.stack([np.cos(time), np.sin(time), time], axis=1).astype(np.float32)}
    return EpisodeEvidence(name, 0.0, 3.0, time, tracks, paths, time, poses)
