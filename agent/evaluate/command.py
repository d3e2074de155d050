"""`saydo eval skills | chains | demos | disturbed`: the command line of the evaluation."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from agent.config import LARGEST_SEED, load_config, named_values, split_names
from agent.errors import ConfigError
from agent.evaluate.protocol import ROWS, load_protocol, perturbations_named

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None,
                  help="Measure how well it works: figures with intervals, and a page to look at.")  # fmt: skip

ConfigPath = Annotated[Path | None, typer.Option("--config", help="Another config.yaml.")]
Named = Annotated[str | None, typer.Option("--protocol", help="Another protocol: a shipped one, or a YAML file.")]
PolicyName = Annotated[str | None, typer.Option("--policy", help="oracle, random, a built-in policy, or module:Class.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Folder of weights, for policies that have them.")]
Episodes = Annotated[int | None, typer.Option(min=1, help="Per template, demo or level; for chains: chains.")]
SeedBase = Annotated[int | None, typer.Option("--seed-base", min=0, max=LARGEST_SEED, help="The first seed; the others follow.")]
RowNames = Annotated[str | None, typer.Option("--rows", help=f"{', '.join(ROWS)}; several with commas; or all.")]
TemplateNames = Annotated[str | None, typer.Option("--templates", help="Only these templates (or demos); several with commas.")]
Language = Annotated[str | None, typer.Option(help="What is said: plain, train, typos, phrasing, words or intent.")]
Look = Annotated[str | None, typer.Option(help="Of the scenes: own, trained (in turn), or held out.")]
Options = Annotated[list[str] | None, typer.Option("--option", help="For the policy: rate_hz=10 or cameras=[front], of a small RDT.")]
Colours = Annotated[str | None, typer.Option(help="Of things: own, or held out.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the result; one that was cut off goes on there.")]
Local = Annotated[bool, typer.Option("--local", help="Without Ray: in processes of this machine.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, with --local.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines: one JSON object as the last line of standard output.")]
Length = Annotated[int | None, typer.Option(min=1, help="Tasks in a chain.")]
Wrong = Annotated[str | None, typer.Option("--perturbation", help="Goes wrong in the chains, or alone: a name, or a part of one.")]
Level = Annotated[int | None, typer.Option(min=1, help="1, 2 or 3: this level of each perturbation alone.")]
Disturbed = Annotated[bool, typer.Option("--disturbed", help="Each perturbation in turn, beside the same chains clean.")]


@app.command()
def skills(config: ConfigPath = None, protocol: Named = None, policy: PolicyName = None, checkpoint: Checkpoint = None,
           episodes: Episodes = None, seed_base: SeedBase = None, rows: RowNames = None, templates: TemplateNames = None,
           language: Language = None, look: Look = None, colours: Colours = None, option: Options = None, out: Out = None,
           local: Local = False, workers: Workers = 1, as_json: AsJson = False) -> None:  # fmt: skip
    """Every task template by itself: success with Wilson's 95 % interval."""
    measure("skills", config, protocol, out, local, workers, as_json, policy=policy, checkpoint=checkpoint, episodes=episodes,
            seed_base=seed_base, rows=split_names(rows), templates=split_names(templates), language=language, look=look, colours=colours,
            options=options_of(option))  # fmt: skip


@app.command()
def chains(config: ConfigPath = None, protocol: Named = None, policy: PolicyName = None, checkpoint: Checkpoint = None,
           episodes: Episodes = None, length: Length = None, seed_base: SeedBase = None, rows: RowNames = None,
           templates: TemplateNames = None, language: Language = None, perturbation: Wrong = None, disturbed: Disturbed = False,
           level: Level = None, option: Options = None, out: Out = None, local: Local = False, workers: Workers = 1,
           as_json: AsJson = False) -> None:  # fmt: skip
    """Chains of tasks in one world: success after k, and the average length; undisturbed, and with things going wrong."""
    wrong = perturbations_named(split_names(perturbation) or ("all",)) if perturbation or disturbed else None
    measure("chains", config, protocol, out, local, workers, as_json, policy=policy, checkpoint=checkpoint, episodes=episodes,
            length=length, seed_base=seed_base, rows=split_names(rows), templates=split_names(templates), language=language,
            perturbations=wrong, level=level, options=options_of(option))  # fmt: skip


@app.command()
def demos(config: ConfigPath = None, protocol: Named = None, policy: PolicyName = None, checkpoint: Checkpoint = None,
          episodes: Episodes = None, templates: TemplateNames = None, out: Out = None, local: Local = False, workers: Workers = 1,
          as_json: AsJson = False) -> None:  # fmt: skip
    """The scripted conversations, scored by what must hold at the end."""
    measure("demos", config, protocol, out, local, workers, as_json, policy=policy, checkpoint=checkpoint, episodes=episodes,
            templates=split_names(templates))  # fmt: skip


