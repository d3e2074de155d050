from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from agent.config import SHIPPED, Config, PlannerConfig, load_config
from agent.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def shape(model: type[BaseModel]) -> dict[str, list[str]]:
    return {name: list(getattr(field.annotation, "model_fields", {})) for name, field in model.model_fields.items()}


def test_the_environment_counts_more_than_the_file_and_options_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYDO_EXECUTOR_ROWS", "7")
    monkeypatch.setenv("SAYDO_POLICY_CHECKPOINT", "some/where")
    monkeypatch.setenv("SAYDO_PLANNER_MODEL", "null")
    config = load_config(SHIPPED)
    assert config.executor.rows == 7 and config.policy.checkpoint == Path("some/where") and config.planner.model is None
    assert load_config(SHIPPED, {"executor.rows": 9}).executor.rows == 9
    monkeypatch.setenv("SAYDO_EXECUTOR_ROWS", "many")
    with pytest.raises(ConfigError, match=r"executor\.rows"):
        load_config(SHIPPED)


def test_yaml_and_python_name_the_same_dials_in_the_same_order() -> None:
    values = yaml.safe_load(SHIPPED.read_text())
    assert list(values) == list(Config.model_fields)
    assert {name: list(part) if isinstance(part, dict) else [] for name, part in values.items()} == shape(Config)


def test_every_dial_is_explained_in_code_or_beside_its_value() -> None:
    assert load_config(SHIPPED).model_dump(mode="json")["executor"] == yaml.safe_load(SHIPPED.read_text())["executor"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("deadline_s: 20.0", "deadlines: 20.0", "Did you mean 'deadline_s'"),
        ("planner:", "planer:", "Did you mean 'planner'"),
        ("seed: 0", "seed: many", "robot.seed"),
        ("rows: 16", "rows: 0", "executor.rows"),
        ("pace: 0.0", "", "robot.pace: missing"),
        ("speed: 0.6", "speed: -1", "guard.speed"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_the_nearest(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = SHIPPED.read_text()
    assert old in text
    with pytest.raises(ConfigError, match=says):
        load_config(write(tmp_path, text.replace(old, new, 1)))


@pytest.mark.parametrize("text", ["[1, 2]", "robot: {", "\xff\xfe", ""])
def test_what_is_not_a_config_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load_config(write(tmp_path, text))
    with pytest.raises(ConfigError, match="Cannot read"):
        load_config(tmp_path / "none.yaml")


def test_changes_are_set_over_the_file_and_checked_like_it() -> None:
    assert load_config(SHIPPED, {"robot.seed": 7}).robot.seed == 7
    with pytest.raises(ConfigError, match="Did you mean 'seed'"):
        load_config(SHIPPED, {"robot.sed": 7})


def test_the_key_of_openai_is_never_given_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    planner = load_config(SHIPPED).planner
    elsewhere = planner.model_copy(update={"base_url": "http://127.0.0.1:1/v1"})
    assert planner.api_key is not None and planner.api_key.get_secret_value() == "sk-secret"
    assert isinstance(elsewhere, PlannerConfig) and elsewhere.api_key is None
    assert "sk-secret" not in repr(planner) + str(planner.api_key)
