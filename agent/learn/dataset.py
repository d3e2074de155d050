"""Demonstrations on disk, and how training reads them.

A dataset is a folder in the layout of LeRobotDataset v3, whose documentation and reader define it:

    meta/info.json                               features, counts, rate, path templates
    meta/stats.json                              per feature: min, max, mean, std, count, quantiles
    meta/tasks.parquet                           every sentence, with its number
    meta/episodes/chunk-000/file-000.parquet     per episode: length, rows, file, sentence
    data/chunk-000/file-000.parquet              the frames, pictures as encoded bytes in them

`saydo collect` writes two beside each other. *demos*: episodes of consecutive frames at 20 Hz, as every reader of the format expects them.
*states*: episodes of a single frame, drawn and not driven to, so `chunk` is what is to be learned there, not the actions of later frames.
Every frame has both, so one reader serves both.
"""

import json
import os
from bisect import bisect_right
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from agent.errors import RecordError
from agent.learn.recipe import Recipe
from agent.types import Array

VIEWS = ("front", "wrist")
"""Cameras, in the order of the V axis."""
SIDE = 96
"""Height and width of a picture, px, rendered at that size. A policy that is given larger ones takes the nearest pixels, which is as if."""
HORIZON, RATE_HZ = 32, 20
STATE = (*(f"joint{number}" for number in range(1, 8)), "x", "y", "z", "rx", "ry", "rz", "width")
ACTION = ("x", "y", "z", "rx", "ry", "rz", "gripper")
POINTS = ("thing", "target", "spot")
"""What is pointed at in each picture: what the hand works on; what the sentence brings it to, if anything (of a knob: where it shows now);
and the place where it is to come to rest, which nothing need mark; of a push, where the fingers come down."""
POINT = ("u", "v", "visible")
"""Of a point: across and down the picture, 0 to 1, and 1 if it can be seen (0: hidden, out of view, or there is no such thing)."""


def _numbers(dtype: str, *shape: int, names: Sequence[str] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "names": list(names) if names else None}


FEATURES: dict[str, dict[str, Any]] = {
    **{f"observation.images.{view}": _numbers("image", SIDE, SIDE, 3, names=("height", "width", "channels")) for view in VIEWS},
    "observation.state": _numbers("float32", len(STATE), names=STATE),
    "action": _numbers("float32", len(ACTION), names=ACTION),
    "chunk": _numbers("float32", HORIZON, len(ACTION)),
    **{f"point.{view}": _numbers("float32", len(POINTS), len(POINT)) for view in VIEWS},
    "skill": _numbers("string", 1),
    "args": _numbers("string", 1),
    "kind": _numbers("string", 1),
    "look": _numbers("string", 1),
    "seed": _numbers("int64", 1),
    "timestamp": _numbers("float32", 1),
    **{name: _numbers("int64", 1) for name in ("frame_index", "episode_index", "index", "task_index")},
}
"""As in info.json. `action` is the first row of `chunk`; `args` is the subtask's arguments as JSON; `kind` is one of KINDS."""
KINDS = ("random", "near", "at grasp", "missed", "held", "released", "off path", "driven")
"""How a frame came about: the hand anywhere; near what it works on; about to grasp; closed beside it; with something in the hand; having
just let go; displaced from the way there; driven by physics."""


