"""The oracle solves every template of the workbench, in full physics and by the referee's whole rule."""

import pytest

from agent.config import load_config
from agent.evaluate.episodes import Episode, play_episode
from agent.evaluate.protocol import load_protocol
from sim.tasks import templates

PROTOCOL = load_protocol("skills", policy="oracle")


@pytest.mark.parametrize("name", templates())
def test_the_oracle_solves_it(name: str) -> None:
    line = play_episode(PROTOCOL, load_config(), Episode(row="plan", about=name, number=0))
    assert line["success"], line.get("why") or line["results"][-1]["why"]
