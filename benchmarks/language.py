"""How much of what people say the embedded scorer understands: sentences of sim/language, played through in reckoning, without physics.

    python benchmarks/language.py [--phrases 8] [--scenes 3] [--seed-base 0] [--wrong 0] [--json]

A sentence is understood if the planner's steps, each taken to work, end as done in a scene where the task's goal holds and nothing
else was moved. Asking is told apart from doing the wrong thing. For the refusal set, moving nothing is right. Precision and recall of
refusing are over the refusal set together with the train sentences, and with all sets.
"""

import argparse
import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from agent.config import Config, load_config
from agent.evaluate.statistics import wilson
from agent.planner.decision import Request, Step
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.skills.library import Library, gather
from agent.types import Outcome, Scene
from sim.language import SETS, phrases, refusals
from sim.tasks import Task, templates
from sim.tasks.chains import draw_start
from sim.tasks.reckoning import after

MOST_STEPS = 16
PLACED = ("in", "on", "open", "closed", "lit", "dark")


@cache
def settings() -> Config:
    return load_config()


def listen(words: str, scene: Scene, library: Library) -> tuple[str, Scene, list[str]]:
    """Decide and reckon until the planner stops choosing skills: how it ended (done, ask, none, endless), the scene, the steps."""
    planner = Planner(library, settings().planner, Memory(None))
    history: list[Step] = []
    steps: list[str] = []
    while len(steps) < MOST_STEPS:
        decision = planner.decide(Request(words=(words,), scene=scene, history=tuple(history)))
        if decision.chosen.kind != "skill" or decision.chosen.subtask is None:
            return decision.chosen.kind, scene, steps
        subtask, since = decision.chosen.subtask, scene.tick
        scene = after(scene, subtask)
        steps.append(subtask.words)
        history.append(Step(subtask=subtask, outcome=Outcome(status="done", why="reckoned"), since=since, said=1))
    return "endless", scene, steps


def verdict(task: Task, words: str, start: Scene, library: Library) -> tuple[str, list[str]]:
    """ "right", "asked" or "wrong", and the steps taken."""
    ending, scene, steps = listen(words, start, library)
    if ending == "done" and task.progress(scene, start) >= 1.0 and not strays(task, start, scene):
        return "right", steps
    return ("asked" if ending in ("ask", "none") and not steps else "wrong"), [*steps, ending]


def strays(task: Task, start: Scene, scene: Scene) -> list[str]:
    """What else is somewhere else than it was, or switched."""
    wanted = after(start, *task.plan)
    theirs = {fact for fact in scene.facts if fact[0] in PLACED}
    ours = {fact for fact in wanted.facts if fact[0] in PLACED}
    return [" ".join(fact) for fact in theirs ^ ours if fact[1] not in task.may_move]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phrases", type=int, default=8, help="sentences per template, scene and set")
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--seed-base", type=int, default=0)
    parser.add_argument("--wrong", type=int, default=0, help="print so many sentences per set that were not understood")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    library = gather()
    seeds = range(given.seed_base, given.seed_base + given.scenes)
    counts: dict[str, Counter[str]] = {}
    parts: dict[str, dict[str, Counter[str]]] = {}
    for kind in SETS:
        counts[kind], parts[kind], missed = Counter(), {}, []
        for name, template in templates().items():
            for seed in seeds:
                start, task = draw_start(template, seed)
                scene = after(start.scene, *template.prelude)
                for phrase in phrases(task, scene, kind, given.phrases, seed):
                    found, steps = verdict(task, phrase.words, scene, library)
                    counts[kind][found] += 1
                    parts[kind].setdefault(name, Counter())[found] += 1
                    if found != "right":
                        missed.append(f"{found:6} {name}: {phrase.words}  -> {', '.join(steps) or 'nothing'}")
        if not given.json:
            told(kind, counts[kind], parts[kind], missed[:: max(1, len(missed) // max(given.wrong, 1))][: given.wrong])
    refused = Counter[str]()
    for seed in seeds:
        start, _ = draw_start(templates()["in a bowl"], seed)
        for why, words in refusals(start.scene, seed):
            ending, _, steps = listen(words, start.scene, library)
            quiet = ending in ("ask", "none") and not steps
            refused[f"{why}: {'refused' if quiet else 'acted'}"] += 1
            refused["refused" if quiet else "acted"] += 1
            if not quiet and given.wrong and not given.json:
                print(f"    acted on ({why}): {words}  -> {', '.join(steps) or ending}")
    report = {"sets": {kind: rates(count) for kind, count in counts.items()}, "refusals": refusing(refused, counts)}
    if given.json:
        print(json.dumps({**report, "templates": {kind: {name: rates(c) for name, c in of.items()} for kind, of in parts.items()}}))
    else:
        print(f"refusals by reason: {dict(refused)}")
        for name, value in report["refusals"].items():
            print(f"{name:28} {value}")


def rates(count: Counter[str]) -> dict[str, float]:
    n = sum(count.values())
    low, high = wilson(count["right"], n)
    return {"right": count["right"] / n, "low": low, "high": high, "asked": count["asked"] / n, "wrong": count["wrong"] / n, "n": n}


def told(kind: str, count: Counter[str], parts: dict[str, Counter[str]], missed: list[str]) -> None:
    """Print one set."""
    one = rates(count)
    rest = f"asked {one['asked']:5.1%}, wrong {one['wrong']:5.1%}, {one['n']} sentences"
    print(f"{kind:9} right {one['right']:6.1%} ({one['low']:.1%} to {one['high']:.1%}), {rest}", flush=True)
    weak = sorted((c["right"] / sum(c.values()), name) for name, c in parts.items() if c["right"] < sum(c.values()))
    print("          weakest: " + ", ".join(f"{name} {share:.0%}" for share, name in weak[:8]), flush=True)
    for line in missed:
        print("    " + line, flush=True)


def refusing(refused: Counter[str], counts: dict[str, Counter[str]]) -> dict[str, float]:
    """Recall of the refusal set, and how much of all that was refused deserved it."""
    right = refused["refused"]
    found = {"recall": right / max(right + refused["acted"], 1)}
    found["precision beside train"] = right / max(right + counts["train"]["asked"], 1)
    found["precision beside all sets"] = right / max(right + sum(count["asked"] for count in counts.values()), 1)
    return {name: round(value, 4) for name, value in found.items()}


if __name__ == "__main__":
    main()
