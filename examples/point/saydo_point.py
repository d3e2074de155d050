"""A plug-in skill: point at things. Install it (`pip install ./examples/point`), or name it in config.yaml: `skills: [saydo_point]`."""

from agent import Scene, Skill, hover


class Point(Skill, say="point at the {thing}", also=("show me the {thing}", "where is the {thing}")):
    """Hold the closed, empty hand above a thing. Needs an empty hand."""

    thing: str

    def can(self, scene: Scene) -> bool:
        return scene.holding is None and self.thing != "table"

    def act(self, observation, policy):
        return hover(observation, self.thing, height=0.15)

    def done(self, scene: Scene) -> bool:
        return scene.has("over", "gripper", self.thing)
