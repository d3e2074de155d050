"""Chains: every step can be begun where the one before ended, and every template comes equally often."""

from collections import Counter

from sim.tasks import templates
from sim.tasks.chains import draw_chains
from sim.tasks.reckoning import after


def test_each_precondition_holds_when_it_is_reached() -> None:
    for chain in draw_chains(templates(), 40, 5):
        scene = chain.start.scene
        for task in chain.tasks:
            assert not task.unmet(scene)
            start, scene = scene, after(scene, *task.plan)
            assert task.progress(scene, start) == 1.0


def test_templates_are_equally_frequent_and_never_twice_in_a_chain() -> None:
    chains = draw_chains(templates(), 60, 5, seed_base=9)
    count = Counter(task.template for chain in chains for task in chain.tasks)
    assert set(count) == set(templates())
    share = 60 * 5 / len(templates())
    assert 0.5 * share <= min(count.values()) and max(count.values()) <= 2 * share
    assert all(len({task.template for task in chain.tasks}) == 5 for chain in chains)


def test_equal_arguments_give_equal_chains_and_more_chains_begin_with_the_same() -> None:
    few, more = draw_chains(templates(), 3, 4, 7), draw_chains(templates(), 6, 4, 7)
    assert [[t.words for t in c.tasks] for c in few] == [[t.words for t in c.tasks] for c in more[:3]]
    assert [chain.start.seed for chain in more] == list(range(7, 13))


def test_long_chains_can_be_drawn() -> None:
    assert all(len(chain.tasks) == 10 for chain in draw_chains(templates(), 5, 10))
