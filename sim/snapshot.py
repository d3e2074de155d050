"""A moment of a bench, whole: what Bullet knows and what it does not; restores bit for bit, also in another process.

Bullet's state file leaves out motor targets, forces, friction and colours, contacts that have just begun are lost with it, and nothing
in it knows about ticks, the light, what is held, randomness or disturbances. A snapshot carries all of that, the Scene as it was seen,
and the layout and seed that the bodies are made from.
"""

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from agent.errors import RecordError
from sim.bench import Bench, Logic
from sim.disturb import Course, Mischief
from sim.panda import Motors

FORMAT = "saydo world 2"


def take(bench: Bench, mischief: Mischief, extra: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Bullet's bytes, and the rest as JSON; `extra` is the robot's own."""
    return _bullet_bytes(bench), {
        "format": FORMAT,
        "layout": bench.layout.model_dump(mode="json", by_alias=True),
        "seed": bench.seed,
        "substeps": bench.world.substeps,
        "rng": bench.world.rng.bit_generator.state,
        "motors": bench.panda.motors._asdict(),
        "drawer": bench.drawer_motor,
        "logic": bench.logic._asdict(),
        "parts": [part.state() for part in bench.parts],
        "courses": [course._asdict() for course in mischief.courses],
        "told": mischief.told,
        "extra": extra,
    }


def restore(bench: Bench, mischief: Mischief, state: bytes, rest: dict[str, Any], name: str) -> dict[str, Any]:
    """Put the bench into that moment; returns the robot's own part. RecordError if it is of another scene or format."""
    if rest.get("format") != FORMAT:
        raise RecordError(f"The snapshot {name} has format '{rest.get('format')}'; this version reads '{FORMAT}'.")
    if rest["layout"] != bench.layout.model_dump(mode="json", by_alias=True) or rest["seed"] != bench.seed:
        raise RecordError(
            f"The snapshot {name} is of scene '{rest['layout']['name']}' with seed {rest['seed']}, but this world is "
            f"'{bench.layout.name}' with seed {bench.seed}. Build the robot with that scene and seed first."
        )
    if len(rest["courses"]) != len(mischief.courses):
        raise RecordError(f"The snapshot {name} has {len(rest['courses'])} disturbances, this robot {len(mischief.courses)}: "
                          "give it the same ones.")  # fmt: skip
    _restore_bytes(bench, state)
    bench.world.substeps = rest["substeps"]
    bench.world.rng = np.random.default_rng()
    bench.world.rng.bit_generator.state = rest["rng"]
    bench.panda.set_motors(Motors(**{**rest["motors"], "joints": tuple(rest["motors"]["joints"])}))
    bench.set_drawer_motor(*rest["drawer"])
    bench.hold_button()
    logic = Logic(**rest["logic"])
    bench.logic = logic._replace(events=tuple((tick, tuple(fact)) for tick, fact in logic.events))
    bench.set_light(logic.lit)
    for part, state_of_part in zip(bench.parts, rest["parts"], strict=True):
        part.restore(state_of_part)
    mischief.courses = [Course(**course) for course in rest["courses"]]
    mischief.told = [(tick, what) for tick, what in rest["told"]]
    return dict(rest["extra"])


def write(path: Path, state: bytes, rest: dict[str, Any]) -> None:
    """One file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("world.bullet", state)
        file.writestr("world.json", json.dumps(rest))
    os.replace(part, path)


def read(path: Path) -> tuple[bytes, dict[str, Any]]:
    """What `write` wrote; RecordError if the file is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.read("world.bullet"), json.loads(file.read("world.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise RecordError(f"Cannot read the snapshot {path}: {error}.") from error


def _bullet_bytes(bench: Bench) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.bullet"
        bench.bullet.saveBullet(str(file))
        return file.read_bytes()


def _restore_bytes(bench: Bench, state: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.bullet"
        file.write_bytes(state)
        bench.bullet.restoreState(fileName=str(file))
