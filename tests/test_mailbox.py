from threading import Thread

import pytest

from agent.mailbox import Mailbox, is_go_on, is_stop

STOPS = ["stop", "Stop!", "STOP NOW", "please stop", "halt.", "stop moving", "Freeze!!", "wait", "stop it now please", "hold on…"]
OTHERS = ["stop, take the green one", "stack the blocks", "wait for the light", "press the stop button", "", "don't stop"]


@pytest.mark.parametrize("words", STOPS)
def test_orders_to_stand_still(words: str) -> None:
    assert is_stop(words)


@pytest.mark.parametrize("words", OTHERS)
def test_corrections_and_instructions_are_not_mere_stops(words: str) -> None:
    assert not is_stop(words)


def test_go_on() -> None:
    assert is_go_on("Go on.") and is_go_on("ok continue please") and not is_go_on("go home")


def test_words_are_kept_in_order_and_taken_once() -> None:
    mailbox = Mailbox()
    assert mailbox.waiting() is None
    mailbox.put("no")
    mailbox.put("the green one")
    assert mailbox.waiting() == "no"
    assert mailbox.take() == ["no", "the green one"]
    assert mailbox.take() == [] and mailbox.waiting() is None


def test_many_may_speak_at_once() -> None:
    mailbox = Mailbox()
    speakers = [Thread(target=lambda: [mailbox.put("word") for _ in range(200)]) for _ in range(8)]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
    assert len(mailbox.take()) == 1600
