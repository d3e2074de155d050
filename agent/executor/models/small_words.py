"""Words for the small policies: a vocabulary made of the sentences of training, one token a word, and a token for words never met.

No language model is behind it. What generalises is that a sentence built otherwise is mostly made of known words, and that training hides
some words at random, so that a sentence with a gap is still read: "hoist the red block" is then a red block and something to do with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

PAD, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unknown>")
WORD = re.compile(r"[a-z0-9]+")


def split(sentence: str) -> list[str]:
    """Lower case, without punctuation: "Put the light-blue cube, please" → put the light blue cube please."""
    return WORD.findall(sentence.lower())


@dataclass(frozen=True)
class Vocabulary:
    """Known words, commonest first; a word's token is its place behind the two special ones."""

    words: tuple[str, ...]
    most: int = 24
    """Tokens of a sentence; what is longer loses its end."""

    @classmethod
    def of(cls, sentences: Iterable[str], most: int = 24, size: int = 512) -> Vocabulary:
        """Of the words in these sentences; `size`: of the table that it is for, special tokens included."""
        return cls((), most).meeting(sentences, size)

    def meeting(self, sentences: Iterable[str], size: int = 512) -> Vocabulary:
        """With the words in these sentences as well, as far as there is room; known words keep their tokens."""
        counts = Counter(word for sentence in sentences for word in split(sentence) if word not in self._places)
        new = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
        return Vocabulary((*self.words, *new)[: size - len(SPECIAL)], self.most) if new else self

    def __len__(self) -> int:
        """Tokens in use."""
        return len(SPECIAL) + len(self.words)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words, start=len(SPECIAL))}

    def knows(self, sentence: str) -> bool:
        """Every word of it?"""
        return all(word in self._places for word in split(sentence))

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """int64[B, L] and bool[B, L], True for a real word; L is that of the longest sentence, at least 1. Silence is one unknown word."""
        rows = [[self._places.get(word, UNKNOWN) for word in split(sentence)[: self.most]] or [UNKNOWN] for sentence in sentences]
        length = max(len(row) for row in rows)
        tokens = torch.tensor([row + [PAD] * (length - len(row)) for row in rows])
        return tokens, tokens != PAD


def hide(tokens: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Each real word becomes the unknown one with that probability."""
    lost = torch.rand(tokens.shape, generator=generator) < share
    return torch.where(lost & (tokens != PAD), UNKNOWN, tokens)


__all__ = ["PAD", "UNKNOWN", "Vocabulary", "hide", "split"]
