"""The report: one well-formed page, safe whatever was said, true to the events."""

import re
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import RecordError
from agent.executor.record import Recorder, Run
from agent.report import bar, figures, share, view, write_report
from agent.report.story import MARKS, tell_story, timed
from agent.report.timeline import WIDE, axis, gathered, waterfall
from tests.executor.body import Body, rows

EVIL = """<script>alert(1)</script> "><img src=x onerror='alert(2)'> {{ 7*7 }} </title></style> &amp; \x00\x1b[31m 😀"""
ALLOWED = set(
    """html head meta title style body main header p h1 h2 h3 h4 div span section video a dl dt dd svg line text g path circle rect ul li
    i b article table thead tbody tr th td figure img figcaption details summary pre blockquote""".split()  # noqa: SIM905
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Every element with its attributes, the text, and whether all that was opened was closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def decision(words: str, kind: str = "skill", **fields: Any) -> dict[str, Any]:
    options = [
        {"kind": kind, "words": words, "say": 0.73, "can": 0.91, "score": 0.66},
        {"kind": "skill", "words": "wave instead", "say": 0.2, "can": None, "score": 0.3},
        {"kind": "none", "words": "none of these", "say": 0.001, "can": 1.0, "score": 0.0001},
    ]
    why = "it comes first; waving was not asked for"
    return {"options": options, "chosen": options[0], "runner_up": options[1], "why": why, "score_source": "embedded", "ms": 2.5, **fields}


def recorded(folder: Path, words: str = "push the puck, then rest", finish: bool = True) -> Run:
    """A run with two steps, a gust, a starvation, guarded rows and an interruption."""
    run = Run.create(folder, words, {"seed": 5, "scene": "tabletop", "config": {"words": words}})
    body = Body(gust_at=30)
    recorder = Recorder(body, run)
    run.write("said", by="person", words=words)
    run.write("looked", tick=0, scene={"facts": [["in", "red block", "bowl"], ["closed", "drawer"]]})
    for step, (status, confirmed) in enumerate((("done", True), ("failed", False)), start=1):
        run.write("decision", tick=body.tick, **decision(f"{words} {step}"))
        run.write("subtask_started", tick=body.tick, subtask={"skill": "push", "args": {}, "words": f"{words} {step}"})
        for number, row in enumerate(rows(48, seed=step)):
            if number % 16 == 0:
                timing = {"infer_ms": 3.0, "answer_ms": 4.25}
                asked = body.tick - 2 * (number > 0)
                run.write("chunk", tick=body.tick, asked=asked, arrived=body.tick, start=asked, rows=32, timing=timing)
            if 20 <= number < 25:
                run.write("guarded", tick=body.tick, why="too fast", limit="speed")
            recorder.apply(row)
        run.write("starved", tick=body.tick, why="no fresh row")
        recorder.stop()
        run.write(
            "outcome", tick=body.tick, status=status, why=f"that is how it {status}", evidence=[f"moved {step} cm"], confirmed=confirmed
        )
    run.write("decision", tick=body.tick, **decision("ask", "ask", question="Once more?"))
    run.write("answered", question="Once more?", words="no, stop")
    run.write("stopped", confirmed=True, why="the person said so", tick=body.tick)
    run.write("result", status="stopped", why="", scene={"facts": [["in", "red block", "bowl"], ["open", "drawer"]]})
    if finish:
        run.finish("stopped", "the person said so")
    else:
        recorder.close()
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return recorded(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(write_report(run.folder))


def test_the_page_is_well_formed_and_needs_nothing_else(page: Page) -> None:
    assert page.open == [] and page.source.startswith("<!doctype html>")
    assert not page.all("script") and not page.all("link") and not page.all("iframe")
    sources = [value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "poster")]
    assert len(sources) >= 6 and all((source or "").startswith("data:") for source in sources)
    assert "http://" not in page.source and "https://" not in page.source and "@import" not in page.source
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in page.all("meta"))


def test_it_tells_the_story_in_order(page: Page) -> None:
    told = [
        "push the puck, then rest", "Stopped", "the person said so", "What happened", "push the puck, then rest 1", "Why this",
        "it comes first; waving was not asked for", "chosen", "wave instead", "runner-up", "Scored by: embedded", "Disturbance",
        "a gust moved the puck by 25 cm", "that is how it done", "moved 1 cm", "push the puck, then rest 2", "that is how it failed",
        "could not be confirmed to stand still", "It has to ask", "Once more?", "no, stop", "drawer open",
        "red block in bowl", "saydo replay",
    ]  # fmt: skip
    place = 0
    for words in told:
        place = page.text.find(words, place)
        assert place >= 0, f"'{words}' is missing, or told too early"


