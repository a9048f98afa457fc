"""Writes LeRobot v3.0 datasets: the example of the format, the demo data, the benchmarks.

As lerobot writes them: float32 vectors of fixed width, one row group per episode, several episodes per file;
and, unlike it, with page checksums and with the units of the columns in "units".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_FILES = 1000
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_EPISODES = "meta/episodes/chunk-000/file-000.parquet"
_COUNTERS = ("frame_index", "episode_index", "index", "task_index")
_QUANTILES = {"q01": 1, "q10": 10, "q50": 50, "q90": 90, "q99": 99}
_PANDA = tuple(f"panda_joint{i}" for i in range(1, 8))


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A feature to declare: names and units of its columns, and further entries such as {"frame": "base"}."""

    names: Sequence[str]
    units: Sequence[str] = ()
    dtype: str = "float32"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The entry of info.json."""
        units = {"units": list(self.units)} if self.units else {}
        return {
            "dtype": self.dtype,
            "shape": [len(self.names)],
            "names": list(self.names),
            **units,
            **self.extra,
        }


@dataclass(frozen=True, slots=True)
class NewEpisode:
    """One episode to write: (T, n) by feature, (T,) for features of one column."""

    columns: Mapping[str, np.ndarray]
    task: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def write_dataset(
    folder: Path,
    episodes: Iterable[NewEpisode],
    features: Mapping[str, FeatureSpec],
    *,
    fps: int = 30,
    robot_type: str = "",
    episodes_per_file: int = 100,
) -> Path:
    """Write a dataset of any number of episodes; only one of them is in memory at a time.

    Args:
        folder: where to; made if it is not there.
        episodes: in order; each with all of `features`.
        features: what the columns are; time, counters and statistics are added.
        fps: frames per second; time stamps are frame / fps, as lerobot writes them.
        robot_type: as in info.json.
        episodes_per_file: how many go into one Parquet file.

    Returns:
        `folder`.
    """
    schema = _schema(features)
    table: list[dict[str, Any]] = []
    tasks: dict[str, int] = {}
    writer, first = None, 0
    for index, episode in enumerate(episodes):
        number, position = divmod(index, episodes_per_file)
        place = {"chunk_index": number // CHUNK_FILES, "file_index": number % CHUNK_FILES}
        if position == 0:
            if writer:
                writer.close()
            writer = _writer(folder / _DATA.format(**place), schema)
        columns = _with_counters(episode, fps, index, first, tasks.setdefault(episode.task, len(tasks)))
        if writer:
            writer.write_table(_table(columns, schema))
        table.append(_episode_row(episode, columns, index, first, place))
        first += len(episode)
    if writer:
        writer.close()
    _write_meta(folder, features, table, tasks, fps=fps, robot_type=robot_type)
    return folder


def write_example(folder: Path) -> Path:
    """Two episodes of 40 frames of a seven-joint arm that swings slowly."""
    home = np.array([0.0, -0.6, 0.0, -2.2, 0.0, 1.6, 0.8])
    time = np.arange(40)[:, None] / 30
    names = FeatureSpec(_PANDA, ("rad",) * len(_PANDA))
    episodes = []
    for amplitude in (0.2, 0.3):
        position = home + amplitude * np.sin(time * np.linspace(0.5, 1.5, 7))
        target = home + amplitude * np.sin((time + 1 / 30) * np.linspace(0.5, 1.5, 7))
        episodes.append(NewEpisode({"observation.state": position, "action": target}, "swing"))
    features = {"observation.state": names, "action": names}
    return write_dataset(folder, episodes, features, fps=30, robot_type="panda")


def _schema(features: Mapping[str, FeatureSpec]) -> pa.Schema:
    vectors = [(k, _type(f)) for k, f in features.items()]
    return pa.schema([*vectors, ("timestamp", pa.float32()), *((k, pa.int64()) for k in _COUNTERS)])


def _type(feature: FeatureSpec) -> pa.DataType:
    kind = pa.from_numpy_dtype(np.dtype(feature.dtype))
    return kind if len(feature.names) == 1 else pa.list_(kind, len(feature.names))


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(path, schema, compression="snappy", write_page_checksum=True)


def _with_counters(episode: NewEpisode, fps: int, index: int, first: int, task: int) -> dict[str, np.ndarray]:
    frame = np.arange(len(episode))
    counters = (frame, np.full_like(frame, index), first + frame, np.full_like(frame, task))
    return {**episode.columns, "timestamp": frame / fps, **dict(zip(_COUNTERS, counters, strict=True))}


def _table(columns: Mapping[str, np.ndarray], schema: pa.Schema) -> pa.Table:
    return pa.table([_array(columns[f.name], f.type) for f in schema], schema=schema)


def _array(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(np.reshape(values, -1), kind)
    flat = pa.array(np.asarray(values, kind.value_type.to_pandas_dtype()).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)


def _episode_row(
    episode: NewEpisode, columns: Mapping[str, np.ndarray], index: int, first: int, place: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "episode_index": index,
        "tasks": [episode.task],
        "length": len(episode),
        "data/chunk_index": place["chunk_index"],
        "data/file_index": place["file_index"],
        "dataset_from_index": first,
        "dataset_to_index": first + len(episode),
        **{f"stats/{k}/{name}": v for k, values in columns.items() for name, v in _stats(values).items()},
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }


def _stats(values: np.ndarray) -> dict[str, list[float]]:
    v = np.reshape(values, (len(values), -1)).astype(np.float64)
    moments = {
        "min": v.min(0),
        "max": v.max(0),
        "mean": v.mean(0),
        "std": v.std(0),
        "count": np.array([len(v)]),
    }
    quantiles = np.percentile(v, list(_QUANTILES.values()), axis=0)
    return {k: x.tolist() for k, x in (*moments.items(), *zip(_QUANTILES, quantiles, strict=True))}


def _write_meta(
    folder: Path,
    features: Mapping[str, FeatureSpec],
    table: Sequence[Mapping[str, Any]],
    tasks: Mapping[str, int],
    *,
    fps: int,
    robot_type: str,
) -> None:
    path = folder / _EPISODES
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(table)), path, write_page_checksum=True)
    names = pa.table({"task_index": list(tasks.values()), "task": list(tasks)})
    pq.write_table(names, folder / "meta/tasks.parquet", write_page_checksum=True)
    info = {
        "codebase_version": "v3.0",
        "robot_type": robot_type,
        "total_episodes": len(table),
        "total_frames": sum(row["length"] for row in table),
        "total_tasks": len(tasks),
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{len(table)}"},
        "data_path": _DATA,
        "video_path": None,
        "features": {k: f.entry() for k, f in features.items()} | _counter_entries(),
    }
    (folder / "meta/info.json").write_text(json.dumps(info, indent=4), encoding="utf-8")
    (folder / "meta/stats.json").write_text(json.dumps(_global_stats(table), indent=4), encoding="utf-8")


def _counter_entries() -> dict[str, dict[str, Any]]:
    kinds = {"timestamp": "float32", **dict.fromkeys(_COUNTERS, "int64")}
    return {key: {"dtype": dtype, "shape": [1], "names": None} for key, dtype in kinds.items()}


def _global_stats(table: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Statistics of all frames from those of the episodes; without quantiles, which do not add up."""
    out: dict[str, dict[str, list[float]]] = {}
    keys = [c[len("stats/") : -len("/mean")] for c in (table[0] if table else ()) if c.endswith("/mean")]
    for key in keys:
        low, high, mean, std, count = (
            np.array([row[f"stats/{key}/{n}"] for row in table]) for n in ("min", "max", "mean", "std", "count")
        )
        total = count.sum()
        centre = (mean * count).sum(0) / total
        spread = np.sqrt(((std**2 + (mean - centre) ** 2) * count).sum(0) / total)
        out[key] = {
            "min": low.min(0).tolist(),
            "max": high.max(0).tolist(),
            "mean": centre.tolist(),
            "std": spread.tolist(),
            "count": [int(total)],
        }
    return out
