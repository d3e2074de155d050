"""From a command line to a run: what is built for it, with what it begins, and how it may go on."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from agent.errors import ConfigError, RecordError
from agent.executor.models.small_files import load_small, save_small
from agent.executor.models.small_rdt import SmallRDT
from agent.learn.learner import Choices, SmallLearner, eyes_of
from agent.learn.start import Order, beginning, choose_device, make_learner, read_order, train
from agent.learn.team import Alone
from agent.learn.train import Plan, Training
from tests.executor.models.small_models import senses, tiny_small
from tests.learn.few import FEW, TINY, equal, plan


def test_an_order_is_kept_and_may_go_on_longer_but_not_as_another(tmp_path: Path) -> None:
    order = Order("pi0", ("data",), plan(tmp_path, samples=8), sizes={"pointing": False})
    (tmp_path / "run.json").write_text(json.dumps({**vars(order), "plan": vars(order.plan), "choices": vars(order.choices)}))
    assert read_order(tmp_path / "run.json") == order
    with pytest.raises(RecordError, match="no dataset"):  # nothing was trained yet: the folder is anyone's
        train(replace(order, sizes={}))
    (tmp_path / "state.pt").touch()
    (tmp_path / "run.json").write_text(json.dumps(asdict(order)))
    with pytest.raises(ConfigError, match=r"holds another run \(sizes"):
        train(replace(order, sizes={}))
    with pytest.raises(ConfigError, match="family 'pi0', now 'rdt'"):
        train(replace(order, family="rdt"))


@pytest.fixture()
def small_pi0(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a small π0, and its sizes."""
    save_small(tiny_small("pi0"), tmp_path / "pi0")
    return tmp_path / "pi0", {name: value for name, value in asdict(TINY).items() if name != "family"}


def test_another_family_begins_with_the_eyes_of_a_small_policy(tmp_path: Path, small_pi0: tuple[Path, dict[str, Any]]) -> None:
    there = eyes_of(load_small(small_pi0[0]).model).state_dict()
    order = Order("pi0-small", ("data",), plan(tmp_path / "other"), init=str(small_pi0[0]), sizes=small_pi0[1])
    learner = make_learner(order, FEW)  # type: ignore[arg-type]
    fresh = make_learner(replace(order, init=None), FEW)  # type: ignore[arg-type]
    assert equal(eyes_of(learner.model).state_dict(), there) and not equal(eyes_of(fresh.model).state_dict(), there)
    assert learner.small.config.family == "pi0-small"  # type: ignore[attr-defined]
    assert "is a pi0: this pi0-small takes its eyes" in beginning(order, str(small_pi0[0]))
    assert "is a pi0: this rdt reads as it does" in beginning(replace(order, family="rdt"), str(small_pi0[0]))
    assert beginning(replace(order, family="pi0"), str(small_pi0[0])) == f"goes on with the weights of {small_pi0[0]}"
    with pytest.raises(ConfigError, match="do not fit"):
        make_learner(replace(order, sizes={**small_pi0[1], "width": 64}), FEW)  # type: ignore[arg-type]


def test_weights_that_are_gone_on_with_keep_their_sizes(tmp_path: Path, small_pi0: tuple[Path, dict[str, Any]]) -> None:
    order = Order("pi0", ("data",), plan(tmp_path / "further"), init=str(small_pi0[0]), sizes=small_pi0[1])
    make_learner(order, FEW)  # type: ignore[arg-type]
    as_typed = {name: list(value) if isinstance(value, tuple) else value for name, value in small_pi0[1].items()}
    make_learner(replace(order, sizes=as_typed), FEW)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"tap=2: the weights of .* have tap=3.*Leave --init out"):
        make_learner(replace(order, sizes={"tap": 2}), FEW)  # type: ignore[arg-type]


