"""LeRobot datasets to order, and ways to make them contradict themselves."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simcheck.formats import ReadOptions
from simcheck.formats._lerobot_write import FeatureSpec, NewEpisode, write_dataset
from simcheck.formats.lerobot import open_dataset

JOINTS = ("pan.pos", "lift.pos", "grip.pos")
STATE, ACTION = "observation.state", "action"
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"


def opened(folder, **units):
    return open_dataset(folder, ReadOptions(units=units))


def episode(frames=10, seed=0, task="lift", **more):
    values = np.random.default_rng(seed).normal(size=(frames, 3))
    return NewEpisode({STATE: values, ACTION: values + 0.1, **more}, task)


def plain(folder, *episodes, **options):
    features = {STATE: FeatureSpec(JOINTS), ACTION: FeatureSpec(JOINTS)}
    return write_dataset(folder, episodes or (episode(8, 0), episode(12, 1), episode(9, 2)), features, **options)


def edit_info(folder, **changes):
    path = folder / "meta/info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_feature(folder, key, **changes):
    features = json.loads((folder / "meta/info.json").read_text())["features"]
    edit_info(folder, features={**features, key: {**features[key], **changes}})


def edit_table(path, **columns):
    """Replace columns of a Parquet file; None drops one."""
    table = pq.read_table(path)
    for name, values in columns.items():
        name = name.replace("__", "/")
        table = table.drop_columns([name]) if name in table.column_names else table
        table = table if values is None else table.append_column(name, pa.array(values))
    pq.write_table(table, path, row_group_size=len(table), write_page_checksum=True)


def as_v21(folder, source):
    """The dataset `source` in the layout of v2.1."""
    dataset = pq.read_table(source / DATA)
    (folder / "meta").mkdir(parents=True)
    info = json.loads((source / "meta/info.json").read_text())
    data_path = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    info |= {"codebase_version": "v2.1", "data_path": data_path, "total_chunks": 1}
    (folder / "meta/info.json").write_text(json.dumps(info))
    (folder / "meta/tasks.jsonl").write_text('{"task_index": 0, "task": "lift"}\n')
    lines = []
    for index in range(info["total_episodes"]):
        rows = dataset.filter(pc.equal(dataset["episode_index"], index))
        file = folder / f"data/chunk-000/episode_{index:06d}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, file, write_page_checksum=True)
        lines.append(json.dumps({"episode_index": index, "tasks": ["lift"], "length": len(rows)}))
    (folder / "meta/episodes.jsonl").write_text("\n".join(lines))
    return folder


def messages(notes, code="D114"):
    assert {n.code for n in notes} <= {code}
    return [n.message for n in notes]
