from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import ByT5Tokenizer, SiglipConfig, SiglipModel, SiglipVisionConfig, T5Config, T5EncoderModel

from agent.errors import PolicyError, WeightsError
from agent.executor.models.encoders import T5, Siglip, StoredWords, Views, as_trained, pixels, square, store_words

with np.load(Path(__file__).parents[2] / "fixtures" / "rdt" / "image_preprocess.npz") as stored:
    PUBLISHED = dict(stored)

EYES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
READER = {"d_model": 16, "d_kv": 4, "num_heads": 4, "num_layers": 2, "d_ff": 32, "vocab_size": 384, "feed_forward_proj": "gated-gelu"}


@pytest.fixture(scope="module", autouse=True)
def quick():
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def eyes() -> Siglip:
    return Siglip(SiglipVisionConfig(**EYES))


@pytest.fixture(scope="module")
def reader() -> T5:
    return T5(T5EncoderModel(T5Config(**READER)), ByT5Tokenizer())


def picture(seed: int, height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# --- pictures ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["wide", "tall", "square"])
def test_pictures_are_prepared_as_published(shape: str):
    assert np.array_equal(square(PUBLISHED[f"{shape}_img"]), PUBLISHED[f"{shape}_square"])
    ours = pixels(PUBLISHED[f"{shape}_img"], 384)
    assert torch.allclose(ours[:, ::8, ::8], torch.from_numpy(PUBLISHED[f"{shape}_pixels_stride8"]), atol=1e-5)
    assert [ours.mean().item(), ours.std(correction=0).item()] == pytest.approx(PUBLISHED[f"{shape}_mean_std"], abs=1e-4)


def test_the_background_is_the_published_grey():
    grey = np.tile(PUBLISHED["background_rgb"].astype(np.uint8), (3, 5, 1))
    assert torch.allclose(pixels(grey, 28), torch.tensor(float(PUBLISHED["background_pixel_value"][0])))


@given(height=st.integers(1, 40), width=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_squaring_keeps_the_picture_in_the_middle(height: int, width: int):
    image = picture(0, height, width)
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    squared = square(image)
    assert squared.shape == (side, side, 3)
    assert np.array_equal(squared[top : top + height, left : left + width], image)
    outside = np.ones((side, side), bool)
    outside[top : top + height, left : left + width] = False
    assert (squared[outside] == 127).all()


def test_the_full_size_tower_is_so400m():
    config = SiglipVisionConfig(
        hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16, image_size=384, patch_size=14
    )
    with torch.device("meta"):
        tower = Siglip(config)
    assert (tower.side, tower.tokens, tower.width) == (384, 729, 1152)
    assert sum(p.numel() for p in tower.parameters()) == 412_442_352 + (729 - 256) * 1152


def test_a_tower_is_read_from_its_own_or_the_whole_models_folder(tmp_path: Path):
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 49408}
    both = SiglipModel(SiglipConfig(vision_config=EYES, text_config=text)).eval()
    both.save_pretrained(tmp_path)
    tower = Siglip.from_folder(tmp_path)
    batch = torch.randn(2, 3, 28, 28)
    assert tower.encode(batch).shape == (2, 4, 32)
    with torch.no_grad():
        assert torch.allclose(tower.encode(batch), both.vision_model(pixel_values=batch).last_hidden_state, atol=1e-6)


def test_an_incomplete_folder_is_refused_instead_of_filled_at_random(tmp_path: Path, eyes: Siglip):
    eyes.tower.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in weights if name.endswith("layers.1.mlp.fc1.weight"))
    del weights[gone]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"layers\.1\.mlp\.fc1\.weight"):
        Siglip.from_folder(tmp_path)
    with pytest.raises(WeightsError, match=r"no config\.json"):
        Siglip.from_folder(tmp_path / "nowhere")


class Counting:
    """An encoder that counts what it is shown; a picture's tokens are its mean colour."""

    side, tokens, width = 4, 2, 3

    def __init__(self) -> None:
        self.shown = 0

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        self.shown += len(pixels)
        return pixels.mean(dim=(2, 3))[:, None].expand(-1, self.tokens, -1)


