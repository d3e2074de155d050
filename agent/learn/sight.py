"""One state as it is seen, and the frames that are made of it."""

from functools import cached_property

import numpy as np

from agent.learn.dataset import POINTS, VIEWS
from agent.learn.mind import Label
from agent.learn.moments import handled
from agent.learn.shards import Frame, encoded
from agent.learn.stage import Pictures
from agent.skills.skill import Skill
from agent.types import Array, Observation, Subtask
from sim.oracle.fixtures import shown_at


class Sight:
    """The pictures of a state, taken once. Every call that could be made there gives a frame of them."""

    def __init__(self, pictures: Pictures, seen: Observation, look: str, seed: int) -> None:
        """seen: with the true Scene. look, seed: of the world."""
        self.seen, self.look, self.seed = seen, look, seed
        self._pictures = pictures
        shown = {view: pictures.take(view) for view in VIEWS}
        self.images = {view: image for view, (image, _) in shown.items()}
        """View → uint8[SIDE, SIDE, 3]."""
        self._bodies = {view: bodies for view, (_, bodies) in shown.items()}

    def frame(self, call: Skill, told: Label, words: str, kind: str) -> Frame:
        """What is to be learned for a call that is asked for in those words. kind: how the state came about."""
        return Frame(self._encoded, self.seen.state, told.chunk, self.points(call.subtask, told), words, call.skill_name(), call.args, kind,
                     self.look, self.seed)  # fmt: skip

    @cached_property
    def _encoded(self) -> dict[str, bytes]:
        return {view: encoded(image) for view, image in self.images.items()}

    def points(self, subtask: Subtask, told: Label) -> Array:
        """float32[V, 3, 3]: where thing, target and spot are in each picture; see dataset.POINTS."""
        scene = self.seen.scene
        assert scene is not None
        thing, target = handled(subtask, scene)
        points = np.zeros((len(VIEWS), len(POINTS), 3), np.float32)
        for number, view in enumerate(VIEWS):
            for row, name in enumerate((thing, target)):
                if name is not None:
                    points[number, row] = self._pictures.point(view, scene.find(name).position, self._bodies[view], name)
            if subtask.skill == "turn" and thing is not None:
                points[number, 1] = self._pictures.point(view, shown_at(scene.find(thing)), self._bodies[view], None)
            if told.spot is not None:
                points[number, 2] = self._pictures.point(view, told.spot, self._bodies[view], None)
        return points


__all__ = ["Sight"]
