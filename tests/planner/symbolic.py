"""A tabletop of facts alone: skills change the facts as they would if they worked. For checking sequences of decisions without a robot."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agent.config import PlannerConfig
from agent.planner.decision import Decision, Request, Step
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import Library, gather
from agent.types import Fact, Outcome, Scene, Subtask, Thing

COLOURS = ("red", "green", "blue")
BESIDE = {"left of": (0.0, 0.08), "right of": (0.0, -0.08), "in front of": (-0.08, 0.0), "behind": (0.08, 0.0), "next to": (0.0, 0.08)}
STEP_TICKS = 50


def settings(**changes: object) -> PlannerConfig:
    values = {"model": None, "base_url": None, "deadline_s": 5.0, "can_weight": 1.0, "ask_margin": 0.15, "max_decisions": 60}
    return PlannerConfig.model_validate({**values, **changes})


@dataclass
class World:
    """Blocks by place, a drawer, a button and its light."""

    blocks: dict[str, tuple[str, str]]
    """Block → (relation, support), relation "in" or "on"."""
    spots: dict[str, tuple[float, float]]
    bowls: tuple[str, ...] = ("blue bowl", "green bowl")
    drawer_open: bool = False
    lit: bool = False
    holding: str | None = None
    home: bool = True
    tick: int = 0
    events: list[tuple[int, Fact]] = field(default_factory=list)
    extra: set[Fact] = field(default_factory=set)

    def scene(self) -> Scene:
        things = [Thing(name="table", kind="table", position=(0.5, 0.0, 0.0), size=(0.8, 1.2, 0.02))]
        things += [Thing(name=n, kind="block", position=self.at(n), size=(0.04, 0.04, 0.04)) for n in self.blocks]
        things += [Thing(name=n, kind="bowl", position=(*self.spots[n], 0.03), size=(0.14, 0.14, 0.06)) for n in self.bowls]
        things += [
            Thing(name="drawer", kind="drawer", position=(0.5, 0.4, 0.1), joint=0.15 if self.drawer_open else 0.0),
            Thing(name="button", kind="button", position=(0.6, -0.4, 0.05), joint=0.0),
            Thing(name="light", kind="light", position=(0.65, -0.4, 0.05)),
        ]
        return Scene(
            tick=self.tick, things=tuple(things), facts=tuple(sorted(self.facts())), holding=self.holding, events=tuple(self.events)
        )

    def at(self, name: str) -> tuple[float, float, float]:
        if name == self.holding:
            return (0.5, 0.0, 0.3)
        relation, support = self.blocks[name]
        if support == "table":
            return (*self.spots[name], 0.02)
        if support == "drawer":
            return (0.5, 0.35, 0.1)
        x, y, z = self.at(support) if support in self.blocks else (*self.spots[support], 0.0)
        return (x, y, z + (0.04 if relation == "on" else 0.02))

    def facts(self) -> set[Fact]:
        facts: set[Fact] = {(relation, name, support) for name, (relation, support) in self.blocks.items() if name != self.holding}
        facts |= {("on", bowl, "table") for bowl in self.bowls}
        facts |= {("open" if self.drawer_open else "closed", "drawer"), ("lit" if self.lit else "dark", "light")}
        under = {support for name, (_, support) in self.blocks.items() if name != self.holding}
        facts |= {("clear", name) for name in self.blocks if name not in under}
        flat = [name for name in (*self.blocks, *self.bowls) if ("on", name, "table") in facts]
        for a in flat:
            for b in flat:
                facts |= self.beside(a, b) if a != b else set()
        return facts | self.extra | ({("home", "gripper")} if self.home else set())

    def beside(self, a: str, b: str) -> set[Fact]:
        (ax, ay), (bx, by) = self.spots[a], self.spots[b]
        if abs(ax - bx) + abs(ay - by) > 0.25:
            return set()
        across = "left of" if ay > by else "right of"
        along = "in front of" if ax < bx else "behind"
        return {(across if abs(ay - by) >= abs(ax - bx) else along, a, b), ("next to", a, b)}

    def apply(self, task: Subtask) -> None:
        """What the world is like after the skill has worked."""
        self.tick += STEP_TICKS
        args, self.home = task.args, task.skill == "home"
        match task.skill:
            case "pick":
                self.holding = args["thing"]
            case "place":
                self.put(args["thing"], args["relation"], args["target"])
            case "stack":
                self.put(args["thing"], "on", args["target"])
            case "open" | "close":
                self.drawer_open = task.skill == "open"
            case "press":
                self.lit = not self.lit
                self.events.append((self.tick, ("pressed", args["thing"])))

    def put(self, thing: str, relation: str, target: str) -> None:
        self.holding = None
        if relation in ("in", "on"):
            self.blocks[thing] = (relation, target)
        else:
            (dx, dy), (x, y) = BESIDE[relation], self.spots[target]
            self.blocks[thing], self.spots[thing] = ("on", "table"), (x + dx, y + dy)


def world(blocks: Iterable[str] = COLOURS, bowls: Iterable[str] = ("blue", "green"), **changes: object) -> World:
    """Blocks in a row on the table, bowls in a row behind them; then what is asked for, e.g. red=("in", "drawer")."""
    names = [f"{colour} block" for colour in blocks]
    basins = [f"{colour} bowl" for colour in bowls]
    spots = {name: (0.40, 0.25 - 0.15 * i) for i, name in enumerate(names)} | {
        name: (0.62, 0.25 - 0.3 * i) for i, name in enumerate(basins)
    }
    places = {name: changes.pop(name.split()[0], ("on", "table")) for name in names}
    return World(blocks=places, spots=spots, bowls=tuple(basins), **changes)  # type: ignore[arg-type]


@dataclass
class Story:
    """What came of an instruction."""

    world: World
    last: Decision
    steps: list[str]
    history: list[Step]
    slowest_ms: float


def play(
    words: str | tuple[str, ...], place: World, library: Library | None = None, planner: Planner | None = None,
    later: Callable[[int, World, list[str]], bool] | None = None, most: int = 30,
) -> Story:  # fmt: skip
    """Decide and apply until the planner stops choosing skills.

    later(number of steps taken, world, sentences): may change the world or append sentences; True makes the step just chosen fail.
    """
    library = library or gather()
    planner = planner or Planner(library, settings(), Memory(None))
    said = [words] if isinstance(words, str) else list(words)
    history: list[Step] = []
    slowest = 0.0
    for number in range(most):
        fails = later(number, place, said) if later else False
        decision = planner.decide(Request(words=tuple(said), scene=place.scene(), history=tuple(history)))
        slowest = max(slowest, decision.ms)
        if decision.chosen.kind != "skill":
            break
        task = decision.chosen.subtask
        assert task is not None and library.bind(task).can(place.scene()), f"{task} cannot be done now"
        since = place.tick
        if fails:
            place.tick += STEP_TICKS
            outcome = Outcome(status="failed", why="slipped")
        else:
            place.apply(task)
            assert library.bind(task).done(place.scene().since(since)) is not False, f"the symbolic world does not do {task}"
            outcome = Outcome(status="done", why="done")
        history.append(Step(subtask=task, outcome=outcome, since=since, said=len(said)))
    return Story(place, decision, [step.subtask.words for step in history], history, slowest)


def holds(goal: str, scene: Scene) -> bool:
    """ "red in blue bowl", "drawer open", "hold red" """
    first, *rest = goal.split()
    if first == "hold":
        return scene.holding == f"{rest[0]} block"
    if first in ("drawer", "light", "gripper"):
        return scene.has(rest[0], first)
    relation = " ".join(rest[:-1]) if rest[-1] in ("red", "green", "blue", "table") else " ".join(rest[:-2])
    target = f"{rest[-1]} block" if rest[-1] in ("red", "green", "blue") else rest[-1] if rest[-1] == "table" else " ".join(rest[-2:])
    if rest[-1] == "drawer":
        relation, target = " ".join(rest[:-1]), "drawer"
    return (relation, f"{first} block", target) in scene.facts
