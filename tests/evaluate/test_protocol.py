"""Protocols: what ships is valid, what is wrong is said, equal contents have equal hashes."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from agent.config import load_config
from agent.errors import ConfigError
from agent.evaluate.episodes import episodes_of, trained_for, with_weights
from agent.evaluate.protocol import KINDS, ROWS, RULES, Cameras, Protocol, load_protocol, perturbations_named, protocol_names, same_rows
from agent.executor.models.small_files import digest, save_small
from agent.executor.models.small_words import Vocabulary
from agent.learn.recipe import load_recipe
from sim.tasks import templates
from sim.tasks.chains import draw_start
from tests.executor.models.small_models import tiny_small


def test_every_kind_ships_with_a_protocol_and_all_of_them_come_to_episodes() -> None:
    assert set(KINDS) <= set(protocol_names())
    for name in protocol_names():
        episodes = episodes_of(load_protocol(name))
        assert episodes and len({episode.key for episode in episodes}) == len(episodes)


def test_skills_ask_for_every_template_in_every_row() -> None:
    protocol = load_protocol("skills", rows=("plan", "planner"), episodes=3)
    assert len(episodes_of(protocol)) == 2 * 3 * len(templates())


TOGETHER = {"close": "open", "flip": "switch", "cover": "slide", "uncover": "slide"}
"""Skills that are two directions of one."""


def test_each_skill_that_small_policies_are_taught_is_asked_for_two_hundred_times() -> None:
    protocol = load_protocol("each-skill")
    plans = {name: draw_start(one, 0)[1].plan for name, one in templates().items() if name in protocol.templates}
    asked = Counter(TOGETHER.get(step.skill, step.skill) for episode in episodes_of(protocol) for step in plans[episode.about])
    taught = {TOGETHER.get(skill, skill) for skill in load_recipe("bench").skills} - {"turn"}
    assert asked.keys() == taught and min(asked.values()) >= 200


def test_the_hash_is_of_what_is_measured(tmp_path: Path) -> None:
    shipped = load_protocol("skills")
    copy = tmp_path / "mine.yaml"
    copy.write_text(f"about: my own words\nticks: {shipped.ticks}\nepisodes: 25\nrows: [plan]\nkind: skills\n")
    assert load_protocol(str(copy)).sha256 == shipped.sha256
    changes = [{"episodes": 26}, {"seed_base": 1}, {"ticks": 399}, {"policy": "random"}, {"language": "words"}]
    hashes = {load_protocol("skills", **change).sha256 for change in changes}
    assert len(hashes) == len(changes) and shipped.sha256 not in hashes


def test_a_wrong_protocol_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'chains'"):
        load_protocol("chain")
    path = tmp_path / "typo.yaml"
    path.write_text("kind: skills\nepisode: 3\n")
    with pytest.raises(ConfigError, match="Did you mean 'episodes'"):
        load_protocol(str(path))
    with pytest.raises(ConfigError, match="Did you mean 'stack'"):
        episodes_of(load_protocol("skills", templates=("stakc",)))


def test_nobody_changes_their_mind_where_nobody_listens() -> None:
    episodes = episodes_of(load_protocol("disturbed"))
    assert {episode.row for episode in episodes if episode.perturbation == "another instruction half way"} == {"planner", "recovery"}


def test_rows_that_are_the_same_are_played_once() -> None:
    rows = tuple(ROWS)
    assert same_rows("oracle", rows) == {"plan": "oracle", "oracle-skills": "recovery"} and not same_rows("pi0", rows)
    assert same_rows("oracle", ("plan", "recovery")) == {}
    protocol = load_protocol("skills", rows=("oracle", "plan", "recovery", "oracle-skills"), templates=("lift",), episodes=2)
    assert {episode.row for episode in episodes_of(protocol)} == {"oracle", "recovery"}
    assert set(RULES) == set(ROWS)


def test_the_suite_disturbs_in_every_way_at_three_levels() -> None:
    perturbations = load_protocol("disturbed").perturbations
    assert all(len(one.levels) == 3 for one in perturbations)
    faults = [fault for one in perturbations for fault in one.levels]
    kinds = {item["kind"] for fault in faults for item in fault.wrong}
    assert kinds == {"move", "swap", "slip", "remove_grip", "hand", "drawer", "light", "lever", "lid"}
    for field in ("see_ticks", "act_ticks", "delay_ticks", "lost", "distractors", "alike", "change"):
        assert any(getattr(fault, field) for fault in faults), field
    for field in Cameras.model_fields:
        assert any(getattr(fault.cameras, field) for fault in faults), field
    names = set(load_protocol("disturbed").templates)
    assert all(set(one.templates) <= names for one in perturbations)


def test_perturbations_are_found_by_name_or_by_a_part_of_it() -> None:
    assert [one.name for one in perturbations_named(("slips", "it sees late"))] == ["the grip slips", "it sees late"]
    assert perturbations_named(("all",)) == load_protocol("disturbed").perturbations
    with pytest.raises(ConfigError, match="may be: moved before the reach, moved during the reach"):
        perturbations_named(("moved",))
    with pytest.raises(ConfigError, match="There is no perturbation 'earthquake'"):
        perturbations_named(("earthquake",))


def test_chains_are_disturbed_at_the_levels_asked_for() -> None:
    protocol = load_protocol("chains", episodes=2, perturbations=perturbations_named(("slips", "another instruction")), level=2)
    found = [(episode.perturbation, episode.level, episode.number) for episode in episodes_of(protocol)]
    assert found == [("clean", 0, 0), ("clean", 0, 1), ("the grip slips", 2, 0), ("the grip slips", 2, 1)]
    assert protocol.sha256 != load_protocol("chains", episodes=2).sha256


def test_a_learned_policy_is_measured_on_what_it_was_trained_for(tmp_path: Path) -> None:
    taught = {"taught": {"skills": ["pick", "press", "home"], "kinds": load_recipe("tabletop").kinds}}
    words = Vocabulary.of(["pick up the red green blue yellow orange purple block", "press the button", "move the arm home"])
    save_small(replace(tiny_small(), trained=taught, vocabulary=words), tmp_path)
    wanted = Protocol(name="some", kind="skills", policy="pi0", checkpoint=tmp_path)
    found = trained_for(wanted, load_config())
    assert {"lift", "light on", "home"} <= set(found.templates) and not {"stack", "lamp on", "push left"} & set(found.templates)
    named = wanted.model_copy(update={"templates": ("stack",)})
    assert trained_for(named, load_config()) == named
    oracle = wanted.model_copy(update={"policy": "oracle", "checkpoint": None})
    assert trained_for(oracle, load_config()) == oracle == with_weights(oracle)
    assert with_weights(wanted).weights == digest(tmp_path / "model.safetensors") and with_weights(wanted).sha256 != wanted.sha256


def test_a_policy_that_was_trained_for_nothing_here_is_refused(tmp_path: Path) -> None:
    save_small(replace(tiny_small(), trained={"taught": {"skills": ["fly"], "kinds": []}}), tmp_path)
    with pytest.raises(ConfigError, match="trained for none"):
        trained_for(Protocol(name="some", kind="skills", policy="pi0", checkpoint=tmp_path), load_config())
