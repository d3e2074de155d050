"""What the small policies share: their sizes, their eyes, and the pointing token.

They have the shapes of the large ones at a thousandth of the size, and run through the same code: π0's two experts on one attention
(`paligemma.Trunk`), RDT's denoiser (`rdt.Transformer`), π0-small's encoder and decoder. What a few million weights trained from nothing
need besides, and the large ones have from their pre-training:

- eyes of a few convolutions, one pair of eyes for each camera: 96 x 96 pixels → 8 x 8 tokens;
- a *pointing token*. After some layers each image token is asked "is here the thing that was named?" (and the thing to put it at): a heat
  map per view and named thing, with an offset within the token and one logit for "not in view". The place of its peak (u, v) and its
  certainty, of all views, go with the state into the action expert. In training the simulator tells the place: an auxiliary, privileged
  label. Acting needs no label.

Without pointing the shape is that of the paper; `SmallConfig.pointing = False`.

Letters: B batch, V views, N named things, P tokens per view, D width.
Sources: heat maps read by a soft arg-max, Levine et al. 1504.00702; pointing as an auxiliary of robot policies, RoboPoint 2406.10721.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent.executor.models.small_space import ACTION, STATE

Family = Literal["pi0", "pi0-small", "rdt"]
FAMILIES: tuple[Family, ...] = ("pi0", "pi0-small", "rdt")


@dataclass(frozen=True)
class SmallConfig:
    """Sizes. The defaults are the π0 that ships: 1.8 million parameters."""

    family: Family = "pi0"
    vocab: int = 512  # words that it has room for, known or not yet
    pointing: bool = True
    cameras: tuple[str, ...] = ("front", "wrist")
    things: int = 3  # N: what is named, what it is to go to, and the place where it is to rest
    image: int = 96
    grid: int = 8  # P = grid²
    stem: tuple[int, int] = (32, 64)  # channels of the first two convolutions
    width: int = 128
    depth: int = 4
    heads: int = 4
    mlp: int = 256
    tap: int = 3  # layers before the heat maps are read
    horizon: int = 32
    state: int = STATE
    action: int = ACTION
    max_text: int = 24
    steps: int = 4  # of sampling
    noise: float = 0.4  # how much of training's noise sampling begins with
    prefix: int = 8  # rows that it may be given, being promised to the robot already; others it does not know of

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"There is no family {self.family!r} of small policies; there are {', '.join(FAMILIES)}.")
        if self.width % (2 * self.heads):
            raise ValueError(f"A width of {self.width} does not divide into {self.heads} heads of an even width.")
        if self.tap > self.depth:
            raise ValueError(f"The heat maps are read after {self.tap} layers (tap) of {self.depth} (depth).")
        if self.image % (4 * self.grid):
            raise ValueError(f"An image of {self.image} px does not divide into {self.grid} tokens a side, after two halvings.")

    @property
    def points(self) -> int:
        """Numbers that pointing adds: u, v and certainty per view and named thing."""
        return 3 * len(self.cameras) * self.things if self.pointing else 0


def config_from_json(raw: dict[str, Any]) -> SmallConfig:
    """The inverse of dataclasses.asdict."""
    return SmallConfig(**{**raw, "cameras": tuple(raw["cameras"]), "stem": tuple(raw["stem"])})


class Senses(NamedTuple):
    """A batch of observations.

    images  uint8[B, V, 3, I, I], views in the order of the config
    tokens  int64[B, L] and valid bool[B, L], from `small_words.Vocabulary`
    state   float32[B, S], from `small_space.Space`
    seen    bool[B, V], False for a camera that is missing (its picture is grey); None: all there
    """

    images: Tensor
    tokens: Tensor
    valid: Tensor | None
    state: Tensor
    seen: Tensor | None = None

    def to(self, device: torch.device | str) -> Senses:
        return Senses(*(None if part is None else part.to(device, non_blocking=True) for part in self))  # type: ignore[arg-type]


GREY = 127
"""What a missing camera shows, as in RDT."""


class Eye(nn.Module):
    """One camera's convolutions: [B, 3, I, I], uint8 or float in -1..1, -> tokens [B, P, D]."""

    def __init__(self, config: SmallConfig, width: int) -> None:
        super().__init__()
        first, second = config.stem
        last = config.image // 4 // config.grid
        self.layers = nn.Sequential(
            nn.Conv2d(3, first, 5, 2, 2), nn.GELU(approximate="tanh"),
            nn.Conv2d(first, second, 3, 2, 1), nn.GELU(approximate="tanh"),
            nn.Conv2d(second, width, last + 2, last, 1),
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)
        self.position = nn.Parameter(torch.randn(config.grid**2, width) * 0.02)

    def forward(self, images: Tensor) -> Tensor:
        images = images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images
        found = self.layers(images.to(self.position.dtype, memory_format=torch.channels_last))
        return self.norm(found.flatten(2).transpose(1, 2)) + self.position


