"""`saydo collect` and `saydo train`: the command line of learning."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from agent.config import LARGEST_SEED, load_config, named_values, split_names
from agent.errors import ConfigError

ConfigPath = Annotated[Path | None, typer.Option("--config", help="Another config.yaml.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="A shipped recipe, or a YAML file.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the datasets; one that was cut off goes on there.")]
Count = Annotated[int | None, typer.Option("--samples", min=1, help="Frames in all, rounded up to whole shards (of 1000, if the recipe "
                                           "says nothing else); more than before go on with what is there.")]
SeedBase = Annotated[int | None, typer.Option("--seed-base", min=0, max=LARGEST_SEED, help="The first seed of the worlds.")]
Driver = Annotated[Path | None, typer.Option(help="A small policy's folder: label the states that it gets itself into.")]
Cameras = Annotated[str | None, typer.Option(help="With --driver: the cameras it drives by, with commas; an RDT does without the others.")]
Local = Annotated[bool, typer.Option("--local", help="Without Ray: in processes of this machine.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, with --local.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines: one JSON object as the last line of standard output.")]


def collect(config: ConfigPath = None, recipe: RecipeName = "tabletop", out: Out = None, samples: Count = None, seed_base: SeedBase = None,
            driver: Driver = None, cameras: Cameras = None, local: Local = False, workers: Workers = 1,
            as_json: AsJson = False) -> None:  # fmt: skip
    """Make demonstrations: labelled states and driven episodes, as LeRobotDataset v3; or states that a policy gets itself into."""
    from agent.learn.collect import APART, SEED_BASE
    from agent.learn.collect import Progress as Told
    from agent.learn.collect import collect as make
    from agent.learn.recipe import load_recipe

    wanted = load_recipe(recipe, samples=samples)
    settings = load_config(config)
    folder = out or settings.runs.folder / "data" / f"{wanted.name}-{wanted.sha256[:8]}"
    console = Console(stderr=as_json)
    columns = (TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(wanted.name, total=wanted.samples)

        def tell(told: Told) -> None:
            line = f"{wanted.name}  {told.per_second:.0f} a second, {minutes(told.left_s)} left"
            bar.update(task, completed=told.done, total=told.of, description=line)
            if not console.is_terminal and told.per_second:
                console.print(f"  {told.done} of {told.of}, {line}", highlight=False, markup=False)

        seed = SEED_BASE if seed_base is None else seed_base
        result = make(wanted, folder, seed_base=seed, driver=driver, cameras=split_names(cameras), workers=workers,
                      ray=None if local else settings.serve, tell=tell)  # fmt: skip
    console.print(f"  {folder}: {sum(result[kind]['frames'] for kind in APART if kind in result)} frames, "
                  f"{result['per_second']} a second", soft_wrap=True, markup=False, highlight=False)  # fmt: skip
    if as_json:
        print(json.dumps(result), flush=True)


Family = Annotated[str, typer.Option(help="pi0, rdt or pi0-small.")]
Data = Annotated[list[Path] | None, typer.Option(help="Folder of demonstrations, of `saydo collect`; may be given several times.")]
Init = Annotated[Path | None, typer.Option(help="A checkpoint to start from; a small π0 may give others its eyes.")]
Reading = Annotated[Path | None, typer.Option(help="A small π0's folder, as which the RDT of --init reads from now on.")]
Long = Annotated[int | None, typer.Option("--samples", help="How many samples to train on, the same ones counted again.")]
Minutes = Annotated[float | None, typer.Option(help="How many minutes of training, pauses not counted.")]
RunFolder = Annotated[Path | None, typer.Option(help="Folder of the run; one that was cut off goes on there.")]
Gates = Annotated[str | None, typer.Option("--gate", help="Task templates to try in closed loop, with commas.")]
Shares = Annotated[list[str] | None, typer.Option("--share", help="Show some more often: stack=2, visited=3, visited:open=2.")]
Lost = Annotated[list[str] | None, typer.Option("--lost", help="Share of a camera's pictures that are taken away: wrist=0.3.")]
Sizes = Annotated[list[str] | None, typer.Option("--size", help="Another size: pointing=false, width=96. May be given several times.")]


def train(
    family: Family = "pi0", data: Data = None, init: Init = None, reading: Reading = None, samples: Long = None, minutes: Minutes = None,
    out: RunFolder = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    processes: Annotated[int, typer.Option(min=1, help="Of one thread each; their gradients are averaged.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a step, over all processes.")] = 32,
    rate: Annotated[float, typer.Option(help="The highest learning rate.")] = 1e-3,
    optimiser: Annotated[Literal["muon", "adamw"], typer.Option(help="muon: for matrices in the middle; AdamW for the rest.")] = "muon",
    precision: Annotated[Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: whichever is faster here.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of weights, order, noise.")] = 0,
    lora: Annotated[int | None, typer.Option(help="Full-size checkpoints: train low-rank updates of this rank.")] = None,
    share: Shares = None,
    lost: Lost = None,
    gate: Gates = None,
    gate_minutes: Annotated[float, typer.Option(help="Time between two such trials.")] = 30.0,
    gate_episodes: Annotated[int, typer.Option(min=1, help="Episodes of each template in a trial.")] = 10,
    save_minutes: Annotated[float, typer.Option(help="Time between two saves; a kill loses at most so much.")] = 3.0,
    size: Sizes = None,
) -> None:  # fmt: skip
    """Train a policy on demonstrations, or go on with a run that was cut off."""
    from agent.learn.learner import Choices
    from agent.learn.start import Order, choose_device
    from agent.learn.start import train as carry_out
    from agent.learn.train import Plan

    settings = load_config(None)
    if not data:
        raise ConfigError("Say what to train on: --data DIR, a folder that `saydo collect` made.")
    plan = Plan(
        out=str(out or settings.runs.folder / "train" / family), samples=samples, minutes=minutes, batch=batch, rate=rate, seed=seed,
        optimiser=optimiser, device=choose_device(device), precision=precision, processes=processes, save_minutes=save_minutes,
        shares=named_values(share, "--share", "stack=2"), gate_minutes=gate_minutes if gate else None,
    )  # fmt: skip
    sizes = named_values(size, "--size", "width=96")
    order = Order(family, tuple(map(str, data)), plan, str(init) if init else None, str(reading) if reading else None, lora,
                  Choices(lost=named_values(lost, "--lost", "wrist=0.3")), sizes, split_names(gate) or (), gate_episodes)  # fmt: skip
    print(carry_out(order, say))


def say(line: str) -> None:
    """Also where standard output is a file that someone follows."""
    print(line, flush=True)


def minutes(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
