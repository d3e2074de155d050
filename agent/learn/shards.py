"""Writing a dataset shard by shard: each is made by itself, anywhere, and gets its place in the whole when it is appended.

A shard travels as the bytes of a parquet file whose episodes are counted from 0 and whose sentences are written out. `Writer.append`
numbers frames, episodes and sentences on from those before, and writes the shard's two files and then the metadata, each whole or not at
all: a process that is killed leaves a dataset without its last shard, and a writer that is opened again goes on there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from agent.errors import RecordError
from agent.executor.files import replace_file
from agent.learn.dataset import FEATURES, RATE_HZ, VIEWS, decoded
from agent.types import Array

QUALITY = 92
FILES_PER_CHUNK = 1000
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
NOTE = b"saydo"
"""Key of a file's own note: which shard it is, by which recipe, its sentences and statistics."""
PICTURES_COUNTED = 20
"""One picture in so many goes into the statistics."""

Stats = dict[str, dict[str, Array]]


@dataclass(frozen=True, eq=False)
class Frame:
    """One row: what is seen and what is to be learned there. Shapes are those of dataset.FEATURES."""

    images: Mapping[str, bytes]
    """View → an encoded picture."""
    state: Array
    chunk: Array
    points: Array
    """float32[V, 3, 3]."""
    words: str
    skill: str
    args: Mapping[str, str]
    kind: str
    look: str
    seed: int


