import shutil
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

ROOT = Path(__file__).parents[2]


def parity(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "benchmarks/parity.py", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120)


def copied(tmp_path: Path) -> Path:
    for file in (ROOT / "tests" / "fixtures" / "pi0").glob("pi05_tiny_*"):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_the_recorded_sets_pass_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    result = parity(copied(tmp_path / "deep").parent)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "train_v_t" in result.stdout and "sample_actions_10" in result.stdout and "0 past their bound" in result.stdout


def test_a_slightly_wrong_weight_is_noticed(tmp_path: Path) -> None:
    file = copied(tmp_path) / "pi05_tiny_weights.safetensors"
    weights = load_file(file)
    weights["action_out_proj.bias"][3] += 3e-5
    save_file(weights, file)
    result = parity(tmp_path)
    assert result.returncode == 1
    assert any(line.startswith("PAST") and "train_v_t" in line for line in result.stdout.splitlines())


def test_nothing_to_compare_is_a_failure(tmp_path: Path) -> None:
    result = parity(tmp_path)
    assert result.returncode == 1 and "No fixture sets" in result.stdout
