"""The command line: `saydo run WORDS`, chat, demo, serve, skills, doctor, replay, eval, collect, train, weights."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.config import Config, load_config
from agent.errors import ConfigError, SaydoError
from agent.evaluate.command import app as evaluation
from agent.learn.command import collect, train

app = typer.Typer(
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Tell a robot what to do in words.",
)

ConfigPath = Annotated[Path | None, typer.Option("--config", help="Another config.yaml.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the simulated scene (robot.seed).")]
SceneName = Annotated[str | None, typer.Option("--scene", help="Scene of the simulator (robot.scene).")]
PolicyName = Annotated[str | None, typer.Option("--policy", help="oracle, pi0, rdt, or module:Class (policy.name).")]
Checkpoint = Annotated[Path | None, typer.Option("--checkpoint", help="Folder of the policy's weights (policy.checkpoint).")]
Local = Annotated[bool, typer.Option("--local", help="Run the policy in this process instead of behind Ray Serve.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines: one JSON object as the last line of standard output.")]
Plain = Annotated[bool, typer.Option("--plain", help="Lines instead of a live screen.")]
Pace = Annotated[float | None, typer.Option(help="1 = real time, 2 = twice as fast, 0 = as fast as it goes (robot.pace).")]
Runs = Annotated[Path | None, typer.Option("--runs", help="Folder for run folders (runs.folder).")]
NoVideo = Annotated[bool, typer.Option("--no-video", help="Record everything but the video.")]
KEYWORD_ONLY = Parameter.KEYWORD_ONLY
EXIT = {"done": 0, "answered": 0, "asked": 3, "declined": 4, "stopped": 5, "failed": 1}


SETS = {
    "seed": "robot.seed", "scene": "robot.scene", "pace": "robot.pace", "policy": "policy.name", "checkpoint": "policy.checkpoint",
    "runs": "runs.folder", "video": "runs.video",
}  # fmt: skip
"""What an option sets in config.yaml."""


def configure(path: Path | None, **options: Any) -> Config:
    """config.yaml with the options of the command line set over it; None leaves the file's value."""
    return load_config(path, {SETS[name]: value for name, value in options.items() if value is not None})


def shared(config: ConfigPath = None, seed: Seed = None, scene: SceneName = None, policy: PolicyName = None, checkpoint: Checkpoint = None,
           pace: Pace = None, runs: Runs = None, no_video: NoVideo = False) -> Config:  # fmt: skip
    """What commands that make the robot move have in common, as a Config."""
    video = False if no_video else None
    return configure(config, seed=seed, scene=scene, pace=pace, policy=policy, checkpoint=checkpoint, runs=runs, video=video)