class Samples:
    """Random access to the frames of one or several datasets. Memory-mapped; any number of processes may read.

    folders: each a dataset, or a folder of datasets (`states`, `demos`); all are read as one. A dataset that is still being written is
    read as far as its info.json goes. The first use makes uncompressed copies of its files in `.cache`, which may be removed.
    """

    def __init__(self, *folders: str | Path) -> None:
        self.folders = [Path(folder) for folder in folders]
        roots = [root for folder in self.folders for root in _roots(folder)]
        self.sets = {"/".join(root.parts[-2:]): _info(root) for root in roots}
        """Name → info.json of each: "tabletop/states"."""
        if len(self.sets) < len(roots):
            raise RecordError(f"Two of these datasets would be called the same: {', '.join(map(str, roots))}. Rename a folder.")
        self._tables, self._images = [], []
        self.tasks: list[str] = []
        """Every sentence; `task` of a batch is an index into it."""
        numbers: dict[str, int] = {}
        self._task_of: list[Array] = []
        self._set_of: list[Array] = []
        for number, (root, info) in enumerate(zip(roots, self.sets.values(), strict=True)):
            own = [str(words) for words in pq.read_table(root / "meta/tasks.parquet")["task"].to_pylist()]
            known = np.array([numbers.setdefault(words, len(numbers)) for words in own], dtype=np.int64)
            for table in _tables(root, info["total_frames"]):
                self._tables.append(table)
                self._images.append([table[f"observation.images.{view}"].chunk(0).field("bytes") for view in VIEWS])
                self._task_of.append(known[table["task_index"].to_numpy()])
                self._set_of.append(np.full(len(table), number))
        self.tasks = list(numbers)
        self._starts = np.concatenate([[0], np.cumsum([len(table) for table in self._tables])]).tolist()
        self._columns: dict[str, list[Array]] = {}
        self.skills, self.looks = self._vocabulary("skill"), self._vocabulary("look")
        """Names; `skill` and `look` of a batch are indices into them."""
        self.kinds = KINDS

    def __reduce__(self) -> tuple[Any, ...]:
        return Samples, tuple(self.folders)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def stats(self) -> dict[str, dict[str, Array]]:
        """Of the numeric features over all frames: min, max, mean, std, by feature; float64 in the feature's shape."""
        names = [name for name, feature in FEATURES.items() if feature["dtype"] == "float32" and name != "timestamp"]
        columns = {name: self.column(name) for name in names}
        return {name: {"min": a.min(0), "max": a.max(0), "mean": a.mean(0, dtype=float), "std": a.std(0, dtype=float)}
                for name, a in columns.items()}  # fmt: skip

    @property
    def taught(self) -> dict[str, Any]:
        """What can be learned from these data, for the card of a policy: skills; by which recipes, and which kinds of things their scenes
        have, where `saydo collect` left notes of that."""
        notes = [folder / "recipe.json" for folder in self.folders]
        if not all(note.is_file() for note in notes):
            return {"skills": self.skills}
        recipes = [Recipe.model_validate_json(note.read_text(encoding="utf-8")) for note in notes]
        kinds = sorted({kind for recipe in recipes for kind in recipe.kinds})
        seeds = {name: about["made"]["seed_base"] for name, about in self.sets.items()}
        return {"recipes": {recipe.name: recipe.sha256 for recipe in recipes}, "skills": self.skills, "kinds": kinds, "seed_bases": seeds}

    def column(self, name: str) -> Array:
        """A feature over all frames, [N, …]: numbers as they are, skill, look and kind as indices, `task` into `tasks`, `set` into
        `sets`. No pictures."""
        return np.concatenate(self._parts(name))

    def batch(self, indices: Sequence[int] | Array) -> dict[str, Any]:
        """B frames, by index.

        images uint8[B, V, H, W, 3], RGB, in the order of VIEWS; state float32[B, 14]; action float32[B, 7]; chunk float32[B, 32, 7];
        points float32[B, V, 3, 3]: POINTS × POINT; words list[str]; task, skill, kind, look, seed, episode, frame int64[B].
        """
        at = [self._locate(int(index)) for index in indices]
        taken = {key: self._take(name, at) for key, name in _BATCH.items()}
        points = np.stack([self._take(f"point.{view}", at) for view in VIEWS], axis=1)
        words = [self.tasks[number] for number in taken["task"]]
        return {"images": self._pictures(at), **taken, "points": points, "words": words}

    def _locate(self, index: int) -> tuple[int, int]:
        """(file, row) of a frame."""
        if not 0 <= index < len(self):
            raise IndexError(f"There is no frame {index}: this dataset has {len(self)}.")
        file = bisect_right(self._starts, index) - 1
        return file, index - self._starts[file]

    def _pictures(self, at: list[tuple[int, int]]) -> Array:
        images = np.empty((len(at), len(VIEWS), SIDE, SIDE, 3), np.uint8)
        for number, (file, row) in enumerate(at):
            for view, encoded in enumerate(self._images[file]):
                images[number, view] = decoded(encoded[row].as_py())
        return images

    def _take(self, name: str, at: list[tuple[int, int]]) -> Array:
        parts = self._parts(name)
        return np.stack([parts[file][row] for file, row in at])

    def _parts(self, name: str) -> list[Array]:
        """A column, file by file."""
        if name not in self._columns:
            known = {"task": self._task_of, "set": self._set_of}
            self._columns[name] = known[name] if name in known else [self._read(table, name) for table in self._tables]
        return self._columns[name]

    def _read(self, table: pa.Table, name: str) -> Array:
        column = table[name].chunk(0)
        if FEATURES[name]["dtype"] == "string":
            if name == "args":
                return np.array(column.to_pylist(), dtype=object)
            known = {"skill": self.skills, "look": self.looks, "kind": KINDS}[name]
            return np.array([known.index(value) for value in column.to_pylist()], dtype=np.int64)
        while isinstance(column, pa.ListArray | pa.FixedSizeListArray):
            column = column.flatten()
        shape = FEATURES[name]["shape"]
        return column.to_numpy(zero_copy_only=True).reshape(len(table), *(shape if shape != [1] else ()))

    def _vocabulary(self, name: str) -> list[str]:
        return sorted({value for table in self._tables for value in table[name].unique().to_pylist()})


