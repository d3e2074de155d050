"""What goes wrong between world and policy: cameras, delays, answers that are lost; and the policy that knows nothing.

Camera trouble is of the pictures. For a policy that is shown the Scene instead (`sees_scene`), and for planner and judge, which always
are, it is translated:

- out: pictures are black. The Scene stays what it was when they went; a robot whose policy sees the Scene holds still meanwhile.
- stuck: pictures stand still, and so does the Scene; nobody is told.
- noise: `noise` grey levels on every pixel; 0.25 mm for each on the position of every thing, a sixteenth of a pixel on the table.
- shift: the camera is turned by `shift_deg`; every thing is seen 20.6 mm beside where it is for each degree, as the front camera,
  1.18 m away, would reckon. Facts stay true: only positions are blurred and shifted.
"""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import replace
from math import radians

import numpy as np

from agent.errors import PolicyError, WrongShape
from agent.evaluate.protocol import Cameras, Fault
from agent.types import Array, Chunk, Observation, Policy, PolicySpec, Robot, RobotSpec, Scene, Subtask
from sim.camera import CAMERAS

GREY_M = 0.00025
DEGREE_M = float(np.linalg.norm(np.subtract(CAMERAS["front"].eye, CAMERAS["front"].target))) * radians(1)
FIRST_S, AGAIN_S = (1.0, 3.0), 6.0
"""When cameras go out or get stuck for the first time, drawn by the seed, and how long after that again, s."""
Images = Mapping[str, Array]


def troubled(robot: Robot, fault: Fault, seed: int, sees_scene: bool) -> Robot:
    """The robot as the policy has it when that goes wrong."""
    cameras = fault.cameras
    if cameras.noise or cameras.shift_deg:
        robot = Blurred(robot, cameras, seed)
    if cameras.out_s or cameras.stuck_s:
        robot = Blinking(robot, cameras, seed, holds=sees_scene)
    if fault.see_ticks:
        robot = LateEyes(robot, fault.see_ticks)
    return LateArm(robot, fault.act_ticks) if fault.act_ticks else robot


class Around:
    """A Robot around a Robot, which changes nothing."""

    def __init__(self, robot: Robot) -> None:
        self.robot, self.spec = robot, robot.spec

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        return self.robot.observe(cameras)

    def apply(self, action: Array) -> Array:
        return self.robot.apply(action)

    def stop(self) -> bool:
        return self.robot.stop()


