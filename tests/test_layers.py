"""Imports point one way, and `import agent` is instant."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BASE = {"agent.types", "agent.errors", "agent.config"}
MAY_IMPORT = {
    "agent.types": {"agent.errors"},
    "agent.errors": set(),
    "agent.config": {"agent.errors"},
    "agent.mailbox": set(),
    "agent.evidence": {"agent.types", "agent.errors"},
    "agent.skills": BASE | {"agent.skills"},
    "agent.planner": BASE | {"agent.skills", "agent.planner", "agent.evidence"},
    "agent.executor": BASE | {"agent.skills", "agent.executor", "agent.evidence"},
    "agent.graph": BASE | {"agent.skills", "agent.planner", "agent.executor", "agent.mailbox", "agent.evidence"},
    "agent.replay": BASE | {"agent.executor"},
    "agent.report": BASE | {"agent.executor", "agent.report"},
    "agent.live": BASE,
    "sim": {"agent.types", "agent.errors", "sim"},
}
BUILDERS = {"agent.app", "agent.demo", "agent.evaluate", "agent.learn"}
ONLY_IN_SIM = {"pybullet", "pybullet_data"}
FILES = sorted(path for folder in ("agent", "sim") for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Dotted names a file imports, wherever in it; names under TYPE_CHECKING do not count."""
    tree = ast.parse(path.read_text())
    typing_only = (node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    hidden = {id(part) for node in typing_only for part in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def layer(name: str, layers: set[str]) -> str | None:
    return max((known for known in layers if name == known or name.startswith(known + ".")), key=len, default=None)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    home = layer(module_name(path), set(MAY_IMPORT))
    ours = {name for name in imports(path) if name.split(".")[0] in ("agent", "sim")}
    if home is not None:
        wrong = {name for name in ours if layer(name, MAY_IMPORT[home]) is None}
        assert not wrong, f"{module_name(path)} may not import {sorted(wrong)}"
    elif layer(module_name(path), BUILDERS) is None:
        assert not {name for name in ours if name.split(".")[0] == "sim"}, f"only {sorted(BUILDERS)} import sim, not {module_name(path)}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_physics_stays_in_sim(path: Path) -> None:
    if module_name(path).split(".")[0] != "sim":
        assert not imports(path) & ONLY_IN_SIM


def test_import_agent_is_instant() -> None:
    heavy = ("torch", "ray", "pybullet", "openai", "langgraph", "transformers")
    code = f"import sys, agent, agent.__main__; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    assert shown.stdout.strip() == "[]"


def test_every_public_name_resolves() -> None:
    import agent

    assert all(getattr(agent, name) is not None for name in agent.__all__)
    with pytest.raises(AttributeError, match="It has: Chunk"):
        agent.Nothing  # noqa: B018
