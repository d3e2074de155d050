"""What changed between two looks at the world, in words: the evidence an Outcome carries and a judge reads."""

from math import dist, pi

from agent.types import Fact, Scene, Thing

MOVED_M, TURNED_RAD, JOINT_M = 0.01, 0.17, 0.003
OPPOSITE = {"open": "closed", "closed": "open", "lit": "dark", "dark": "lit", "covered": "uncovered", "uncovered": "covered",
            "up": "down", "down": "up", "at left": "at right", "at right": "at left"}  # fmt: skip
LASTING = {"in", "on", "at"}
VERBS = {"drawer": ("opened", "closed"), "door": ("opened", "closed"), "lid": ("went left", "went right"),
         "lever": ("went up", "went down"), "knob": ("turned left", "turned right")}  # fmt: skip
ANGLES = {"lever", "knob"}
"""Kinds whose joint is an angle, rad."""
UNSAID = {"clear", "over", "moving"}
"""Facts that follow from others, or last for a moment only."""


def differences(before: Scene, after: Scene) -> tuple[str, ...]:
    """The observed differences, most telling first: ("holding red block → nothing", "red block moved 12 cm", "red block is now in …").

    Things count as moved from 1 cm, as turned from 10°, joints from 3 mm.
    """
    lines = []
    if before.holding != after.holding:
        lines.append(f"holding {before.holding or 'nothing'} → {after.holding or 'nothing'}")
    was = {thing.name: thing for thing in before.things}
    moved = {thing.name for thing in after.things if thing.name in was and went(was[thing.name], thing) >= MOVED_M}
    for thing in after.things:
        lines += changes(was[thing.name], thing) if thing.name in was else [f"{thing.name} has appeared"]
    lines += [f"{name} is gone" for name in was if name not in after.names()]
    lines += [f"{say(fact)}" for tick, fact in after.events if tick > before.tick]
    lines += facts(before, after, moved)
    return tuple(dict.fromkeys(lines))


def changes(was: Thing, now: Thing) -> list[str]:
    """How one thing moved: by its joint if it has one, else in space."""
    if now.joint is not None and was.joint is not None:
        by, angle = now.joint - was.joint, now.kind in ANGLES
        if abs(by) < (TURNED_RAD if angle else JOINT_M):
            return []
        verb = VERBS.get(now.kind, ("went in", "came out"))[by < 0]
        return [f"{now.name} {verb} by {abs(by) * 180 / pi:.0f}°" if angle else f"{now.name} {verb} by {length(abs(by))}"]
    lines = [f"{now.name} moved {length(went(was, now))}"] if went(was, now) >= MOVED_M else []
    turn = abs(pi - (pi - (now.yaw - was.yaw)) % (2 * pi))
    return [*lines, f"{now.name} turned {turn * 180 / pi:.0f}°"] if turn >= TURNED_RAD else lines


def facts(before: Scene, after: Scene, moved: set[str]) -> list[str]:
    """Facts that came, then facts that went and were not simply replaced. Directions count only for what itself moved."""
    old, new = set(before.facts), set(after.facts)
    came = [fact for fact in after.facts if fact not in old and fact[0] not in UNSAID]
    came = [fact for fact in came if len(fact) < 3 or fact[0] in LASTING or fact[1] in moved]
    went = [fact for fact in before.facts if fact not in new and fact[0] not in UNSAID]
    went = [fact for fact in went if fact[0] in LASTING or (fact[0] in OPPOSITE and (OPPOSITE[fact[0]], fact[1]) not in new)]
    return [say(fact, "is now ") for fact in came] + [say(fact, "is no longer ") for fact in went]


def say(fact: Fact, link: str = "was ") -> str:
    """("in", "red block", "blue bowl") → "red block is now in blue bowl"; ("pressed", "button") → "button was pressed"."""
    relation, first, *rest = fact
    return " ".join([first, f"{link}{relation}", *rest])


def went(was: Thing, now: Thing) -> float:
    return dist(was.position, now.position)


def length(metres: float) -> str:
    return f"{metres * 100:.0f} cm" if metres >= MOVED_M else f"{metres * 1000:.0f} mm"
