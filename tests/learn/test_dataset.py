"""A dataset on disk: read back by another reader, written in one go or in two, damaged, foreign."""

import json
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from agent.errors import RecordError
from agent.learn.dataset import KINDS, SIDE, VIEWS, Samples, decoded
from agent.learn.recipe import load_recipe
from agent.learn.shards import Frame, Writer, encoded, merged, shard, statistics, stats_of
from agent.learn.train import weights
from tests.learn.lerobot import LeRobotV3

MADE = {"recipe": "abc", "seed_base": 1}


def frame(number: int) -> Frame:
    rng = np.random.default_rng(number)
    picture = np.full((SIDE, SIDE, 3), rng.integers(0, 255, 3), np.uint8)
    picture[20:40, 30:60] = rng.integers(0, 255, 3)
    chunk, points = rng.normal(size=(32, 7)).astype(np.float32), rng.random((2, 3, 3)).astype(np.float32)
    words = f"pick up the {['red', 'blue', 'green'][number % 3]} block"
    return Frame({view: encoded(picture if view == "front" else picture[::-1]) for view in VIEWS}, rng.normal(size=14).astype(np.float32),
                 chunk, points, words, "pick" if number % 2 else "place", {"thing": "red block"}, KINDS[number % len(KINDS)], "oak",
                 number)  # fmt: skip


def shards() -> list[bytes]:
    """Two of single frames and one of episodes."""
    return [shard([[frame(n)] for n in range(5)]), shard([[frame(10), frame(11), frame(12)], [frame(13)]]), shard([[frame(20), frame(21)]])]


def written(folder: Path) -> Path:
    writer = Writer(folder, MADE, "About.")
    for made in shards():
        writer.append(made)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("data") / "demos")


def test_is_valid_by_a_reader_of_the_format(folder: Path) -> None:
    other = LeRobotV3(folder)
    other.check_whole()
    other.check_stats()
    assert (other.info["total_frames"], other.info["total_episodes"]) == (11, 8)


def test_both_readers_read_the_same(folder: Path) -> None:
    ours, other = Samples(folder), LeRobotV3(folder)
    batch = ours.batch([7, 0, 10])
    for row, index in enumerate([7, 0, 10]):
        theirs = other.frame(index)
        for view, name in enumerate(VIEWS):
            assert np.array_equal(batch["images"][row, view], theirs[f"observation.images.{name}"])
            assert np.array_equal(batch["points"][row, view], theirs[f"point.{name}"])
        assert np.array_equal(batch["state"][row], theirs["observation.state"]) and np.array_equal(batch["chunk"][row], theirs["chunk"])
        assert np.array_equal(theirs["action"], theirs["chunk"][0]) and np.array_equal(batch["action"][row], theirs["action"])
        assert batch["words"][row] == theirs["task"] == ours.tasks[batch["task"][row]]
        assert ours.skills[batch["skill"][row]] == theirs["skill"] and ours.kinds[batch["kind"][row]] == theirs["kind"]
        assert (batch["episode"][row], batch["frame"][row], batch["seed"][row]) == (
            theirs["episode_index"], theirs["frame_index"], theirs["seed"])  # fmt: skip


def test_what_goes_in_comes_out(folder: Path) -> None:
    batch = Samples(folder).batch([6])
    was = frame(11)
    assert np.array_equal(batch["chunk"][0], was.chunk) and np.array_equal(batch["points"][0], was.points)
    assert np.array_equal(batch["images"][0, 1], decoded(was.images["wrist"])) and batch["words"] == [was.words]


def test_windows_of_later_actions_stay_in_their_episode(folder: Path) -> None:
    rows, padded = LeRobotV3(folder).window(6, "action", range(4))
    assert padded == [False, False, True, True]
    assert np.array_equal(rows[1], frame(12).chunk[0]) and np.array_equal(rows[3], rows[1])


def test_statistics_are_those_of_all_frames(folder: Path) -> None:
    samples, stats = Samples(folder), json.loads((folder / "meta/stats.json").read_text())
    states = samples.column("observation.state").astype(float)
    for key, value in (("mean", states.mean(0)), ("std", states.std(0)), ("min", states.min(0)), ("max", states.max(0))):
        assert np.allclose(stats["observation.state"][key], value, atol=1e-6), key
        assert np.allclose(samples.stats["observation.state"][key], value, atol=1e-6)
    assert stats["action"]["count"] == [11]