def test_every_score_is_a_bar_of_its_length(page: Page) -> None:
    widths = [attributes["style"] for attributes in page.all("span") if (attributes.get("style") or "").startswith("width")]
    assert widths == ["width: 73.0%", "width: 91.0%", "width: 66.0%", "width: 20.0%", "width: 0.0%", "width: 30.0%",
                      "width: 0.1%", "width: 100.0%", "width: 0.0%"] * 3  # fmt: skip
    assert share(None) == "–" and share(0.0) == "0.00" and share(0.001) == "< 0.01" and bar(7.0) == "100.0"


def test_pictures_before_and_after_each_step_are_in_the_page(page: Page) -> None:
    assert [image["alt"] for image in page.all("img")] == [
        f"The table {when} step {step}" for step in (1, 2) for when in ("before", "after")
    ]


def test_words_of_any_kind_cannot_break_out(tmp_path: Path) -> None:
    page = Page(write_report(recorded(tmp_path, EVIL).folder))
    assert page.open == [] and not page.all("script")
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert "<script>alert(1)</script>" in page.text and "{{ 7*7 }}" in page.text and "49" not in page.text.split("saydo")[0]
    assert not re.search(r"[\x00\x1b]", page.source)
    assert all(not key.startswith("on") for _, attributes in page.elements for key in attributes)


def test_ten_thousand_characters_and_other_scripts(tmp_path: Path) -> None:
    words = "積み木を箱へ🤖 " * 1250
    page = Page(write_report(Run.create(tmp_path, words).folder))
    assert "All 10000 characters" in page.text and words in page.text
    title = page.text[: page.text.index("All 10000")]
    assert len(title) < 600


def test_a_run_that_was_cut_off_has_a_report_too(tmp_path: Path) -> None:
    run = recorded(tmp_path, finish=False)
    with (run.folder / "events.jsonl").open("ab") as file:
        file.write(b'{"seq": 99, "ki')
    page = Page(write_report(run.folder))
    assert "cut off before it could say how it ended" in page.text and f"saydo run --resume {run.id}" in page.text
    assert "saydo run --resume" not in Page(write_report(recorded(tmp_path).folder)).text


def test_a_resumed_run_says_so_and_shows_both_films(tmp_path: Path) -> None:
    run = recorded(tmp_path, finish=False)
    run._log.close()
    again, body = Run.open(run.folder), Body()
    again.resume(body)
    recorder = Recorder(body, again)
    again.write("subtask_started", tick=0, subtask={"words": "go on"})
    recorder.apply(rows(1)[0])
    again.write("outcome", tick=1, status="done", why="so", evidence=[])
    again.finish("done", "all is done")
    page = Page(write_report(run.folder))
    assert len(page.all("video")) == 2 and "the run was resumed from its last finished step" in page.text and "1 ×" in page.text
    assert view(again)["overview"]["lanes"] == 2


def test_a_question_is_told_once(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "x")
    run.write("answered", question="I tried 3 times. What shall I do?", words="try again")
    run.write("decision", **decision("ask", "ask", question="Which one?"))
    run.write("answered", question="Which one?", words="the red one")
    told = [(entry.kind, entry.by, entry.text) for entry in tell_story(run, run.events)]
    assert told == [
        ("said", "robot", "I tried 3 times. What shall I do?"), ("said", "person", "try again"),
        ("check", "", "Which one?"), ("said", "person", "the red one"),
    ]  # fmt: skip


def test_an_interruption_is_marked_where_it_was_heard(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "a scripted demo")
    for kind, tick in (("said", None), ("looked", 0), ("chunk_asked", 40), ("said", None), ("resumed", None), ("said", None)):
        run.write(kind, tick=tick, words=f"at {tick}", segment=2)
    assert [event.get("tick") for event in timed(run.events) if event["kind"] == "said"] == [None, 40, None]
    shown = view(run)
    assert [(mark["kind"], mark["lane"]) for mark in shown["overview"]["marks"]] == [("said", 0)]
    assert not shown["quoted"] and view(Run.create(tmp_path, "hello"))["quoted"]


def test_what_is_new_in_the_world_comes_first(run: Run, page: Page) -> None:
    assert view(run)["facts"] == [("drawer open", True), ("red block in bowl", False)]
    assert [attributes.get("class") for tag, attributes in page.elements if tag == "li"][-2:] == ["new", None]


