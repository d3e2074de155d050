"""What is in a checkpoint, and does it fit?  The words behind `saydo weights inspect PATH`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from torch import Tensor

from agent.errors import WeightsError
from agent.executor.models.small_files import WEIGHTS, is_small, load_small
from agent.executor.models.weights import (
    Checkpoint,
    Tensors,
    check_keys,
    check_published,
    find_file,
    model_on_meta,
    open_checkpoint,
    open_tensors,
    pi0_config,
    shape_of,
)
from agent.executor.policies import described


@dataclass(frozen=True)
class Report:
    """A checkpoint, described without loading it into memory. `str(report)` is for people."""

    path: Path
    family: str
    layout: str
    tensors: int
    numbers: int
    dtypes: dict[str, int]
    parts: dict[str, int]
    """Part of the model -> how many numbers it has in the file."""
    used: int | None
    """Numbers the model takes; None if the model could not even be sized."""
    problem: str | None
    """None: every key is there, and has the right shape."""

    def __str__(self) -> str:
        lines = [
            f"{self.path}",
            f"  family    {self.family}    layout {self.layout}",
            f"  tensors   {self.tensors:,}    numbers {self.numbers:,}    " + ", ".join(f"{n} in {d}" for d, n in self.dtypes.items()),
            *(f"  {part:<64} {count:>15,}" for part, count in self.parts.items()),
        ]
        if self.used is not None:
            lines.append(f"  the model takes {self.used:,} numbers")
        lines.append("  fits" if self.problem is None else f"  DOES NOT FIT\n{self.problem}")
        return "\n".join(lines)


def inspect(path: str | Path) -> Report:
    """Find the weights under `path`, name their family and layout, and compare every key with the model's, of a small policy the hash as
    well. Raises WeightsError if nothing readable is there; a misfit is reported, not raised."""
    if is_small(path):
        file = find_file(Path(path) / WEIGHTS)
        checkpoint = Checkpoint(file, "saydo small", described(Path(path))["config"]["family"], open_tensors(file), {})
        used, problem = _fit_small(Path(path))
    else:
        checkpoint = open_checkpoint(path)
        used, problem = _fit(checkpoint)
    tensors = checkpoint.tensors
    shapes = {name: shape_of(tensors, name) for name in tensors}
    parts: Counter[str] = Counter()
    for name, shape in shapes.items():
        parts[_part(name)] += prod(shape)
    return Report(
        checkpoint.path,
        checkpoint.family,
        checkpoint.layout,
        len(shapes),
        sum(prod(shape) for shape in shapes.values()),
        dict(Counter(_dtype(tensors, name) for name in shapes)),
        dict(parts),
        used,
        problem,
    )


def _fit_small(folder: Path) -> tuple[int | None, str | None]:
    try:
        model = load_small(folder).model
    except WeightsError as error:
        return None, str(error)
    return sum(value.numel() for value in model.state_dict().values()), None


def _fit(checkpoint: Checkpoint) -> tuple[int | None, str | None]:
    used = None
    try:
        model = model_on_meta(checkpoint)
        wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        used = sum(prod(shape) for shape in wanted.values())
        if checkpoint.layout in ("openpi", "lerobot"):
            check_published(checkpoint, pi0_config(checkpoint))
        else:
            check_keys(wanted, {name: shape_of(checkpoint.tensors, name) for name in checkpoint.tensors}, checkpoint.path)
    except WeightsError as error:
        return used, str(error)
    return used, None


def _part(name: str) -> str:
    """The name up to its first layer number, at most five words."""
    words = name.split(".")[:-1]
    cut = next((k for k, word in enumerate(words) if word.isdigit()), len(words))
    return ".".join(words[: min(cut, 5)]) or name


def _dtype(tensors: Mapping[str, Tensor], name: str) -> str:
    if isinstance(tensors, Tensors):
        return str(tensors.where[name].get_slice(name).get_dtype())
    return str(tensors[name].dtype).removeprefix("torch.")
