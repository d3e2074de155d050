"""What is commanded in a scene, and in which words: calls of skills, in their own sentences and in the training side of the grammar."""

from functools import cache

import numpy as np

from agent.learn.recipe import Recipe
from agent.skills.library import Library, gather
from agent.skills.skill import Skill, field_values
from agent.skills.tabletop import Pick, Place, Relation
from agent.types import Scene, Subtask
from sim.language import phrases, table
from sim.loose import HELD
from sim.tasks.task import Task

Dice = np.random.Generator

TRIES = 6
TALL = 4.0
"""How many times as often something is stacked on what stands on another thing already: there are few such."""
TEMPLATES = {"pick": "lift", "stack": "stack", "open": "open the drawer", "close": "close the drawer", "home": "home"}
"""Skill → the task template that is asked for in the same words; `place` has one for each relation."""
PLACES = {("in", "bowl"): "in a bowl", ("in", "drawer"): "in the open drawer"}


@cache
def library() -> Library:
    return gather()


def draw_skill(recipe: Recipe, rng: Dice) -> str:
    """Each as often as the recipe wants it."""
    weights = np.array(list(recipe.skills.values()))
    return str(rng.choice(list(recipe.skills), p=weights / weights.sum()))


def draw_call(scene: Scene, recipe: Recipe, rng: Dice, first: str | None = None) -> Skill | None:
    """A call that can be made in the scene as it is, of the skill `first` if that can be; None if none was found."""
    for attempt in range(TRIES):
        name = first if first and attempt < 2 else draw_skill(recipe, rng)
        call = place_held(scene, recipe, rng) if name == "place" else any_call(library().skills[name], scene, rng)
        if call is not None and call.can(scene):
            return call
    return None


def any_call(skill: type[Skill], scene: Scene, rng: Dice) -> Skill | None:
    """A call with arguments drawn from what is there; of what is in the hand, if it moves things and there is something."""
    args: dict[str, str] = {}
    for name, field in skill.model_fields.items():
        values = [value for value in field_values(name, field, scene) if value not in args.values()]
        if name == "thing" and scene.holding in values:
            values = [str(scene.holding)]
        if not values:
            return None
        weights = np.array([TALL if name == "target" and stacked(value, scene) else 1.0 for value in values])
        args[name] = str(rng.choice(values, p=weights / weights.sum()))
    return skill(**args)


def another_pick(scene: Scene, recipe: Recipe, rng: Dice) -> Skill | None:
    """`pick` of something else than is in the hand, which has to be put away first; None if the recipe or the scene has no such call."""
    free = scene.model_copy(update={"holding": None})
    names = [name for name in field_values("thing", Pick.model_fields["thing"], scene) if name != scene.holding]
    calls = [call for name in names if (call := Pick(thing=name)).can(free)] if "pick" in recipe.skills else []
    return calls[int(rng.integers(len(calls)))] if calls else None


def stacked(name: str, scene: Scene) -> bool:
    """Does it stand on another thing?"""
    return any(fact[0] == "on" and fact[1] == name and fact[2] != "table" for fact in scene.facts)


def place_held(scene: Scene, recipe: Recipe, rng: Dice) -> Skill | None:
    """`place` of what is in the hand, each relation as often as the recipe wants it."""
    if scene.holding is None or scene.find(scene.holding).kind not in HELD:
        return None
    relations, weights = list(recipe.relations), np.array(list(recipe.relations.values()))
    for _ in range(TRIES):
        relation: Relation = relations[int(rng.choice(len(relations), p=weights / weights.sum()))]
        targets = [thing.name for thing in scene.things if thing.name != scene.holding]
        calls = [Place(thing=scene.holding, relation=relation, target=target) for target in targets]
        if possible := [call for call in calls if call.can(scene)]:
            return possible[int(rng.integers(len(possible)))]
    return None


# --- words --------------------------------------------------------------------------------------------------------------------


def draw_words(call: Skill, scene: Scene, recipe: Recipe, rng: Dice) -> str:
    """One sentence for a call; never with a word or a pattern that is held out."""
    weights = np.array([recipe.sentences.own, recipe.sentences.also, recipe.sentences.grammar])
    source = int(rng.choice(3, p=weights / weights.sum()))
    options = [sentence for sentence in call.also if not held_out(sentence)] if source == 1 else []
    if options:
        return options[int(rng.integers(len(options)))].format(**call.args)
    if source == 2 and (task := as_task(call.subtask, scene)):
        bare = scene.model_copy(update={"facts": ()})  # nothing is told by where it is
        return phrases(task, bare, "train", 1, int(rng.integers(2**31)))[0].words
    return call.words


def as_task(subtask: Subtask, scene: Scene) -> Task | None:
    """The task that asks for the same, if the grammar has it and all the names."""
    args = dict(subtask.args)
    template = TEMPLATES.get(subtask.skill)
    if subtask.skill == "place":
        relation, kind = args.pop("relation"), scene.find(args["target"]).kind
        template = PLACES.get((relation, kind)) if relation in ("in", "on") else relation
    if subtask.skill in ("open", "close"):
        args = {"target": args["thing"]}
    if template not in table("phrases") or not all(named(name) for name in args.values()):
        return None
    return Task(template, subtask.words, (subtask,), args)


def named(name: str) -> bool:
    """Has the grammar words for that thing: for its colour and its kind?"""
    words = table("words")
    *told, kind = name.split()
    return (kind if told else name) in words["nouns"] and len(told) <= 1 and all(colour in words["colours"] for colour in told)


@cache
def unseen_words() -> frozenset[str]:
    """What only the set of new words may say: not what a pattern for training says outright."""
    slots = [slot for group in table("words").values() for slot in group.values() if isinstance(slot, dict) and "unseen" in slot]
    seen = {word for slot in slots for word in slot["seen"]}
    patterns = " ".join(pattern for entry in table("phrases").values() for pattern in entry["train"]).split()
    return frozenset(word for slot in slots for word in slot["unseen"] if word not in seen and word not in patterns)


def held_out(sentence: str) -> bool:
    """Does a sentence have a word that nothing is trained on?"""
    return any(f" {word} " in f" {sentence} " for word in unseen_words())
