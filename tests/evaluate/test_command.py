"""The command line, as a person or a machine calls it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.config import named_values
from agent.errors import ConfigError
from agent.evaluate.command import app
from agent.evaluate.protocol import load_protocol


def test_skills_print_one_json_object_last(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["skills", "--policy", "oracle", "--episodes", "1", "--seed-base", "3", "--templates", "light off",
                                     "--local", "--json", "--out", str(tmp_path)], catch_exceptions=False)  # fmt: skip
    result = json.loads(shown.stdout.splitlines()[-1])
    assert result["skills"] == [{**result["skills"][0], "name": "light off", "success": 1.0, "n": 1}]
    assert [one["name"] for one in result["calls"]["plan"]] == ["press"] and result["calls"]["plan"][0]["successes"] == 1
    assert result["seeds"] == [3, 3] and (tmp_path / "report.html").exists()


def test_options_are_read_as_yaml_and_count_for_the_figures() -> None:
    options = named_values(["rate_hz=10", "cameras=[front]"], "--option", "rate_hz=10")
    assert options == {"rate_hz": 10, "cameras": ["front"]} and named_values(None, "--option", "rate_hz=10") == {}
    assert load_protocol("skills", options=options).sha256 != load_protocol("skills").sha256
    with pytest.raises(ConfigError, match="name=value"):
        named_values(["rate_hz"], "--option", "rate_hz=10")


def test_a_protocol_for_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="saydo eval chains"):
        CliRunner().invoke(app, ["skills", "--protocol", "chains", "--out", str(tmp_path)], catch_exceptions=False)
