"""What RDT sees and reads, made into tokens by frozen encoders: SigLIP for pictures, T5 for words.

    two instants × three cameras → SigLIP → (2·3·729) tokens of 1152        [exterior, right wrist, left wrist] before, then now
    instruction                 → T5 XXL → at most 1024 tokens of 4096

Any encoder with the two small protocols below will do; the Hugging Face ones are built from a configuration or read from a local folder.
T5 XXL takes 9.5 GB, so its tokens can be computed once and read from a file (`StoredWords`). A view that is missing, now or one instant
ago, is a plain grey picture, as in training: never a copy of another view. Letters: N pictures, P tokens each, W width, L words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agent.errors import PolicyError, WeightsError, hint
from agent.types import Array

GREY = 127  # int(255 · 0.5), the mean that SigLIP subtracts; becomes −0.0039


class ImageEncoder(Protocol):
    """Pictures → tokens."""

    side: int
    """Pixels of the square picture it takes."""
    tokens: int
    width: int

    def encode(self, pixels: Tensor) -> Tensor:
        """float[N, 3, side, side] in −1 … 1 → [N, tokens, width]."""
        ...


class WordsEncoder(Protocol):
    """Sentences → tokens."""

    width: int

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """B sentences → tokens [B, L, width], and bool [B, L], True where there is a word."""
        ...


# --- pictures ---------------------------------------------------------------------------------------------------------------


def square(image: Array) -> Array:
    """uint8[h, w, 3] → uint8[s, s, 3] with s = max(h, w): the picture in the middle of grey."""
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    canvas = np.full((side, side, 3), GREY, np.uint8)
    canvas[top : top + height, left : left + width] = image
    return canvas


def pixels(image: Array, side: int) -> Tensor:
    """uint8[h, w, 3] RGB → float32[3, side, side] in −1 … 1: squared, resized (bicubic), centred."""
    resized = np.asarray(Image.fromarray(square(image)).resize((side, side), Image.Resampling.BICUBIC))
    return torch.from_numpy(resized.astype(np.float32) / 255 * 2 - 1).permute(2, 0, 1)


class Siglip(nn.Module):
    """SigLIP's vision tower: the tokens after its final norm, frozen."""

    def __init__(self, config: Any, tower: nn.Module | None = None) -> None:
        """config: transformers' SiglipVisionConfig."""
        from transformers import SiglipVisionModel

        super().__init__()
        config.vision_use_head = False
        self.tower = (tower or SiglipVisionModel(config)).eval().requires_grad_(False)
        self.side, self.width = config.image_size, config.hidden_size
        self.tokens = (config.image_size // config.patch_size) ** 2

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype = torch.float32) -> "Siglip":
        """Reads google/siglip-so400m-patch14-384 (or another SigLIP) from a local folder."""
        from transformers import SiglipVisionConfig, SiglipVisionModel

        config = SiglipVisionConfig.from_pretrained(local(folder), local_files_only=True)
        config.vision_use_head = False
        return cls(config, whole(SiglipVisionModel, folder, config, dtype))

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Tensor:
        first = next(self.tower.parameters())
        return self.tower(pixel_values=pixels.to(first.device, first.dtype)).last_hidden_state


class Views:
    """The last pictures of every camera as tokens. Each picture is encoded once, and used twice: as now, and later as before.

    One robot's: pictures are told apart by their tick. `before` is the newest remembered instant at most `reach` ticks old (the models
    were trained on neighbouring instants); without one, the views of that instant are missing.
    """

    def __init__(self, encoder: ImageEncoder, cameras: Sequence[str | None], instants: int = 2, reach: int = 1) -> None:
        """cameras: the robot's, in the model's order; None where it has none."""
        self.encoder, self.cameras, self.instants, self.reach = encoder, tuple(cameras), instants, reach
        self._seen: dict[int, dict[str, Tensor]] = {}
        self._nothing = encoder.encode(pixels(np.full((1, 1, 3), GREY, np.uint8), encoder.side)[None])[0]

    def watch(self, tick: int, images: Mapping[str, Array]) -> None:
        """Remember what the cameras show at `tick`; a tick that lies before the last one starts over."""
        if self._seen and tick < max(self._seen):
            self._seen.clear()
        new = [name for name in self.cameras if name and name in images and name not in self._seen.get(tick, {})]
        if new:
            encoded = self.encoder.encode(torch.stack([pixels(images[name], self.encoder.side) for name in new]))
            self._seen.setdefault(tick, {}).update(zip(new, encoded, strict=True))
        self._seen = {at: views for at, views in self._seen.items() if tick - at <= self.reach * (self.instants - 1)}

    def tokens(self, tick: int) -> Tensor:
        """[1, instants · cameras · P, W] for a policy that decides at `tick`, oldest instant first."""
        rows, at = [], tick
        for _ in range(self.instants):
            views = self._seen.get(at, {})
            rows.append([views.get(name, self._nothing) if name is not None else self._nothing for name in self.cameras])
            at = max((seen for seen in self._seen if at - self.reach <= seen < at), default=at - 1)
        return torch.cat([view for row in reversed(rows) for view in row])[None]