@app.command()
def disturbed(config: ConfigPath = None, protocol: Named = None, policy: PolicyName = None, checkpoint: Checkpoint = None,
              episodes: Episodes = None, seed_base: SeedBase = None, rows: RowNames = None, templates: TemplateNames = None,
              perturbation: Wrong = None, level: Level = None, option: Options = None, out: Out = None, local: Local = False,
              workers: Workers = 1, as_json: AsJson = False) -> None:  # fmt: skip
    """The same episodes clean and with something going wrong, at three levels."""
    wrong = perturbations_named(split_names(perturbation) or ()) if perturbation else None
    measure("disturbed", config, protocol, out, local, workers, as_json, policy=policy, checkpoint=checkpoint, episodes=episodes,
            seed_base=seed_base, rows=split_names(rows), templates=split_names(templates), perturbations=wrong, level=level,
            options=options_of(option))  # fmt: skip


def options_of(given: list[str] | None) -> dict[str, Any] | None:
    return named_values(given, "--option", "rate_hz=10") or None


def measure(kind: str, config: Path | None, protocol: str | None, out: Path | None, local: bool, workers: int, as_json: bool,
            **changes: Any) -> None:  # fmt: skip
    """Evaluate by a protocol with changes set over it, with a progress bar, and print what came of it."""
    from agent.evaluate.episodes import trained_for, with_weights
    from agent.evaluate.runner import evaluate, every_row, new_folder

    settings = load_config(config)
    whole = changes.get("rows") == ("all",) and changes.pop("rows")
    wanted = load_protocol(protocol or kind, **{"policy": settings.policy.name, "checkpoint": settings.policy.checkpoint} | given(changes))
    if wanted.kind != kind:
        raise ConfigError(f"The protocol '{wanted.name}' is for `saydo eval {wanted.kind}`, not {kind}.")
    wanted = with_weights(trained_for(every_row(wanted, settings) if whole else wanted, settings))
    folder = out or new_folder(wanted, settings.runs.folder)
    console = Console(stderr=as_json)
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(wanted.name, total=None)
        failed: list[str] = []

        def progress(done: int, of: int, line: dict[str, Any] | None) -> None:
            if line is not None and not line["success"]:
                failed.append(line["key"])
            bar.update(task, completed=done, total=of, description=f"{wanted.name}, {len(failed)} failed")

        result = evaluate(wanted, settings, folder, workers=workers, ray=not local, progress=progress)
    show(console, result)
    console.print(f"  {folder}/report.html", style="dim", soft_wrap=True, markup=False, highlight=False)
    if as_json:
        print(json.dumps(result, ensure_ascii=False), flush=True)


def given(changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if value is not None}


def show(console: Console, result: dict[str, Any]) -> None:
    """The figures as a table."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("row", "what", "success", "95 % interval"):
        table.add_column(heading)
    if result["kind"] == "chains":
        for row, one in result["rows"].items():
            for at in one["success_at"]:
                table.add_row(row, f"{at['k']} in a row", f"{at['successes']} of {at['n']}", f"{at['low']:.1%} to {at['high']:.1%}")
            for what, at in [("average length", one), *((f"{cell['name']}, level {cell['level']}", cell) for cell in one["cells"])]:
                average = f"{at['average_length']:.2f} of {at['length']}"
                table.add_row(row, what, average, f"{at['low']:.2f} to {at['high']:.2f}")
    for row, one in result["rows_about"].items():
        if one["same_as"]:
            table.add_row(row, f"the same as {one['same_as']}: {one['name']} is {ROWS[one['same_as']]} here", "", "")
    for row, what, one in rates(result):
        table.add_row(row, what, f"{one['successes']} of {one['n']}", f"{one['low']:.1%} to {one['high']:.1%}")
    console.print(table)


def rates(result: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(row, what, figures) of every rate but a chain's."""
    if result["kind"] == "demos":
        return [("recovery", one["name"], one) for one in result["demos"]]
    if result["kind"] == "skills":
        whole = {row: {"name": "all", **one} for row, one in result["overall_rows"].items()}
        asked = {row: [{**one, "name": f"each {one['name']}"} for one in of] for row, of in result["calls"].items()}
        return [(row, one["name"], one) for row, of in result["rows"].items() for one in [*of, whole[row], *asked[row]]]
    if result["kind"] == "disturbed":
        return [(row, one["name"], one) for row, of in result["rows"].items() for one in [{"name": "clean", **of["clean"]}, *levelled(of)]]
    return []


def levelled(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**one, "name": f"{one['name']}, level {one['level']}"} for one in of["cells"]]
