"""Checkpoint folders as people have them, with tiny random models in them."""

import json
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast, SiglipVisionConfig, T5Config, T5EncoderModel

from agent.executor.models import pi0
from agent.executor.models.encoders import T5, Siglip, store_words
from agent.executor.models.preprocess import Stats
from agent.executor.models.rdt import RDT
from agent.executor.models.rdt_config import RDTConfig
from agent.executor.models.weights import save
from tests.executor.models.test_pi0 import random_model

WORDS = ("<pad>", "<eos>", "<bos>", "<unk>", "push", "the", "red", "button")
NAMES = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
PI0_SETTINGS = {"robot": "panda", "tokenizer": "../words", "device": "cpu", "dtype": "float32", "steps": 2}


def stats_of(seed: int = 0) -> dict[str, Stats]:
    rng = np.random.default_rng(seed)
    low = rng.normal(size=(2, 14))
    make = [Stats(rng.normal(size=14), rng.uniform(0.5, 2, 14), row, row + rng.uniform(1, 2, 14)) for row in low]
    return {"state": make[0], "actions": make[1]}


def pi0_folder(parent: Path) -> Path:
    """π0's weights, statistics and tokenizer; policy.yaml is left to the caller."""
    home = parent / "pi0"
    save(random_model(pi0.tiny(horizon=10)), home)
    stats = {key: {name: getattr(value, name).tolist() for name in ("mean", "std", "q01", "q99")} for key, value in stats_of().items()}
    (home / "assets" / "panda").mkdir(parents=True)
    (home / "assets" / "panda" / "norm_stats.json").write_text(json.dumps({"norm_stats": stats}))
    words = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, **NAMES).save_pretrained(parent / "words")
    return home


def rdt_folder(parent: Path, config: RDTConfig, published: dict[str, object], words: list[str]) -> Path:
    """RDT's own layout, SigLIP and T5 beside it, and stored sentences; policy.yaml is left to the caller."""
    torch.manual_seed(0)
    model = RDT(config)
    torch.nn.init.normal_(model.model.final_layer.ffn_final.fc2.weight, std=0.1)
    home = parent / "rdt"
    home.mkdir()
    save_file(model.state_dict(), home / "model.safetensors")
    (home / "config.json").write_text(json.dumps(published))
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    Siglip(SiglipVisionConfig(**sizes)).tower.save_pretrained(parent / "siglip")
    reader = T5(T5EncoderModel(T5Config(d_model=16, d_kv=4, num_heads=4, num_layers=1, d_ff=32, vocab_size=384)), ByT5Tokenizer())
    reader.model.save_pretrained(parent / "t5")
    reader.tokenizer.save_pretrained(parent / "t5")
    store_words(reader, words, parent / "words.safetensors")
    return home


def write_policy(home: Path, **settings: object) -> Path:
    (home / "policy.yaml").write_text(yaml.safe_dump(settings))
    return home
