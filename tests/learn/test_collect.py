"""`saydo collect`: the plan, shards that come out the same anywhere, cut off and gone on with, refused where it would mix."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.__main__ import app
from agent.errors import ConfigError, Mismatch, RecordError
from agent.executor.models.small_files import save_small
from agent.learn import collect as module
from agent.learn.collect import APART, Job, Progress, collect, plan
from agent.learn.dataset import KINDS, Samples
from tests.executor.models.small_models import tiny_small
from tests.learn.lerobot import LeRobotV3
from tests.learn.scenes import TABLETOP

RECIPE = TABLETOP.model_copy(update={"samples": 18, "shard": 6, "skills": {"pick": 1.0, "place": 1.0}, "fixtures": {}})
SEED = 77


def files(folder: Path) -> dict[str, bytes]:
    """All of a folder but its log of times and the readers' copies."""
    kept = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts and path.name != "collect.jsonl")
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    collect(RECIPE, folder, seed_base=SEED)
    return folder


def test_the_plan_spreads_demos_and_gives_each_shard_its_own_worlds() -> None:
    recipe = RECIPE.model_copy(update={"samples": 600, "driven": 0.2})
    jobs = plan(recipe, 1000)
    demos = [place for place, job in enumerate(jobs) if job.kind == "demos"]
    assert len(jobs) == 100 and len(demos) == 20 and max(b - a for a, b in pairwise(demos)) <= 6
    worlds = [seed for job in jobs for seed in range(job.seed, job.seed + recipe.shard)]
    assert len(set(worlds)) == len(worlds) and all((job.seed >= 1000 + APART["demos"]) == (job.kind == "demos") for job in jobs)
    longer = plan(recipe.model_copy(update={"samples": 1200}), 1000)
    assert set(jobs) <= set(longer)


def test_both_datasets_are_valid_and_are_read_together(whole: Path) -> None:
    for kind in ("states", "demos"):
        other = LeRobotV3(whole / kind)
        other.check_whole()
        other.check_stats()
        assert other.info["made"] == {"recipe": RECIPE.sha256, "seed_base": SEED, "kind": kind}
    states, demos = LeRobotV3(whole / "states"), LeRobotV3(whole / "demos")
    assert {episode["length"] for episode in states.episodes} == {1} and max(episode["length"] for episode in demos.episodes) > 20
    samples = Samples(whole)
    assert len(samples) == states.info["total_frames"] + demos.info["total_frames"] >= 18
    assert (samples.column("kind")[: demos.info["total_frames"]] == samples.kinds.index("driven")).all()


