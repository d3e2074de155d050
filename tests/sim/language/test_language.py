"""The grammar: enough to say, disjoint halves, true and unique references, equal seeds equal words."""

import re
from functools import cache

import pytest

from agent.errors import ConfigError
from agent.types import Scene
from sim.language import SETS, phrases, refusals, say, table
from sim.language.reference import those, told_by
from sim.tasks import Task, templates
from sim.tasks.chains import draw_start
from sim.tasks.reckoning import after

NAMES = list(templates())


@cache
def drawn(name: str, seed: int = 0) -> tuple[Task, Scene]:
    start, task = draw_start(templates()[name], seed)
    return task, after(start.scene, *templates()[name].prelude)


@cache
def known_words() -> set[str]:
    """Every word of training."""
    return {word for name in NAMES for phrase in phrases(*drawn(name), "train", 120) for word in words_of(phrase.words)}


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z'-]+", text.lower()))


@pytest.mark.parametrize("name", NAMES)
def test_every_template_has_thirty_ways_and_four_held_out_sets(name: str) -> None:
    said = {kind: set() for kind in SETS}
    for seed in range(3):
        task, scene = drawn(name, seed)
        for kind in SETS:
            said[kind] |= {phrase.words for phrase in phrases(task, scene, kind, 40, seed)}
    assert len(said["train"]) >= 30
    assert len(said["phrasing"]) >= 6 and len(said["words"]) >= 30 and len(said["intent"]) >= 2
    for one in SETS:
        for other in SETS:
            assert one == other or not said[one] & said[other]


@pytest.mark.parametrize("name", NAMES)
def test_the_sets_are_held_out_by_construction(name: str) -> None:
    """Other patterns in `phrasing` and `intent`; at least one word that training lacks in every sentence of `words`."""
    task, scene = drawn(name)
    train = phrases(task, scene, "train", 200)
    patterns = {phrase.pattern for phrase in train}
    assert not patterns & {phrase.pattern for kind in ("phrasing", "intent") for phrase in phrases(task, scene, kind, 100)}
    known = known_words()
    for phrase in phrases(task, scene, "words", 60):
        assert phrase.unseen and all(words_of(word) - known for word in phrase.unseen)
        assert all(word in phrase.words for word in phrase.unseen)


def test_unseen_words_are_nowhere_in_training() -> None:
    tables = table("words")
    seen = {word for group in ("verbs and prepositions", "nouns", "colours") for slot in tables[group].values() for word in slot["seen"]}
    unseen = {
        word for group in ("verbs and prepositions", "nouns", "colours") for slot in tables[group].values() for word in slot["unseen"]
    }
    assert not seen & unseen


def test_a_thing_told_by_where_it_is_is_the_only_one_there() -> None:
    checked = 0
    for seed in range(20):
        _, scene = drawn("find", seed)
        for name in scene.names("block", "bowl"):
            for relation, landmark in told_by(name, scene):
                there = [fact[1] for fact in scene.facts if len(fact) == 3 and (fact[0], fact[2]) == (relation, landmark)]
                same_kind = [other for other in there if scene.find(other).kind == scene.find(name).kind]
                assert same_kind == [name] == those(scene, scene.find(name).kind, relation, landmark)
                checked += 1
    assert checked > 50


def test_references_in_sentences_are_true() -> None:
    """ "the block left of the blue bowl" names the thing that the task is about."""
    found = 0
    for seed in range(30):
        task, scene = drawn("lift", seed)
        for phrase in phrases(task, scene, "train", 20, seed):
            told = re.search(r"the (?:block|cube) (in|on|left of|right of|in front of|behind|next to) the (\w+ \w+)", phrase.words)
            if told and told[2] in scene.names():
                assert (told[1], task.args["thing"], told[2]) in scene.facts
                found += 1
    assert found > 10


def test_equal_seeds_equal_words() -> None:
    task, scene = drawn("tower")
    assert [say(task, scene, kind, 4) for kind in SETS] == [say(task, scene, kind, 4) for kind in SETS]
    assert len({say(task, scene, "train", seed) for seed in range(10)}) > 5


def test_refusals_speak_of_what_is_not_there_or_cannot_be() -> None:
    _, scene = drawn("in a bowl")
    found = refusals(scene)
    assert len(found) >= 40 and found == refusals(scene)
    absent = {name.removeprefix("the ") for name in table("refusals")["absent things"]}
    assert all(any(name in words for name in absent) for why, words in found if why == "absent")
    train = {phrase.words for name in NAMES for phrase in phrases(*drawn(name), "train", 60)}
    assert not train & {words for _, words in found}


def test_an_unknown_set_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'train'"):
        phrases(*drawn("lift"), "trian", 1)
