import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from agent.errors import WeightsError
from agent.executor.models import pi0, weights
from agent.executor.models.inspection import inspect
from agent.executor.models.pi0 import PI0, PI05, Pi0
from agent.executor.models.pi0_names import TEXT, TIED, UNUSED, VLM, pieces, published_shapes
from agent.executor.models.rdt import RDT, RDT_TINY
from agent.executor.models.weights import check_keys, load_pi0, load_rdt, open_checkpoint, save
from tests.executor.models.test_pi0 import noise_for, random_inputs, random_model

FIXTURES = Path(__file__).parents[2] / "fixtures" / "pi0"
TINY = {False: pi0.tiny(), True: pi0.tiny(adaptive=True)}
NAMES = {False: "pi0", True: "pi05"}


def published(adaptive: bool) -> dict[str, torch.Tensor]:
    return load_file(FIXTURES / f"{NAMES[adaptive]}_tiny_weights.safetensors")


def same(a: Pi0, b: Pi0) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return set(left) == set(right) and all(torch.equal(left[k], right[k]) for k in left)


both = pytest.mark.parametrize("adaptive", [False, True], ids=["pi0", "pi05"])


@both
def test_all_published_layouts_give_the_same_model(adaptive: bool, tmp_path: Path) -> None:
    tensors = published(adaptive)
    reference = load_pi0(FIXTURES / f"{NAMES[adaptive]}_tiny_weights.safetensors", TINY[adaptive])
    old = {k.replace(VLM + "model.language_model.", VLM + "language_model.model."): v for k, v in tensors.items()}
    old = {re.sub(rf"^({re.escape(VLM)})model\.(vision_tower|multi_modal)", r"\1\2", k): v for k, v in old.items()}
    assert set(old) != set(tensors)
    layouts = {
        "lerobot, trained": {f"model.{k}": v for k, v in tensors.items()},
        "lerobot, old paths": {k.replace(VLM + "lm_head", VLM + "language_model.lm_head"): v for k, v in old.items()},
        "embedding under its other name": {TEXT if k == TIED else k: v for k, v in tensors.items()},
        "embedding twice": tensors | {TEXT: tensors[TIED].clone()},
        "without the unused head": {k: v for k, v in tensors.items() if k != UNUSED},
    }
    for name, layout in layouts.items():
        save_file(layout, tmp_path / "model.safetensors")
        assert same(load_pi0(tmp_path, TINY[adaptive]), reference), name


@both
def test_the_key_sets_of_the_released_files(adaptive: bool) -> None:
    shapes = published_shapes(PI05 if adaptive else PI0)
    assert len(shapes) == (813 if adaptive else 778)
    assert shapes[TEXT] == shapes[TIED] == (257152, 2048) and shapes[UNUSED] == (257152, 1024)
    layer = "paligemma_with_expert.gemma_expert.model.layers.17."
    assert shapes[layer + "self_attn.q_proj.weight"] == (2048, 1024) and shapes[layer + "self_attn.o_proj.weight"] == (1024, 2048)
    assert (layer + "input_layernorm.dense.weight" in shapes) is adaptive
    assert set(published(adaptive)) == set(published_shapes(TINY[adaptive])) - {TEXT}


@both
def test_every_parameter_is_stacked_from_published_ones(adaptive: bool) -> None:
    config = PI05 if adaptive else PI0
    with torch.device("meta"):
        parameters = {name: value.shape for name, value in Pi0(config).named_parameters()}
    table = pieces(config)
    assert set(table) == set(parameters)
    for name, stack in table.items():
        assert sum(piece.shape[0] for piece in stack) == parameters[name][0], name


def test_misfits_are_a_table_and_never_silent(tmp_path: Path) -> None:
    tensors = published(False)
    tensors["paligemma_with_expert.gemma_expert.model.norm.wieght"] = tensors.pop("paligemma_with_expert.gemma_expert.model.norm.weight")
    tensors["state_proj.bias"] = torch.zeros(7)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError) as error:
        load_pi0(tmp_path, TINY[False])
    text = str(error.value)
    assert "1 keys missing, 1 unexpected, 1 of the wrong shape" in text
    assert re.search(r"missing +\S+norm\.weight .*Did you mean '\S+wieght'", text)
    assert re.search(r"unexpected +\S+norm\.wieght", text)
    assert re.search(r"wrong shape +state_proj\.bias +file \[7\], model \[32\]", text)


def test_a_pi05_file_is_not_taken_for_pi0() -> None:
    with pytest.raises(WeightsError, match=r"time_mlp_in\.weight"):
        load_pi0(FIXTURES / "pi05_tiny_weights.safetensors", TINY[False])
    assert open_checkpoint(FIXTURES / "pi05_tiny_weights.safetensors").family == "pi05"