def test_views_stand_in_the_published_order_and_missing_ones_are_grey(eyes: Siglip):
    views = Views(eyes, ("front", "right", None))
    images = {"front": picture(1), "right": picture(2), "extra": picture(3)}
    views.watch(7, images)
    tokens = views.tokens(7).reshape(2, 3, eyes.tokens, eyes.width)
    grey = eyes.encode(pixels(np.full((9, 9, 3), 127, np.uint8), 28)[None])[0]
    assert torch.allclose(tokens[0], grey.expand(3, -1, -1), atol=1e-5)
    assert torch.allclose(tokens[1, 2], grey, atol=1e-5)
    for slot, name in enumerate(("front", "right")):
        assert torch.allclose(tokens[1, slot], eyes.encode(pixels(images[name], 28)[None])[0], atol=1e-5)


def test_every_picture_is_encoded_once():
    encoder = Counting()
    views = Views(encoder, ("front", "wrist"))
    told = encoder.shown
    for tick in range(10):
        views.watch(tick, {"front": picture(tick), "wrist": picture(100 + tick)})
        views.watch(tick, {"front": picture(tick)})
    assert encoder.shown - told == 20
    tokens = views.tokens(9).reshape(2, 2, 2, 3)
    for instant, tick in enumerate((8, 9)):
        assert torch.allclose(tokens[instant, 0, 0], pixels(picture(tick), 4).mean(dim=(1, 2)))


def test_an_instant_too_long_ago_or_in_another_life_does_not_count():
    grey = torch.tensor(127 / 255 * 2 - 1)
    views = Views(Counting(), ("front",))
    views.watch(0, {"front": picture(0)})
    views.watch(5, {"front": picture(5)})
    assert torch.allclose(views.tokens(5)[0, 0], grey)
    patient = Views(Counting(), ("front",), reach=16)
    patient.watch(0, {"front": picture(0)})
    patient.watch(5, {"front": picture(5)})
    assert torch.allclose(patient.tokens(5)[0, 0], pixels(picture(0), 4).mean(dim=(1, 2)))
    patient.watch(1, {"front": picture(6)})  # the clock went back: a new episode
    assert torch.allclose(patient.tokens(1)[0, 0], grey)


# --- words ------------------------------------------------------------------------------------------------------------------


def test_sentences_are_written_as_in_training():
    assert as_trained("pick up  the red block") == "Pick up the red block."
    assert as_trained("Stop!") == "Stop!"
    assert as_trained(" ") == ""


def test_a_sentence_reads_the_same_alone_and_beside_a_longer_one(reader: T5):
    tokens, mask = reader.encode(["Push.", "Pick up the red block."])
    alone, alone_mask = reader.encode(["Push."])
    length = alone.shape[1]
    assert mask[0].sum() == length == alone_mask.sum() and mask[1].all()
    assert torch.allclose(tokens[0, :length], alone[0], atol=1e-5)


def test_an_empty_sentence_is_one_token(reader: T5):
    tokens, mask = reader.encode([""])
    assert tokens.shape == (1, 1, 16) and mask.all()


def test_a_reader_is_read_from_a_folder(tmp_path: Path, reader: T5):
    reader.model.save_pretrained(tmp_path)
    reader.tokenizer.save_pretrained(tmp_path)
    again = T5.from_folder(tmp_path)
    assert torch.allclose(again.encode(["Push."])[0], reader.encode(["Push."])[0], atol=1e-6)


def test_stored_sentences_read_as_the_encoder_would(tmp_path: Path, reader: T5):
    sentences = ["push the button", "Pick up the red block."]
    store_words(reader, sentences, tmp_path / "words.safetensors")
    store = StoredWords.from_path(tmp_path / "words.safetensors")
    tokens, mask = store.encode(["Push the button", "pick up the red block"])
    expected, expected_mask = reader.encode([as_trained(sentence) for sentence in sentences])
    assert store.width == 16 and torch.equal(mask, expected_mask)
    assert torch.allclose(tokens[mask], expected[expected_mask], atol=1e-5)
    with pytest.raises(PolicyError, match=r"Did you mean 'Push the button\.'\?"):
        store.encode(["push the buton"])


def test_rdts_own_files_of_sentences_are_read(tmp_path: Path):
    for i, words in enumerate(("Fold the shirt.", "Pour the water.")):
        torch.save({"name": f"task_{i}", "instruction": words, "embeddings": torch.full((1, 3 + i, 8), float(i))}, tmp_path / f"{i}.pt")
    tokens, mask = StoredWords.from_path(tmp_path).encode(["fold the shirt", "pour the water"])
    assert tokens.shape == (2, 4, 8) and mask.sum(dim=1).tolist() == [3, 4] and (tokens[1] == 1).all()
    torch.save([torch.zeros(1)], tmp_path / "2.pt")
    with pytest.raises(WeightsError, match="it holds list"):
        StoredWords.from_path(tmp_path)
