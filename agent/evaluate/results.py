"""Lines → figures, each with its interval."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from agent.evaluate.episodes import CLEAN
from agent.evaluate.protocol import ROWS, RULES, Protocol, Row, same_rows
from agent.evaluate.statistics import bootstrap, paired, wilson

Line = dict[str, Any]
WORST = 12


def summed_up(protocol: Protocol, lines: Sequence[Line]) -> dict[str, Any]:
    """The figures of an evaluation, by its kind. `same`: rows that are the same as another; `skipped`: episodes that made no sense."""
    played = [line for line in lines if "skipped" not in line]
    found = {"skills": skills, "chains": chains, "demos": demos, "disturbed": disturbed}[protocol.kind](protocol, played)
    same = same_rows(protocol.policy, protocol.rows)
    rows = {row: {"name": ROWS[row], "about": RULES[row], "same_as": same.get(row)} for row in protocol.rows}
    return {"kind": protocol.kind, "rows_about": rows, "skipped": len(lines) - len(played), **found,
            "preconditions": preconditions(played), "worst": worst(played)}  # fmt: skip


def rate(lines: Sequence[Line]) -> Line:
    """Success rate with Wilson's 95 % interval; ticks and chunks to success (medians); steps that failed on the way; ms in the model for a
    chunk; share of episodes in which something was taken or moved that the task is not about."""
    n = len(lines)
    results = [result for line in lines for result in line["results"]]
    chunks = [result["chunks"] for result in results if result["success"]]
    held = [result["held"] for result in results if result["held"] is not None]
    first = sum(bool(line["results"]) and all(result["first"] is not None for result in line["results"]) for line in lines)
    return {
        **share(sum(line["success"] for line in lines), n),
        "first_instant": first / n if n else 0.0, "progress": mean(result["progress"] for result in results),
        "ticks": float(np.median(held)) if held else None, "failed_steps": sum(result["failed_steps"] for result in results),
        "chunks": float(np.median(chunks)) if chunks else None, "chunk_ms": mean(result["chunk_ms"] for result in results),
        "wrong": mean(bool(result["wrong"]) for result in results),
    }  # fmt: skip


def mean(values: Iterable[float]) -> float:
    values = list(values)
    return float(np.mean(values)) if values else 0.0


def grouped(lines: Sequence[Line], by: Callable[[Line], str]) -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(by(line), []).append(line)
    return groups


def skills(protocol: Protocol, lines: Sequence[Line]) -> Line:
    by_row = grouped(lines, lambda line: line["row"])
    rows = {row: [{"name": name, **rate(group)} for name, group in grouped(of, lambda line: line["about"]).items()]
            for row, of in by_row.items()}  # fmt: skip
    overall, asked = {row: rate(of) for row, of in by_row.items()}, {row: calls(of) for row, of in by_row.items()}
    first = played_rows(protocol)[0]
    compared = differences(protocol, lines)
    return {"skills": rows[first], "overall": overall[first], "rows": rows, "overall_rows": overall, "calls": asked,
            "differences": compared}  # fmt: skip


def calls(lines: Sequence[Line]) -> list[Line]:
    """Each skill, over all tasks in which it was asked of the policy; and each kind of it, where there are several."""
    told = [{"name": name, "done": done} for line in lines for result in line["results"] for name, done in result.get("calls", ())]
    whole = grouped(told, lambda one: one["name"].split(" ")[0])
    counted = whole | grouped(told, lambda one: one["name"])
    return [{"name": name, **share(sum(one["done"] for one in of), len(of))} for name, of in sorted(counted.items())]


def played_rows(protocol: Protocol) -> list[Row]:
    """The rows that are played; a row that is the same as another has the other's figures."""
    same = same_rows(protocol.policy, protocol.rows)
    return [row for row in protocol.rows if row not in same]


