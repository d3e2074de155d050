"""Protocols: what ships is valid, what is wrong is said, equal contents have equal hashes."""

from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.evaluate.episodes import episodes_of
from agent.evaluate.protocol import KINDS, load_protocol, protocol_names
from sim.tasks import templates


def test_every_kind_ships_with_a_protocol_and_all_of_them_come_to_episodes() -> None:
    assert set(KINDS) <= set(protocol_names())
    for name in protocol_names():
        episodes = episodes_of(load_protocol(name))
        assert episodes and len({episode.key for episode in episodes}) == len(episodes)


def test_skills_ask_for_every_template_in_every_row() -> None:
    protocol = load_protocol("skills", rows=("plan", "planner"), episodes=3)
    assert len(episodes_of(protocol)) == 2 * 3 * len(templates())


def test_the_hash_is_of_what_is_measured(tmp_path: Path) -> None:
    shipped = load_protocol("skills")
    copy = tmp_path / "mine.yaml"
    copy.write_text("about: my own words\nticks: 400\nepisodes: 25\nrows: [plan]\nkind: skills\n")
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
