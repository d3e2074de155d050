from typing import Literal

import pytest

from agent import Kind, Scene, Skill, Thing
from agent.errors import SkillError
from agent.skills.skill import source_of


def scene_of(*names: str) -> Scene:
    return Scene(tick=0, things=tuple(Thing(name=name, kind=name.split()[-1], position=(0, 0, 0)) for name in names))


def test_a_call_speaks_and_writes_itself_down() -> None:
    class Wipe(Skill, say="wipe the {surface}"):
        """Clean a flat surface."""

        surface: str

    call = Wipe(surface="table")
    assert (call.words, call.subtask.key) == ("wipe the table", "wipe(surface=table)")
    assert Wipe(**call.subtask.args) == call
    assert call.can(scene_of()) and call.done(scene_of()) is None and call.needs(scene_of()) == []


def test_calls_are_the_fields_times_the_things_of_fitting_kind() -> None:
    from typing import Annotated

    class Lean(Skill, say="lean the {thing} {how} the {other}"):
        """Lean one thing against another."""

        thing: Annotated[str, Kind("block")]
        how: Literal["on", "against"]
        other: str

    words = {call.words for call in Lean.calls(scene_of("red block", "blue block", "wall"))}
    assert "lean the red block against the wall" in words
    assert not any("lean the wall" in sentence for sentence in words)
    assert not any(sentence.count("red block") == 2 for sentence in words), "one thing is never named twice"
    assert len(words) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('class A(Skill, say="wipe the {surfce}"):\n    """Wipe."""\n    surface: str', "Did you mean 'surface'"),
        ('class A(Skill, say="wipe it"):\n    """Wipe."""\n    surface: str', "does not occur in the sentence"),
        ('class A(Skill, say="wipe the {surface}"):\n    surface: str', "has no docstring"),
        ('class A(Skill):\n    """Wipe."""', "has no sentence"),
        ('class A(Skill, say="wipe the {surface"):\n    """Wipe."""\n    surface: str', "not a format string"),
        ('class A(Skill, say="wipe {n} times"):\n    """Wipe."""\n    n: int', "must be str"),
        ('class A(Skill, say="wipe the {surface}", also=("clean {it}",)):\n    """Wipe."""\n    surface: str', "speaks of {it}"),
    ],
)
def test_a_broken_skill_is_refused_with_a_sentence_that_helps(body: str, says: str) -> None:
    with pytest.raises(SkillError) as caught:
        exec(body, {"Skill": Skill, "__name__": "my_lab.wipe"})
    assert says in str(caught.value) and "my_lab.wipe.A" in str(caught.value)


def test_source_names_module_and_file() -> None:
    from agent.skills.tabletop import Pick

    assert source_of(Pick).startswith("agent.skills.tabletop (") and source_of(Pick).endswith("tabletop.py)")