def with_settings(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of `shared`, but for some, and hands it the Config that they make as `settings`. An option that the
    command has itself, because it needs it or begins it with something else, counts for both."""
    common = signature(shared).parameters

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        own = {name: option for name, option in signature(command).parameters.items() if name != "settings"}
        options = {**own, **{name: option for name, option in common.items() if name not in (*own, *without)}}

        def called(**given: Any) -> None:
            settings = shared(**{name: value for name, value in given.items() if name in common})
            command(settings, **{name: given[name] for name in own})

        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__annotations__ = {name: option.annotation for name, option in options.items()}
        called.__signature__ = Signature([option.replace(kind=KEYWORD_ONLY) for option in options.values()])  # type: ignore[attr-defined]
        return called

    return wrap


@contextmanager
def until_ctrl_c(console: Console) -> Iterator[None]:
    """Ctrl-C ends it in words, with exit status 130; whatever was open has told the robot to stand still."""
    try:
        yield
    except KeyboardInterrupt:
        hint = "■ Ctrl-C: the robot was told to stand still. `saydo run --resume last` goes on."
        console.print(Text(hint, style="bold yellow"))
        raise typer.Exit(130) from None


@app.command()
@with_settings()
def run(
    settings: Config,
    words: Annotated[list[str] | None, typer.Argument(help="What to do, in plain words.")] = None,
    local: Local = False,
    as_json: AsJson = False,
    plain: Plain = False,
    resume: Annotated[str | None, typer.Option(help="Go on with a run that was cut off: its folder, its ID, or `last`.")] = None,
) -> None:
    """Do one instruction and leave a run folder. Exit status: 0 done or answered, 1 failed, 2 cannot start, 3 asked, 4 declined,
    5 stopped, 130 Ctrl-C."""
    from agent.app import configure_resumed, open_agent
    from agent.chat import Typed, attend, converse, make_view, show, typed_by_a_person
    from agent.executor.run import find_run

    if not words and not resume:
        raise ConfigError('Say what to do: saydo run "put the red block in the blue bowl". Or go on with a run: --resume last.')
    if words and resume:
        raise ConfigError("`saydo run --resume RUN` goes on with what was said before; leave the words out.")
    console = Console(stderr=as_json)
    folder = find_run(resume, settings.runs.folder).folder if resume else None
    if folder:
        settings = configure_resumed(settings, folder)
    sentence = " ".join(words or [])
    talks = typed_by_a_person() and not as_json
    typed = Typed()
    with (
        until_ctrl_c(console),
        make_view(console, typed, plain or as_json) as view,
        open_agent(settings, sentence, local=local, resume=folder, watch=view.event, progress=view.progress) as agent,
    ):
        result = agent.resume() if resume else attend(agent, typed, sentence)
        show(console, result)
        if result.status == "asked" and talks:
            result = converse(agent, typed, console, once=True) or result
    finish(result, as_json, console)


def finish(result: Any, as_json: bool, console: Console) -> None:
    """Say where the record is; print the JSON line; exit with the status."""
    if result is None:
        raise typer.Exit(0)
    console.print(Text(f"  {result.folder}/report.html", style="dim"), soft_wrap=True)
    if as_json:
        print(json.dumps(result.model_dump(mode="json"), ensure_ascii=False), flush=True)
    raise typer.Exit(EXIT[result.status])


@app.command()
@with_settings()
def chat(settings: Config, local: Local = False, plain: Plain = False, pace: Pace = 2.0) -> None:
    """Talk with the robot. Type at any time: `stop` stands it still, a correction replans, `bye` leaves."""
    from agent.app import open_agent
    from agent.chat import Typed, converse, make_view, typed_by_a_person

    console = Console()
    typed = Typed(piped=None if typed_by_a_person() else sys.stdin or io.StringIO())
    with (
        until_ctrl_c(console),
        make_view(console, typed, plain) as view,
        open_agent(settings, "chat", local=local, watch=view.event, progress=view.progress) as agent,
    ):
        console.print(Text("Here: " + ", ".join(agent.scene().names()) + ".  Say what to do; `bye` leaves.", style="dim"))
        result = converse(agent, typed, console, once=False)
    if result:
        console.print(Text(f"  {result.folder}/report.html", style="dim"))


@app.command()
@with_settings("scene")
def demo(
    settings: Config,
    name: Annotated[str | None, typer.Argument(help="A shipped demo or a YAML file of your own.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the shipped demos.")] = False,
    seed: Seed = None,
    local: Local = False,
    as_json: AsJson = False,
    plain: Plain = False,
) -> None:
    """Play a scripted long-horizon demo: what is said and what goes wrong, and check what must hold at the end."""
    from agent.chat import Typed, make_view, show
    from agent.demo import load_demo, play, shipped_demos

    console = Console(stderr=as_json)
    if list_ or name is None:
        for script in shipped_demos():
            console.print(Text.assemble((f"{script.name:24}", "bold"), script.title))
        return
    script = load_demo(name)
    robot = settings.robot.model_copy(update={"scene": script.scene, "seed": script.seed if seed is None else seed})
    settings = settings.model_copy(update={"robot": robot})
    with until_ctrl_c(console), make_view(console, Typed(), plain or as_json) as view:
        result, missing = play(script, settings, local=local, watch=view.event, progress=view.progress)
    show(console, result)
    for sentence in missing:
        console.print(Text(f"✗ must hold at the end: {sentence}", style="bold red"))
    if missing and result.status == "done":
        result = result.model_copy(update={"status": "failed", "why": "must hold at the end: " + "; ".join(missing)})
    finish(result, as_json, console)


@app.command()
def serve(config: ConfigPath = None, policy: PolicyName = None, checkpoint: Checkpoint = None) -> None:
    """Keep a policy served by Ray until Ctrl-C; `saydo run` finds and uses it, other openpi clients may too."""
    from agent.app import serve_until_interrupted

    console = Console()
    settings = configure(config, policy=policy, checkpoint=checkpoint)
    serve_until_interrupted(settings, lambda stage: console.print(Text(f"  {stage}", style="dim")))


@app.command()
def skills(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List each skill with its sentence and where it came from."""
    from agent.skills.library import gather
    from agent.skills.skill import source_of

    library = gather(configure(config).skills)
    if as_json:
        rows = [{"skill": s.skill_name(), "say": s.say, "doc": (s.__doc__ or "").strip(), "from": source_of(s)} for s in library]
        print(json.dumps(rows))
        return
    table = Table("skill", "say", "what it does", "from", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for skill in library:
        table.add_row(skill.skill_name(), skill.say, (skill.__doc__ or "").strip().split("\n")[0], skill.__module__)
    Console().print(table)


@app.command()
def doctor(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Check versions, the model server, cameras, Ray and weights, and say what to do about each failing line."""
    from agent.doctor import examine

    rows = examine(configure(config))
    if as_json:
        print(json.dumps([row.model_dump() for row in rows]))
    else:
        console = Console()
        for row in rows:
            mark = "[green]✓[/]" if row.ok else "[red]✗[/]"
            console.print(Text.from_markup(f"{mark} "), Text(f"{row.name:22} {row.found}"), end="\n", soft_wrap=True)
            if not row.ok:
                console.print(Text(f"  → {row.advice}", style="yellow"), soft_wrap=True)
    raise typer.Exit(0 if all(row.ok for row in rows) else 1)


@app.command()
def replay(
    run: Annotated[str, typer.Argument(help="A run folder, its ID, or `last`.")],
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a recorded run again, from its commands alone, and prove that everything comes out equal, bit for bit."""
    from agent.app import replay_run
    from agent.executor.run import find_run

    settings = configure(config)
    verdict = replay_run(settings, find_run(run, settings.runs.folder).folder)
    print(json.dumps(verdict.model_dump(mode="json")) if as_json else verdict.sentence)
    raise typer.Exit(0 if verdict.equal else 1)


app.add_typer(evaluation, name="eval")
app.command()(collect)
app.command()(train)
weights = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look into checkpoints.")
app.add_typer(weights, name="weights")


@weights.command()
def inspect(path: Annotated[Path, typer.Argument(help="A checkpoint: a file or a folder, in any published layout.")]) -> None:
    """Say what a checkpoint is, what it holds, and whether it fits its model. Exit status 1 if it does not."""
    from agent.executor.models.inspection import inspect as look_into

    report = look_into(path)
    print(report)
    raise typer.Exit(1 if report.problem else 0)


@weights.command()
def mean(
    folders: Annotated[list[Path], typer.Argument(help="Small policies of one shape; what is told about the result is told of the first.")],
    out: Annotated[Path, typer.Option(help="Folder for the result.")],
) -> None:
    """Average small policies, weight by weight: fine-tuned ones with those that they began with do better than either."""
    from agent.executor.files import out_folder
    from agent.executor.models.small_files import mean_small, save_small

    if len(folders) < 2:
        raise ConfigError("A mean is of two or more folders.")
    save_small(mean_small(folders), out_folder(out))
    print(out)


def main() -> None:
    """Run the command line. What saydo raises on purpose is shown as a sentence, with exit status 2."""
    try:
        app()
    except SaydoError as error:
        Console(stderr=True).print(Text(str(error), style="red"), soft_wrap=True)
        if "--json" in sys.argv:
            print(json.dumps({"status": "error", "why": str(error), "error": type(error).__name__}), flush=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
