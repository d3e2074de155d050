"""The oracle: a Policy that cheats. It reads the true scene instead of pictures, and solves every skill of the tabletop.

It is a feedback controller rolled forward in the mind: each chunk is a function of (scene, state, subtask) alone, so it can begin
anywhere: off the path, after a missed grasp, with the thing held askew, with another thing in the hand. Nothing is remembered; a
process that is killed or a thing that is moved costs nothing but time.
"""

import numpy as np

from agent.errors import hint
from agent.types import Array, Chunk, Observation, PolicySpec, Scene, Subtask, clip_text
from sim.oracle import fitting, fixtures, moves, postures, pours, pushes, sweeps
from sim.oracle.imagined import DT, FULL, Imagined, Refused
from sim.oracle.motion import LEAD, Move
from sim.oracle.moves import HOME

HORIZON = 32
STATE = (*(f"joint{index}" for index in range(1, 8)), "x", "y", "z", "rx", "ry", "rz", "width")
ACTION = ("x", "y", "z", "rx", "ry", "rz", "gripper")
MOVES = moves.MOVES | fixtures.MOVES | pushes.MOVES | pours.MOVES | sweeps.MOVES | fitting.MOVES | postures.MOVES
NEEDS = moves.NEEDS | fixtures.NEEDS | pushes.NEEDS | pours.NEEDS | sweeps.NEEDS | fitting.NEEDS | postures.NEEDS
KINDS = moves.KINDS | fixtures.KINDS | pushes.KINDS | pours.KINDS | sweeps.KINDS | fitting.KINDS | postures.KINDS
LITERALS = ("relation", *fixtures.LITERALS, *pushes.LITERALS)
"""Arguments that name no thing."""
WORKSPACE = np.array([[0.15, 0.85], [-0.60, 0.60], [0.005, 0.80]])


class Oracle:
    """Observation with scene and state float32[14] (see STATE; m, rad) + Subtask → Chunk of float32[32, 7] (see ACTION) at 20 Hz.

    Raises Refused, a PolicyError, for a skill or a sentence that it does not know, UnknownThing for a name that is not in the scene.
    """

    spec = PolicySpec(name="oracle", rate_hz=20.0, horizon=HORIZON, state=STATE, action=ACTION, sees_scene=True)

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        hand = Imagined.of(observation, _checked(observation, subtask))
        move = MOVES[subtask.skill]
        names = [subtask.args[need] for need in NEEDS[subtask.skill]]
        rows = np.empty((HORIZON, 7), np.float32)
        for row in rows:
            row[:] = _follow(hand, move(hand, *names))
        return Chunk(observation.tick, rows)


def _checked(observation: Observation, subtask: Subtask) -> Scene:
    """The scene, once the sentence is known to make sense in it."""
    if observation.scene is None:
        raise Refused("The oracle reads the true scene, and this observation has none. On a real robot serve a learned policy.")
    if observation.state.shape != (len(STATE),):
        raise Refused(f"The oracle needs a state of {len(STATE)} numbers ({', '.join(STATE)}), not {observation.state.shape[0]}.")
    if not np.isfinite(observation.state).all():
        raise Refused("The oracle was given a state that is not finite; check the robot's sensors.")
    if subtask.skill not in MOVES:
        asked = f"the skill '{subtask.skill}'" if subtask.skill else f"a sentence alone (\"{clip_text(subtask.words)}\")"
        raise Refused(
            f"The oracle was asked for {asked}. It knows the skills {', '.join(MOVES)}, with their arguments.{hint(subtask.skill, MOVES)} "
            "Give a skill of your own an `act`, or serve a policy that reads words."
        )
    for need in NEEDS[subtask.skill]:
        if need not in subtask.args:
            raise Refused(f"'{subtask.skill}' needs the arguments {', '.join(NEEDS[subtask.skill])}; '{need}' is missing.")
        if need not in LITERALS:
            observation.scene.find(subtask.args[need])
    _check_kind(observation.scene, subtask)
    return observation.scene


def _check_kind(scene: Scene, subtask: Subtask) -> None:
    kinds = KINDS.get(subtask.skill)
    if kinds and (thing := scene.find(subtask.args["thing"])).kind not in kinds:
        raise Refused(
            f"The oracle cannot {subtask.skill} the {thing.name}, which is a {thing.kind}. Of this kind are: "
            f"{', '.join(scene.names(*kinds)) or 'none'}."
        )


def _follow(hand: Imagined, move: Move) -> Array:
    """The row for a move, float32[7]; the imagined hand then makes it."""
    position = np.clip(hand.tcp + move.velocity * DT * LEAD, WORKSPACE[:, 0], WORKSPACE[:, 1])
    turn = hand.turn + move.turn * DT * LEAD
    hand.move(move.velocity, move.turn, move.opening)
    return np.array([*position, *turn, min(max(move.opening / FULL, 0.0), 1.0)], np.float32)


__all__ = ["HOME", "Oracle"]
