"""`saydo collect`: the command line of learning."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from agent.config import load_config

ConfigPath = Annotated[Path | None, typer.Option("--config", help="Another config.yaml.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="A shipped recipe, or a YAML file.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the datasets; one that was cut off goes on there.")]
Count = Annotated[int | None, typer.Option("--samples", help="Frames in all; more than before go on with what is there.")]
SeedBase = Annotated[int | None, typer.Option("--seed-base", help="The first seed of the worlds.")]
Local = Annotated[bool, typer.Option("--local", help="Without Ray: in processes of this machine.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, with --local.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines: one JSON object as the last line of standard output.")]


def collect(config: ConfigPath = None, recipe: RecipeName = "tabletop", out: Out = None, samples: Count = None, seed_base: SeedBase = None,
            local: Local = False, workers: Workers = 1, as_json: AsJson = False) -> None:  # fmt: skip
    """Make demonstrations: labelled states and driven episodes, as LeRobotDataset v3."""
    from agent.learn.collect import SEED_BASE
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
        result = make(wanted, folder, seed_base=seed, workers=workers, ray=None if local else settings.serve, tell=tell)
    console.print(f"  {folder}: {sum(result[kind]['frames'] for kind in ('states', 'demos') if kind in result)} frames, "
                  f"{result['per_second']} a second", soft_wrap=True, markup=False, highlight=False)  # fmt: skip
    if as_json:
        print(json.dumps(result), flush=True)


def minutes(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
