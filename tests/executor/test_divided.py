"""A learned policy and another one share the work; who made a chunk is told, also across the wire."""

from dataclasses import replace

import numpy as np
import pytest

from agent.config import PolicyConfig
from agent.errors import Mismatch
from agent.executor import policies
from agent.executor.divided import Divided, Learned
from agent.executor.models.small_files import save_small
from agent.executor.models.small_policy import SmallPolicy
from agent.executor.policies import checkpoint_of, make_policy, weights_of
from agent.executor.wire import read_reply, unpack, write_reply
from agent.types import Observation, Subtask
from sim.oracle import Oracle
from sim.robot import SimRobot
from tests.executor.models.small_models import tiny_small

TAUGHT = {"taught": {"skills": ["pick", "open"], "kinds": ["table", "block", "bowl", "drawer", "button", "light"]}}
PICK = Subtask(skill="pick", args={"thing": "red block"}, words="pick up the red block")
CLOSE = Subtask(skill="close", args={"thing": "drawer"}, words="close the drawer")
FELT = Subtask(skill="pick", args={"thing": "green block"}, words="pick up the felt block")


@pytest.fixture(scope="module")
def small() -> SmallPolicy:
    return SmallPolicy(replace(tiny_small(), trained=TAUGHT))


@pytest.fixture(scope="module")
def seen() -> Observation:
    robot = SimRobot("tabletop", seed=0)
    observation = robot.observe(("front", "wrist"))
    robot.close()
    return observation


def test_it_knows_the_skills_the_words_and_the_kinds_of_things_of_its_training(small: SmallPolicy, seen: Observation) -> None:
    assert isinstance(small, Learned) and not isinstance(Oracle(), Learned)
    assert small.knows(PICK, seen.scene) and small.knows(PICK, None)
    assert not small.knows(CLOSE, seen.scene) and not small.knows(FELT, seen.scene)
    assert seen.scene is not None
    strange = seen.scene.things[0].model_copy(update={"kind": "lever", "name": "lever"})
    assert not small.knows(PICK, seen.scene.model_copy(update={"things": (*seen.scene.things, strange)}))


def test_weights_that_do_not_tell_are_believed_to_know_all_skills(seen: Observation) -> None:
    assert SmallPolicy(tiny_small()).knows(Subtask(skill="fly", words="pick up the red block"), seen.scene)


def test_each_does_its_part_and_the_chunk_says_who_made_it(small: SmallPolicy, seen: Observation) -> None:
    both = Divided(small, Oracle())
    assert both.spec.sees_scene and set(both.spec.cameras) == {"front", "wrist"} and both.spec.horizon == 32
    mine, theirs = both.predict(seen, PICK), both.predict(seen, CLOSE)
    assert (mine.by, theirs.by) == ("pi0", "oracle")
    np.testing.assert_array_equal(mine.actions, small.predict(seen, PICK).actions)
    np.testing.assert_array_equal(theirs.actions, Oracle().predict(seen, CLOSE).actions)
    assert read_reply(unpack(write_reply(mine, 3, {"infer_ms": 1.0})), both.spec, seen.tick)[1].by == "pi0"
    assert read_reply(unpack(write_reply(replace(mine, by=""), 3, {"infer_ms": 1.0})), both.spec, seen.tick)[1].by == ""


def test_policies_for_different_bodies_cannot_share(small: SmallPolicy) -> None:
    other = Oracle()
    other.spec = other.spec.model_copy(update={"rate_hz": 10.0})
    with pytest.raises(Mismatch, match=r"rate_hz.*policy\.otherwise"):
        Divided(small, other)


def test_weights_that_ship_are_found_by_the_name_of_the_policy(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "WEIGHTS", tmp_path)
    wanted = PolicyConfig(name="pi0", checkpoint=None, otherwise="oracle")
    assert checkpoint_of(wanted) is None and weights_of(wanted) is None
    save_small(replace(tiny_small(), trained=TAUGHT), tmp_path / "pi0")
    assert checkpoint_of(wanted) == tmp_path / "pi0" and str(weights_of(wanted)).startswith("weights/pi0 (sha256 ")
    assert isinstance(make_policy(wanted), Divided)
    assert isinstance(make_policy(wanted.model_copy(update={"otherwise": None})), SmallPolicy)
    assert isinstance(make_policy(PolicyConfig(name="oracle", checkpoint=None, otherwise="oracle")), Oracle)
    assert wanted.label == "pi0, otherwise oracle"