def test_a_pi0_goes_on_without_its_pointing_and_an_rdt_does_not(tmp_path: Path, small_pi0: tuple[Path, dict[str, Any]]) -> None:
    order = Order("pi0", ("data",), plan(tmp_path / "run"), init=str(small_pi0[0]), sizes={**small_pi0[1], "pointing": False})
    there = load_small(small_pi0[0]).model.state_dict()
    learner = make_learner(order, FEW)  # type: ignore[arg-type]
    own = learner.model.state_dict()
    assert equal(own, {name: there[name] for name in own})
    assert {name.split(".")[0] for name in there.keys() - own.keys()} == {"pointer", "point_in"}
    assert "the paper's shape" in beginning(order, order.init or "")
    (tmp_path / "run").mkdir()
    Training(order.plan, Alone(), learner, lambda: FEW).run()
    assert not load_small(tmp_path / "run/policy").config.pointing
    again = make_learner(order, FEW)  # type: ignore[arg-type]
    assert equal(again.model.state_dict(), load_small(tmp_path / "run/policy").model.state_dict())
    save_small(tiny_small("rdt"), tmp_path / "rdt")
    with pytest.raises(ConfigError, match=r"pointing=False: the weights of .* have pointing=True.*Leave --init out"):
        make_learner(replace(order, family="rdt", init=str(tmp_path / "rdt"), sizes={"pointing": False}), FEW)  # type: ignore[arg-type]


def test_an_rdt_reads_as_the_pi0_it_began_with_and_only_the_rest_is_trained(tmp_path: Path, small_pi0: tuple[Path, dict[str, Any]]) -> None:
    order = Order("rdt", ("data",), plan(tmp_path / "rdt", samples=16), init=str(small_pi0[0]), sizes=small_pi0[1])
    learner, pi0 = make_learner(order, FEW), load_small(small_pi0[0])  # type: ignore[arg-type]
    assert isinstance(learner, SmallLearner) and isinstance(learner.model, SmallRDT)
    assert learner.small.vocabulary.words[: len(pi0.vocabulary.words)] == pi0.vocabulary.words
    told = senses(pi0)
    hz = torch.full((2,), 20.0)
    places = [learner.model.look(told._replace(state=torch.zeros(2, 128)), hz)[1], pi0.model.look(told)[1]]  # type: ignore[call-arg]
    torch.testing.assert_close(*(found.place for found in places if found is not None))

    Path(order.plan.out).mkdir()
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}
    Training(order.plan, Alone(), learner, lambda: FEW, say=lambda _: None).run()  # type: ignore[arg-type]
    changed = {name.split(".")[0] for name, value in learner.model.state_dict().items() if not torch.equal(value, before[name])}
    assert "rdt" in changed and not changed & {"encoder", "pointer"}
    going_on = make_learner(order, FEW).model  # type: ignore[arg-type]
    assert not any(weight.requires_grad for name, weight in going_on.named_parameters() if name.startswith(("encoder", "pointer")))


