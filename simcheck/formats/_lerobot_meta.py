"""The meta/ folder of a LeRobot dataset, v2.0 to v3.0: what it declares, and what it declares wrongly."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcheck.errors import FormatError, InputError
from simcheck.formats._files import (
    fill_template,
    read_json,
    read_json_lines,
    template_pattern,
    walk,
)
from simcheck.formats._lerobot_names import Feature, parse_feature
from simcheck.formats._lerobot_parquet import read_table
from simcheck.formats._lerobot_poses import pose_notes
from simcheck.trajectory import Note

INFO = "meta/info.json"
V2_FIELDS = ("episode_chunk", "episode_index")
V3_FIELDS = ("chunk_index", "file_index")
DATA_PATH = {
    2: "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    3: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
}
_MODALITY = {"state": "observation.state", "action": "action"}
_EPISODE_COLUMNS = (
    "episode_index", "length", "tasks", "data/chunk_index", "data/file_index",
    "dataset_from_index", "dataset_to_index",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Episode:
    """What the episodes table says of one episode; None where it does not say."""

    index: int
    file: str
    length: int | None
    first: int | None = None  # dataset_from_index: the value of `index` in its first frame
    end: int | None = None  # dataset_to_index
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Meta:
    """Everything under meta/ that reading an episode needs."""

    root: Path
    version: tuple[int, int]
    fps: float
    robot_type: str
    info: Mapping[str, Any]
    features: Mapping[str, Feature]
    videos: tuple[str, ...]
    episodes: Mapping[str, Episode]
    tasks: Mapping[int, str]
    data_path: str
    data_pattern: re.Pattern[str]
    notes: tuple[Note, ...]

    @property
    def table(self) -> str:
        """The file or folder that lists the episodes."""
        return "meta/episodes" if self.version[0] == 3 else "meta/episodes.jsonl"

    def data_files(self) -> Iterator[str]:
        """Data files that are there, whether declared or not."""
        folder = self.data_path.partition("{")[0].rpartition("/")[0]
        return (f for f in walk(self.root, folder) if self.data_pattern.fullmatch(f))


def read_meta(root: Path) -> Meta:
    """Read and judge meta/; no data file is touched.

    Raises:
        FormatError: something without which no episode can be read is missing or wrong.
        RefusedError: a path or file that would be unsafe to read.
    """
    info = _info(root)
    version = _version(info)
    declared = info.get("features")
    if not isinstance(declared, dict):
        raise FormatError(f"{INFO}: 'features' is {declared!r:.60}; expected an object of feature entries")
    features, notes = _features(declared, _slices(root))
    template = info.get("data_path") or DATA_PATH[version[0]]
    fields = V3_FIELDS if version[0] == 3 else V2_FIELDS
    if not isinstance(template, str):
        raise FormatError(f"{INFO}: 'data_path' is {template!r:.60}; expected a path template")
    pattern = template_pattern(template, fields, INFO)
    rows = _table_rows(root) if version[0] == 3 else read_json_lines(root, "meta/episodes.jsonl")
    episodes, more = _episodes(rows, template, version[0], _chunk_size(info))
    robot_type = info.get("robot_type")
    return Meta(
        root=root,
        version=version,
        fps=_fps(info),
        robot_type=robot_type if isinstance(robot_type, str) else "",
        info=info,
        features=features,
        videos=tuple(k for k, v in declared.items() if isinstance(v, dict) and v.get("dtype") == "video"),
        episodes=episodes,
        tasks=_tasks(root),
        data_path=template,
        data_pattern=pattern,
        notes=(*notes, *pose_notes(features), *more),
    )


def _info(root: Path) -> dict[str, Any]:
    try:
        return read_json(root, INFO)
    except InputError as error:
        raise type(error)(f"{root.resolve().name}: a LeRobot dataset by its folders, but {error}") from error


def _version(info: Mapping[str, Any]) -> tuple[int, int]:
    said = info.get("codebase_version")
    match = re.fullmatch(r"v?([0-9]{1,3})\.([0-9]{1,3})(\.[0-9]+)?", said) if isinstance(said, str) else None
    if match is None:
        raise FormatError(f'{INFO}: codebase_version is {said!r}; expected "v2.0", "v2.1" or "v3.0"')
    major, minor = int(match[1]), int(match[2])
    if major == 1:
        raise FormatError(V1_ADVICE)
    if major not in DATA_PATH:
        raise FormatError(f"{INFO}: codebase_version {said} is not known; simcheck reads v2.0, v2.1 and v3.0")
    return major, minor


V1_ADVICE = (
    "LeRobot v1 dataset: simcheck reads v2.0, v2.1 and v3.0. Convert it first with lerobot 0.3: "
    "python -m lerobot.datasets.v2.convert_dataset_v1_to_v2 --repo-id <owner/name> --single-task <text>"
)


def _fps(info: Mapping[str, Any]) -> float:
    fps = info.get("fps")
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < 1e6 or math.isnan(fps):
        raise FormatError(f"{INFO}: fps is {fps!r:.40}; expected frames per second, a number above 0")
    return float(fps)


def _chunk_size(info: Mapping[str, Any]) -> int:
    size = info.get("chunks_size", 1000)
    if type(size) is not int or size < 1:
        raise FormatError(f"{INFO}: chunks_size is {size!r:.40}; expected a whole number above 0, usually 1000")
    return size


def _slices(root: Path) -> dict[str, dict[str, Any]]:
    """GR00T slices by the feature they divide; {} for a dataset of another flavour."""
    if not (root / "meta/modality.json").exists():
        return {}
    modality = read_json(root, "meta/modality.json")
    out: dict[str, dict[str, Any]] = {}
    for kind, usual in _MODALITY.items():
        entries = modality.get(kind)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            key = entry.get("original_key") if isinstance(entry, dict) else None
            out.setdefault(key if isinstance(key, str) else usual, {})[name] = entry
    return out


def _features(declared: dict[str, Any], slices: dict[str, Any]) -> tuple[dict[str, Feature], list[Note]]:
    out: dict[str, Feature] = {}
    notes: list[Note] = []
    for key, entry in declared.items():
        feature, more = parse_feature(key, entry, slices.get(key, {}))
        notes += more
        if feature is not None:
            out[key] = feature
    return out, notes


def _table_rows(root: Path) -> Iterator[dict[str, Any]]:
    """Rows of the v3 episodes table, without its hundred columns of statistics."""
    files = [f for f in walk(root, "meta/episodes") if f.endswith(".parquet")]
    if not files:
        raise FormatError("meta/episodes: holds no Parquet file; expected meta/episodes/chunk-000/file-000.parquet")
    for file in files:
        yield from read_table(root, file, _EPISODE_COLUMNS).to_pylist()


def _episodes(
    rows: Iterable[Mapping[str, Any]], template: str, major: int, chunk_size: int
) -> tuple[dict[str, Episode], list[Note]]:
    out: dict[int, Episode] = {}
    notes: list[Note] = []
    place = "meta/episodes" if major == 3 else "meta/episodes.jsonl"
    for number, row in enumerate(rows):
        index = _count(row.get("episode_index"))
        if index is None:
            found = f"row {number}: episode_index is {row.get('episode_index')!r:.40}"
            notes.append(Note("D114", place, f"{found}; expected 0, 1, …; the row is ignored"))
        elif index in out:
            notes.append(Note("D114", place, f"row {number}: episode {index} is listed twice; the first row is used"))
        else:
            out[index] = _episode(index, row, template, major, chunk_size)
    if not out:
        raise FormatError(f"{place}: lists no episode")
    return {f"episode_{i:06d}": out[i] for i in sorted(out)}, notes


def _episode(index: int, row: Mapping[str, Any], template: str, major: int, chunk_size: int) -> Episode:
    if major == 3:
        chunk, file = _count(row.get("data/chunk_index")), _count(row.get("data/file_index"))
        if chunk is None or file is None:
            chunk = file = 0
        fields = {"chunk_index": chunk, "file_index": file}
    else:
        fields = {"episode_chunk": index // chunk_size, "episode_index": index}
    tasks = row.get("tasks")
    return Episode(
        index=index,
        file=fill_template(template, fields, INFO),
        length=_count(row.get("length")),
        first=_count(row.get("dataset_from_index")),
        end=_count(row.get("dataset_to_index")),
        tasks=tuple(t for t in tasks if isinstance(t, str)) if isinstance(tasks, list) else (),
    )


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def _tasks(root: Path) -> dict[int, str]:
    """Task texts by task_index; {} where the dataset has no table of them."""
    if (root / "meta/tasks.parquet").exists():
        rows: Iterable[Mapping[str, Any]] = read_table(
            root, "meta/tasks.parquet", ("task_index", "task", "__index_level_0__")
        ).to_pylist()
    elif (root / "meta/tasks.jsonl").exists():
        rows = read_json_lines(root, "meta/tasks.jsonl")
    else:
        return {}
    # pandas stored the text as an index without a name; newer writers call the column "task".
    pairs = ((_count(r.get("task_index")), r.get("task", r.get("__index_level_0__"))) for r in rows)
    return {index: text for index, text in pairs if index is not None and isinstance(text, str)}