def test_merging_is_the_same_as_counting_together() -> None:
    values = np.random.default_rng(0).normal(size=(90, 3))
    parts = [{"a": {**statistics(part), "count": np.array([len(part)])}} for part in (values[:20], values[20:])]
    whole, exact = merged(parts)["a"], statistics(values)
    assert all(np.allclose(whole[key], exact[key]) for key in ("min", "max", "mean", "std"))
    assert np.allclose(whole["q50"], exact["q50"], atol=0.2)


def test_a_writer_that_was_cut_off_goes_on(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "demos"
    first, second, third = shards()
    writer = Writer(again, MADE, "About.")
    writer.append(first)
    writer.append(second)
    (again / "meta/episodes/chunk-000/file-001.parquet").unlink()  # killed between its two files
    writer = Writer(again, MADE, "About.")
    assert (writer.shards, writer.frames) == (1, 5)
    writer.append(second)
    writer.append(third)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.*") if path.is_file() and ".cache" not in path.parts)
    assert files == sorted(path.relative_to(again) for path in again.rglob("*.*") if path.is_file())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in files)


def test_can_be_read_while_it_grows(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "states", MADE, "About.")
    first, second, _ = shards()
    writer.append(first)
    info = (tmp_path / "states/meta/info.json").read_bytes()
    writer.append(second)
    (tmp_path / "states/meta/info.json").write_bytes(info)  # as if the second were just being written
    assert len(Samples(tmp_path)) == 5


def test_several_datasets_are_read_as_one(folder: Path, tmp_path: Path) -> None:
    written(tmp_path / "demos")
    Writer(tmp_path / "states", MADE, "About.").append(shards()[0])
    samples = Samples(tmp_path)
    assert len(samples) == 16 and samples.batch([15])["words"] == Samples(tmp_path / "states").batch([4])["words"]
    assert len(samples.column("chunk")) == 16


def test_several_folders_are_read_as_one_and_shared_out_by_name(tmp_path: Path) -> None:
    written(tmp_path / "here/states")
    for folder in ("here", "there"):
        Writer(tmp_path / folder / "visited", MADE, "About.").append(shards()[0])
        (tmp_path / folder / "recipe.json").write_text(load_recipe("tabletop" if folder == "here" else "bench").model_dump_json())
    samples = Samples(tmp_path / "here", tmp_path / "there")
    assert list(samples.sets) == ["here/states", "here/visited", "there/visited"] and len(samples) == 11 + 5 + 5
    assert weights(samples, {"visited": 2}).tolist() == [1] * 11 + [2] * 10
    assert weights(samples, {"visited": 2, "there": 3, "here/states": 4}).tolist() == [4] * 11 + [2] * 5 + [6] * 5
    taught = samples.taught
    assert list(taught["recipes"]) == ["tabletop", "bench"] and set(taught["kinds"]) == set(load_recipe("bench").kinds)
    with pytest.raises(RecordError, match="Rename"):
        Samples(tmp_path / "here", tmp_path / "here")


def test_a_folder_that_was_made_otherwise_is_refused(folder: Path) -> None:
    with pytest.raises(RecordError, match="seed_base differ"):
        Writer(folder, {**MADE, "seed_base": 2}, "About.")


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="saydo collect"):
        Samples(tmp_path)
    broken = written(tmp_path / "broken")
    (broken / "data/chunk-000/file-002.parquet").unlink()
    with pytest.raises(RecordError, match="should have 11 frames"):
        Samples(broken)
    with pytest.raises(IndexError, match="has 11"):
        Samples(folder).batch([11])


def test_other_processes_read_it_too(folder: Path) -> None:
    samples = Samples(folder)
    here = samples.batch([3])["chunk"]
    assert np.array_equal(pickle.loads(pickle.dumps(samples)).batch([3])["chunk"], here)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert all(np.array_equal(there["chunk"], here) for there in pool.map(samples.batch, [[3], [3]]))


def test_shards_do_not_depend_on_when_they_are_made() -> None:
    assert shards() == shards()


def test_statistics_of_pictures_are_per_channel(folder: Path) -> None:
    stats = stats_of(pq.read_table(folder / "data/chunk-000/file-000.parquet"))["observation.images.front"]
    assert stats["mean"].shape == (3, 1, 1) and 0 <= stats["min"].min() <= stats["max"].max() <= 1