def encoded(image: Array) -> bytes:
    """uint8[h, w, 3] → JPEG with full colour resolution, a third of PNG's time."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


# --- a shard ------------------------------------------------------------------------------------------------------------------


def arrow_type(feature: Mapping[str, Any]) -> pa.DataType:
    """How the format stores a feature: numbers plain, vectors as lists of fixed length, matrices as lists of lists."""
    if feature["dtype"] == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    value, shape = pa.type_for_alias(feature["dtype"]), feature["shape"]
    if shape == [1]:
        return value
    return pa.list_(value, shape[0]) if len(shape) == 1 else pa.list_(pa.list_(value))


def shard(episodes: Sequence[Sequence[Frame]]) -> bytes:
    """Episodes as a parquet file with numbers of its own."""
    frames = [frame for episode in episodes for frame in episode]
    within = [number for episode in episodes for number in range(len(episode))]
    columns: dict[str, Any] = {
        **{f"observation.images.{view}": [{"bytes": f.images[view], "path": None} for f in frames] for view in VIEWS},
        "observation.state": [f.state for f in frames],
        "action": [f.chunk[0] for f in frames],
        "chunk": [f.chunk.tolist() for f in frames],
        **{f"point.{view}": [f.points[number].tolist() for f in frames] for number, view in enumerate(VIEWS)},
        "skill": [f.skill for f in frames],
        "args": [json.dumps(dict(f.args)) for f in frames],
        "kind": [f.kind for f in frames],
        "look": [f.look for f in frames],
        "seed": [f.seed for f in frames],
        "timestamp": np.array(within, dtype=np.float32) / np.float32(RATE_HZ),
        "frame_index": within,
        "episode_index": [number for number, episode in enumerate(episodes) for _ in episode],
        "words": [f.words for f in frames],
    }
    kinds = {name: pa.string() if name == "words" else arrow_type(FEATURES[name]) for name in columns}
    table = pa.table({name: pa.array(column, kinds[name]) for name, column in columns.items()})
    return _file(table)


def _file(table: pa.Table, note: Mapping[str, Any] | None = None) -> bytes:
    file = BytesIO()
    if note is not None:
        table = table.replace_schema_metadata({NOTE: json.dumps(note)})
    pq.write_table(table, file, compression="snappy", use_dictionary=["skill", "kind", "look", "args", "words"])
    return file.getvalue()


# --- a dataset ----------------------------------------------------------------------------------------------------------------


class Writer:
    """Grows one dataset. `made` says by what (recipe, seeds, versions): a folder that was made otherwise is refused with a RecordError."""

    def __init__(self, folder: Path, made: Mapping[str, Any], about: str) -> None:
        self.folder, self.made, self.about = folder, dict(made), about
        self.frames = self.episodes = self.shards = 0
        self._tasks: dict[str, int] = {}
        self._stats: list[Stats] = []
        self._check()
        while (path := self._path(DATA, self.shards)).is_file() and self._path(EPISODES, self.shards).is_file():
            note = json.loads(pq.read_schema(path).metadata[NOTE])
            self._count(note, pq.read_metadata(path).num_rows)

    def _check(self) -> None:
        info = self.folder / "meta/info.json"
        if info.is_file() and (theirs := json.loads(info.read_text(encoding="utf-8")).get("made") or {}) != self.made:
            what = [key for key in {**self.made, **theirs} if theirs.get(key) != self.made.get(key)]
            raise RecordError(f"{self.folder} holds a dataset that was made otherwise ({', '.join(what)} differ). Give another --out.")

    def _path(self, pattern: str, number: int) -> Path:
        chunk, file = divmod(number, FILES_PER_CHUNK)
        return self.folder / pattern.format(chunk_index=chunk, file_index=file)

    def _count(self, note: Mapping[str, Any], frames: int) -> None:
        self.shards += 1
        self.frames += frames
        self.episodes += note["episodes"]
        for words in note["tasks"]:
            self._tasks.setdefault(words, len(self._tasks))
        self._stats.append({name: {key: np.array(value) for key, value in one.items()} for name, one in note["stats"].items()})

    def append(self, made: bytes) -> None:
        """Take the next shard in; equal shards in equal order give equal files."""
        table = pq.read_table(BytesIO(made))
        words = table["words"].to_pylist()
        for sentence in words:
            self._tasks.setdefault(sentence, len(self._tasks))
        within = table["episode_index"].to_numpy()
        columns = {name: table[name] for name in FEATURES if name in table.column_names}
        columns["episode_index"] = pa.array(within + self.episodes)
        columns["index"] = pa.array(np.arange(len(table)) + self.frames)
        columns["task_index"] = pa.array([self._tasks[sentence] for sentence in words], pa.int64())
        numbered = pa.table({name: columns[name] for name in FEATURES})
        note = {"shard": self.shards, "episodes": int(within.max()) + 1, "tasks": list(dict.fromkeys(words)),
                "stats": listed(stats_of(numbered))}  # fmt: skip
        self._write(DATA, _file(numbered, note))
        self._write(EPISODES, self._episodes(within, words))
        self._count(note, len(table))
        self.finish()

    def _write(self, pattern: str, data: bytes) -> None:
        path = self._path(pattern, self.shards)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)

    def _episodes(self, within: Array, words: Sequence[str]) -> bytes:
        """One row for each episode of a shard."""
        first = np.flatnonzero(np.diff(within, prepend=-1))
        last = np.append(first[1:], len(within))
        chunk, file = divmod(self.shards, FILES_PER_CHUNK)
        count = len(first)
        columns = {
            "episode_index": pa.array(np.arange(count) + self.episodes),
            "tasks": pa.array([list(dict.fromkeys(words[a:b])) for a, b in zip(first.tolist(), last.tolist(), strict=True)]),
            "length": pa.array(last - first),
            "dataset_from_index": pa.array(first + self.frames),
            "dataset_to_index": pa.array(last + self.frames),
            **{f"{where}/{what}": pa.array(np.full(count, number))
               for where in ("data", "meta/episodes") for what, number in (("chunk_index", chunk), ("file_index", file))},
        }  # fmt: skip
        return _file(pa.table(columns))

    def finish(self) -> None:
        """Write the metadata of what is there; info.json last, which is what readers go by."""
        meta = self.folder / "meta"
        meta.mkdir(parents=True, exist_ok=True)
        replace_file(meta / "tasks.parquet", tasks_file(list(self._tasks)))
        replace_file(meta / "stats.json", json.dumps({name: listed(one) for name, one in merged(self._stats).items()}).encode())
        replace_file(self.folder / "README.md", card(self.about).encode())
        replace_file(meta / "info.json", json.dumps(self._info(), indent=1).encode())

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": "v3.0", "robot_type": "panda", "fps": RATE_HZ, "total_episodes": self.episodes, "total_frames": self.frames,
            "total_tasks": len(self._tasks), "chunks_size": FILES_PER_CHUNK, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
            "splits": {"train": f"0:{self.episodes}"}, "data_path": DATA, "video_path": None, "features": FEATURES, "made": self.made,
        }  # fmt: skip


def tasks_file(tasks: Sequence[str]) -> bytes:
    """The sentences in the order of their numbers, as pandas writes a table with them as its index."""
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    column = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    index = {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    pandas = {
        "index_columns": ["task"], "column_indexes": [{**column, "metadata": {"encoding": "UTF-8"}}], "pandas_version": "2.0.0",
        "columns": [index, {**column, "name": "task", "field_name": "task"}], "creator": {"library": "pyarrow", "version": pa.__version__},
    }  # fmt: skip
    file = BytesIO()
    pq.write_table(table.replace_schema_metadata({b"pandas": json.dumps(pandas)}), file)
    return file.getvalue()


# --- statistics -----------------------------------------------------------------------------------------------------------------


def stats_of(table: pa.Table) -> Stats:
    """Of each feature that has numbers, over the frames of a numbered shard; of pictures per channel, as [3, 1, 1], from 0 to 1."""
    found: Stats = {}
    for name, feature in FEATURES.items():
        if feature["dtype"] == "string":
            continue
        if feature["dtype"] == "image":
            pictures = table[name].combine_chunks().field("bytes").to_pylist()[::PICTURES_COUNTED]
            values = np.stack([decoded(picture) for picture in pictures]).reshape(len(pictures), -1, 3) / 255
            found[name] = {key: value.reshape(3, 1, 1) for key, value in statistics(values.reshape(-1, 3)).items()}
            found[name]["count"] = np.array([len(pictures)])
        else:
            values = np.array(table[name].to_pylist(), dtype=float).reshape(len(table), *feature["shape"])
            found[name] = {**statistics(values), "count": np.array([len(table)])}
    return found


def statistics(values: Array) -> dict[str, Array]:
    """Over the first axis."""
    named = zip(QUANTILES, np.quantile(values, list(QUANTILES.values()), axis=0), strict=True)
    return {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0), **dict(named)}


def merged(parts: Sequence[Stats]) -> Stats:
    """Of several shards together. Exact, but for quantiles: of these the mean over the shards, which are all drawn alike."""
    whole: Stats = {}
    for name in parts[0] if parts else ():
        of = {key: np.stack([part[name][key] for part in parts]) for key in parts[0][name]}
        count = of.pop("count")
        weight = (count / count.sum()).reshape(-1, *[1] * (of["mean"].ndim - 1))
        mean = (weight * of["mean"]).sum(0)
        square = (weight * (of["std"] ** 2 + (of["mean"] - mean) ** 2)).sum(0)
        whole[name] = {"min": of["min"].min(0), "max": of["max"].max(0), "mean": mean, "std": np.sqrt(square), "count": count.sum(0),
                       **{key: (weight * of[key]).sum(0) for key in QUANTILES}}  # fmt: skip
    return whole


def listed(stats: Any) -> Any:
    """Arrays as lists, for JSON."""
    return {key: listed(value) for key, value in stats.items()} if isinstance(stats, dict) else np.asarray(stats).tolist()


def card(about: str) -> str:
    """README.md of a dataset, as hubs show it."""
    head = "---\ntags: [LeRobot]\ntask_categories: [robotics]\nconfigs:\n- config_name: default\n  data_files: data/*/*.parquet\n---\n"
    return f"{head}\n{about}\n"
