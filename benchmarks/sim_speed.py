"""What the workbench costs: ms of CPU per camera frame beside the stock Panda, control steps/s without cameras, resident memory.

    python benchmarks/sim_speed.py [--scene tabletop] [--frames 30] [--steps 300]

CPU time of this process (time.process_time), so other load on the machine disturbs little; best and median of the repeats.
"""

import argparse
import platform
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pybullet
import pybullet_data
from rich.console import Console
from rich.table import Table

from sim import objects
from sim.backdrop import draw
from sim.layout import kind_and_colour
from sim.meshes import cached_file
from sim.parts import console, store
from sim.robot import RATE_HZ, SimRobot
from sim.world import Bullet


def cpu_ms(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Best and median CPU time of one call, ms."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - began))
    return min(times), float(np.median(times))


def stock_bench(robot: SimRobot) -> Bullet:
    """The same moment as people usually build it: the stock Panda, a ground plane, everything drawn by the renderer."""
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
    for item in (item for item in ours.items.values() if item.loose):
        kind, colour = kind_and_colour(item.name)
        urdf = (objects.block if kind == "block" else objects.bowl)(objects.COLOURS[colour])
        stock.loadURDF(str(cached_file(urdf, ".urdf")), *ours.bullet.getBasePositionAndOrientation(item.body))
    return stock


def memory_mb() -> float:
    """Resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def frames(robot: SimRobot, repeats: int) -> Table:
    stock = stock_bench(robot)
    table = Table("camera", "ours, best", "ours, median", "stock Panda, best", "stock, median", title="CPU ms per frame")
    for camera, (height, width) in robot.spec.cameras.items():
        robot.observe([camera])
        ours = cpu_ms(partial(robot.observe, [camera]), repeats)
        theirs = cpu_ms(partial(draw, stock, robot._camera.lens(camera)), repeats)
        table.add_row(f"{camera} {height}×{width}", *(f"{value:.1f}" for value in (*ours, *theirs)))
    stock.close()
    return table


def cameras(robot: SimRobot, repeats: int) -> Table:
    """All cameras of one control step together, at the sizes that models are fed with."""
    stock, photographer = stock_bench(robot), robot._camera
    table = Table("cameras", "ours, best", "ours, median", "stock Panda, best", "stock, median", title="CPU ms per step for cameras")
    for names, side in ((("front", "wrist"), 128), (("front", "shoulder", "wrist"), 224)):
        lenses = [photographer.lens(name)._replace(height=side, width=side) for name in names]
        ours = cpu_ms(lambda names=names, side=side: [photographer.take(name, side) for name in names], repeats)
        theirs = cpu_ms(lambda lenses=lenses: [draw(stock, lens) for lens in lenses], repeats)
        table.add_row(f"{len(names)} × {side} px", *(f"{value:.1f}" for value in (*ours, *theirs)))
    stock.disconnect()
    return table


def steps(robot: SimRobot, count: int) -> Table:
    row = np.array([*robot.observe([]).state[7:13], 1.0], dtype=np.float32)
    middle = row.copy()

    def step() -> None:
        time_s = robot.tick / RATE_HZ
        row[:3] = middle[:3] + 0.1 * np.sin([time_s, 1.7 * time_s, 0.6 * time_s])
        robot.apply(row)
        robot.observe([])

    best, median = cpu_ms(step, count)
    table = Table("", "best", "median", title="control steps without cameras (apply + observe with its Scene)")
    table.add_row("CPU ms per step", f"{best:.2f}", f"{median:.2f}")
    table.add_row("steps/s on one core", f"{1e3 / best:.0f}", f"{1e3 / median:.0f}")
    table.add_row("times real time", f"{1e3 / best / RATE_HZ:.0f}", f"{1e3 / median / RATE_HZ:.0f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="tabletop")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--steps", type=int, default=300)
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
    screen.print(frames(robot, arguments.frames))


if __name__ == "__main__":
    main()
