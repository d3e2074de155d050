"""The small π0, π0-small and RDT: what their parts promise to each other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from agent.errors import WeightsError
from agent.executor.models.pi0 import Pi0
from agent.executor.models.sampling import Guide
from agent.executor.models.small import GREY, Pointer, Pointing, Senses, SmallConfig, mean_words, pointing_error
from agent.executor.models.small_files import is_small, load_small, save_small
from agent.executor.models.small_pi0 import SmallPi0, as_inputs
from agent.executor.models.small_rdt import SmallRDT, training_steps, with_given
from agent.executor.models.small_space import FELT, GIVEN, SLOTS, TURN
from tests.executor.models.small_models import draws, senses, tiny_small

FAMILIES = ["pi0", "pi0-small", "rdt"]
families = pytest.mark.parametrize("family", FAMILIES)
flows = pytest.mark.parametrize("family", ["pi0", "pi0-small"])


def losses(small, told, actions, drawn, weight):
    if isinstance(small.model, SmallRDT):
        hz = torch.full((len(actions),), 20.0)
        return small.model.losses(told, actions, drawn, hz, lambda _: weight, torch.Generator().manual_seed(5))
    return small.model.losses(told, actions, drawn, lambda _: weight)


def made(small, told, noise, guide=None):
    with torch.no_grad():
        if isinstance(small.model, SmallRDT):
            return small.model.sample(told, noise, torch.full((len(noise),), 20.0), 3, guide)
        return small.model.denoise(small.model.look(told)[0], noise, 3, guide)


def noise_for(small, count=2, seed=3):
    return torch.randn(count, 32, small.config.action, generator=torch.Generator().manual_seed(seed))


@families
@pytest.mark.parametrize("pointing", [True, False], ids=["pointing", "pure"])
def test_every_weight_is_reached_by_the_loss(family: str, pointing: bool) -> None:
    small = tiny_small(family, pointing)
    small.model.train()
    told, actions = senses(small), noise_for(small)
    motion, heat = losses(small, told, actions, draws(small, 2), torch.ones(2, 32, 1))
    total = motion
    if pointing:
        total = total + small.model.pointer.loss(heat, torch.rand(2, 2, 3, 3))
    else:
        assert heat is None
    total.backward()
    unread = {f"trunk.vlm.blocks.3.{part}" for part in ("out", "norm2", "gate_up", "down")} | {"trunk.vlm.norm"}
    untouched = {name.removesuffix(".weight").removesuffix(".bias") for name, w in small.model.named_parameters() if w.grad is None}
    assert untouched <= unread | {"silence"}  # nobody reads the prefix after its last attention


@families
def test_several_draws_cost_one_reading_and_count_alike(family: str) -> None:
    """The loss over K draws is the mean of the losses of each: as if every draw had been a batch of its own. (What is promised comes of the
    first draw's noise, which is therefore that of both.)"""
    small = tiny_small(family)
    told, actions, both = senses(small), noise_for(small), draws(small, 2, of_each=2, given=3)
    both = both._replace(noise=both.noise[:2].repeat(2, 1, 1))
    weight = torch.ones(2, 32, 1)
    whole = losses(small, told, actions, both, weight)[0]
    halves = [losses(small, told, actions, type(both)(*(part[i : i + 2] for part in both)), weight)[0] for i in (0, 2)]
    torch.testing.assert_close(whole, sum(halves) / 2, rtol=1e-4, atol=1e-5)


@families
def test_rows_that_do_not_count_do_not_count(family: str) -> None:
    small = tiny_small(family)
    told, actions, drawn = senses(small), noise_for(small), draws(small, 2, of_each=1)
    weight = torch.zeros(2, 32, 1)
    assert losses(small, told, actions, drawn, weight)[0] == 0
    weight[:, :16] = 1
    part = losses(small, told, actions, drawn, weight)[0]
    weight[:, 16:] = 1
    assert part > 0 and losses(small, told, actions, drawn, weight)[0] != part
    given = drawn._replace(given=torch.full((2,), 32))
    assert losses(small, told, actions, given, weight)[0] == 0  # all given: nothing is left to learn


@families
def test_given_rows_come_back_as_they_were_and_change_what_follows(family: str) -> None:
    small = tiny_small(family)
    told, noise = senses(small), noise_for(small)
    target = torch.zeros_like(noise)
    target[:, :5] = 0.5
    if family == "rdt":
        target = target * small.model.has
    free, bound = made(small, told, noise), made(small, told, noise, Guide(target, torch.ones(32), frozen=5))
    torch.testing.assert_close(bound[:, :5], target[:, :5])
    assert not torch.allclose(bound[:, 5:], free[:, 5:])
    torch.testing.assert_close(made(small, told, noise), free)


@flows
def test_the_last_step_of_the_flow_lands_on_the_networks_own_answer(family: str) -> None:
    small = tiny_small(family)
    told, noise = senses(small), noise_for(small)
    with torch.no_grad():
        memory = small.model.look(told)[0]
        answer = small.model.clean(memory, noise, small.model.condition(torch.ones(1, 1)))
        torch.testing.assert_close(small.model.denoise(memory, noise, 1), answer)


def test_what_training_sees_is_what_sampling_sees() -> None:
    """One step of the flow at t, row by row: the loss of `losses` is that of the cached prediction. Given rows are the network's own first
    guess, and off; what is to be answered is not."""
    small = tiny_small("pi0")
    told, actions, drawn = senses(small), noise_for(small), draws(small, 2, of_each=1, given=4)
    drawn = drawn._replace(astray=torch.randn(2, 32, 5))
    loss, _ = losses(small, told, actions, drawn, torch.ones(2, 32, 1))
    cache, _ = small.model.look(told)
    given = torch.arange(32)[None, :, None] < 4
    t = drawn.t[:, None, None]
    guess = small.model.clean(cache, drawn.noise, small.model.condition(torch.ones(2, 1)))
    x = torch.where(given, guess + drawn.astray, t * drawn.noise + (1 - t) * actions)
    rows = torch.where(given[..., 0], 0.0, drawn.t[:, None])
    answer = small.model.clean(cache, x, small.model.condition(rows))
    wanted = ((answer - actions) ** 2 * ~given / t.clamp(min=0.25)).sum() / (2 * 28 * 5)
    torch.testing.assert_close(loss, wanted, rtol=1e-4, atol=1e-6)


@families
def test_padding_of_the_sentence_changes_nothing(family: str) -> None:
    small = tiny_small(family)
    told, noise = senses(small, 1), noise_for(small, 1)
    plain = Senses(told.images, told.tokens, None, told.state)
    longer = torch.nn.functional.pad(told.tokens, (0, 5))
    padded = Senses(told.images, longer, longer != 0, told.state)
    torch.testing.assert_close(made(small, padded, noise), made(small, plain, noise), atol=1e-4, rtol=1e-4)


@families
def test_words_pixels_and_state_all_matter(family: str) -> None:
    small = tiny_small(family)
    told, noise = senses(small, 1), noise_for(small, 1)
    answer = made(small, told, noise)
    for other in (
        told._replace(tokens=told.tokens.flip(1)),
        told._replace(images=told.images.flip(-1)),
        told._replace(state=told.state + 1),
    ):
        assert not torch.allclose(made(small, other, noise), answer, atol=1e-5)


def test_the_trunk_in_fewer_operations_gives_the_numbers_of_pi0s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefill, state token and actions through paligemma.Trunk, with padded sentences, against what the small model does."""
    small = tiny_small("pi0")
    model, told, x = small.model, senses(small, 3), noise_for(small, 3)
    assert isinstance(model, SmallPi0)
    with torch.no_grad():
        for name, weight in model.trunk.named_parameters():
            if ".norm" in name:
                weight.normal_(std=0.3)
        seen, condition = model.look(told)[0], model.condition(torch.full((3, 1), 0.7))
        layers: list[torch.Tensor] = []
        eyes = model.see(told.images)
        cache = model.trunk.prefill(*model.embed_prefix(eyes, as_inputs(told)), layers)
        read = layers[model.small.tap - 1]
        pointing = model.pointer(read[:, : eyes.shape[1]])
        words = mean_words(read[:, eyes.shape[1] :], told.valid)
        to_state, to_rows = model.point_in(pointing, told.state, words)
        cache = model.trunk.extend(cache, model.embed_state(told.state) + to_state, model.trunk.expert.modulate(None))[1]
        embed = model.embed_actions
        monkeypatch.setattr(model, "embed_actions", lambda x, condition: embed(x, condition) + to_rows)
        whole = Pi0.velocity(model, cache, x, condition)
        monkeypatch.undo()
        torch.testing.assert_close(model.clean(seen, x, condition), whole, atol=1e-4, rtol=1e-4)


def test_words_are_averaged_over_the_real_ones() -> None:
    words, valid = torch.randn(2, 3, 4), torch.tensor([[True, True, False], [True, False, False]])
    torch.testing.assert_close(mean_words(words, valid), torch.stack([words[0, :2].mean(0), words[1, 0]]))
    torch.testing.assert_close(mean_words(words, None), words.mean(1))


def test_weights_that_change_are_folded_anew() -> None:
    small = tiny_small("pi0")
    told, noise = senses(small), noise_for(small)
    before = made(small, told, noise)
    with torch.no_grad():
        small.model.trunk.expert.blocks[0].qkv.weight.mul_(1.5)
    small.model.train()
    small.model.eval()
    after = made(small, told, noise)
    assert not torch.allclose(after, before)
    torch.testing.assert_close(made(small, told, noise), after)


def test_the_prefix_is_cut_at_the_state_the_actions_do_not_reach_back() -> None:
    small = tiny_small("pi0")
    assert isinstance(small.model, SmallPi0)
    told = senses(small)
    one, other = small.model.look(told)[0].memory, small.model.look(told._replace(state=told.state + 1))[0].memory
    for a, b in zip(one.keys, other.keys, strict=True):
        torch.testing.assert_close(a[:, :-1], b[:, :-1])  # all but the state's own token
    assert not torch.allclose(one.keys[-1][:, -1], other.keys[-1][:, -1])


def test_rdt_knows_the_control_rate_and_the_missing_camera() -> None:
    small = tiny_small("rdt")
    told, noise = senses(small, 1), noise_for(small, 1)
    fast = small.model.sample(told, noise, torch.tensor([20.0]), 3)
    assert not torch.allclose(small.model.sample(told, noise, torch.tensor([10.0]), 3), fast, atol=1e-6)
    blind = told.images.clone()
    blind[:, 1] = GREY
    assert not torch.allclose(made(small, told._replace(images=blind), noise), fast, atol=1e-6)


def test_state_and_rows_of_rdt_are_told_where_the_hand_and_the_named_things_are_and_what_is_wanted() -> None:
    small = tiny_small("rdt")
    model, told = small.model, senses(small)
    assert isinstance(model, SmallRDT)
    hz = torch.tensor([20.0, 20.0])
    one = model.look(told, hz)[0].told
    assert one.shape == (2, 1 + small.config.horizon, small.config.width)
    assert torch.equal(one[:, 1], one[:, 2]) and not torch.allclose(one[:, 0], one[:, 1])
    state, images = told.state.clone(), told.images.flip(-1)
    state[:, FELT] += 1
    for other in (told._replace(state=state), told._replace(images=images), told._replace(tokens=told.tokens.flip(0))):
        assert not torch.allclose(model.look(other, hz)[0].told, one, atol=1e-6)


def test_noise_where_these_robots_have_nothing_is_not_heard() -> None:
    small = tiny_small("rdt")
    model, told = small.model, senses(small)
    assert isinstance(model, SmallRDT)
    torch.nn.init.normal_(model.rdt.model.final_layer.ffn_final.fc2.weight)
    seen, rows = model.look(told, torch.tensor([20.0, 20.0]))[0], torch.zeros(2, small.config.horizon, 128)
    loud, quiet = rows.clone(), model.clean(seen, rows, torch.tensor([500]))
    loud[..., [slot for slot in range(GIVEN) if slot not in SLOTS]] = 100
    assert torch.equal(model.clean(seen, loud, torch.tensor([500])), quiet)
    assert not torch.allclose(model.clean(seen, rows + 1, torch.tensor([500])), quiet)


def test_the_numbers_of_a_turn_count_as_one() -> None:
    model = tiny_small("rdt").model
    assert isinstance(model, SmallRDT)
    assert model.matters[TURN].sum() == pytest.approx(1)
    assert {float(model.matters[slot]) for slot in SLOTS if slot not in TURN} == {1.0}


def test_half_of_all_training_steps_are_so_noisy_that_rows_say_little() -> None:
    steps = training_steps(20_000, torch.Generator().manual_seed(0))
    assert 0 <= int(steps.min()) < 5 and int(steps.max()) == 999
    assert (steps >= 750).float().mean() == pytest.approx(0.5, abs=0.02)
    assert (steps >= 890).float().mean() == pytest.approx(0.33, abs=0.02)


def test_a_row_says_whether_it_is_given() -> None:
    noisy, clean = torch.randn(2, 4, 128), torch.randn(2, 4, 128)
    given = torch.tensor([True, True, False, False])[None, :, None]
    mixed = with_given(noisy, clean, given)
    assert mixed[..., GIVEN].tolist() == [[1, 1, 0, 0]] * 2
    torch.testing.assert_close(mixed[:, :2, :GIVEN], clean[:, :2, :GIVEN])
    torch.testing.assert_close(mixed[:, 2:, :GIVEN], noisy[:, 2:, :GIVEN])


# --- pointing ---------------------------------------------------------------------------------------------------------------


def pointer() -> tuple[Pointer, torch.Tensor]:
    return Pointer(SmallConfig(), 16), torch.tensor([[[[0.3, -0.7, 1.0], [0.0, 0.0, 0.0], [-0.99, 0.99, 1.0]]] * 2])


def pointing_at(points: torch.Tensor, one: Pointer) -> Pointing:
    """A pointing that is sure of the truth."""
    logits, offsets = torch.full((1, 2, 3, 65), -20.0), torch.zeros(1, 2, 3, 64, 2)
    for v in range(2):
        for n in range(3):
            u, w, seen = points[0, v, n].tolist()
            spot = [(u + 1) * 4, (w + 1) * 4]
            token = int(spot[1]) * 8 + int(spot[0]) if seen else 64
            logits[0, v, n, token] = 20
            if seen:
                offsets[0, v, n, token] = torch.tensor([spot[0] % 1 - 0.5, spot[1] % 1 - 0.5])
    return one.at(logits, offsets)


def test_a_sure_and_right_pointing_costs_nothing_and_its_place_is_the_place() -> None:
    one, points = pointer()
    sure = pointing_at(points, one)
    assert one.loss(sure, points) < 1e-4
    torch.testing.assert_close(sure.place, points, atol=1e-4, rtol=0)
    off, seen = pointing_error(sure, points)
    assert off < 1e-4 and seen == 1


def test_of_two_places_one_is_pointed_at_and_a_place_on_an_edge_is_the_mean_of_its_tokens() -> None:
    one, _ = pointer()
    logits, offsets = torch.full((1, 2, 3, 65), -20.0), torch.zeros(1, 2, 3, 64, 2)
    logits[0, 0, :, [9, 54]] = torch.tensor([1.0, 1.1])  # far apart
    logits[0, 1, :, [9, 10, 64]] = 1.0  # side by side, or not in view
    u, v, certain = one.at(logits, offsets).place[0, :, 0].T
    torch.testing.assert_close(torch.stack([u, v]) / certain, torch.tensor([[0.625, -0.5], [0.625, -0.625]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(certain, torch.tensor([1.0, 2 / 3]), atol=1e-4, rtol=0)


def test_pointing_elsewhere_or_at_what_is_hidden_costs() -> None:
    one, points = pointer()
    sure = pointing_at(points, one)
    moved = points.clone()
    moved[..., 0] *= -1
    assert one.loss(sure, moved) > 1
    hidden = points.clone()
    hidden[..., 2] = 0
    assert one.loss(sure, hidden) > 1
    unknown = points.clone()
    unknown[..., 2] = -1
    assert one.loss(sure, unknown) == 0


def test_pointing_learns_where_a_mark_is() -> None:
    torch.manual_seed(0)
    one = Pointer(SmallConfig(things=1), 8)
    optimiser = torch.optim.Adam(one.parameters(), 0.05)
    cells = torch.randint(0, 64, (32, 2))
    tokens = torch.zeros(32, 2, 64, 8)
    for b in range(32):
        for v in range(2):
            tokens[b, v, cells[b, v], 0] = 3
    side = torch.stack([cells % 8, cells // 8], -1)
    points = torch.cat([(side + 0.5) / 4 - 1, torch.ones(32, 2, 1)], -1)[:, :, None]
    tokens = tokens.flatten(1, 2)
    for _ in range(60):
        loss = one.loss(one(tokens), points)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert pointing_error(one(tokens), points)[0] < 0.02


# --- files ------------------------------------------------------------------------------------------------------------------


@families
def test_what_is_saved_is_what_is_loaded(family: str, tmp_path: Path) -> None:
    small = tiny_small(family)
    save_small(small, tmp_path, None)
    again = load_small(tmp_path)
    assert is_small(tmp_path) and again.config == small.config and again.vocabulary == small.vocabulary
    told, noise = senses(small), noise_for(small)
    torch.testing.assert_close(made(again, told, noise), made(small, told, noise))
    assert not any(weight.requires_grad for weight in again.model.parameters())


def test_weights_that_are_not_those_of_the_card_are_refused(tmp_path: Path) -> None:
    save_small(tiny_small(seed=0), tmp_path / "a", None)
    save_small(tiny_small(seed=1), tmp_path / "b", None)
    (tmp_path / "a" / "model.safetensors").write_bytes((tmp_path / "b" / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match="sha256"):
        load_small(tmp_path / "a")
    (tmp_path / "a" / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="missing"):
        load_small(tmp_path / "a")


def test_another_folder_is_no_small_policy(tmp_path: Path) -> None:
    assert not is_small(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"family": "pi0"}))
    assert not is_small(tmp_path)
    with pytest.raises(WeightsError, match="saydo train"):
        load_small(tmp_path)


def test_sizes_that_do_not_fit_are_said() -> None:
    with pytest.raises(ValueError, match="pi0, pi0-small, rdt"):
        SmallConfig(family="pi1")
    with pytest.raises(ValueError, match="does not divide"):
        replace(SmallConfig(), image=100)
