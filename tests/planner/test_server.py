"""Model servers, over real HTTP: the ladder, the numbers read off each rung, and every kind of bad manners."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agent.config import PlannerConfig
from agent.errors import ModelServerError
from agent.planner import server
from agent.planner.decision import Decision, Request
from agent.planner.memory import Memory
from agent.planner.saycan import Planner
from agent.planner.scorers.scorer import Candidate, Choice, shortlist
from agent.skills.library import gather
from tests.model_server import KEY, MODEL, Manners, model_server
from tests.planner.symbolic import settings, world

WORDS = "open the drawer"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAYDO_API_KEY", KEY)
    server.KNOWN.clear()
    yield
    server.KNOWN.clear()


def configured(url: str, **changes: Any) -> PlannerConfig:
    return settings(**{"model": MODEL, "base_url": url, "deadline_s": 4.0, **changes})


def decide(url: str, words: str | tuple[str, ...] = WORDS, picture: bytes | None = None, **changes: Any) -> Decision:
    planner = Planner(gather(), configured(url, **changes), Memory(None))
    try:
        said = (words,) if isinstance(words, str) else words
        return planner.decide(Request(words=said, scene=world().scene(), picture=picture))
    finally:
        planner.close()


@pytest.mark.parametrize(
    ("source", "manners"),
    [("decisions", {}), ("letters", {"decisions": False}), ("ratings", {"decisions": False, "logprobs": 0})],
)
def test_each_rung_of_the_ladder_answers_with_its_own_name(source: str, manners: dict[str, Any]) -> None:
    with model_server(favourite="open the drawer", **manners) as (url, _):
        decision = decide(url)
    assert decision.score_source == source
    assert decision.chosen.words == "open the drawer" and decision.runner_up is not None and decision.why
    assert abs(sum(option.score for option in decision.options) - 1) < 1e-6
    assert abs(sum(option.say for option in decision.options) - 1) < 1e-6
    assert 0.5 < decision.coverage <= 1


@pytest.mark.parametrize("changes", [{"old_names": True}, {"logprobs": 5}, {"logprobs": 0, "schema": False}])
def test_servers_that_know_less_are_still_used(changes: dict[str, Any]) -> None:
    with model_server(decisions=False, favourite="open the drawer", **changes) as (url, _):
        assert decide(url).chosen.words == "open the drawer"


def test_a_server_is_probed_once_and_then_asked_once_a_decision() -> None:
    with model_server(favourite="open the drawer") as (url, manners):
        decide(url)
        before = len(manners.seen)
        decide(url)
        assert len(manners.seen) == before + 1


def test_the_model_is_told_words_scene_and_history_and_the_options_it_may_choose() -> None:
    with model_server() as (url, manners):
        decide(url, ("put the red block in the blue bowl", "no, the green one"))
        body = str(manners.seen[-1][1])
    for part in (
        "put the red block in the blue bowl",
        "no, the green one",
        "red block (block)",
        "drawer closed",
        "pick up the green block",
    ):
        assert part in body
    assert "put the red block in the blue bowl'" not in str(manners.seen[-1][1]["questions"]), "placing is masked: nothing is held"


def test_letters_favoured_for_themselves_are_averaged_away() -> None:
    close = {"favourite": "open the drawer", "second": "press the button", "decisions": False}
    with model_server(**close) as (url, _):
        fair = decide(url)
    with model_server(**close, letter_bias=1.0) as (url, manners):
        server.KNOWN.clear()
        biased = decide(url)
        orders = [body["messages"][-1]["content"] for path, body in manners.seen if "What the person said" in str(body)]
    assert len(orders) == 2 and orders[0] != orders[1], "the menu is asked in a second order when the best two are close"
    assert biased.chosen == fair.chosen or biased.chosen.words == fair.chosen.words


def test_a_model_that_does_not_answer_with_letters_is_asked_for_ratings() -> None:
    with model_server(decisions=False, off_letters=0.8, favourite="open the drawer") as (url, _):
        assert decide(url).score_source == "ratings"


def test_close_calls_about_different_things_are_put_to_the_person() -> None:
    rivals = {"favourite": "pick up the red block", "second": "pick up the green block"}
    with model_server(**rivals) as (url, _):
        decision = decide(url, "have fun with something")
    assert decision.chosen.kind == "ask"
    assert decision.question and "red block" in decision.question and "green block" in decision.question
    assert set(decision.choices) == {"pick up the red block", "pick up the green block"}


def test_pictures_go_to_servers_that_take_them_only() -> None:
    for takes in (True, False):
        with model_server(decisions=False, images=takes, favourite="open the drawer") as (url, manners):
            decision = decide(url, picture=server.SQUARE)
            assert decision.chosen.words == "open the drawer"
            assert ("data:image/png" in str(manners.seen[-1])) == takes


def test_the_witness_answers_from_the_picture() -> None:
    with model_server() as (url, _):
        planner = Planner(gather(), configured(url), Memory(None))
        witness = planner.witness(server.SQUARE)
        assert witness is not None and witness("The drawer is open.") == pytest.approx(0.97)
    assert Planner(gather(), settings(), Memory(None)).witness(server.SQUARE) is None


# --- bad manners: every one is a plain sentence in time, and never the embedded scorer instead ---------------------------------------


def unreachable() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}/v1"


def fails(url: str, **changes: Any) -> str:
    start = time.monotonic()
    with pytest.raises(ModelServerError) as caught:
        decide(url, **changes)
    message = str(caught.value)
    assert time.monotonic() - start < 5.0
    assert MODEL in message and "127.0.0.1" in message and "choose the next step" in message
    assert "config.yaml" in message, "it says what to do"
    assert KEY not in message, "the key is never repeated"
    return message


def test_unreachable() -> None:
    assert "cannot be reached" in fails(unreachable())


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("garbage", "made no sense"),
        ("nonsense", "made no sense"),
        ("401", "refused the key"),
        ("500", "failed with 500"),
        ("half", "broke in the middle"),
    ],
)
@pytest.mark.parametrize("later", [0, 2])
def test_bad_answers(bad: str, said: str, later: int) -> None:
    """From the first request on, or once the server has been probed and found good."""
    with model_server(bad=bad, bad_from=later) as (url, _):
        assert said in fails(url)


@pytest.mark.parametrize("bad", ["silent", "drip"])
def test_slow_answers_are_given_up_on_at_the_deadline(bad: str) -> None:
    with model_server(bad=bad) as (url, _):
        start = time.monotonic()
        assert "did not answer within 0.5 s" in fails(url, deadline_s=0.5)
        assert time.monotonic() - start < 1.5


def test_retry_after_is_honoured_when_it_fits_in_the_deadline() -> None:
    with model_server(bad="429", bad_from=2, bad_times=1, retry_after="1", favourite="open the drawer") as (url, manners):
        start = time.monotonic()
        assert decide(url).chosen.words == "open the drawer"
        assert 1.0 <= time.monotonic() - start < 3.0
        assert len(manners.seen) == 4


def test_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    with model_server(bad="429", retry_after="60") as (url, _):
        start = time.monotonic()
        assert "60 s" in fails(url)
        assert time.monotonic() - start < 1.5


def test_an_error_that_passes_is_tried_again() -> None:
    with model_server(bad="500", bad_from=0, bad_times=2, favourite="open the drawer") as (url, _):
        assert decide(url).chosen.words == "open the drawer"


def test_a_server_without_any_known_endpoint_is_refused() -> None:
    with model_server(decisions=False, chat=False) as (url, _):
        fails(url)


def test_the_key_goes_to_the_server_and_no_openai_key_leaks_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAYDO_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-only-000000")
    with model_server() as (url, manners):
        decide(url)
        assert manners.keys and not any("sk-openai-only" in key for key in manners.keys)


# --- what doctor shows ----------------------------------------------------------------------------------------------------------------


def test_doctor_is_told_what_each_server_can_do() -> None:
    with model_server() as (url, _):
        rows = {name: (ok, detail) for name, ok, detail in server.probe(configured(url))}
    assert all(ok for ok, _ in rows.values()) and "decisions" in rows["scoring"][1]
    with model_server(decisions=False, logprobs=5, schema=False, images=False) as (url, _):
        rows = {name: (ok, detail) for name, ok, detail in server.probe(configured(url))}
    assert not rows["decisions endpoint"][0] and not rows["JSON schema"][0] and not rows["images"][0]
    assert "5" in rows["log-probabilities"][1] and "letters" in rows["scoring"][1]


def test_doctor_survives_a_dead_server_and_a_wrong_model_name() -> None:
    dead = server.probe(configured(unreachable()))
    assert [ok for _, ok, _ in dead] == [False] and "cannot be reached" in dead[0][2]
    with model_server() as (url, _):
        rows = server.probe(configured(url, model="no-such-model"))
    assert not rows[0][1] and MODEL in rows[0][2]
    assert server.probe(settings())[0][1]


# --- the shortlist ----------------------------------------------------------------------------------------------------------------------


def test_the_shortlist_keeps_what_was_named_and_the_three_answers() -> None:
    colours = ("red", "green", "blue", "yellow", "white", "black", "pink", "brown")
    place = world(blocks=colours, holding="brown block")
    planner = Planner(gather(), settings(), Memory(None))
    request = Request(words=("put the brown block behind the pink block",), scene=place.scene())
    understood = planner.reader.read(request)
    from agent.planner.plan import make_plan

    plan = make_plan(understood.clauses, request.scene, (), frozenset(), planner.library, {})
    candidates: tuple[Candidate, ...] = planner.candidates(request.scene, frozenset())
    assert len(candidates) > 40
    kept = {candidates[i].words for i in shortlist(Choice(request, candidates, understood, plan), 20)}
    assert len(kept) == 20 and {"put the brown block behind the pink block", "done", "ask the person", "none of these"} <= kept


def test_manners_default_to_good_ones() -> None:
    assert Manners().bad == ""
