"""What README promises holds: its code runs, its settings are settings, its commands exist, its picture is the graph's own."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from agent.config import Config, load_config
from agent.skills.library import Library, gather
from agent.skills.skill import Skill

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_skill_is_short_and_works() -> None:
    from agent.testing import check_skill
    from agent.types import Scene, Thing

    [text] = blocks("python")
    body = [line for line in text.splitlines() if line.strip() and not line.startswith(("from", "import"))]
    assert len(body) < 15
    names: dict[str, object] = {"__name__": "readme"}
    exec(text, names)
    skills = [value for value in names.values() if isinstance(value, type) and issubclass(value, Skill) and value is not Skill]
    scene = Scene(tick=0, things=(Thing(name="drawer", kind="drawer", position=(0.5, 0.3, 0.1)),))
    for skill in skills:
        Library([*gather(), skill])
        check_skill(skill(thing="drawer"), scene)


def test_the_settings_are_settings() -> None:
    for text in blocks("yaml"):
        given = yaml.safe_load(text)
        load_config(ROOT / "config.yaml", {f"{section}.{key}": value for section, part in given.items() for key, value in part.items()})
        assert set(given) <= set(Config.model_fields)


def commands() -> list[list[str]]:
    lines = [line.split("#")[0].strip() for text in blocks("sh") for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("saydo ")]


def test_the_commands_exist_with_their_options() -> None:
    import typer

    from agent.__main__ import app

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert commands()
    for _, name, *words in commands():
        command = known[name].commands[words[0]] if hasattr(known[name], "commands") else known[name]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))))
def test_the_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_picture_of_the_graph_is_its_own() -> None:
    from agent.graph import build_graph

    assert blocks("mermaid") == [build_graph().compile().get_graph().draw_mermaid().strip() + "\n"]


@pytest.mark.parametrize("link", [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link])
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
