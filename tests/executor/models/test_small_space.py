import numpy as np
import pytest

from agent.executor.models.small_space import (
    FELT,
    GIVEN,
    SLOTS,
    Space,
    absolute,
    from_ten,
    has_slots,
    relative,
    slowed,
    to_ten,
)
from tests.executor.models.small_models import space


def states(count: int = 20) -> np.ndarray:
    rng = np.random.default_rng(3)
    state = rng.normal(size=(count, 14)).astype(np.float32)
    state[:, 10:12] = 0
    return state


def chunks(count: int = 20) -> np.ndarray:
    rng = np.random.default_rng(4)
    chunk = rng.uniform(-0.9, 0.9, size=(count, 32, 7)).astype(np.float32)
    chunk[..., 3:5], chunk[..., 6] = 0, np.abs(chunk[..., 6])
    return chunk


def test_rows_seen_from_the_hand_lead_back_to_where_they_were() -> None:
    chunk, state = chunks(), states()
    np.testing.assert_allclose(absolute(relative(chunk, state), state), chunk, atol=2e-6)


def test_what_the_hand_sees_does_not_depend_on_where_it_is_or_which_way_it_is_turned() -> None:
    chunk, state = chunks(1), states(1)
    turn, move = 0.7, np.array([0.1, -0.2, 0.05])
    c, s = np.cos(turn), np.sin(turn)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    chunk2, state2 = chunk.copy(), state.copy()
    chunk2[..., :3], state2[..., 7:10] = chunk[..., :3] @ R.T + move, state[..., 7:10] @ R.T + move
    chunk2[..., 5] += turn
    state2[..., 12] += turn
    np.testing.assert_allclose(relative(chunk2, state2), relative(chunk, state), atol=1e-6)


def test_a_row_straight_ahead_of_a_turned_hand_is_straight_ahead() -> None:
    state, row = np.zeros((1, 14), np.float32), np.zeros((1, 1, 7), np.float32)
    state[0, 12], row[0, 0, 1], row[0, 0, 5], row[0, 0, 6] = np.pi / 2, 0.3, np.pi / 2, 1.0
    np.testing.assert_allclose(relative(row, state)[0, 0], [0.3, 0, 0, 0, 1], atol=1e-6)


def test_a_turn_of_more_than_half_a_circle_keeps_its_way_round() -> None:
    state, row = np.zeros((1, 14), np.float32), np.zeros((1, 1, 7), np.float32)
    state[0, 12], row[0, 0, 5] = -1.7, 1.7
    assert relative(row, state)[0, 0, 3] == pytest.approx(3.4)
    assert absolute(relative(row, state), state)[0, 0, 5] == pytest.approx(1.7)


def test_ten_numbers_hold_what_five_do() -> None:
    rows = relative(chunks(), states())
    rows[..., 3] = np.clip(rows[..., 3], -3, 3)
    np.testing.assert_allclose(from_ten(to_ten(rows)), rows, atol=1e-6)


@pytest.mark.parametrize("form", ["pose", "slots"])
@pytest.mark.parametrize("rate", [20, 10])
def test_a_chunk_survives_the_networks_numbers(form: str, rate: int) -> None:
    numbers = Space.fit(states(), 0.1 * chunks(), form, (20, 10))
    chunk, state = slowed(0.1 * chunks(), 20 // rate), states()
    rows = numbers.rows(chunk, state, rate)
    assert rows.shape == (20, 32 * rate // 20, numbers.width) and rows.dtype == np.float32
    back = numbers.chunk(rows, state, rate)
    turned = np.abs(chunk[..., 5] - state[:, None, 12]) < np.pi  # six numbers know the nearest turn alone
    np.testing.assert_allclose(back[turned], chunk[turned], atol=1e-5)


def test_what_is_learned_is_standardised_row_by_row_and_number_by_number() -> None:
    numbers = Space.fit(states(), chunks(), "pose")
    rows = numbers.rows(chunks(), states())
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(rows.std(0), 1, atol=1e-3)


def test_rdts_rows_fill_the_slots_of_position_turn_and_gripper_and_no_others() -> None:
    rows = space("slots").rows(0.1 * chunks(), states())
    filled = np.flatnonzero(np.any(rows != 0, axis=(0, 1)))
    assert set(filled) <= set(SLOTS) and max(SLOTS) < FELT
    assert np.flatnonzero(has_slots()).tolist() == [*sorted(SLOTS), *range(FELT, 128)]


def test_rdt_is_told_the_hand_twice_in_si_units_and_standardised() -> None:
    told, plain = Space.fit(states(), chunks(), "slots", (20, 10)), Space.fit(states(), chunks(), "pose")
    np.testing.assert_allclose(told.sensed(states())[:, FELT:GIVEN], plain.sensed(states()), atol=1e-5)
    np.testing.assert_allclose(told.sensed(states())[:, SLOTS[:3]], states()[:, 7:10], atol=1e-6)


def test_at_half_the_rate_rows_name_the_end_of_their_longer_period() -> None:
    chunk = np.arange(8.0)[None, :, None] * np.ones(7)
    assert slowed(chunk, 2)[0, :, 0].tolist() == [1, 3, 5, 7]


def test_numbers_survive_their_file() -> None:
    numbers = space("slots")
    again = Space.from_json(numbers.to_json())
    state = states()
    np.testing.assert_array_equal(again.sensed(state), numbers.sensed(state))
    for rate in (20, 10):
        rows = numbers.rows(slowed(chunks(), 20 // rate), state, rate)
        np.testing.assert_array_equal(again.rows(slowed(chunks(), 20 // rate), state, rate), rows)
