"""The loop of training: the same whether or not it was killed, by one process or two; it learns, and says how it goes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from agent.errors import ConfigError
from agent.executor.models.small_files import load_small
from agent.learn.curves import draw_curves, series
from agent.learn.learner import Choices, SmallLearner
from agent.learn.team import Alone, run_team
from agent.learn.train import HELD_OUT, Training, held_out, strike
from agent.learn.train import weights as shown_weights
from tests.learn.few import FEW, TINY, Few, equal, plan


def training(out: Path, family: str = "pi0", data: Few = FEW, team: Alone | None = None, **changes: object) -> Training:
    out.mkdir(exist_ok=True, parents=True)
    learner = SmallLearner.fresh(data, replace(TINY, family=family), Choices(), seed=1)
    return Training(plan(out, **changes), team or Alone(), learner, lambda: data, say=lambda line: None)


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(str(out / "policy" / "model.safetensors"))



# --- the loop ---------------------------------------------------------------------------------------------------------------


def test_about_one_world_of_so_many_is_held_out_however_seeds_are_drawn() -> None:
    shards = (10_000_000 + 1000 * np.arange(800)[:, None] + np.arange(8)).ravel()  # as `saydo collect` draws them
    for seeds in (shards, np.arange(6000), 500_000_000 + 40 * np.arange(6000)):
        assert 0.6 < held_out(seeds).mean() * HELD_OUT < 1.4
    assert (held_out(np.repeat(shards, 2)) == np.repeat(held_out(shards), 2)).all()


@pytest.mark.parametrize("family", ["pi0", "pi0-small", "rdt"])
def test_a_run_leaves_a_policy_a_state_and_its_metrics(family: str, tmp_path: Path) -> None:
    training(tmp_path, family, samples=32).run()
    small = load_small(tmp_path / "policy")
    assert small.config.family == family and small.trained["progress"]["samples"] == 32
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    checks = [line for line in lines if line["kind"] == "check"]
    assert [line["samples"] for line in checks] == [16, 32, 32]
    assert {"error_cm", "turn_rad", "grip", "pointing_px", "in_view"} <= checks[-1].keys()
    assert (tmp_path / "curves.svg").read_text().startswith("<svg") and (tmp_path / "state.pt").is_file()


def test_a_run_that_is_cut_off_ends_with_the_same_weights(tmp_path: Path) -> None:
    training(tmp_path / "whole", samples=48).run()
    cut = training(tmp_path / "cut", samples=48)
    steps, step = [], cut.step

    def breaks(batch: object) -> None:
        if len(steps) == 4:
            raise KeyboardInterrupt
        step(batch)
        steps.append(1)
        if len(steps) == 3:
            cut.save()  # one step after this is lost

    cut.step = breaks  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    again = training(tmp_path / "cut", samples=48)
    again.run()
    assert again.at.starts == 2 and again.at.samples == 48
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    training(tmp_path / "a", samples=16).run()
    training(tmp_path / "b", samples=16).run()
    training(tmp_path / "c", samples=16, seed=5).run()
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not equal(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_training_fits_what_it_is_shown(tmp_path: Path) -> None:
    data = Few(8)
    data.seed = np.ones(8, int)  # nothing held out
    run = training(tmp_path, data=data, samples=8 * 120, rate=5e-3, decay=0.9)
    batch = data.batch(np.arange(8))
    before = run.learner.check(batch)["error_cm"]
    run.run()
    policy = SmallLearner.further(tmp_path / "policy", Choices())
    assert policy.check(batch)["error_cm"] < 0.8 * before


def test_what_is_to_be_shown_more_often_is() -> None:
    np.testing.assert_array_equal(shown_weights(FEW, {})[:4], [1, 1, 1, 1])
    np.testing.assert_array_equal(shown_weights(FEW, {"place": 3.0, "states": 0.5})[:4], [0.5, 1.5, 0.5, 1.5])
    np.testing.assert_array_equal(shown_weights(FEW, {"states:place": 3.0})[:4], [1, 3, 1, 3])
    with pytest.raises(ConfigError, match=r"--share plase.*pick, place, states.*place"):
        shown_weights(FEW, {"plase": 2.0})


def test_shares_reach_the_batches(tmp_path: Path) -> None:
    run = training(tmp_path, samples=8, shares={"place": 4.0})
    run.read_data()
    drawn = np.concatenate([run.indices(step) for step in range(300)])
    assert 0.75 < (drawn % 2 == 1).mean() < 0.85


def test_held_out_frames_are_not_trained_on(tmp_path: Path) -> None:
    run = training(tmp_path, samples=8)
    run.read_data()
    assert len(run.apart) and not set(run.apart) & set(run.fit) and len(run.apart) + len(run.fit) == len(FEW)
    seen = {int(index) for step in range(200) for index in run.indices(step)}
    assert not seen & set(run.apart.tolist())


def test_new_words_in_grown_data_get_tokens(tmp_path: Path) -> None:
    data = Few(16)
    run = training(tmp_path, data=data, samples=16)
    data.tasks = [*data.tasks, "hoist the flag"]
    run.run()
    words = load_small(tmp_path / "policy").vocabulary
    assert {"hoist", "flag"} <= set(words.words) and words.words[0] == "the"


# --- by a command, killed, and in company -----------------------------------------------------------------------------------

SCRIPT = """
import sys
from pathlib import Path
from tests.learn.test_train import training
training(Path(sys.argv[1]), samples=int(sys.argv[2]), save_minutes=0.0).run()
"""


def test_a_killed_process_goes_on(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), "100000"]
    process = subprocess.Popen(command, cwd=root, env=environment)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "state.pt").is_file() and time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = torch.load(tmp_path / "killed" / "state.pt", weights_only=True)
    done = state["progress"]["samples"]
    again = training(tmp_path / "killed", samples=done + 8)
    again.run()
    assert again.at.samples == done + 8 and again.at.starts == 2
    assert load_small(tmp_path / "killed" / "policy").trained["progress"]["samples"] == done + 8
    lines = [json.loads(line)["samples"] for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    assert lines == sorted(lines)


def share(team: Alone, out: Path) -> None:
    """One process of a team: gradients of its half of one batch, averaged, written down."""
    run = training(out / str(team.rank), samples=8, team=team)
    run.read_data()
    batch = run.data.batch(run.indices(0))
    loss, _ = run.learner.loss(batch, torch.Generator().manual_seed(0))
    loss.backward()
    own = {name: weight.grad.clone() for name, weight in run.model.named_parameters() if weight.grad is not None}
    team.average(run.model)
    mean = {name: weight.grad for name, weight in run.model.named_parameters() if weight.grad is not None}
    torch.save({"own": own, "mean": mean, "indices": torch.from_numpy(run.indices(0)), "agreed": team.agree(team.rank + 5.0)},
               out / f"{team.rank}.pt")  # fmt: skip


def test_two_processes_share_a_batch_and_average_their_gradients(tmp_path: Path) -> None:
    run_team(2, share, tmp_path)
    one, other = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert one["agreed"] == other["agreed"] == 5.0
    whole = training(tmp_path / "whole", samples=8)
    whole.read_data()
    together = sorted([*one["indices"].tolist(), *other["indices"].tolist()])
    assert together == sorted(whole.indices(0).tolist()) and len(one["indices"]) == 4
    for name, mean in one["mean"].items():
        torch.testing.assert_close(mean, (one["own"][name] + other["own"][name]) / 2)
        assert torch.equal(mean, other["mean"][name])


def endless(team: Alone, out: Path) -> None:
    """One process of a team that would work for ever."""
    model = nn.Linear(2, 2)
    model(torch.ones(1, 2)).sum().backward()
    (out / f"{team.rank}.pid").write_text(str(os.getpid()))
    while True:
        team.average(model)
        time.sleep(0.01)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_team_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = "import sys, pathlib; from agent.learn.team import run_team; from tests.learn.test_train import endless; " \
           "run_team(2, endless, pathlib.Path(sys.argv[1]))"  # fmt: skip
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
                               stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 120
    while len(written := [path for path in tmp_path.glob("*.pid") if path.read_text()]) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    pids = [int(path.read_text()) for path in written]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(pids) == 2 and not any(alive(pid) for pid in pids)


# --- its parts --------------------------------------------------------------------------------------------------------------



def test_lines_after_the_state_are_struck_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "step", "samples": 8}\n{"kind": "step", "samples": 16}\n{"kind": "step", "samp')
    strike(path, 8)
    assert path.read_text() == '{"kind": "step", "samples": 8}\n'


def test_curves_have_a_panel_for_every_quantity(tmp_path: Path) -> None:
    lines = [{"kind": "step", "samples": n, "seconds": n, "motion": 10.0 / n, "rate": 0.1} for n in (1, 10, 1000)]
    lines += [{"kind": "gate", "samples": 1000, "seconds": 5, "lift": 0.5, "say": "no number"}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = series(tmp_path / "metrics.jsonl")
    assert found == {"step: motion": [(1, 10.0), (10, 1.0), (1000, 0.01)], "step: rate": [(n, 0.1) for n in (1, 10, 1000)],
                     "gate: lift": [(1000, 0.5)]}  # fmt: skip
    draw_curves(tmp_path)
    svg = (tmp_path / "curves.svg").read_text()
    assert svg.count("<polyline") == 3 and "step: motion (log)" in svg and "gate: lift" in svg
    (tmp_path / "empty").mkdir()
    draw_curves(tmp_path / "empty")
    assert not (tmp_path / "empty" / "curves.svg").exists()