def test_cut_off_anywhere_it_goes_on_to_the_same_end(whole: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def die(progress: Progress) -> None:
        if progress.per_second:
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            collect(RECIPE, tmp_path, seed_base=SEED, tell=die)
    (tmp_path / "states/data/chunk-000/file-001.parquet.new").write_bytes(b"half a fil")
    result = collect(RECIPE, tmp_path, seed_base=SEED)
    (tmp_path / "states/data/chunk-000/file-001.parquet.new").unlink(missing_ok=True)
    assert files(tmp_path) == files(whole)
    lines = [json.loads(line) for line in (tmp_path / "collect.jsonl").read_text().splitlines()]
    assert sorted((line["kind"], line["shard"]) for line in lines) == [("demos", 0), ("states", 0), ("states", 1)]
    assert result["states"]["frames"] == 12


def test_shards_that_come_in_any_order_are_put_in_theirs(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(make: module.Make, jobs: list[Job]) -> Iterator[tuple[Job, bytes]]:
        for job in reversed(jobs):
            yield job, make(job)

    monkeypatch.setattr(module, "_here", backwards)
    collect(RECIPE, tmp_path, seed_base=SEED)
    assert files(tmp_path) == files(whole)


def test_processes_make_the_same(whole: Path, tmp_path: Path) -> None:
    collect(RECIPE, tmp_path, seed_base=SEED, workers=2)
    assert files(tmp_path) == files(whole)


@pytest.mark.ray
def test_ray_makes_the_same(whole: Path, tmp_path: Path) -> None:
    from agent.config import load_config

    collect(RECIPE, tmp_path, seed_base=SEED, ray=load_config(None).serve)
    assert files(tmp_path) == files(whole)


def test_more_samples_go_on_with_what_is_there(whole: Path, tmp_path: Path) -> None:
    one = RECIPE.model_copy(update={"samples": 6, "driven": 0.0})
    collect(one, tmp_path, seed_base=SEED)
    first = (tmp_path / "states/data/chunk-000/file-000.parquet").read_bytes()
    result = collect(one.model_copy(update={"samples": 12}), tmp_path, seed_base=SEED)
    assert result["states"]["frames"] == 12 and (tmp_path / "states/data/chunk-000/file-000.parquet").read_bytes() == first


def test_another_recipe_or_seed_is_refused(whole: Path) -> None:
    with pytest.raises(RecordError, match="seed_base differ"):
        collect(RECIPE, whole, seed_base=SEED + 1)
    with pytest.raises(RecordError, match="recipe differ"):
        collect(RECIPE.model_copy(update={"labels": 2.0}), whole, seed_base=SEED)


def test_two_writers_are_kept_apart(whole: Path) -> None:
    from contextlib import closing

    from agent.executor.files import Log

    with closing(Log(whole / "collect.jsonl", lines=True)) as log:
        log.open()
        with pytest.raises(RecordError, match="being written by another process"):
            collect(RECIPE, whole, seed_base=SEED)


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(json.dumps({**RECIPE.model_dump(mode="json", exclude={"name"}), "driven": 0.0}))
    arguments = ["collect", "--recipe", str(tmp_path / "own.yaml"), "--samples", "6", "--out", str(tmp_path / "out"), "--local", "--json"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    result = json.loads(shown.stdout.strip().splitlines()[-1])
    assert result["states"]["frames"] == 6 == len(Samples(tmp_path / "out")) and result["name"] == "own"


def test_states_that_a_policy_gets_itself_into_are_labelled(whole: Path, tmp_path: Path) -> None:
    save_small(tiny_small(), tmp_path / "policy")
    recipe = RECIPE.model_copy(update={"samples": 12})
    for out in ("one", "other"):
        result = collect(recipe, tmp_path / out, seed_base=SEED, driver=tmp_path / "policy")
    assert result["visited"]["frames"] == 12 and set(files(tmp_path / "one")) and files(tmp_path / "one") == files(tmp_path / "other")
    samples = Samples(tmp_path / "one")
    batch = samples.batch(range(12))
    assert (batch["kind"] == KINDS.index("driven")).all() and np.isfinite(batch["chunk"]).all()
    assert len(np.unique(batch["state"][:, 7:10].round(4), axis=0)) > 6, "the policy moves"
    save_small(tiny_small("rdt"), tmp_path / "another")
    with pytest.raises(RecordError, match="driver"):
        collect(recipe.model_copy(update={"samples": 20}), tmp_path / "one", seed_base=SEED, driver=tmp_path / "another")
    with pytest.raises(ConfigError, match="no small policy's folder"):
        collect(recipe, tmp_path / "nothing", seed_base=SEED, driver=whole)
    with pytest.raises(Mismatch, match="only an RDT does without"):
        collect(recipe, tmp_path / "nothing", seed_base=SEED, driver=tmp_path / "policy", cameras=["front"])
    with pytest.raises(ConfigError, match="--driver FOLDER"):
        collect(recipe, tmp_path / "nothing", seed_base=SEED, cameras=["front"])
    assert not (tmp_path / "nothing").exists()


def test_a_driver_may_do_without_a_camera_but_its_frames_show_all(tmp_path: Path) -> None:
    save_small(tiny_small("rdt"), tmp_path / "policy")
    recipe = RECIPE.model_copy(update={"samples": 12})
    for out, cameras in (("two", None), ("one", ["front"])):
        collect(recipe, tmp_path / out, seed_base=SEED, driver=tmp_path / "policy", cameras=cameras)
    two, one = (Samples(tmp_path / out).batch(range(12)) for out in ("two", "one"))
    assert not np.allclose(two["state"], one["state"]), "it goes elsewhere"
    assert one["images"].shape == two["images"].shape and one["images"][:, 1].std() > 1
    with pytest.raises(RecordError, match="cameras"):
        collect(recipe.model_copy(update={"samples": 20}), tmp_path / "one", seed_base=SEED, driver=tmp_path / "policy")
