"""SimRobot: the workbench as a Robot, in simulated time."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from agent.errors import RobotError, WrongShape, hint
from agent.types import Array, Observation, RobotSpec, Scene
from sim import kinematics, snapshot, truth
from sim.bench import Bench
from sim.camera import CAMERAS, Photographer
from sim.disturb import Disturbance, Mischief
from sim.layout import Layout, read_layout
from sim.world import SUBSTEPS_HZ

RATE_HZ = 20
SUBSTEPS = SUBSTEPS_HZ // RATE_HZ
JOINTS = tuple(f"joint{number}" for number in range(1, 8))
POSE = ("x", "y", "z", "rx", "ry", "rz")
PANDA = RobotSpec(
    name="panda",
    rate_hz=float(RATE_HZ),
    state=(*JOINTS, *POSE, "width"),
    action=(*POSE, "gripper"),
    cameras={name: (camera.height, camera.width) for name, camera in CAMERAS.items()},
)
REACH_M, REACH_RAD = 0.01, 0.05
"""A target that inverse kinematics misses by more than this is refused."""
STILL_TCP, STILL_JOINT = 0.005, 0.02
"""m/s and rad/s below which the robot stands still."""
STOP_DEADLINE_S = 2.0


class SimRobot:
    """The Panda at its workbench. Nothing here reads the wall clock, except to wait when `pace` asks for it.

    Action float32[7]: x, y, z of the tool centre point (TCP, midway between the finger pads) in the world frame (robot base, x away
    from the robot, y left, z up, table top z = 0), m; rx, ry, rz with R_world_tcp = exp(r) · R_down, where R_down points straight
    down with the fingers opening along world y, so that rz alone is a yaw; gripper, fraction open (1 = 80 mm).
    State float32[14]: joint1..joint7, rad; the measured TCP in the same convention; width between the pads, m.
    """

    def __init__(self, scene: "str | Path | Mapping[str, Any] | Layout" = "tabletop", seed: int = 0, pace: float = 0.0,
                 disturbances: Sequence[Disturbance] = ()) -> None:  # fmt: skip
        """`scene`: a name, a YAML file or what one holds. `pace`: simulated seconds per wall second, 0 = as fast as it goes."""
        self.spec = PANDA
        self.layout, self.seed, self.pace = read_layout(scene), seed, pace
        self._lock, self._closed = RLock(), False
        self._disturbances = tuple(disturbances)
        self._build()
        self._due: float | None = None
        self._scene: Scene | None = None
        self._applied = self._measured_row(1.0)
        self.rejected: list[tuple[int, str]] = []
        """Commands that were refused, as (tick, why); the robot held instead."""

    def _build(self) -> None:
        self._bench = Bench(self.layout, self.seed)
        self._mischief = Mischief(self._bench, self._disturbances)
        self._camera = Photographer(self._bench)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """One thread at a time, and only while there is a world."""
        with self._lock:
            if self._closed:
                raise RobotError("This simulated robot is closed. Make a new SimRobot.")
            yield

    @property
    def tick(self) -> int:
        """Control periods since the start."""
        return self._bench.logic.tick

    @property
    def fired(self) -> list[tuple[int, str]]:
        """Disturbances that have happened, as (tick, what)."""
        return list(self._mischief.told)

    def disturb(self, disturbances: Sequence[Disturbance]) -> None:
        """More that goes wrong, from now on. `load` wants a robot that has them too."""
        with self._held():
            self._mischief.add(tuple(disturbances))
            self._disturbances = (*self._disturbances, *disturbances)
            self._camera = Photographer(self._bench)

    def observe(self, cameras: Collection[str] | None = None) -> Observation:
        """Sense now; renders only the named cameras (None: all). `scene` is the truth."""
        names = list(PANDA.cameras) if cameras is None else list(cameras)
        for name in names:
            _known(name)
        with self._held():
            images = {name: self._camera.take(name) for name in names}
            return Observation(self.tick, self.tick / RATE_HZ, self._state(), images, self._truth())

    def picture(self, camera: str, side: int | None = None) -> Array:
        """What one camera sees now, uint8[height, width, 3] RGB; `side`: a square picture of another size, px."""
        _known(camera)
        with self._held():
            return self._camera.take(camera, side)

    def _truth(self) -> Scene:
        """The Scene of this tick, made once."""
        if self._scene is None:
            self._scene = truth.scene(self._bench)
        return self._scene

    def apply(self, action: Array) -> Array:
        """One control period towards `action`. A target out of reach or not finite is refused: the robot holds its last target,
        `rejected` says why. Returns the row truly applied."""
        row = np.asarray(action, dtype=np.float32)
        if row.shape != (len(PANDA.action),):
            raise WrongShape("action", f"float32[{len(PANDA.action)}]", row)
        with self._held():
            self._command(row)
            self._period()
            return self._applied.copy()

    def _command(self, row: Array) -> None:
        if not np.isfinite(row).all():
            self.rejected.append((self.tick, "the action is not finite"))
            return
        panda = self._bench.panda
        opening = float(np.clip(row[6], 0.0, 1.0))
        target = row.astype(np.float64)
        turn = kinematics.rotation(target[3:6]) @ kinematics.DOWN
        solution = kinematics.inverse(panda.joints()[0], target[:3], turn)
        if solution.error_m > REACH_M or solution.error_rad > REACH_RAD:
            why = f"out of reach: inverse kinematics misses by {1000 * solution.error_m:.0f} mm and {np.degrees(solution.error_rad):.0f}°"
            self.rejected.append((self.tick, why))
            panda.set_motors(panda.motors._replace(opening=opening))
        else:
            panda.command(solution.joints, opening)
            self._applied[:6] = row[:6]
        self._applied[6] = opening

    def _period(self) -> None:
        self._mischief.start_tick(self._truth() if self._mischief.watches() else None)
        for _ in range(SUBSTEPS):
            self._bench.step()
        self._bench.finish_tick()
        self._scene = None
        self._wait()

    def _wait(self) -> None:
        """Sleep to the next absolute deadline; after a long pause start counting anew."""
        if self.pace <= 0:
            return
        now, period = time.monotonic(), 1 / (RATE_HZ * self.pace)
        due = (self._due if self._due is not None and now - self._due < 1.0 else now) + period
        self._due = due
        if due > now:
            time.sleep(due - now)

    def stop(self) -> bool:
        """Hold where the joints are measured to be until the TCP is slower than 5 mm/s and the joints are still; keeps the grip.
        True once measured, False after 2 s of simulated time. Takes whole control periods, which count as ticks."""
        with self._held():
            panda = self._bench.panda
            panda.command(panda.joints()[0], panda.motors.opening)
            self._applied = self._measured_row(panda.motors.opening)
            for _ in range(round(STOP_DEADLINE_S * RATE_HZ)):
                self._period()
                if self._still():
                    self._applied = self._measured_row(panda.motors.opening)
                    return True
            return False

    def _still(self) -> bool:
        panda = self._bench.panda
        return panda.tcp_speed() < STILL_TCP and float(np.abs(panda.joints()[1]).max()) < STILL_JOINT

    def _measured_row(self, opening: float) -> Array:
        position, turn = self._bench.panda.tcp()
        return np.array([*position, *kinematics.rotation_vector(turn @ kinematics.DOWN.T), opening], dtype=np.float32)

    def _state(self) -> Array:
        panda = self._bench.panda
        joints, _ = panda.joints()
        return np.array([*joints, *self._measured_row(0.0)[:6], panda.width()], dtype=np.float32)

    def fingerprint(self) -> str:
        """sha256 over every body's pose and speed, every joint, the motors and the logic: equal worlds, equal digests."""
        with self._held():
            digest, bullet = sha256(), self._bench.bullet
            for name, body in self._bench.world.bodies.items():
                joints = [bullet.getJointState(body, joint)[:2] for joint in range(bullet.getNumJoints(body))]
                digest.update(repr((name, bullet.getBasePositionAndOrientation(body), bullet.getBaseVelocity(body), joints)).encode())
            digest.update(repr((self._bench.panda.motors, self._bench.logic, self._mischief.courses)).encode())
            for part in self._bench.parts:
                digest.update(repr(part.state()).encode())
            return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Snapshot to one file: `load` restores it bit for bit, also in another process."""
        with self._held():
            extra = {"applied": self._applied.tolist(), "rejected": self.rejected, "scene": self._truth().model_dump(mode="json")}
            snapshot.write(Path(path), *snapshot.take(self._bench, self._mischief, extra))

    def load(self, path: str | Path) -> None:
        """Go to a saved moment of the same scene, seed and disturbances, in a world made anew: one that has run would remember.
        RecordError says what differs."""
        state, rest = snapshot.read(Path(path))
        with self._held():
            self._bench.close()
            self._build()
            extra = snapshot.restore(self._bench, self._mischief, state, rest, str(path))
            self._applied = np.array(extra["applied"], dtype=np.float32)
            self.rejected = [(tick, why) for tick, why in extra["rejected"]]
            self._scene, self._due = Scene.model_validate(extra["scene"]), None

    def close(self) -> None:
        """Free the world; safe to call twice."""
        with self._lock:
            self._closed = True
            self._bench.close()


def _known(camera: str) -> None:
    if camera not in PANDA.cameras:
        raise RobotError(f"There is no camera '{camera}'. Cameras: {', '.join(PANDA.cameras)}.{hint(camera, PANDA.cameras)}")


__all__ = ["PANDA", "RATE_HZ", "SimRobot"]
