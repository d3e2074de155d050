"""A reader of LeRobotDataset v3, written from the format's documentation and from how its own reader opens a folder, not from our writer.

Files are found by the templates in info.json and the numbers in the episodes' table, sentences by pandas' rule for index columns, features
by their declared type: pictures as {bytes, path}, one number plain, vectors and matrices as lists. Windows of `delta` frames are clamped to
their episode, and say which entries are padding.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

DEFAULT = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64"}
EPISODE_COLUMNS = {"episode_index", "tasks", "length", "dataset_from_index", "dataset_to_index", "data/chunk_index", "data/file_index",
                   "meta/episodes/chunk_index", "meta/episodes/file_index"}  # fmt: skip


class LeRobotV3:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.info = json.loads((root / "meta/info.json").read_text())
        self.check_info()
        self.tasks = self.read_tasks()
        tables = [pq.read_table(path) for path in sorted((root / "meta/episodes").glob("*/*.parquet"))]
        self.episodes = pa.concat_tables(tables).to_pylist()
        self.stats = json.loads((root / "meta/stats.json").read_text())
        self._files: dict[tuple[int, int], pa.Table] = {}

    def check_info(self) -> None:
        info = self.info
        assert info["codebase_version"] == "v3.0"
        assert isinstance(info["fps"], int) and info["fps"] > 0
        assert all(info[name] > 0 for name in ("chunks_size", "data_files_size_in_mb", "video_files_size_in_mb"))
        assert info["video_path"] is None or "{video_key}" in info["video_path"]
        for name, dtype in DEFAULT.items():
            assert info["features"][name]["dtype"] == dtype and info["features"][name]["shape"] == [1]
        assert all("/" not in name for name in info["features"])
        assert info["splits"] == {"train": f"0:{info['total_episodes']}"}

    def read_tasks(self) -> list[str]:
        """Row i belongs to task_index i; the sentences are the index of the data frame."""
        table = pq.read_table(self.root / "meta/tasks.parquet")
        (index,) = json.loads(table.schema.metadata[b"pandas"])["index_columns"]
        assert table["task_index"].to_pylist() == list(range(len(table)))
        return list(table[index].to_pylist())

    def check_whole(self) -> None:
        """Every count and every pointer of the metadata holds."""
        info = self.info
        assert len(self.episodes) == info["total_episodes"] and len(self.tasks) == info["total_tasks"] == len(set(self.tasks))
        paths = sorted((self.root / "data").glob("*/*.parquet"))
        rows = [row for path in paths for row in pq.read_table(path, columns=["index", "episode_index"]).to_pylist()]
        assert [row["index"] for row in rows] == list(range(info["total_frames"]))
        start = 0
        for number, episode in enumerate(self.episodes):
            assert set(episode) >= EPISODE_COLUMNS
            assert episode["episode_index"] == number and episode["dataset_from_index"] == start
            assert episode["dataset_to_index"] == start + episode["length"]
            frames = [self.frame(index) for index in (start, episode["dataset_to_index"] - 1)]
            assert [frame["frame_index"] for frame in frames] == [0, episode["length"] - 1]
            for frame in frames:
                assert frame["episode_index"] == number and frame["task"] in episode["tasks"]
                assert abs(frame["timestamp"] - frame["frame_index"] / info["fps"]) < 1e-4
            start = episode["dataset_to_index"]
        assert start == info["total_frames"]

    def check_stats(self) -> None:
        for name, feature in self.info["features"].items():
            if feature["dtype"] == "string":
                assert name not in self.stats
                continue
            shape = (3, 1, 1) if feature["dtype"] == "image" else tuple(feature["shape"])
            for key in ("min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99"):
                assert np.shape(self.stats[name][key]) == shape, (name, key)
            assert np.shape(self.stats[name]["count"]) == (1,)

    def file_of(self, index: int) -> tuple[pa.Table, int]:
        episode = next(e for e in self.episodes if e["dataset_from_index"] <= index < e["dataset_to_index"])
        key = episode["data/chunk_index"], episode["data/file_index"]
        if key not in self._files:
            path = self.info["data_path"].format(chunk_index=key[0], file_index=key[1])
            self._files[key] = pq.read_table(self.root / path)
        table = self._files[key]
        return table, index - table["index"][0].as_py()

    def frame(self, index: int) -> dict[str, Any]:
        table, row = self.file_of(index)
        assert set(table.column_names) == set(self.info["features"])
        found: dict[str, Any] = {}
        for name, feature in self.info["features"].items():
            value = table[name][row].as_py()
            if feature["dtype"] == "image":
                assert set(value) == {"bytes", "path"}
                found[name] = np.asarray(Image.open(io.BytesIO(value["bytes"])).convert("RGB"))
                assert list(found[name].shape) == feature["shape"]
            elif feature["shape"] == [1]:
                assert not isinstance(value, list)
                found[name] = value
            else:
                found[name] = np.array(value, dtype=feature["dtype"])
                assert list(found[name].shape) == feature["shape"]
        return {**found, "task": self.tasks[found["task_index"]]}

    def window(self, index: int, name: str, delta: range) -> tuple[np.ndarray, list[bool]]:
        """A feature at several frames around one, and which of them lie outside of its episode."""
        episode = next(e for e in self.episodes if e["dataset_from_index"] <= index < e["dataset_to_index"])
        first, last = episode["dataset_from_index"], episode["dataset_to_index"] - 1
        rows = [self.frame(min(max(index + step, first), last))[name] for step in delta]
        return np.array(rows), [not first <= index + step <= last for step in delta]
