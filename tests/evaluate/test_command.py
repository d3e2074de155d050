"""The command line, as a person or a machine calls it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.config import named_values
from agent.errors import ConfigError, SaydoError
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


@pytest.mark.parametrize(("asked", "said"), [
    (["--policy", "p0"], "there is no policy 'p0'"),
    (["--policy", "pi0", "--checkpoint", "weights/piO"], r"there is no weights/piO.*Did you mean 'weights/pi0'"),
    (["--policy", "pi0", "--checkpoint", "weights/rdt"], "holds a rdt, not a pi0. Say --policy rdt"),
    (["--policy", "pi0", "--option", "foo=1"], "foo"),
    (["--policy", "pi0", "--option", "steps=0"], "one step or more"),
    (["--policy", "rdt", "--option", "rate_hz=7"], "20, 10 Hz"),
    (["--policy", "rdt", "--option", "cameras=[frnt]"], r"no camera 'frnt'.*Did you mean 'front'"),
    (["--rows", "foo"], "This cannot be asked for. rows.0"),
])  # fmt: skip
def test_what_cannot_be_played_is_said_before_the_first_episode(tmp_path: Path, asked: list[str], said: str) -> None:
    with pytest.raises(SaydoError, match=said):
        CliRunner().invoke(app, ["skills", "--templates", "home", "--episodes", "1", "--local", "--out", str(tmp_path / "out"), *asked],
                           catch_exceptions=False)  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--out .*nothing can be written there"):
        CliRunner().invoke(app, ["skills", "--policy", "oracle", "--templates", "home", "--local", "--out", str(tmp_path / "file" / "out")],
                           catch_exceptions=False)  # fmt: skip