def test_an_rdt_goes_on_with_the_reading_of_a_newer_pi0(tmp_path: Path, small_pi0: tuple[Path, dict[str, Any]]) -> None:
    order = Order("rdt", ("data",), plan(tmp_path / "rdt"), init=str(small_pi0[0]), sizes=small_pi0[1])
    first = make_learner(order, FEW)  # type: ignore[arg-type]
    assert isinstance(first, SmallLearner)
    save_small(first.small, tmp_path / "first")
    newer = tiny_small("pi0")
    for weight in newer.model.parameters():
        weight.data += 0.1
    save_small(newer, tmp_path / "newer")
    reading, dials = str(tmp_path / "newer"), {"prefix": 2, "steps": 3}
    order = Order("rdt", ("data",), plan(tmp_path / "on"), str(tmp_path / "first"), reading, sizes=dials)
    learner = make_learner(order, FEW)  # type: ignore[arg-type]
    assert isinstance(learner, SmallLearner) and isinstance(learner.model, SmallRDT)
    assert {name: asdict(learner.small.config)[name] for name in dials} == dials
    assert equal(eyes_of(learner.model).state_dict(), eyes_of(newer.model).state_dict())
    assert equal(learner.model.rdt.state_dict(), first.model.rdt.state_dict())  # type: ignore[union-attr]
    assert equal(learner.model.point_in.state_dict(), first.model.point_in.state_dict())  # type: ignore[union-attr]
    assert not any(weight.requires_grad for name, weight in learner.model.named_parameters() if name.startswith(("encoder", "pointer")))
    with pytest.raises(ConfigError, match="a pi0 has a reading of its own"):
        replace(order, family="pi0")
    with pytest.raises(ConfigError, match=r"A new one: --init .*newer"):
        replace(order, init=None)
    with pytest.raises(ConfigError, match=r"is a pi0.*leave --reading out"):
        make_learner(replace(order, init=reading), FEW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Order("pi", ("data",), Plan("out", samples=1)), "no family 'pi'.*Did you mean|pi0"),
        (lambda: Order("pi0", ("data",), Plan("out", samples=1), sizes={"widht": 3}), "no size 'widht'"),
        (lambda: Plan("out"), "--samples N or --minutes N"),
        (lambda: Plan("out", samples=1, minutes=1), "one of them"),
        (lambda: Plan("out", samples=1, batch=9, processes=2), "shared evenly"),
        (lambda: Plan("out", samples=1, shares={"stack": "often"}), "--share stack=often: how many times"),
    ],
)
def test_what_cannot_be_is_said_at_once(wrong: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wrong()


@pytest.mark.parametrize(("changes", "said"), [
    ({"init": "weights/piO"}, r"--init weights/piO: there is no such folder.*Did you mean 'weights/pi0'"),
    ({"lora": -3}, "--lora -3"),
    ({"lora": 4}, "of a full-size checkpoint"),
    ({"gates": ("lift", "lfit")}, "lift"),
    ({"sizes": {"family": "rdt"}}, "no size 'family'"),
    ({"sizes": {"width": -5}}, "--size width=-5"),
    ({"sizes": {"width": "big"}}, "--size width=big"),
    ({"sizes": {"steps": 0}}, "--size steps=0"),
    ({"sizes": {"grid": 0}}, "--size grid=0"),
    ({"sizes": {"steps": True}}, "--size steps=True"),
    ({"sizes": {"stem": [8]}}, "--size stem="),
    ({"sizes": {"image": 90}}, "does not divide into 8 tokens"),
    ({"sizes": {"width": 100, "heads": 3}}, "3 heads"),
    ({"sizes": {"tap": 9}}, "9 layers"),
    ({"choices": Choices(lost={"wirst": 0.3})}, r"--lost wirst=0.3: there is no such camera.*Did you mean 'wrist'"),
    ({"choices": Choices(lost={"wrist": 1})}, "--lost wrist=1: a share"),
    ({"choices": Choices(lost={"wrist": "often"})}, "--lost wrist=often"),
])  # fmt: skip
def test_what_cannot_be_trained_is_said_before_anything_is_written(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Order("pi0", ("data",), plan(tmp_path / "run"), **changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{"samples": -5}, {"samples": 0}, {"minutes": -1.0}, {"minutes": float("inf")}, {"rate": float("nan")},
                                     {"rate": -1.0}, {"save_minutes": -1.0}, {"gate_minutes": -1.0}])  # fmt: skip
def test_a_plan_of_no_length_or_no_rate_is_refused(changes: dict[str, Any]) -> None:
    long = {} if changes.keys() & {"samples", "minutes"} else {"samples": 8}
    with pytest.raises(ConfigError, match=r"has to be (more than )?0"):
        Plan(out="run", **long, **changes)
    Plan(out="run", samples=8, rate=1e-3)
    small_prefix = Order("pi0", ("data",), Plan(out="run", samples=8), sizes={"prefix": 0, "noise": 0, "pointing": False})
    assert small_prefix.sizes["prefix"] == 0


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta device"])
def test_a_device_that_is_not_there_is_said(device: str) -> None:
    with pytest.raises(ConfigError, match=f"--device {device}"):
        choose_device(device)
    assert choose_device("cpu") == "cpu"