def test_a_long_film_stays_beside_the_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.report.EMBED_BYTES", 100)
    assert Page(write_report(run.folder)).all("video")[0]["src"] == "video.mp4"


def test_the_figures_are_those_of_the_events(run: Run) -> None:
    story = tell_story(run, run.events)
    shown = dict(figures(run, run.events, [entry.step for entry in story if entry.step], 20.0))
    assert shown["steps done"] == "1 of 2" and shown["chunks"] == "6" and shown["guard interventions"] == "10"
    assert shown["disturbances"] == "1" and shown["starvations"] == "2" and shown["robot time"] == "5.1 s"


def test_the_timeline_places_chunks_where_they_were_in_use(run: Run) -> None:
    step = next(entry.step for entry in tell_story(run, run.events) if entry.step)
    drawn = waterfall(step, 20.0)
    first, second, third = (line["spans"] for line in drawn["lines"])
    per_tick = first["use"][1] / 16
    assert first["wait"][1] == 0 and second["wait"][1] == pytest.approx(2 * per_tick)
    assert first["use"][0] + first["use"][1] == pytest.approx(second["use"][0]) and third["use"][0] == pytest.approx(
        second["use"][0] + 16 * per_tick
    )
    assert [mark["kind"] for mark in drawn["marks"]] == ["guarded", "disturbed", "starved"], "five guarded ticks in a row are one mark"
    assert drawn["end"] == pytest.approx(drawn["left"] + step.ended * per_tick)
    for line in drawn["lines"]:
        assert all(0 <= x <= WIDE and 0 <= x + width <= WIDE for x, width in line["spans"].values())


def test_marks_of_several_kinds_stay_apart() -> None:
    events = [
        {"kind": kind, "tick": tick, "why": ""}
        for tick, kind in ((1, "guarded"), (2, "starved"), (3, "guarded"), (30, "guarded"), (31, "starved"))
    ]
    assert [(mark["kind"], mark["tick"], mark["times"]) for mark in gathered(events, 4)] == [
        ("guarded", 1, 2), ("starved", 2, 1), ("guarded", 30, 1), ("starved", 31, 1),
    ]  # fmt: skip


@given(
    first=st.integers(0, 10_000),
    length=st.integers(0, 200_000),
    rate=st.sampled_from([10.0, 20.0, 50.0]),
    unit=st.sampled_from(["s", "ticks"]),
)
def test_an_axis_is_readable_at_any_length(first: int, length: int, rate: float, unit: str) -> None:
    marks = axis(first, first + length, rate, unit)
    assert len(marks) <= 12 and all(-1e-6 <= x <= WIDE + 1e-6 for x, _ in marks)
    assert len({text for _, text in marks}) == len(marks)


EVENTS = st.one_of(
    st.sampled_from(sorted(MARKS)).map(lambda kind: {"kind": kind, "why": EVIL}),
    st.just({"kind": "said", "by": "person", "words": EVIL}),
    st.just({"kind": "asked", "question": EVIL}),
    st.just({"kind": "answered", "words": EVIL}),
    st.sampled_from(["skill", "done", "ask", "none"]).map(lambda kind: {"kind": "decision", **decision(EVIL, kind)}),
    st.just({"kind": "subtask_started", "subtask": {"words": EVIL}}),
    st.just({"kind": "chunk", "asked": 3, "arrived": 5, "start": 3, "rows": 1}),
    st.sampled_from(["done", "failed", "timed_out", "stopped"]).map(lambda status: {"kind": "outcome", "status": status, "why": EVIL}),
    st.just({"kind": "broken", "why": EVIL}),
    st.just({"kind": "something new", "field": 1}),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(events=st.lists(st.tuples(EVENTS, st.none() | st.integers(0, 3000)), max_size=25))
def test_any_order_of_events_makes_a_page(events: list[tuple[dict[str, Any], int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder), EVIL)
        for event, tick in events:
            run.write(event["kind"], tick=tick, **{key: value for key, value in event.items() if key != "kind"})
        page = Page(write_report(run.folder))
        assert page.open == [] and not page.all("script")
        run._log.close()


def test_what_is_not_a_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="is not a run"):
        write_report(tmp_path)
    (tmp_path / "events.jsonl").write_bytes(b'{"torn')
    with pytest.raises(RecordError, match="cut off before it began"):
        write_report(tmp_path)
