import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from agent.errors import PolicyError
from agent.executor.models.rdt import RDT, RDT_1B, RDT_170M, RDT_TINY, RDTConfig, Senses, attend
from agent.executor.models.sampling import guide_from
from benchmarks.parity_rdt import rdt_sets

FIXTURES = Path(__file__).parents[2] / "fixtures" / "rdt"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random_model(config: RDTConfig = RDT_TINY, seed: int = 0) -> RDT:
    """Every parameter random, so that none hides behind a zero."""
    torch.manual_seed(seed)
    model = RDT(config).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.add_(0.1 * torch.randn_like(parameter))
        elif parameter.dim() == 1 or name.endswith("ffn_final.fc2.weight"):
            parameter.copy_(0.1 * torch.randn_like(parameter))
    return model


def random_senses(seed: int = 1, dtype: torch.dtype = torch.float32) -> Senses:
    config, batch, words = RDT_TINY, 3, 5
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(dtype)

    has = (torch.rand(batch, config.action, generator=generator) < 0.3).to(dtype)
    mask = torch.arange(words)[None] < torch.randint(1, words + 1, (batch, 1), generator=generator)
    return Senses(
        words=normal(batch, words, config.words_width),
        words_mask=mask,
        images=normal(batch, config.image_tokens, config.image_width),
        state=normal(batch, config.action) * has,
        has=has,
        hz=torch.tensor([25.0, 0.0, 12.5]),
    )


def noise_for(config: RDTConfig = RDT_TINY, batch: int = 3, seed: int = 2) -> torch.Tensor:
    return torch.randn(batch, config.horizon, config.action, generator=torch.Generator().manual_seed(seed))


def only(senses: Senses, i: int) -> Senses:
    return replace(senses, **{name: getattr(senses, name)[i : i + 1] for name in ("words", "words_mask", "images", "state", "has", "hz")})


def test_every_array_of_every_set_is_within_its_bound():
    sets = dict(rdt_sets(FIXTURES))
    assert set(sets) == {"rdt_a1", "rdt_a2"}
    for name, rows in sets.items():
        assert len(rows) > 25
        assert {row[0] for row in rows} >= {"model_out", "predict_action", "predict_step_x", "loss", "initial model.img_cond_pos_embed"}
        for array, error, bound in rows:
            assert error <= bound, (name, array, error, bound)
        # far below the bound, so that a systematic slip (exact GELU moves outputs by 5e-4) could not hide
        assert max(error for array, error, _ in rows if array in ("model_out", "predict_action")) < 5e-6


def test_parity_notices_a_single_wrong_parameter(tmp_path: Path):
    for path in FIXTURES.glob("rdt_a2.*"):
        shutil.copy(path, tmp_path)
    weights = load_file(tmp_path / "rdt_a2.safetensors")
    weights["model.blocks.1.cross_attn.k_norm.weight"] *= 1.001
    save_file(weights, tmp_path / "rdt_a2.safetensors")
    ((_, rows),) = rdt_sets(tmp_path)
    assert {"model_out", "predict_action"} <= {array for array, error, bound in rows if error > bound}


@pytest.mark.parametrize(
    ("config", "parameters", "transformer", "tensors"),
    [(RDT_1B, 1_228_319_872, 1_200_256_128, 618), (RDT_170M, 166_229_888, 156_392_320, 324)],
)
def test_full_size_models_have_the_published_sizes(config: RDTConfig, parameters: int, transformer: int, tensors: int):
    with torch.device("meta"):
        model = RDT(config)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert sum(p.numel() for p in model.model.parameters()) == transformer
    assert len(model.state_dict()) == tensors


@pytest.mark.parametrize("config", [RDT_1B, RDT_170M, RDT_TINY])
def test_full_size_models_have_the_published_names_and_shapes(config: RDTConfig):
    with torch.device("meta"):
        model = RDT(config)
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == published_shapes(config)


def published_shapes(config: RDTConfig) -> dict[str, tuple[int, ...]]:
    width, head = config.width, config.width // config.heads
    linear: dict[str, tuple[int, int]] = {
        "model.final_layer.ffn_final.fc1": (width, width),
        "model.final_layer.ffn_final.fc2": (config.action, width),
        "lang_adaptor.0": (width, config.words_width),
        "lang_adaptor.2": (width, width),
        "img_adaptor.0": (width, config.image_width),
        "img_adaptor.2": (width, width),
        "state_adaptor.0": (width, 2 * config.action),
        "state_adaptor.2": (width, width),
        "state_adaptor.4": (width, width),
    }
    for embedder in ("t_embedder", "freq_embedder"):
        linear |= {f"model.{embedder}.mlp.0": (width, 256), f"model.{embedder}.mlp.2": (width, width)}
    shapes: dict[str, tuple[int, ...]] = {
        "model.x_pos_embed": (1, config.horizon + 3, width),
        "model.lang_cond_pos_embed": (1, abs(config.words), width),
        "model.img_cond_pos_embed": (1, config.image_tokens, width),
        "model.final_layer.norm_final.weight": (width,),
    }
    for k in range(config.depth):
        block = f"model.blocks.{k}"
        linear |= {f"{block}.attn.qkv": (3 * width, width), f"{block}.attn.proj": (width, width)}
        linear |= {f"{block}.cross_attn.q": (width, width), f"{block}.cross_attn.kv": (2 * width, width)}
        linear |= {f"{block}.{name}": (width, width) for name in ("cross_attn.proj", "ffn.fc1", "ffn.fc2")}
        shapes |= {f"{block}.norm{n}.weight": (width,) for n in (1, 2, 3)}
        shapes |= {f"{block}.{kind}.{norm}.weight": (head,) for kind in ("attn", "cross_attn") for norm in ("q_norm", "k_norm")}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def test_too_many_words_or_the_wrong_number_of_image_tokens_are_refused():
    model, senses = random_model(), random_senses()
    with pytest.raises(PolicyError, match=r"at most 16 words and exactly 54 image tokens.*given 5 and 50"):
        model.sample(replace(senses, images=senses.images[:, :50]), noise_for())
    with pytest.raises(PolicyError, match="given 20 and 54"):
        model.sample(replace(senses, words=senses.words.repeat(1, 4, 1), words_mask=None), noise_for())


