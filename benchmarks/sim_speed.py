"""What the workbench costs: ms of CPU per camera frame beside the stock Panda, control steps/s without cameras, resident memory.

    python benchmarks/sim_speed.py [--scene bench] [--frames 60] [--steps 400]

CPU time of this process (time.process_time): the mean of the fastest half of the repeats, in brackets the best. Another process on the
same core still makes it slower, through shared caches; both sides are measured in turns, so they share what there is.
"""

import argparse
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from sim import loose, objects
from sim.backdrop import draw
from sim.meshes import cached_file
from sim.parts import console, store
from sim.robot import RATE_HZ, SUBSTEPS, SimRobot
from sim.world import Bullet


class Cost(NamedTuple):
    """CPU ms of one call: mean of the fastest half, and the best."""

    half: float
    best: float

    def __str__(self) -> str:
        return f"{self.half:.1f} ({self.best:.1f})"


def cpu_ms(repeats: int, *calls: Callable[[], object]) -> list[Cost]:
    """What each call costs, measured in turns."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, taken in zip(calls, times, strict=True):
            began = time.process_time()
            call()
            taken.append(1e3 * (time.process_time() - began))
    return [Cost(float(np.mean(sorted(taken)[: max(1, repeats // 2)])), min(taken)) for taken in times]


def stock_bench(robot: SimRobot) -> Bullet:
    """The same moment as people usually build it: the stock Panda, a ground plane, everything drawn by the renderer."""
    import pybullet
    import pybullet_data

    ours, stock = robot._bench, Bullet()
    data = Path(pybullet_data.getDataPath())
    stock.loadURDF(str(data / "plane.urdf"), (0, 0, -0.64))
    panda = stock.loadURDF(str(data / "franka_panda" / "panda.urdf"), useFixedBase=True)
    for joint in range(ours.bullet.getNumJoints(ours.panda.body)):
        stock.resetJointState(panda, joint, ours.bullet.getJointState(ours.panda.body, joint)[0])
    shape = stock.createVisualShape(pybullet.GEOM_BOX, halfExtents=[side / 2 for side in objects.TABLE], rgbaColor=(*objects.WOOD, 1))
    stock.createMultiBody(0, -1, shape, (objects.TABLE_X, 0, -objects.TABLE[2] / 2))
    layout = ours.layout
    stock.loadURDF(str(cached_file(objects.drawer(), ".urdf")), (*layout.cabinet_at, 0), useFixedBase=True)
    stock.loadURDF(str(cached_file(objects.panel(), ".urdf")), (*layout.panel_at, 0), useFixedBase=True)
    if layout.lid != "none":
        stock.loadURDF(str(cached_file(store.urdf(), ".urdf")), (*layout.cabinet_at, 0), useFixedBase=True)
    if layout.has_console:
        stock.loadURDF(str(cached_file(console.urdf(True, True), ".urdf")), (*layout.console_at, 0), useFixedBase=True)
    for item in (item for item in ours.items.values() if item.loose or item.kind == "zone"):
        stock.loadURDF(str(cached_file(loose.urdf(loose.made(item.name)), ".urdf")), *ours.bullet.getBasePositionAndOrientation(item.body))
    return stock


def memory_mb() -> float:
    """Resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def cameras(robot: SimRobot, repeats: int) -> Table:
    """All cameras of one control step together, at the sizes that models are fed with; then each alone, at its own size."""
    stock, photographer = stock_bench(robot), robot._camera
    sets = [(("front", "wrist"), 128), (("front", "shoulder", "wrist"), 224), *(((name,), None) for name in robot.spec.cameras)]
    table = Table("cameras", "ours", "stock Panda", "times", title="CPU ms of pictures per control step: fastest half (best)")
    for names, side in sets:
        lenses = [photographer.lens(name) for name in names]
        lenses = [lens._replace(height=side, width=side) for lens in lenses] if side else lenses
        ours, theirs = cpu_ms(
            repeats, lambda names=names, side=side: [photographer.take(name, side) for name in names],
            lambda lenses=lenses: [draw(stock, lens) for lens in lenses],
        )  # fmt: skip
        what = f"{len(names)} × {side} px" if side else f"{names[0]} {lenses[0].height}×{lenses[0].width}"
        table.add_row(what, str(ours), str(theirs), f"{theirs.half / ours.half:.1f}")
    stock.close()
    return table


def steps(robot: SimRobot, count: int) -> Table:
    """The hand sweeps over the table, so inverse kinematics has work to do."""
    row = np.array([*robot.observe([]).state[7:13], 1.0], dtype=np.float32)
    middle = row.copy()

    def step() -> None:
        time_s = robot.tick / RATE_HZ
        row[:3] = middle[:3] + 0.1 * np.sin([time_s, 1.7 * time_s, 0.6 * time_s])
        robot.apply(row)

    def physics() -> None:
        for _ in range(SUBSTEPS):
            robot._bench.world.step()

    half = Table("", "CPU ms", "steps/s on one core", title="Control steps without cameras: fastest half (best)")
    (acted,) = cpu_ms(count, step)
    (seen,) = cpu_ms(count, lambda: (step(), robot.observe([])))
    (bare,) = cpu_ms(count, physics)
    for what, cost in (("apply", acted), ("apply and observe, with its Scene", seen), ("12 substeps of Bullet alone", bare)):
        half.add_row(what, f"{cost.half:.2f} ({cost.best:.2f})", f"{1e3 / cost.half:.0f} ({1e3 / cost.best:.0f})")
    return half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="bench")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    screen, before = Console(), memory_mb()
    began = time.process_time()
    robot = SimRobot(arguments.scene, seed=0)
    robot.observe()
    built = time.process_time() - began
    screen.print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    screen.print(f"World built and seen by all cameras: {built:.2f} s of CPU")
    screen.print(f"Resident: {memory_mb():.0f} MB, of which {memory_mb() - before:.0f} MB since the imports")
    screen.print(steps(robot, arguments.steps))
    screen.print(cameras(robot, arguments.frames))


if __name__ == "__main__":
    main()
