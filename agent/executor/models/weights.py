"""Published checkpoints into our models: find the file, know the layout, check every key, build without allocating twice.

    layout       files                                                       family
    saydo        config.json with "family", model.safetensors                pi0, pi05 (ours, as `save` writes it)
    openpi       model.safetensors (PyTorch)                                 pi0, pi05
    lerobot      the same names, with or without a leading `model.`           pi0, pi05
    rdt          model.safetensors or pytorch_model.bin, flat config.json     rdt
    deepspeed    mp_rank_00_model_states.pt, weights under `module`           rdt
    orbax        params/ of openpi's JAX checkpoints: convert first (orbax.py)  pi0, pi05

Safetensors come first. A pickle is opened only with weights_only=True, which runs no code. Files are memory-mapped; the model is made on
the meta device and takes the loaded tensors over. A key that is missing, unexpected or of the wrong shape is an error with a table.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from agent.errors import WeightsError, hint
from agent.executor.models.paligemma import DUMMY, GEMMA_2B, GEMMA_300M, GemmaConfig, VisionConfig
from agent.executor.models.pi0 import Pi0, Pi0Config
from agent.executor.models.pi0_names import EXPERT, TIED, VLM, is_adaptive, modern, pieces

if TYPE_CHECKING:
    from agent.executor.models.rdt import RDT

NAMES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "mp_rank_00_model_states.pt")
GEMMAS = {"gemma_2b": GEMMA_2B, "gemma_300m": GEMMA_300M, "dummy": DUMMY}
SHOWN = 20  # rows of each kind in an error table


class Tensors(Mapping[str, Tensor]):
    """The tensors of one or more safetensors files, memory-mapped: nothing is read before it is asked for."""

    def __init__(self, files: list[Path]) -> None:
        try:
            self.files = [safe_open(str(file), framework="pt") for file in files]
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"Cannot read {', '.join(map(str, files))}: {error}.") from error
        self.where = {name: file for file in self.files for name in file.keys()}  # noqa: SIM118  (safe_open is no mapping)

    def __getitem__(self, name: str) -> Tensor:
        return self.where[name].get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.where)

    def __len__(self) -> int:
        return len(self.where)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.where[name].get_slice(name).get_shape())


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint as found on disk: `tensors` under the names in the file, `config` as in config.json ({} if there is none)."""

    path: Path
    layout: str
    family: str
    tensors: Mapping[str, Tensor]
    config: dict[str, Any]


# --- find and open ----------------------------------------------------------------------------------------------------------


def find_file(path: Path) -> Path:
    """The weights file in `path` (a file, or a folder searched two levels deep), safetensors before pickles."""
    if path.is_file():
        return path
    if not path.is_dir():
        there = f"In {path.parent}: {_listing(path.parent)}" if path.parent.is_dir() else f"Nor is there a folder {path.parent}"
        raise WeightsError(f"There is no checkpoint at {path}: no such file or folder. {there}.")
    for pattern in ("", "*/", "*/*/"):
        for name in NAMES:
            if found := sorted(path.glob(pattern + name)):
                return found[0]
        if len(found := sorted(path.glob(pattern + "*.safetensors"))) == 1:
            return found[0]
    if is_orbax(path):
        raise WeightsError(
            f"{path} is a JAX (orbax) checkpoint. Convert it once, where orbax is installed: "
            f"python -m agent.executor.models.orbax {path} FOLDER"
        )
    raise WeightsError(f"No weights in {path}. Looked for {', '.join(NAMES)} or one *.safetensors; found: {_listing(path)}.")


def is_orbax(path: Path) -> bool:
    """True for the folder of an orbax checkpoint, or one that has it under params/."""
    return any((folder / name).exists() for folder in (path, path / "params") for name in ("_METADATA", "manifest.ocdbt"))