class Blurred(Around):
    """Noise, otherwise at every tick, and a shift that stays, both by the seed."""

    def __init__(self, robot: Robot, cameras: Cameras, seed: int) -> None:
        super().__init__(robot)
        self.cameras, self.seed = cameras, seed
        angle = np.random.default_rng([seed, 3]).uniform(-np.pi, np.pi)
        self.way = np.array([np.cos(angle), np.sin(angle), 0.0])
        """Which way things are seen to be shifted: along the table in the Scene, across and down in a picture."""

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        seen = self.robot.observe(cameras)
        rng = np.random.default_rng([self.seed, seen.tick])
        images = {name: self._picture(name, image, rng) for name, image in seen.images.items()}
        return replace(seen, images=images, scene=None if seen.scene is None else self._scene(seen.scene, rng))

    def _scene(self, scene: Scene, rng: np.random.Generator) -> Scene:
        shift = self.cameras.shift_deg * DEGREE_M * self.way
        things = []
        for thing in scene.things:
            x, y, z = (thing.position + shift + rng.normal(0.0, self.cameras.noise * GREY_M, 3)).tolist()
            things.append(thing if thing.kind == "table" else thing.model_copy(update={"position": (x, y, z)}))
        return scene.model_copy(update={"things": tuple(things)})

    def _picture(self, name: str, image: Array, rng: np.random.Generator) -> Array:
        pixels = self.cameras.shift_deg * len(image) / CAMERAS[name].fov if name in CAMERAS else 0.0
        image = shifted(image, round(float(pixels * self.way[0])), round(float(pixels * self.way[1])))
        noisy = image + rng.normal(0.0, self.cameras.noise, image.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def shifted(image: Array, right: int, down: int) -> Array:
    """The picture moved by so many pixels; its border is drawn out."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows][:, columns]


class Blinking(Around):
    """Cameras that go out, or get stuck, for a while, again and again."""

    def __init__(self, robot: Robot, cameras: Cameras, seed: int, holds: bool) -> None:
        """holds: the robot holds still while they are out."""
        super().__init__(robot)
        rate, self.black, self.holds = robot.spec.rate_hz, cameras.out_s > 0, holds and cameras.out_s > 0
        self.first = round(float(np.random.default_rng([seed, 5]).uniform(*FIRST_S)) * rate)
        self.lasts, self.again = round((cameras.out_s or cameras.stuck_s) * rate), round(AGAIN_S * rate)
        self._began: int | None = None
        self._tick = 0
        self._seen: Scene | None = None
        self._images: dict[str, Array] = {}
        self._row: Array | None = None

    def blind(self, tick: int) -> bool:
        """Is anything wrong with them at this tick?"""
        self._began = tick if self._began is None else self._began
        since = tick - self._began - self.first
        return since >= 0 and since % self.again < self.lasts

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        seen = self.robot.observe(cameras)
        self._tick = seen.tick
        if not self.blind(seen.tick):
            self._seen, self._images = seen.scene, {**self._images, **seen.images}
            return seen
        images = {name: np.zeros_like(image) if self.black else self._images.get(name, image) for name, image in seen.images.items()}
        old = self._seen.model_copy(update={"tick": seen.tick}) if self._seen is not None else seen.scene
        return replace(seen, images=images, scene=old)

    def apply(self, action: Array) -> Array:
        if self.holds and self._row is not None and self.blind(self._tick):
            return self.robot.apply(self._row)
        self._row = self.robot.apply(action)
        return self._row


class LateEyes(Around):
    """All that is sensed is so many ticks old, and does not say so."""

    def __init__(self, robot: Robot, ticks: int) -> None:
        super().__init__(robot)
        self.cameras: set[str] = set()
        self._past: deque[Observation] = deque(maxlen=ticks + 1)

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        names = set(self.spec.cameras if cameras is None else cameras)
        if not self._past or not names <= self.cameras:
            self.cameras |= names
            self._past = deque([self.robot.observe(self.cameras)], self._past.maxlen)
        now, old = self._past[-1], self._past[0]
        scene = None if old.scene is None else old.scene.model_copy(update={"tick": now.tick})
        return replace(old, tick=now.tick, time=now.time, images={name: old.images[name] for name in names}, scene=scene)

    def apply(self, action: Array) -> Array:
        applied = self.robot.apply(action)
        if self._past:
            self._past.append(self.robot.observe(self.cameras))
        return applied

    def stop(self) -> bool:
        """A stop ends with the robot at rest: what is seen next is how it came to stand."""
        stopped = self.robot.stop()
        self._past.clear()
        return stopped


class LateArm(Around):
    """Commands are carried out so many ticks after they are given; a stop at once."""

    def __init__(self, robot: Robot, ticks: int) -> None:
        super().__init__(robot)
        self.ticks = ticks
        self._columns = [robot.spec.state.index(name) if name in robot.spec.state else -1 for name in robot.spec.action]
        self._waiting: deque[Array] = deque()
        self._last: Array | None = None

    def apply(self, action: Array) -> Array:
        """Returns the row, which is accepted; another one is applied now."""
        if action.shape != (len(self._columns),):
            raise WrongShape("action row", f"float32[{len(self._columns)}]", action)
        while len(self._waiting) < self.ticks:
            self._waiting.append(self._here(action))
        self._waiting.append(action)
        self._last = self.robot.apply(self._waiting.popleft())
        return action

    def stop(self) -> bool:
        self._waiting.clear()
        return self.robot.stop()

    def _here(self, action: Array) -> Array:
        """A row that leaves the robot as it is: where it is measured to be, and what was commanded last of what is not measured."""
        row, state = (action if self._last is None else self._last).copy(), self.robot.observe(()).state
        for index, column in enumerate(self._columns):
            row[index] = state[column] if column >= 0 else row[index]
        return row


class Lossy:
    """A Policy around a Policy: a share of its answers is lost on the way, by the seed."""

    def __init__(self, policy: Policy, share: float, seed: int) -> None:
        self.policy, self.spec, self.share = policy, policy.spec, share
        self._rng = np.random.default_rng([seed, 7])

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        if self._rng.random() < self.share:
            raise PolicyError("the answer was lost on the way (on purpose)")
        return self.policy.predict(observation, subtask)


class Wanderer:
    """The policy that knows nothing: smooth random motion over the table, the gripper opening and closing. The row to beat."""

    REACH = np.array([[0.25, 0.70], [-0.40, 0.40], [0.02, 0.35]])
    SPEED_M = 0.012
    """Per tick."""

    def __init__(self, robot: RobotSpec, seed: int = 0, horizon: int = 32) -> None:
        self.spec = PolicySpec(name="random", rate_hz=robot.rate_hz, horizon=horizon, state=robot.state, action=robot.action)
        self.seed = seed

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        """Towards a point drawn for this tick. float32[H, 7]."""
        rng = np.random.default_rng([self.seed, observation.tick])
        at = self.spec.state.index("x")
        here = observation.state[at : at + 6]
        way = rng.uniform(*self.REACH.T) - here[:3]
        steps = np.minimum(np.arange(1, self.spec.horizon + 1) * self.SPEED_M / max(float(np.linalg.norm(way)), 1e-6), 1.0)
        rows = np.zeros((self.spec.horizon, 7), np.float32)
        rows[:, :3] = here[:3] + steps[:, None] * way
        rows[:, 3:6] = here[3:]
        rows[:, 6] = float(rng.integers(2))
        return Chunk(observation.tick, rows)
