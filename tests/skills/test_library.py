import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import SkillError
from agent.skills.library import Library, gather, skills_in
from agent.skills.tabletop import Pick
from agent.types import Subtask

ROOT = Path(__file__).parent.parent.parent


def test_the_built_in_skills_are_there() -> None:
    tabletop = ["pick", "place", "stack", "open", "close", "slide", "press", "home"]
    fixtures = ["open_half", "uncover", "cover", "switch", "flip", "turn"]
    assert list(gather().skills)[: len(tabletop + fixtures)] == [*tabletop, *fixtures]


def test_bind_undoes_subtask() -> None:
    library = gather()
    call = Pick(thing="red block")
    assert library.bind(call.subtask) == call
    with pytest.raises(SkillError, match="Did you mean 'pick'"):
        library.bind(Subtask(skill="pik", args={}, words=""))
    with pytest.raises(SkillError, match="Arguments of 'pick': thing"):
        library.bind(Subtask(skill="pick", args={"block": "red"}, words=""))


def plug_in(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(text)
    return name


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_module_of_config_is_a_door(in_folder: Path) -> None:
    name = plug_in(in_folder, "lab_wave", 'from agent import Skill\nclass Wave(Skill, say="wave"):\n    """Wave."""\n')
    assert "wave" in gather([name]).skills


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("lab_clash", 'from agent import Skill\nclass Pick(Skill, say="nick it"):\n    """Nick."""\n', "Two skills are called 'pick'"),
        ("lab_empty", "x = 1\n", "defines no skill"),
        ("lab_broken", "import nothing_of_the_kind\n", "Cannot find the skill module 'lab_broken'"),
        ("lab_syntax", "class (:\n", "does not load: SyntaxError"),
        ("lab_say", 'from agent import Skill\nclass A(Skill, say="a {b}"):\n    """A."""\n', "speaks of {b}"),
    ],
)
def test_a_bad_plug_in_is_refused_at_load(in_folder: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(SkillError) as caught:
        gather([plug_in(in_folder, name, text)])
    assert says in str(caught.value)


def test_a_clash_names_both_modules(in_folder: Path) -> None:
    name = plug_in(in_folder, "lab_twin", 'from agent import Skill\nclass Home(Skill, say="home"):\n    """Home."""\n')
    with pytest.raises(SkillError) as caught:
        gather([name])
    assert "lab_twin" in str(caught.value) and "agent.skills.tabletop" in str(caught.value)


def test_a_module_gives_what_it_defines_not_what_it_imports() -> None:
    import agent.skills.tabletop as tabletop

    assert len(Library(skills_in(tabletop)).skills) == 8


def test_the_example_plug_in_installs_as_a_user_would(tmp_path: Path) -> None:
    """pip install into a folder of its own, then `saydo skills` must list it through the entry point."""
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(ROOT / "examples" / "point")]
    subprocess.run(pip, check=True, timeout=120, capture_output=True)
    env = {"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "agent", "skills", "--json"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=ROOT, env=env)
    assert '"point"' in shown.stdout and "saydo_point" in shown.stdout