def open_tensors(file: Path) -> Mapping[str, Tensor]:
    """Names -> tensors, memory-mapped. A `module` wrapper (DeepSpeed) is taken off."""
    if file.suffix == ".json":
        index = json.loads(file.read_text(encoding="utf-8"))["weight_map"]
        return Tensors([file.parent / part for part in sorted(set(index.values()))])
    if file.suffix == ".safetensors":
        return Tensors([file])
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
        raise WeightsError(
            f"{file} cannot be opened as plain tensors ({type(error).__name__}: {str(error).splitlines()[0]}). It may hold pickled "
            "objects, which are not executed here; use the safetensors file beside it, or save the weights alone again."
        ) from error
    loaded = loaded.get("module", loaded) if isinstance(loaded, Mapping) else loaded
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError(f"{file} holds {type(loaded).__name__}, not a state dict of tensors.")
    return dict(loaded)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Find the weights and say what they are."""
    path = Path(path)
    file = find_file(path)
    tensors = open_tensors(file)
    folders = [file.parent, *([path] if path.is_dir() else [])]
    found = next((folder / "config.json" for folder in folders if (folder / "config.json").exists()), None)
    config = json.loads(found.read_text(encoding="utf-8")) if found else {}
    if any(name.startswith("trunk.") for name in tensors):
        return Checkpoint(file, "saydo", config.get("family", "pi0"), tensors, config)
    if any("paligemma_with_expert." in name for name in tensors):
        names = modern(tensors)
        layout = "openpi" if all(name in tensors for name in names) and "type" not in config else "lerobot"
        return Checkpoint(file, layout, "pi05" if is_adaptive(names) else "pi0", tensors, config)
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensors[name] for name in tensors}
    if "model.x_pos_embed" in tensors:
        return Checkpoint(file, "deepspeed" if file.suffix == ".pt" else "rdt", "rdt", tensors, config)
    raise WeightsError(f"{file} is of no known family (pi0, pi05, rdt). Its first names: {', '.join(list(tensors)[:5])}.")


# --- configuration ----------------------------------------------------------------------------------------------------------


def pi0_config(checkpoint: Checkpoint) -> Pi0Config:
    """The sizes, from config.json where it has them and from the shapes otherwise. Head counts do not show in shapes: they are those of
    the published sizes, told by the width."""
    raw = checkpoint.config
    if checkpoint.layout == "saydo":
        if "config" not in raw:
            raise WeightsError(f"{checkpoint.path} needs the config.json that was saved beside it; pass a config instead.")
        return config_from_json(raw["config"])
    names = modern(checkpoint.tensors)
    vlm = _gemma(raw.get("paligemma_variant"), names, checkpoint, VLM + "model.language_model.norm.weight")
    expert = _gemma(raw.get("action_expert_variant"), names, checkpoint, EXPERT + "model.layers.0.self_attn.q_proj.weight")
    adaptive = checkpoint.family == "pi05"
    return Pi0Config(
        vlm=vlm,
        expert=expert,
        vocab=_shape(checkpoint, names, TIED)[0],
        action_dim=_shape(checkpoint, names, "action_in_proj.weight")[1],
        horizon=raw.get("action_horizon", raw.get("chunk_size", 50)),
        max_text=raw.get("tokenizer_max_length", 200 if adaptive else 48),
        adaptive=adaptive,
    )


def config_from_json(raw: dict[str, Any]) -> Pi0Config:
    """The inverse of dataclasses.asdict."""
    parts = {"vision": VisionConfig(**raw["vision"]), "vlm": GemmaConfig(**raw["vlm"]), "expert": GemmaConfig(**raw["expert"])}
    return Pi0Config(**{**raw, **parts, "cameras": tuple(raw["cameras"])})


def _shape(checkpoint: Checkpoint, names: Mapping[str, str], name: str) -> tuple[int, ...]:
    if name not in names:
        raise WeightsError(f"{checkpoint.path} has no '{name}'.{hint(name, names)}")
    return shape_of(checkpoint.tensors, names[name])


def shape_of(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    """Without reading the tensor where the file allows it."""
    return tensors.shape(name) if isinstance(tensors, Tensors) else tuple(tensors[name].shape)


def _gemma(variant: str | None, names: Mapping[str, str], checkpoint: Checkpoint, probe: str) -> GemmaConfig:
    variant = (variant or "").removesuffix("_lora")
    if variant in GEMMAS:
        return GEMMAS[variant]
    width = _shape(checkpoint, names, probe)[-1]
    for config in GEMMAS.values():
        if config.width == width:
            return config
    raise WeightsError(f"{checkpoint.path}: no published expert is {width} wide ({', '.join(GEMMAS)}); pass the config of your own.")


# --- load -------------------------------------------------------------------------------------------------------------------


def model_on_meta(checkpoint: Checkpoint) -> Pi0 | RDT:
    """The model this checkpoint is for, without memory for its parameters."""
    from agent.executor.models.rdt import RDT, RDTConfig

    with torch.device("meta"):
        if checkpoint.family != "rdt":
            return Pi0(pi0_config(checkpoint))
        if not checkpoint.config:
            raise WeightsError(f"{checkpoint.path} needs its config.json beside it.")
        return RDT(RDTConfig.from_published(checkpoint.config))


def load_pi0(path: str | Path, config: Pi0Config | None = None, dtype: torch.dtype | None = None) -> Pi0:
    """π0 or π0.5 from any known layout, in evaluation mode, gradients off. `dtype` casts all (see also `pi0.to_mixed`)."""
    checkpoint = open_checkpoint(path)
    if checkpoint.family not in ("pi0", "pi05"):
        raise WeightsError(f"{checkpoint.path} is a checkpoint of {checkpoint.family}, not of π0 or π0.5.")
    config = config or pi0_config(checkpoint)
    with torch.device("meta"):
        model = Pi0(config)
    tensors = dict(checkpoint.tensors) if checkpoint.layout == "saydo" else from_published(checkpoint, config)
    return assign(model, tensors, checkpoint.path, dtype)


def load_rdt(path: str | Path, dtype: torch.dtype | None = None) -> RDT:
    """RDT from the hub layout or a DeepSpeed fine-tune, in evaluation mode, gradients off."""
    checkpoint = open_checkpoint(path)
    if checkpoint.family != "rdt":
        raise WeightsError(f"{checkpoint.path} is a checkpoint of {checkpoint.family}, not of RDT.")
    return assign(model_on_meta(checkpoint), dict(checkpoint.tensors), checkpoint.path, dtype)


def from_published(checkpoint: Checkpoint, config: Pi0Config) -> dict[str, Tensor]:
    """Published names -> ours, stacked. Raises WeightsError with a table if any key does not fit."""
    names, table = modern(checkpoint.tensors), pieces(config)
    check_published(checkpoint, config)
    tensors = {}
    for ours, stack in table.items():
        parts = [checkpoint.tensors[names[piece.name]] for piece in stack]
        flat = [part.flatten(1) if part.dim() > 2 else part for part in parts]
        tensors[ours] = flat[0] if len(flat) == 1 else torch.cat(flat)
    return tensors


def check_published(checkpoint: Checkpoint, config: Pi0Config) -> None:
    """`check_keys` for a file under published names."""
    names = modern(checkpoint.tensors)
    wanted = {piece.name: piece.shape for stack in pieces(config).values() for piece in stack}
    check_keys(wanted, {name: _shape(checkpoint, names, name) for name in names}, checkpoint.path)


def check_keys(wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Raise WeightsError with a table of what is missing, unexpected or of the wrong shape."""
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    wrong = [name for name in wanted if name in found and tuple(found[name]) != tuple(wanted[name])]
    if not missing and not unexpected and not wrong:
        return
    rows = _rows("missing", [f"{name}  {list(wanted[name])}{hint(name, unexpected)}" for name in missing])
    rows += _rows("unexpected", [f"{name}  {list(found[name])}" for name in unexpected])
    rows += _rows("wrong shape", [f"{name}  file {list(found[name])}, model {list(wanted[name])}" for name in wrong])
    raise WeightsError(
        f"{path} does not fit the model: {len(missing)} keys missing, {len(unexpected)} unexpected, {len(wrong)} of the wrong shape.\n"
        + "\n".join(rows)
    )


def assign(model: nn.Module, tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype | None = None) -> Any:
    """Give the tensors to a model made on the meta device, after checking them; evaluation mode, gradients off."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    check_keys(wanted, {name: tuple(value.shape) for name, value in tensors.items()}, path)
    tensors = {name: value if dtype is None else value.to(dtype) for name, value in tensors.items()}
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def save(model: Pi0, folder: str | Path) -> None:
    """Our own layout: model.safetensors and a config.json that names the family."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, str(folder / "model.safetensors"))
    card = {"family": model.config.family, "config": dataclasses.asdict(model.config)}
    (folder / "config.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def _rows(kind: str, lines: list[str]) -> list[str]:
    rest = [f"  {kind:<12}… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [f"  {kind:<12}{line}" for line in lines[:SHOWN]] + rest


def _listing(path: Path) -> str:
    return ", ".join(sorted(p.name for p in path.iterdir())[:12]) or "nothing"
