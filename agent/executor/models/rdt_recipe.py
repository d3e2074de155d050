"""How RDT was trained, in numbers and in noise: what a training loop does to a batch before `RDT.loss`.

AdamW at a constant 1e-4, betas 0.9 and 0.999, eps 1e-8, weight decay 1e-2 on everything, gradients clipped at a global norm of 1, bf16;
batch 32 per device. One diffusion step per sample, uniform on 0 … 999. Of every sample, each sense is taken away by itself with a
probability of 0.1, so that the model does without it when a robot lacks it. The state is blurred, so that the model looks at pictures
instead of continuing its own motion. Sources: the released training code; arXiv 2410.07864.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from agent.executor.models.diffusion import TRAIN_STEPS
from agent.executor.models.rdt import Senses


@dataclass(frozen=True)
class Recipe:
    """The defaults are those of RDT's pre-training and fine-tuning."""

    rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 1e-2
    clip: float = 1.0
    drop: float = 0.1
    """Probability of taking away each sense, and each view, of a sample."""
    state_snr_db: float = 40.0
    """Fine-tuning: the state's standard deviation over that of the noise added to it, 40 dB = 100 : 1."""


@dataclass(frozen=True, eq=False)
class Nothing:
    """What stands for a sense that is not there."""

    words: Tensor  # (L0, words_width), the empty instruction
    view: Tensor  # (P, image_width), the tokens of the grey picture
    state: Tensor  # (A,), the data's mean state, zero where absent


def training_times(batch: int, generator: torch.Generator) -> Tensor:
    """One diffusion step per sample, int64[B]."""
    return torch.randint(TRAIN_STEPS, (batch,), generator=generator)


def take_away(senses: Senses, nothing: Nothing, generator: torch.Generator, probability: float = 0.1) -> Senses:
    """Every sense of every sample, and every view, lost independently: words → the empty instruction, a view → grey, the state → the mean
    state, the frequency → 0, the mask of available slots → none. Shapes stay."""
    batch, tokens = senses.images.shape[:2]
    patches = len(nothing.view)

    def lost(*shape: int) -> Tensor:
        return (torch.rand(batch, *shape, generator=generator) < probability).to(senses.images.device)

    words, mask = _without_words(senses, nothing.words, lost())
    views = lost(tokens // patches).repeat_interleave(patches, dim=1)[..., None]
    grey = nothing.view.to(senses.images).repeat(tokens // patches, 1)
    return replace(
        senses,
        words=words,
        words_mask=mask,
        images=torch.where(views, grey, senses.images),
        state=torch.where(lost(1), nothing.state.to(senses.state), senses.state),
        hz=torch.where(lost(), 0, senses.hz),
        has=torch.where(lost(1), 0, senses.has),
    )


def _without_words(senses: Senses, empty: Tensor, lost: Tensor) -> tuple[Tensor, Tensor]:
    count = max(senses.words.shape[1], len(empty))
    more = count - senses.words.shape[1]
    mask = senses.words_mask if senses.words_mask is not None else torch.ones_like(senses.words[..., 0], dtype=torch.bool)
    words, mask = F.pad(senses.words, (0, 0, 0, more)), F.pad(mask, (0, more))
    empty_words = F.pad(empty.to(words), (0, 0, 0, count - len(empty)))
    empty_mask = torch.arange(count, device=mask.device) < len(empty)
    return torch.where(lost[:, None, None], empty_words, words), torch.where(lost[:, None], empty_mask, mask)


def blur_state(senses: Senses, spread: Tensor, generator: torch.Generator, snr_db: float = 40.0) -> Senses:
    """Gaussian noise on the state; spread (A,) or (B, A): the standard deviation of each slot in its data, zero where absent."""
    noise = torch.randn(senses.state.shape, generator=generator).to(senses.state)
    return replace(senses, state=senses.state + noise * spread.to(senses.state) * 10 ** (-snr_db / 20))