_BATCH = {"state": "observation.state", "action": "action", "chunk": "chunk", "task": "task", "skill": "skill", "kind": "kind",
          "look": "look", "seed": "seed", "episode": "episode_index", "frame": "frame_index"}  # fmt: skip
"""Key in a batch → feature."""


def decoded(encoded: bytes) -> Array:
    """A picture's bytes → uint8[h, w, 3], RGB."""
    image = Image.open(BytesIO(encoded), formats=("JPEG", "PNG"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _roots(folder: Path) -> list[Path]:
    """The datasets of a folder, or it."""
    folder = folder.absolute()
    found = [folder] if (folder / "meta/info.json").is_file() else [at.parents[1] for at in sorted(folder.glob("*/meta/info.json"))]
    if not found:
        raise RecordError(f"There is no dataset in {folder}: neither it nor a folder in it has a meta/info.json. "
                          "Make one with `saydo collect`.")  # fmt: skip
    return found


def _info(root: Path) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    return info


def _tables(root: Path, frames: int) -> list[pa.Table]:
    """The first files of a dataset that hold so many frames, memory-mapped."""
    tables: list[pa.Table] = []
    for path in sorted((root / "data").glob("chunk-*/file-*.parquet")):
        if sum(len(table) for table in tables) >= frames:
            break
        tables.append(_mapped(path, root / ".cache" / f"{path.parent.name}-{path.stem}.arrow"))
    found = sum(len(table) for table in tables)
    if found != frames:
        raise RecordError(f"The dataset {root} should have {frames} frames by its info.json, but its files hold {found}. "
                          "Finish or repair it with `saydo collect`, or take it from where it came again.")  # fmt: skip
    return tables


def _mapped(path: Path, copy: Path) -> pa.Table:
    """A parquet file as a memory-mapped Arrow table of one chunk; `copy` is made if it is missing or older."""
    if not copy.exists() or copy.stat().st_mtime_ns < path.stat().st_mtime_ns:
        copy.parent.mkdir(exist_ok=True)
        part = copy.with_name(f"{copy.name}.{os.getpid()}.part")
        table = pq.read_table(path, use_threads=False).combine_chunks()
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        os.replace(part, copy)
    return pa.ipc.open_file(pa.memory_map(str(copy))).read_all().combine_chunks()
