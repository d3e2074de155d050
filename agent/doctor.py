"""`saydo doctor`: is everything here that a run needs, and if not, what to do about it. Each line is found out live, not assumed."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from agent.config import Config
from agent.errors import SaydoError
from agent.executor.policies import WEIGHTS
from agent.types import Frozen

NEEDED_GIB = 1.0


class Row(Frozen):
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def examine(config: Config) -> Iterator[Row]:
    """Look at one thing after another; a check that breaks is a failing row, never the end of the examination."""
    checks: list[tuple[str, Callable[[Config], Iterator[Row]], str]] = [
        ("python", python, "Use Python 3.11: pybullet has no wheels for newer ones."),
        ("packages", packages, "Run `make setup`."),
        ("skills", skills, "Mend or remove the plug-in named above; see `skills:` in config.yaml."),
        ("runs folder", runs_folder, "Choose another folder: --runs or runs.folder in config.yaml."),
        ("cameras", cameras, "Run `make setup` again; if it persists, delete the cache folder ~/.cache/saydo."),
        ("policy", policy, "Check policy.name and policy.checkpoint in config.yaml."),
        ("Ray", ray, "Run with --local to go without Ray; look for a full /dev/shm or disk, and for old `ray` processes."),
        ("model server", model_server, "Check planner.base_url, planner.model and SAYDO_API_KEY, or set planner.model to null."),
        ("weights", weights, "Fetch the checkpoint again: its hash is not the one in its card."),
    ]
    for name, check, advice in checks:
        try:
            yield from check(config)
        except (SaydoError, OSError, ImportError, RuntimeError, ValueError) as error:
            yield Row(name=name, ok=False, found=f"{type(error).__name__}: {error}", advice=advice)


def python(config: Config) -> Iterator[Row]:
    right = sys.version_info[:2] == (3, 11)
    yield Row(name="python", ok=right, found=sys.version.split()[0], advice="Use Python 3.11: pybullet has no wheels for newer ones.")


def packages(config: Config) -> Iterator[Row]:
    """What pyproject.toml asks for, against what is installed."""
    wanted = [Requirement(line) for line in requires("saydo") or []]
    wrong = []
    for need in wanted:
        try:
            if not need.specifier.contains(version(need.name)):
                wrong.append(f"{need.name} {version(need.name)} (needs {need.specifier})")
        except PackageNotFoundError:
            wrong.append(f"{need.name} is missing")
    shown = ", ".join(f"{name} {version(name)}" for name in ("saydo", "torch", "ray", "langgraph", "openai", "transformers", "pybullet"))
    yield Row(name="packages", ok=not wrong, found="; ".join(wrong) or shown, advice="Run `make setup`.")


def skills(config: Config) -> Iterator[Row]:
    from agent.skills.library import gather

    yield Row(name="skills", ok=True, found=", ".join(gather(config.skills).skills))


def runs_folder(config: Config) -> Iterator[Row]:
    folder = config.runs.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".doctor"
    probe.write_text("can be written")
    probe.unlink()
    free = shutil.disk_usage(folder).free / 2**30
    advice = f"Free some space, or choose another folder: --runs. A run needs about 10 MB; below {NEEDED_GIB:.0f} GiB it gets tight."
    yield Row(name="runs folder", ok=free > NEEDED_GIB, found=f"{config.runs.folder}, {free:.0f} GiB free", advice=advice)


def cameras(config: Config) -> Iterator[Row]:
    from agent.app import build_robot

    robot = build_robot(config)
    robot.observe()
    for name, (height, width) in robot.spec.cameras.items():
        start = time.perf_counter()
        image = robot.observe(cameras=(name,)).images[name]
        took = (time.perf_counter() - start) * 1000
        dark = int(image.max()) - int(image.min()) < 10
        found = f"{width}×{height} px in {took:.0f} ms" + (", but the picture is blank" if dark else "")
        yield Row(name=f"camera {name}", ok=not dark, found=found, advice="Check the lens cap, or the light of the scene.")
    getattr(robot, "close", lambda: None)()


def policy(config: Config) -> Iterator[Row]:
    from agent.app import build_robot
    from agent.executor.policies import make_policy
    from agent.executor.safety import check_match

    robot, chosen = build_robot(config), make_policy(config.policy)
    check_match(robot.spec, chosen.spec)
    getattr(robot, "close", lambda: None)()
    yield Row(
        name="policy",
        ok=True,
        found=f"{chosen.spec.name}: {chosen.spec.horizon} rows at {chosen.spec.rate_hz:g} Hz, fits {robot.spec.name}",
    )


def ray(config: Config) -> Iterator[Row]:
    """Start it for real, or find the server that runs already, and ask for the policy's metadata over the wire."""
    from agent.app import open_policy

    start, stages = time.monotonic(), list[str]()
    with open_policy(config, local=False, progress=stages.append) as served:
        took = time.monotonic() - start
        yield Row(name="Ray", ok=True, found=f"{served.spec.name} served after {took:.1f} s ({stages[0]})")


def model_server(config: Config) -> Iterator[Row]:
    from agent.planner.server import probe

    if config.planner.model is None:
        yield Row(name="model server", ok=True, found="none configured: the embedded scorer chooses (no key, no network)")
        return
    for name, ok, detail in probe(config.planner):
        yield Row(name=name, ok=ok, found=detail, advice="" if ok else "Check planner.base_url, planner.model and SAYDO_API_KEY.")


def weights(config: Config) -> Iterator[Row]:
    """Each policy that ships, loaded, which compares its hash with the one in its card."""
    from agent.executor.models.small_files import is_small, load_small

    folders = [folder for folder in sorted(WEIGHTS.glob("*")) if is_small(folder)]
    if not folders:
        yield Row(name="weights", ok=True, found=f"none shipped; policy '{config.policy.name}' needs none")
    for folder in folders:
        small = load_small(folder)
        count = sum(weight.numel() for weight in small.model.parameters())
        skills = ", ".join(small.trained.get("taught", {}).get("skills", ())) or "skills not told"
        yield Row(name=f"weights {folder.name}", ok=True, found=f"{small.config.family}, {count / 1e6:.1f} M parameters: {skills}")
