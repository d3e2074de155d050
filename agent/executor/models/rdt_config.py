"""RDT's sizes, and the config.json in which its checkpoints carry them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from agent.errors import WeightsError

NOISE = {
    "type": "ddpm",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "sample",
    "clip_sample": False,
}
"""The diffusion that every released RDT was trained with, and the only one diffusion.py knows."""


@dataclass(frozen=True)
class RDTConfig:
    """Sizes. The defaults are RDT-1B."""

    width: int = 2048
    depth: int = 28
    heads: int = 32
    horizon: int = 64
    action: int = 128
    words_width: int = 4096  # T5 v1.1 XXL
    image_width: int = 1152  # SigLIP So400m
    words: int = -1024  # most words, L; negative: their positions start all alike
    grid: tuple[int, ...] = (2, 3, -729)  # image tokens: instants, cameras, patches; negative: their positions start all alike
    words_adaptor: str = "mlp2x_gelu"
    image_adaptor: str = "mlp2x_gelu"
    state_adaptor: str = "mlp3x_gelu"
    steps: int = 5  # solver steps per chunk

    def __post_init__(self) -> None:
        if self.width % 4 or self.width % self.heads:
            raise WeightsError(f"RDT's width must be a multiple of 4 and of its {self.heads} heads; it is {self.width}.")

    @property
    def image_tokens(self) -> int:
        return abs(prod(self.grid))

    @classmethod
    def from_published(cls, raw: Mapping[str, Any]) -> "RDTConfig":
        """Reads the config.json of a checkpoint: flat as on the hub, or with its model part nested under `config`."""
        raw = {**raw, **raw.get("config", {})}
        try:
            noise = raw["noise_scheduler"]
            (_, words), *_ = raw["lang_pos_embed_config"] or [("lang", raw["max_lang_cond_len"])]
            (_, grid), *_ = raw["img_pos_embed_config"] or [("image", [raw["img_cond_len"]])]
            config = cls(
                width=raw["rdt"]["hidden_size"],
                depth=raw["rdt"]["depth"],
                heads=raw["rdt"]["num_heads"],
                horizon=raw["pred_horizon"],
                action=raw["action_dim"],
                words_width=raw["lang_token_dim"],
                image_width=raw["img_token_dim"],
                words=words,
                grid=tuple(grid),
                words_adaptor=raw["lang_adaptor"],
                image_adaptor=raw["img_adaptor"],
                state_adaptor=raw["state_adaptor"],
                steps=noise["num_inference_timesteps"],
            )
        except (KeyError, TypeError, ValueError) as error:
            there = ", ".join(sorted(raw))
            raise WeightsError(f"This config.json is not RDT's: {type(error).__name__} {error}. It has {there}.") from error
        other = [f"{key} {noise[key]!r} instead of {value!r}" for key, value in NOISE.items() if noise.get(key, value) != value]
        if other:
            raise WeightsError(f"This RDT was trained with another diffusion than the released ones: {', '.join(other)}.")
        return config

    def to_published(self) -> dict[str, Any]:
        """The flat config.json that `from_published`, and the reference, read."""
        return {
            "action_dim": self.action,
            "pred_horizon": self.horizon,
            "lang_token_dim": self.words_width,
            "img_token_dim": self.image_width,
            "state_token_dim": self.action,
            "max_lang_cond_len": abs(self.words),
            "img_cond_len": self.image_tokens,
            "lang_pos_embed_config": [["lang", self.words]],
            "img_pos_embed_config": [["image", list(self.grid)]],
            "lang_adaptor": self.words_adaptor,
            "img_adaptor": self.image_adaptor,
            "state_adaptor": self.state_adaptor,
            "rdt": {"hidden_size": self.width, "depth": self.depth, "num_heads": self.heads, "cond_pos_embed_type": "multimodal"},
            "noise_scheduler": {**NOISE, "num_inference_timesteps": self.steps},
        }


RDT_1B = RDTConfig()
RDT_170M = RDTConfig(width=1024, depth=14)
RDT_TINY = RDTConfig(width=64, depth=4, heads=4, horizon=8, words_width=48, image_width=40, words=-16, grid=(2, 3, -9))