class Eyes(nn.Module):
    """All cameras: [B, V, 3, I, I] -> [B, V*P, D], camera by camera."""

    def __init__(self, config: SmallConfig, width: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(Eye(config, width) for _ in config.cameras)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([eye(images[:, v]) for v, eye in enumerate(self.each)], dim=1)


class Pointing(NamedTuple):
    """Where the named things are believed to be.

    logits   float[B, V, N, P + 1], the last one: not in view
    offsets  float[B, V, N, P, 2], in widths of a token from its middle, right and down
    place    float[B, V, N, 3]: u and v in -1..1 (right, down) times certainty, and certainty 0..1. The mean around the highest peak: of two
             places that are as likely one, and not what lies between them
    """

    logits: Tensor
    offsets: Tensor
    place: Tensor


class Pointer(nn.Module):
    """Heat maps over the image tokens of a half-read prefix."""

    centres: Tensor
    near: Tensor
    """[P, P]: 1 for tokens that touch."""

    def __init__(self, config: SmallConfig, width: int) -> None:
        super().__init__()
        self.views, self.things, self.grid = len(config.cameras), config.things, config.grid
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, 3 * config.things)  # a logit and an offset
        self.absent = nn.Linear(width, config.things)
        side = (torch.arange(config.grid) + 0.5) / config.grid * 2 - 1
        v, u = torch.meshgrid(side, side, indexing="ij")
        centres = torch.stack([u, v], dim=-1).view(-1, 2)
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("near", (torch.cdist(centres, centres, p=float("inf")) < 3 / config.grid).float(), persistent=False)

    def forward(self, tokens: Tensor) -> Pointing:
        """tokens [B, V*P, D]."""
        tokens = self.norm(tokens).unflatten(1, (self.views, -1))  # [B, V, P, D]
        found = self.read(tokens).float().unflatten(-1, (self.things, 3)).transpose(2, 3)  # [B, V, N, P, 3]
        absent = self.absent(tokens.mean(2)).float()[..., None]  # [B, V, N, 1]
        return self.at(torch.cat([found[..., 0], absent], dim=-1), found[..., 1:])

    def at(self, logits: Tensor, offsets: Tensor) -> Pointing:
        """Where such maps point."""
        shares = logits.softmax(-1)[..., :-1]  # [B, V, N, P]
        peak = shares * self.near[(shares @ self.near).argmax(-1)]
        spots = self.centres + offsets * (2 / self.grid)
        certain = shares.sum(3, keepdim=True)
        place = (peak[..., None] * spots).sum(3) / peak.sum(3, keepdim=True).clamp(min=1e-6) * certain
        return Pointing(logits, offsets, torch.cat([place, certain], dim=-1))

    def loss(self, pointing: Pointing, points: Tensor) -> Tensor:
        """points float[B, V, N, 3]: u, v in -1..1 and 1 where the thing is in view, 0 where not, below 0 where nobody knows.

        Cross-entropy over tokens, and a smooth distance of the offset at the right token, in widths of a token. A scalar.
        """
        where, seen, known = points[..., :2], points[..., 2] > 0.5, points[..., 2] >= 0
        spot = (where + 1) / 2 * self.grid  # in tokens
        cell = spot.floor().clamp(0, self.grid - 1)
        token = (cell[..., 1] * self.grid + cell[..., 0]).long()  # [B, V, N]
        target = torch.where(seen, token, torch.full_like(token, self.grid**2))
        entropy = F.cross_entropy(pointing.logits.flatten(0, 2), target.flatten(), reduction="none")
        entropy = (entropy * known.flatten()).sum() / known.sum().clamp(min=1)
        at = token[..., None, None].expand(*token.shape, 1, 2)
        guess = pointing.offsets.gather(3, at).squeeze(3)
        miss = F.smooth_l1_loss(guess, spot - cell - 0.5, reduction="none", beta=0.2).sum(-1)
        return entropy + (miss * seen).sum() / seen.sum().clamp(min=1)


class Telling(nn.Sequential):
    """What is told to tokens outright, since a small network is slow to fetch one number from among many tokens: what the pointing, the
    hand and the words come to."""

    def __init__(self, config: SmallConfig, state: int) -> None:
        heard, wide = config.points + state + config.width, 2 * config.width
        super().__init__(nn.Linear(heard, wide), nn.GELU(approximate="tanh"), nn.Linear(wide, wide))

    def forward(self, pointing: Pointing | None, state: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """state [B, state], words [B, D], the mean of all → for the state token and for every token of actions, [B, 1, D] each."""
        heard = [state, words] if pointing is None else [pointing.place.flatten(1), state, words]
        to_state, to_rows = super().forward(torch.cat(heard, dim=1))[:, None].chunk(2, dim=-1)
        return to_state, to_rows


def mean_words(words: Tensor, valid: Tensor | None) -> Tensor:
    """[B, L, D] → [B, D], over the real ones."""
    if valid is None:
        return words.mean(1)
    share = valid.to(words.dtype)[..., None]
    return (words * share).sum(1) / share.sum(1).clamp(min=1)


def pointing_error(pointing: Pointing, points: Tensor) -> tuple[Tensor, Tensor]:
    """How far off the mean place is where a thing is in view (in pictures' widths), and how often being in view is told rightly."""
    seen, certain = points[..., 2] > 0.5, pointing.place[..., 2:]
    away = (pointing.place[..., :2] / certain.clamp(min=1e-3) - points[..., :2]).norm(dim=-1) / 2
    right = (certain[..., 0] > 0.5) == seen
    return (away * seen).sum() / seen.sum().clamp(min=1), right[points[..., 2] >= 0].float().mean()


__all__ = ["FAMILIES", "GREY", "Eyes", "Family", "Pointer", "Pointing", "Senses", "SmallConfig", "Telling", "config_from_json",
           "mean_words", "pointing_error"]  # fmt: skip
