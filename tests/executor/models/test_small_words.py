import torch

from agent.executor.models.small_words import PAD, UNKNOWN, Vocabulary, hide, split

SAID = ["Put the red block in the blue bowl.", "pick up the light-blue cube, please!"]


def test_case_and_punctuation_do_not_count() -> None:
    assert split(SAID[1]) == ["pick", "up", "the", "light", "blue", "cube", "please"]
    words = Vocabulary.of(SAID)
    assert torch.equal(words.encode(["PUT the red block"])[0], words.encode(["put, the red-block?"])[0])


def test_unknown_words_are_gaps_and_sentences_are_padded_at_the_end() -> None:
    tokens, valid = Vocabulary.of(SAID).encode(["hoist the red block", "put"])
    assert tokens[0, 0] == UNKNOWN and (tokens[0, 1:] > UNKNOWN).all()
    assert tokens[1, 1:].tolist() == [PAD] * 3 and valid.tolist() == [[True] * 4, [True, False, False, False]]


def test_silence_is_a_gap_not_nothing() -> None:
    tokens, valid = Vocabulary.of(SAID).encode(["", "?!"])
    assert tokens.tolist() == [[UNKNOWN], [UNKNOWN]] and valid.all()


def test_a_long_sentence_loses_its_end() -> None:
    words = Vocabulary.of(SAID, most=3)
    assert torch.equal(words.encode([SAID[0]])[0], words.encode(["put the red"])[0])


def test_meeting_new_words_leaves_the_tokens_of_known_ones() -> None:
    words = Vocabulary.of(SAID)
    more = words.meeting(["open the drawer"])
    assert more.words[: len(words.words)] == words.words and set(more.words) - set(words.words) == {"open", "drawer"}
    assert more.meeting(SAID) is more


def test_no_more_words_than_the_table_has_room_for() -> None:
    words = Vocabulary.of(SAID, size=6)
    assert len(words) == 6 and int(words.encode(SAID)[0].max()) == 5 and words.words[0] == "the"
    assert words.meeting(["drawer"], size=6) == words


def test_hiding_takes_real_words_alone() -> None:
    tokens, valid = Vocabulary.of(SAID).encode([*SAID, "put"])
    assert torch.equal(hide(tokens, 0.0, torch.Generator().manual_seed(0)), tokens)
    assert torch.equal(hide(tokens, 1.0, torch.Generator().manual_seed(0)), torch.where(valid, UNKNOWN, PAD))