def differences(protocol: Protocol, lines: Sequence[Line]) -> list[Line]:
    """Each later row against the first, over the same episodes."""
    rows = grouped(lines, lambda line: line["row"])
    first, *others = played_rows(protocol)
    ours = {pair(line): score(line) for line in rows.get(first, [])}
    found = []
    for row in others:
        theirs = {pair(line): score(line) for line in rows.get(row, [])}
        both = sorted(ours.keys() & theirs.keys())
        by, low, high = paired([theirs[key] for key in both], [ours[key] for key in both])
        found.append({"row": row, "against": first, "by": by, "low": low, "high": high, "n": len(both)})
    return found


def pair(line: Line) -> tuple[Any, ...]:
    """What rows share: the episode, whoever played it."""
    return line["about"], line["perturbation"], line["level"], line["number"]


def score(line: Line) -> float:
    return float(line["done"]) if "done" in line else float(line["success"])


def chains(protocol: Protocol, lines: Sequence[Line]) -> Line:
    """Per row: the clean chains, and each perturbation and level beside the same chains clean."""
    rows = {}
    for row, of in grouped(lines, lambda line: line["row"]).items():
        clean = {line["number"]: line for line in of if line["perturbation"] == CLEAN}
        rows[row] = chain_figures(protocol, list(clean.values()))
        rows[row]["cells"] = [chain_cell(protocol, *name, group, clean) for name, group in troubles(of).items()]
    undisturbed = [line for line in lines if line["perturbation"] == CLEAN]
    return {"rows": rows, "overall": rows[played_rows(protocol)[0]], "differences": differences(protocol, undisturbed)}


def troubles(lines: Sequence[Line]) -> dict[tuple[str, int], list[Line]]:
    """Episodes by perturbation and level, without the clean ones."""
    found: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        if line["perturbation"] != CLEAN:
            found.setdefault((line["perturbation"], line["level"]), []).append(line)
    return found


def chain_cell(protocol: Protocol, name: str, level: int, lines: Sequence[Line], clean: dict[int, Line]) -> Line:
    """One perturbation at one level: average length, and its difference to the same chains clean, each with its interval."""
    both = [line for line in lines if line["number"] in clean]
    by, low, high = paired([line["done"] for line in both], [clean[line["number"]]["done"] for line in both])
    figures = chain_figures(protocol, lines)
    return {**{key: figures[key] for key in ("average_length", "low", "high", "n", "length", "success_at")}, "name": name, "level": level,
            "clean": mean(clean[line["number"]]["done"] for line in both), "by": by, "by_low": low, "by_high": high,
            "fired": sum(bool(line["fired"]) for line in lines)}  # fmt: skip


def chain_figures(protocol: Protocol, lines: Sequence[Line]) -> Line:
    """Success@k, average length with its bootstrap interval, and each template's rate among the times it was reached."""
    n, done = len(lines), [line["done"] for line in lines]
    low, high = bootstrap(done)
    at = [{"k": k, **share(sum(value >= k for value in done), n)} for k in range(1, protocol.length + 1)]
    reached = grouped([result for line in lines for result in line["results"]], lambda result: result["template"])
    parts = [{"name": name, **share(sum(result["success"] for result in of), len(of))} for name, of in sorted(reached.items())]
    return {"average_length": mean(done), "low": low, "high": high, "n": n, "length": protocol.length, "success_at": at, "templates": parts}


def share(successes: int, n: int) -> Line:
    """A rate with Wilson's 95 % interval."""
    low, high = wilson(successes, n)
    return {"success": successes / n if n else 0.0, "successes": successes, "n": n, "low": low, "high": high}


def demos(protocol: Protocol, lines: Sequence[Line]) -> Line:
    rows = [{"name": name, "title": max(line["title"] for line in of) or name, **rate(of), "steps": of[0]["steps"], "by": chunks_by(of),
             **{key: mean(line[key] for line in of) for key in ("share", "subgoals", "ticks", "decisions")}}
            for name, of in grouped(lines, lambda line: line["about"]).items()]  # fmt: skip
    return {"demos": rows, "overall": {**rate(lines), "share": mean(line["share"] for line in lines)}}


