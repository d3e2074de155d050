from pathlib import Path

import pytest

from agent import doctor
from agent.config import SHIPPED, Config, load_config


def settings(folder: Path, **changes: object) -> Config:
    return load_config(SHIPPED, {"runs.folder": str(folder / "runs"), **{key.replace("__", "."): value for key, value in changes.items()}})


def examined(config: Config, monkeypatch: pytest.MonkeyPatch) -> dict[str, doctor.Row]:
    """Everything but a real start of Ray, which the serving tests do."""
    monkeypatch.setattr(doctor, "ray", lambda config: iter(()))
    return {row.name: row for row in doctor.examine(config)}


def test_a_sound_installation_passes_on_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = examined(settings(tmp_path), monkeypatch)
    assert all(row.ok for row in rows.values()), rows
    assert {"python", "packages", "skills", "runs folder", "camera front", "camera wrist", "policy", "model server"} <= set(rows)
    assert "pick, place" in rows["weights pi0"].found
    assert "embedded" in rows["model server"].found


def test_each_failing_line_says_what_to_do_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").write_text("a file")
    broken = settings(
        tmp_path, policy__name="orakle", planner__model="m", planner__base_url="http://127.0.0.1:9/v1", planner__deadline_s=1.0
    )
    broken = broken.model_copy(update={"skills": ("no_such_module",)})
    rows = examined(broken, monkeypatch)
    for name in ("runs folder", "policy", "skills"):
        assert not rows[name].ok and rows[name].advice, name
    assert "oracle" in rows["policy"].found and rows["camera front"].ok
    failed = [row for row in rows.values() if not row.ok]
    assert any("127.0.0.1:9" in row.found + row.advice or "reach" in row.found for row in failed)
