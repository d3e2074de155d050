"""Scripted long-horizon demos: what the person says and when, what goes wrong and when, and what must hold at the end.

title: Tidy up, with a change of mind
scene: tabletop
seed: 3
say:
  - put the red block in the blue bowl            # at the start
  - {words: "no, the green block", when: {holding: red block}}
wrong:
  - {kind: slip, when: {holding: green block, after_ticks: 5}}
ends:
  facts: [[in, green block, blue bowl]]
subgoals:                                         # how far it came, for long ones; weights are 1 if nothing is said
  - {fact: [in, green block, blue bowl], weight: 2}
  - {fact: [open, drawer], ever: true}            # at any time, where the others hold at the end
"""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, ValidationError

from agent.app import Progress, Result, Watch, open_agent
from agent.config import Config
from agent.errors import ConfigError, hint
from agent.mailbox import Mailbox
from agent.types import Array, Fact, Frozen, Observation, Robot, Scene
from sim.disturb import Disturbance, When

SHIPPED = Path(__file__).parent / "demos"


class Saying(Frozen):
    """A sentence of the person; without `when` it is said as soon as what was said before is settled."""

    words: str
    when: When | None = None


def _said(value: Any) -> Any:
    return {"words": value} if isinstance(value, str) else value


def _fact(value: Any) -> Any:
    """YAML reads a bare `on` as true."""
    return ["on" if word is True else word for word in value] if isinstance(value, list) else value


class Ends(Frozen):
    """What must hold in the world when the demo is over."""

    facts: tuple[Annotated[Fact, BeforeValidator(_fact)], ...] = ()
    not_facts: tuple[Annotated[Fact, BeforeValidator(_fact)], ...] = ()
    holding: str | None = None
    status: str = "done"

    def missing(self, scene: Scene, status: str) -> list[str]:
        """What does not hold, in words."""
        wrong = [" ".join(fact) for fact in self.facts if not scene.has(*fact)]
        wrong += [f"not {' '.join(fact)}" for fact in self.not_facts if scene.has(*fact)]
        if scene.holding != self.holding:
            wrong.append(f"holding {self.holding or 'nothing'} (it holds {scene.holding or 'nothing'})")
        if status != self.status:
            wrong.append(f"the run ends {self.status} (it ended {status})")
        return wrong


class Subgoal(Frozen):
    """A part of what a script comes to."""

    fact: Annotated[Fact, BeforeValidator(_fact)]
    weight: float = Field(1.0, gt=0)
    ever: bool = False
    """It counts if it was so at any time; else if it is so at the end."""


class Demo(Frozen):
    """A script."""

    name: str
    title: str
    scene: str | dict[str, Any] = "tabletop"
    seed: int = 0
    say: tuple[Annotated[Saying, BeforeValidator(_said)], ...] = Field(min_length=1)
    wrong: tuple[Disturbance, ...] = ()
    ends: Ends
    subgoals: tuple[Subgoal, ...] = ()

    def score(self, scene: Scene, seen: Collection[Fact]) -> float:
        """The share of its subgoals that was reached, by weight, in [0, 1]. seen: facts of all scenes on the way."""
        reached = sum(goal.weight for goal in self.subgoals if goal.fact in (seen if goal.ever else scene.facts))
        return reached / sum(goal.weight for goal in self.subgoals)


def shipped_demos() -> list[Demo]:
    return [load_demo(str(path)) for path in sorted(SHIPPED.glob("*.yaml"))]


def load_demo(name: str) -> Demo:
    """A shipped demo by name, or a YAML file. ConfigError says what is wrong or what there is."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else SHIPPED / f"{name}.yaml"
    try:
        script = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Demo.model_validate({"name": path.stem, **script})
    except FileNotFoundError as error:
        names = [file.stem for file in sorted(SHIPPED.glob("*.yaml"))]
        raise ConfigError(f"There is no demo '{name}'. Demos: {', '.join(names)}; or give a .yaml file.{hint(name, names)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise ConfigError(f"Cannot read the demo {path}: {error}.") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise ConfigError(f"The demo {path} is not valid. " + "; ".join(lines)) from error


class Interrupting:
    """A Robot around a Robot: when the moment of a scripted sentence comes, the person says it. `seen` collects facts on the way."""

    def __init__(self, robot: Robot, mailbox: Mailbox, sayings: Collection[Saying], seen: set[Fact] | None = None) -> None:
        self.robot, self.mailbox, self.seen = robot, mailbox, seen
        self.spec = robot.spec
        self.waiting = [saying for saying in sayings if saying.when is not None]
        self.since: dict[int, int] = {}

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        return self.robot.observe(cameras)

    def apply(self, action: Array) -> Array:
        applied = self.robot.apply(action)
        if (self.waiting or self.seen is not None) and (scene := self.robot.observe(cameras=()).scene) is not None:
            self._listen(scene)
            if self.seen is not None:
                self.seen.update(scene.facts)
        return applied

    def stop(self) -> bool:
        return self.robot.stop()

    def _listen(self, scene: Scene) -> None:
        for saying in list(self.waiting):
            when = saying.when
            assert when is not None
            if when.holds(scene):
                self.since.setdefault(id(saying), scene.tick)
            if scene.tick >= self.since.get(id(saying), scene.tick + 1) + when.after_ticks:
                self.waiting.remove(saying)
                self.mailbox.put(saying.words)


def play(
    demo: Demo, config: Config, *, local: bool = False, watch: Watch = lambda event: None, progress: Progress = lambda stage: None,
    seen: set[Fact] | None = None,
) -> tuple[Result, list[str]]:  # fmt: skip
    """Play it. Gives the last result, and what should hold at the end but does not. `seen` is given every fact that held on the way."""

    def scripted(robot: Robot, mailbox: Mailbox) -> Robot:
        return Interrupting(robot, mailbox, demo.say, seen)

    with open_agent(config, demo.title, local=local, disturbances=demo.wrong, wrap=scripted, watch=watch, progress=progress) as agent:
        first, *rest = (saying.words for saying in demo.say if saying.when is None)
        result = agent.tell(first)
        for words in rest:
            result = agent.tell(words)
        return result, demo.ends.missing(result.scene, result.status)