def test_conditions_alternate_words_first():
    model, senses = random_model(), random_senses()
    before = model.remember(senses)
    other_words = model.remember(replace(senses, words=senses.words + 1))
    other_images = model.remember(replace(senses, images=senses.images + 1))
    for i, memory in enumerate(before):
        assert torch.equal(memory.k, other_words[i].k) == (i % 2 == 1)
        assert torch.equal(memory.v, other_images[i].v) == (i % 2 == 0)
        assert (memory.mask is None) == (i % 2 == 1)


def test_untrained_model_answers_zero():
    torch.manual_seed(0)
    assert torch.equal(RDT(RDT_TINY).sample(random_senses(), noise_for()), torch.zeros(3, 8, 128))


def test_sampling_is_a_function_of_its_arguments():
    model, senses, noise = random_model(), random_senses(), noise_for()
    first = model.sample(senses, noise)
    model.sample(random_senses(seed=7), noise_for(seed=8), steps=3)
    assert torch.equal(model.sample(senses, noise), first)
    assert not torch.allclose(model.sample(senses, noise_for(seed=9)), first)


@pytest.mark.parametrize("steps", [1, 2, 5, 12])
def test_remembered_equals_recomputed(steps: int):
    model, senses, noise = random_model(), random_senses(), noise_for()
    remembered = model.sample(senses, noise, steps)
    assert torch.allclose(remembered, model.sample(senses, noise, steps, remember=False), atol=1e-6, rtol=0)


def test_batch_equals_singles():
    model, senses, noise = random_model(), random_senses(), noise_for()
    together = model.sample(senses, noise)
    for i in range(3):
        assert torch.allclose(together[i : i + 1], model.sample(only(senses, i), noise[i : i + 1]), atol=2e-6, rtol=0)


def test_absent_slots_stay_zero_and_present_ones_do_not():
    senses = random_senses()
    chunk = random_model().sample(senses, noise_for())
    present = senses.has[:, None].expand_as(chunk).bool()
    assert (chunk[~present] == 0).all() and (chunk[present] != 0).all()


def test_padding_words_are_not_seen():
    model, senses, noise = random_model(), random_senses(), noise_for()
    padded = replace(
        senses,
        words=torch.cat([senses.words, torch.full((3, 4, RDT_TINY.words_width), 50.0)], dim=1),
        words_mask=torch.cat([senses.words_mask, torch.zeros(3, 4, dtype=torch.bool)], dim=1),
    )
    assert torch.allclose(model.sample(padded, noise), model.sample(senses, noise), atol=2e-6, rtol=0)


def test_an_instruction_without_words_is_refused():
    senses = random_senses()
    with pytest.raises(PolicyError, match="without a single word"):
        replace(senses, words_mask=torch.zeros_like(senses.words_mask))


def test_bf16_stays_close_to_float32():
    model, noise = random_model(), noise_for()
    wide = model.sample(random_senses(), noise)
    narrow = model.bfloat16().sample(random_senses(dtype=torch.bfloat16), noise.bfloat16())
    assert narrow.dtype == torch.bfloat16
    assert (wide - narrow.float()).abs().max() < 0.1 * wide.abs().max()


def test_guide_pulls_the_first_rows_to_the_running_chunk_and_keeps_absent_slots_zero():
    model, senses, noise = random_model(), random_senses(), noise_for()
    free = model.sample(senses, noise, steps=10)
    running = free + 0.3 * senses.has[:, None]
    guided = model.sample(senses, noise, steps=10, guide=guide_from(running[:, :6], RDT_TINY.horizon, delay=3, execute=2))
    present = senses.has[:, None].expand(-1, 3, -1).bool()
    assert (guided[:, :3] - running[:, :3])[present].abs().mean() < (free[:, :3] - running[:, :3])[present].abs().mean()
    assert (guided[:, :3][~present] == 0).all()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_compiled_equals_eager():
    model, senses, noise = random_model(), random_senses(), noise_for()
    memories, t = model.remember(senses), torch.tensor([400])
    compiled = torch.compile(model.denoise, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        assert torch.allclose(compiled(noise, t, senses, memories), model.denoise(noise, t, senses, memories), atol=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_for_training_in_bf16_equals_the_fused_kernel(masked: bool):
    q, k, v = torch.randn(3, 2, 4, 6, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    mask = (torch.arange(6) < 4).expand(2, 1, 1, 6) if masked else None
    plain, fused = attend(q.clone().requires_grad_(), k, v, mask), attend(q, k, v, mask)
    assert plain.requires_grad and plain.shape == (2, 6, 32)
    assert torch.allclose(plain.float(), fused.float(), atol=0.02)


def test_loss_teaches_absent_slots_to_be_zero():
    model, senses, noise = RDT(RDT_TINY), random_senses(), noise_for()
    actions = noise_for(seed=5)
    loss = model.loss(actions, noise, torch.tensor([3, 500, 999]), senses)
    assert torch.allclose(loss, actions**2)  # an untrained model answers zero everywhere, and is charged everywhere