def test_long_tables_are_cut() -> None:
    with pytest.raises(WeightsError, match="and 80 more"):
        check_keys({f"k{n}": (1,) for n in range(100)}, {}, Path("file"))


@both
def test_our_own_layout_restores_the_model(adaptive: bool, tmp_path: Path) -> None:
    model = random_model(TINY[adaptive])
    save(model, tmp_path)
    again = load_pi0(tmp_path)
    assert again.config == model.config and same(again, model)
    inputs, noise = random_inputs(model.config), noise_for(model.config)
    assert torch.equal(again.sample(inputs, noise), model.sample(inputs, noise))
    assert not again.training and not any(p.requires_grad for p in again.parameters())


def test_published_sizes_are_recognised_by_config_or_width(tmp_path: Path) -> None:
    config = pi0.Pi0Config(
        vision=pi0.VisionConfig(), vlm=weights.DUMMY, expert=weights.DUMMY, vocab=30, action_dim=14, horizon=10, max_text=48
    )
    with torch.device("meta"):
        shapes = published_shapes(config)
    for name in (TEXT, UNUSED):
        shapes.pop(name)
    save_file({name: torch.zeros(shape, dtype=torch.bfloat16) for name, shape in shapes.items()}, tmp_path / "model.safetensors")
    for card in ({"action_horizon": 10}, {"action_horizon": 10, "paligemma_variant": "dummy", "action_expert_variant": "dummy"}):
        (tmp_path / "config.json").write_text(json.dumps(card))
        assert weights.pi0_config(open_checkpoint(tmp_path)) == config
    report = inspect(tmp_path)
    assert report.problem is None and report.layout == "openpi" and report.dtypes == {"BF16": len(shapes)}
    assert report.used == report.numbers and "fits" in str(report)


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    tensors = published(False)
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, keys in parts.items():
        save_file({k: tensors[k] for k in keys}, tmp_path / file)
    where = {k: file for file, keys in parts.items() for k in keys}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    assert same(load_pi0(tmp_path, TINY[False]), load_pi0(FIXTURES / "pi0_tiny_weights.safetensors", TINY[False]))


def rdt_folder(folder: Path) -> RDT:
    """A tiny RDT in the flat layout of the hub."""
    card = {
        "action_dim": 128, "pred_horizon": 8, "lang_token_dim": 48, "img_token_dim": 40, "lang_pos_embed_config": [["lang", -16]],
        "img_pos_embed_config": [["image", [2, 3, -9]]], "lang_adaptor": "mlp2x_gelu", "img_adaptor": "mlp2x_gelu",
        "state_adaptor": "mlp3x_gelu", "rdt": {"hidden_size": 64, "depth": 4, "num_heads": 4},
        "noise_scheduler": {"num_inference_timesteps": 5},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(card))
    torch.manual_seed(0)
    return RDT(RDT_TINY)


def test_rdt_loads_from_bin_safetensors_and_deepspeed(tmp_path: Path) -> None:
    model = rdt_folder(tmp_path)
    state = model.state_dict()
    torch.save(state, tmp_path / "pytorch_model.bin")
    inner = tmp_path / "pytorch_model"
    inner.mkdir()
    torch.save({"module": state, "global_steps": 7}, inner / "mp_rank_00_model_states.pt")
    for file, layout in (("pytorch_model.bin", "rdt"), ("pytorch_model/mp_rank_00_model_states.pt", "deepspeed")):
        (inner / "config.json").write_text((tmp_path / "config.json").read_text())
        assert open_checkpoint(tmp_path / file).layout == layout
        loaded = load_rdt(tmp_path / file).state_dict()
        assert all(torch.equal(loaded[k], state[k]) for k in state)
    save_file({k: v + 1 for k, v in state.items()}, tmp_path / "model.safetensors")
    assert open_checkpoint(tmp_path).path.name == "model.safetensors"  # preferred over the pickle beside it
    assert inspect(tmp_path).problem is None


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model.x_pos_embed": Trap()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="not executed"):
        open_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_what_is_not_a_checkpoint_is_explained(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        open_checkpoint(tmp_path / "nothing")
    with pytest.raises(WeightsError, match="Looked for model"):
        open_checkpoint(tmp_path)
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "_METADATA").touch()
    with pytest.raises(WeightsError, match=r"python -m agent\.executor\.models\.orbax"):
        open_checkpoint(tmp_path)
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="no known family"):
        open_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="Cannot read"):
        open_checkpoint(tmp_path)


def test_a_misfit_is_reported_by_inspect() -> None:
    report = inspect(FIXTURES / "pi0_tiny_weights.safetensors")  # of no published size, and without a config
    assert report.problem is not None and "pass the config" in report.problem and "DOES NOT FIT" in str(report)
    assert report.tensors == 89 and report.numbers == 223288