def chunks_by(lines: Sequence[Line]) -> dict[str, int]:
    """Which policy made how many of the chunks that were followed."""
    total: Counter[str] = Counter()
    for line in lines:
        total.update(line.get("by", {}))
    return dict(total.most_common())


def disturbed(protocol: Protocol, lines: Sequence[Line]) -> Line:
    """Per row: each perturbation and level beside the same episodes undisturbed."""
    rows = {}
    for row, of in grouped(lines, lambda line: line["row"]).items():
        clean = {(line["about"], line["number"]): line for line in of if line["perturbation"] == CLEAN}
        wrong = troubles(of)
        rows[row] = {"clean": rate(list(clean.values())), "all": rate([line for group in wrong.values() for line in group]),
                     "false_alarms": false_alarms(list(clean.values())),
                     "cells": [cell(*name, group, clean) for name, group in wrong.items()]}  # fmt: skip
    return {"rows": rows, "overall": rows[played_rows(protocol)[0]]["clean"], "differences": differences(protocol, lines)}


def cell(name: str, level: int, lines: Sequence[Line], clean: dict[tuple[str, int], Line]) -> Line:
    """One perturbation at one level: success beside the clean run of the same seeds, recovery, what was decided more."""
    same = [clean[line["about"], line["number"]] for line in lines if (line["about"], line["number"]) in clean]
    before, now = mean(line["success"] for line in same), mean(line["success"] for line in lines)
    took = [recovery for line in lines if (recovery := recovery_ticks(line)) is not None]
    more = mean(decisions(line) for line in lines) - mean(decisions(line) for line in same)
    return {"name": name, "level": level, **rate(lines), "clean": before, "ratio": now / before if before else None,
            "fired": sum(bool(line["fired"]) for line in lines), "recovery_ticks": float(np.median(took)) if took else None,
            "more_decisions": more}  # fmt: skip


def decisions(line: Line) -> int:
    return sum(result["decisions"] for result in line["results"])


def recovery_ticks(line: Line) -> int | None:
    """From the last thing that went wrong to success; None where there was none, or no success after it."""
    if not line["fired"] or not line["success"]:
        return None
    result = line["results"][-1]
    ticks: int = result["began"] + result["held"] - line["fired"][-1][0]
    return ticks if ticks >= 0 else None


def false_alarms(lines: Sequence[Line]) -> float:
    """Share of undisturbed successes in which some step was taken for a failure."""
    good = [line for line in lines if line["success"]]
    return mean(any(result["failed_steps"] for result in line["results"]) for line in good)


def preconditions(lines: Sequence[Line]) -> Line:
    """How often what a task's symbolic side requires was true of the world when the task began."""
    results = [result for line in lines for result in line["results"]]
    unmet = [{"words": result["words"], "unmet": result["unmet"]} for result in results if result["unmet"]]
    return {"checked": len(results), "held": len(results) - len(unmet), "unmet": unmet[:20]}


def worst(lines: Sequence[Line]) -> list[Line]:
    """Failures to look at: of those that came least far, one of each kind first."""
    failed = [line for line in lines if not line["success"] and line["row"] != "random"]
    failed.sort(key=lambda line: line["results"][-1]["progress"] if line["results"] else line.get("share", 0.0))
    seen: dict[tuple[str, str], int] = {}
    ranked = []
    for line in failed:
        kind = (line["about"], line["row"])
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append((seen[kind], line))
    ranked.sort(key=lambda item: item[0])
    return [shown(line) for _, line in ranked[:WORST]]


def shown(line: Line) -> Line:
    last = line["results"][-1] if line["results"] else line
    trouble = "" if line["perturbation"] == CLEAN else f"{line['perturbation']}, level {line['level']}"
    told = {key: last.get(key, "") for key in ("words", "why")}
    return {**{key: line[key] for key in ("key", "seed", "about")}, **told, "row": ROWS[line["row"]], "trouble": trouble,
            "fired": [what for _, what in line.get("fired", [])], "picture": line.get("picture")}  # fmt: skip
