from hypothesis import given
from hypothesis import strategies as st

from agent.graph import ENDLESS, ROUNDS, TRIES, build_graph, circling, failures
from agent.planner.decision import Step
from agent.types import Outcome, Status, Subtask


def step(name: str, status: Status = "done", said: int = 1) -> Step:
    return Step(subtask=Subtask(skill=name, words=name), outcome=Outcome(status=status, why=""), since=0, said=said)


def key(name: str) -> str:
    return Subtask(skill=name, words=name).key


def test_only_nodes_that_do_not_move_the_robot_may_ask() -> None:
    """LangGraph runs an interrupted node again from its top."""
    import inspect

    from agent import graph

    assert "interrupt(" in inspect.getsource(graph.ask) and "executor" not in inspect.getsource(graph.ask)
    for node in (graph.look, graph.choose, graph.act, graph.judge):
        assert "interrupt(" not in inspect.getsource(node)


def test_every_node_leads_on() -> None:
    edges = build_graph().compile().get_graph().edges
    assert {edge.source for edge in edges} == {"__start__", "look", "choose", "act", "judge", "ask"}
    assert ("act", "judge") in {(edge.source, edge.target) for edge in edges}, "what was done is always judged"
    assert {edge.target for edge in edges if edge.source == "ask"} == {"look", "__end__"}, "after an answer the robot looks first"


def test_failures_count_since_the_last_success_and_the_last_word() -> None:
    assert failures([step("a", "failed"), step("a", "timed_out")], key("a")) == 2
    assert failures([step("a", "failed"), step("a"), step("a", "failed")], key("a")) == 1
    assert failures([step("a", "failed", said=1), step("a", "failed", said=2)], key("a")) == 1
    assert failures([step("a", "stopped"), step("a", "stopped")], key("a")) == 0, "an interruption is no failure"


def test_going_back_and_forth_is_noticed() -> None:
    assert circling([step(name) for name in "ab" * ROUNDS])
    assert not circling([step(name) for name in "ab" * (ROUNDS - 1)])
    assert not circling([step("a")] * (ENDLESS - 1)), "pressing a button many times is not going in circles"
    assert circling([step("a")] * ENDLESS)
    assert not circling([*(step(name) for name in "ab" * (ROUNDS - 1)), step("a", said=2), step("b", said=2)])


@given(st.lists(st.sampled_from("abc"), max_size=12), st.sampled_from("abc"))
def test_failures_never_pass_the_number_of_steps(names: list[str], name: str) -> None:
    count = failures([step(n, "failed") for n in names], key(name))
    assert count == names.count(name) and TRIES >= 1