# --- words ------------------------------------------------------------------------------------------------------------------


def as_trained(words: str) -> str:
    """RDT's training sentences start with a capital and end with a full stop; '' stays ''."""
    words = " ".join(words.split())
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) or not words else ".")


class T5(nn.Module):
    """T5's encoder and its tokenizer, frozen. An empty sentence is its end token alone."""

    def __init__(self, model: nn.Module, tokenizer: Any, most: int = 1024) -> None:
        """model: transformers' T5EncoderModel; tokenizer: its own; sentences are cut after `most` tokens."""
        super().__init__()
        self.model, self.tokenizer, self.most = model.eval().requires_grad_(False), tokenizer, most
        self.width: int = cast(Any, model.config).d_model

    @classmethod
    def from_folder(cls, folder: Path, dtype: torch.dtype = torch.float32, most: int = 1024) -> "T5":
        """Reads google/t5-v1_1-xxl (or another T5) with its tokenizer from a local folder."""
        from transformers import AutoTokenizer, T5Config, T5EncoderModel

        config = T5Config.from_pretrained(local(folder), local_files_only=True)
        return cls(whole(T5EncoderModel, folder, config, dtype), AutoTokenizer.from_pretrained(folder, local_files_only=True), most)

    @torch.no_grad()
    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        batch = self.tokenizer(list(sentences), padding="longest", truncation=True, max_length=self.most, return_tensors="pt")
        device = next(self.model.parameters()).device
        ids, mask = batch["input_ids"].to(device), batch["attention_mask"].to(device)
        return self.model(input_ids=ids, attention_mask=mask).last_hidden_state, mask.bool()


class StoredWords:
    """Tokens of known sentences, computed beforehand."""

    def __init__(self, tokens: Mapping[str, Tensor]) -> None:
        """tokens: sentence → [L, width]."""
        if not tokens:
            raise WeightsError("A store of sentences needs at least one.")
        self.stored = {as_trained(sentence): value for sentence, value in tokens.items()}
        self.width = next(iter(self.stored.values())).shape[-1]

    @classmethod
    def from_path(cls, path: Path) -> "StoredWords":
        """A .safetensors file of sentence → [L, width]; or a .pt file, or a folder of them, as RDT ships: {instruction, embeddings}."""
        path = Path(path)
        if path.suffix == ".safetensors":
            return cls(load_file(path))
        tokens: dict[str, Tensor] = {}
        for file in sorted(path.glob("*.pt")) if path.is_dir() else [path]:
            stored = torch.load(file, map_location="cpu", weights_only=True)
            if not isinstance(stored, dict) or not {"instruction", "embeddings"} <= set(stored):
                raise WeightsError(f"{file} must hold 'instruction' and 'embeddings' [1, L, width]; it holds {describe(stored)}.")
            tokens[stored["instruction"]] = stored["embeddings"].reshape(-1, stored["embeddings"].shape[-1])
        if not tokens:
            raise WeightsError(f"No stored sentences in {path}: expected a .safetensors file, a .pt file, or a folder of .pt files.")
        return cls(tokens)

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        found = [self._find(sentence) for sentence in sentences]
        longest = max(len(tokens) for tokens in found)
        padded = torch.stack([nn.functional.pad(tokens, (0, 0, 0, longest - len(tokens))) for tokens in found])
        return padded, torch.tensor([[i < len(tokens) for i in range(longest)] for tokens in found])

    def _find(self, sentence: str) -> Tensor:
        key = as_trained(sentence)
        if key not in self.stored:
            raise PolicyError(
                f"'{key}' is not among the {len(self.stored)} stored sentences.{hint(key, self.stored)} "
                "Add it with store_words, or give the policy a T5 folder instead."
            )
        return self.stored[key]


def store_words(encoder: WordsEncoder, sentences: Sequence[str], path: Path) -> None:
    """Encode sentences once and write them where `StoredWords.from_path` reads them."""
    tokens, mask = encoder.encode([as_trained(sentence) for sentence in sentences])
    save_file({as_trained(s): row[real].contiguous().cpu() for s, row, real in zip(sentences, tokens, mask, strict=True)}, path)


# --- reading folders --------------------------------------------------------------------------------------------------------


def local(folder: Path) -> Path:
    """The folder, if it is one with a configuration; nothing is ever downloaded."""
    if not (Path(folder) / "config.json").is_file():
        raise WeightsError(f"{folder} is not a model folder: it has no config.json. Download the model there first.")
    return Path(folder)


def whole(kind: Any, folder: Path, config: Any, dtype: torch.dtype) -> nn.Module:
    """A transformers model with every parameter read from the folder; a missing one is an error, not a random start."""
    model, report = kind.from_pretrained(folder, config=config, dtype=dtype, local_files_only=True, output_loading_info=True)
    lacking = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if lacking:
        more = f", and {len(lacking) - 8} more" if len(lacking) > 8 else ""
        raise WeightsError(f"{folder} is not a complete {kind.__name__}: it lacks {', '.join(lacking[:8])}{more}.")
    return model


def describe(stored: Any) -> str:
    return ", ".join(map(str, stored)) if isinstance(stored, dict) else type(stored).__name__
