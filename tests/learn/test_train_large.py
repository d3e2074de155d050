"""Full-size checkpoints, at tiny sizes: what goes in comes out as the same kind of folder, and training moves it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from agent.errors import ConfigError
from agent.executor.models.pi0_policy import pi0_policy
from agent.executor.models.rdt_policy import rdt_policy
from agent.learn.large import held, large_learner
from agent.learn.lora import LoRA, add_lora, merged
from agent.types import Observation, Subtask
from tests.executor.models.checkpoints import PI0_SETTINGS, pi0_folder, rdt_folder, write_policy
from tests.executor.models.test_rdt_policy import CONFIG, PUBLISHED, PUSH, setup
from tests.learn.few import Few


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("large")
    home = pi0_folder(parent)
    write_policy(home, **PI0_SETTINGS)
    rdt_folder(parent, CONFIG, PUBLISHED, [PUSH.words])
    setup(parent)
    return {"pi0": home, "rdt": parent / "rdt"}


def few() -> Few:
    return Few(8, words=("push the red button",))


def look() -> Observation:
    data = few()
    images = {"front": np.full((224, 224, 3), 90, np.uint8), "wrist": np.full((128, 128, 3), 60, np.uint8)}
    return Observation(3, 0.15, data.state[0], images)


@pytest.mark.parametrize("family", ["pi0", "rdt"])
@pytest.mark.parametrize("rank", [None, 2], ids=["whole", "low rank"])
def test_training_lowers_the_loss_and_leaves_a_folder_that_policies_are_made_of(
    folders: dict[str, Path], tmp_path: Path, family: str, rank: int | None
) -> None:
    torch.manual_seed(0)
    data = few()
    learner = large_learner(family, folders[family], rank, "cpu", data)
    batch = data.batch(np.arange(4))
    weights = [weight for weight in learner.model.parameters() if weight.requires_grad]
    if rank is not None:
        assert sum(w.numel() for w in weights) < 0.5 * sum(w.numel() for w in learner.model.parameters())
    optimiser = torch.optim.AdamW(weights, 3e-3)
    losses = []
    for _ in range(12):
        loss, _ = learner.loss(batch, torch.Generator().manual_seed(7))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert learner.check(batch)["error_cm"] >= 0
    learner.export(tmp_path, None, {})
    policy = (pi0_policy if family == "pi0" else rdt_policy)(tmp_path)
    chunk = policy.predict(look(), Subtask(skill="", words=PUSH.words))
    assert np.isfinite(chunk.actions).all() and chunk.actions.shape[1] == 7


def test_an_update_starts_at_nothing_and_adds_into_the_weights() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4, bias=False), nn.Linear(4, 3))
    before, x = {name: value.clone() for name, value in plain.state_dict().items()}, torch.randn(7, 6)
    answer = plain(x)
    assert add_lora(plain, 2, lambda name: name != "2", alpha=4) == ["0", "1"]
    torch.testing.assert_close(plain(x), answer)
    assert {name for name, weight in plain.named_parameters() if weight.requires_grad} == {"0.down", "0.up", "1.down", "1.up"}
    for module in plain.modules():
        if isinstance(module, LoRA):
            nn.init.normal_(module.up)
    again = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4, bias=False), nn.Linear(4, 3))
    found = merged(plain, plain.state_dict())
    assert found.keys() == before.keys()
    again.load_state_dict(found)
    torch.testing.assert_close(again(x), plain(x))
    assert not torch.allclose(again(x), answer)


def test_a_family_without_full_size_checkpoints_is_said() -> None:
    with pytest.raises(ConfigError, match="no full-size pi0-small"):
        large_learner("pi0-small", Path("."), None, "cpu", few())


def test_a_chunk_is_cut_or_its_last_row_goes_on() -> None:
    chunk = np.arange(2 * 3 * 1, dtype=np.float32).reshape(2, 3, 1)
    assert held(chunk, 2)[:, :, 0].tolist() == [[0, 1], [3, 4]]
    assert held(chunk, 5)[:, :, 0].tolist() == [[0, 1, 2, 2, 2], [3, 4, 5, 5, 5]]


def test_paths_in_the_new_folder_lead_where_they_did(folders: dict[str, Path], tmp_path: Path) -> None:
    learner = large_learner("pi0", folders["pi0"], None, "cpu", few())
    learner.export(tmp_path / "far" / "away", None, {})
    said = yaml.safe_load((tmp_path / "far" / "away" / "policy.yaml").read_text())
    assert Path(said["tokenizer"]).is_dir()
