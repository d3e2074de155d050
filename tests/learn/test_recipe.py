"""Recipes: those that ship, and what is refused."""

from pathlib import Path

import pytest
import yaml

from agent.errors import ConfigError
from agent.learn.calls import library
from agent.learn.recipe import load_recipe, recipe_names
from sim.looks import HELD_OUT
from sim.oracle import KINDS, MOVES


def written(folder: Path, **changes: object) -> str:
    path = folder / "own.yaml"
    base = {"samples": 10, "skills": {"pick": 1}, "things": {"block": [1, 2]}}
    path.write_text(yaml.safe_dump({**base, **changes}))
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_ask_for_what_there_is(name: str) -> None:
    recipe = load_recipe(name)
    assert set(recipe.skills) <= set(library().skills) and set(recipe.skills) <= set(MOVES)
    assert HELD_OUT not in recipe.looks and recipe.about and 0 < recipe.driven < 0.25
    assert KINDS


def test_the_hash_is_of_what_shards_depend_on(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path))
    assert recipe.sha256 == load_recipe(written(tmp_path, samples=99, about="Other words.")).sha256
    assert recipe.sha256 != load_recipe(written(tmp_path, labels=3)).sha256
    assert load_recipe("tabletop", samples=5).samples == 5 and load_recipe("tabletop", samples=None).samples > 5


def test_yaml_reads_a_bare_on_as_true(tmp_path: Path) -> None:
    path = Path(written(tmp_path))
    path.write_text(path.read_text() + "relations: {in: 2, on: 1}\n")
    assert load_recipe(str(path)).relations == {"in": 2, "on": 1}


@pytest.mark.parametrize(("changes", "said"), [
    ({"looks": [HELD_OUT]}, "held out"),
    ({"skills": {"juggle": 1}}, "no skill 'juggle'"),
    ({"skills": {"pikc": 1}}, "Did you mean 'pick'"),
    ({"things": {"blok": [1, 2]}}, "Did you mean 'block'"),
    ({"lables": 2}, "Did you mean 'labels'"),
    ({"relations": {"under": 1}}, "relations"),
])  # fmt: skip
def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_recipe(written(tmp_path, **changes))


def test_an_unknown_recipe_names_the_others() -> None:
    with pytest.raises(ConfigError, match=r"Recipes: bench, places, tabletop.*Did you mean 'tabletop'"):
        load_recipe("tabeltop")
