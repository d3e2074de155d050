import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.errors import ConfigError, Mismatch
from agent.executor.embodiment import PI0_WIDTH, RDT_SLOTS, RDT_WIDTH, Embodiment, Space
from agent.executor.robots import AGILEX, ALOHA, DROID, EMBODIMENTS, LIBERO, PANDA, UR5, embodiment
from agent.executor.rotation import DOWN, matrix_from_six, matrix_from_vector
from agent.executor.safety import check_match

FIXTURES = Path(__file__).parents[1] / "fixtures"

SPACES = [
    pytest.param(getattr(robot, what), id=f"{name} {what}") for name, robot in EMBODIMENTS.items() for what in ("state", "action")
]
ROBOTS = [pytest.param(e, id=name) for name, e in EMBODIMENTS.items()]


def stored(name: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / name) as file:
        return dict(file)


def rows(space: Space) -> st.SearchStrategy[np.ndarray]:
    """Two rows of numbers as this robot may have them: turns and lengths in −1.5 … 1.5, everything else in 0 … 1."""
    low = np.array([-1.5 if unit in ("rad", "m", "rad/s") else 0.0 for unit in space.units])
    high = np.array([1.5 if unit in ("rad", "m", "rad/s") else 1.0 for unit in space.units])
    unit = arrays(np.float64, (2, len(low)), elements=st.floats(0, 1))
    return unit.map(lambda u: (low + u * (high - low)).astype(np.float32))


def test_every_name_of_the_unified_space_is_in_its_published_slot():
    assert json.loads((FIXTURES / "rdt" / "state_vec_map.json").read_text()) == RDT_SLOTS


@pytest.mark.parametrize("space", SPACES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_row_comes_back_from_both_models(space: Space, data: st.DataObject):
    row = data.draw(rows(space))
    assert np.allclose(space.from_pi0(space.to_pi0(row)), row, atol=2e-5)
    assert np.allclose(space.from_rdt(space.to_rdt(row)), row, atol=2e-5)


@pytest.mark.parametrize("space", SPACES)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_slots_that_a_robot_lacks_stay_zero_and_are_not_read(space: Space, data: st.DataObject):
    row = data.draw(rows(space))
    slots = space.to_rdt(row)
    assert slots.shape == (2, RDT_WIDTH) and slots.dtype == np.float32
    assert (slots[:, space.rdt_mask == 0] == 0).all()
    noise = np.where(space.rdt_mask == 0, 9, 0).astype(np.float32)
    assert np.array_equal(space.from_rdt(slots + noise), space.from_rdt(slots))
    assert (space.to_pi0(row)[:, len(space.names) :] == 0).all()


@pytest.mark.parametrize("space", SPACES)
def test_no_two_numbers_share_a_slot_and_pi0_keeps_the_robots_order(space: Space):
    assert [slot for part in space.parts for slot in part.pi0] == list(range(len(space.names)))
    unified = [RDT_SLOTS[name] for part in space.parts for name in part.rdt]
    assert len(set(unified)) == len(unified) == space.rdt_mask.sum()
    assert len(set(space.names)) == len(space.names) == len(space.units) == len(space.delta) <= PI0_WIDTH


@pytest.mark.parametrize("robot", [PANDA, ALOHA, AGILEX, DROID, UR5], ids=lambda robot: robot.name)  # LIBERO's fingers: units of their own
def test_a_gripper_opens_upwards_in_rdt_and_closes_upwards_in_pi0(robot: Embodiment):
    for name in [name for name in robot.action.names if "gripper" in name]:
        at = robot.action.names.index(name)
        closes = "closed" in robot.action.units[at] and "open" not in robot.action.units[at]
        shut, open_ = (np.zeros(len(robot.action.names)) for _ in range(2))
        (shut if closes else open_)[at] = 1.0
        slot = "left_gripper_open" if name.startswith("left") else "gripper_open"
        assert robot.action.to_rdt(open_)[RDT_SLOTS[slot]] > robot.action.to_rdt(shut)[RDT_SLOTS[slot]]
        if robot is not ALOHA:
            assert robot.action.to_pi0(open_)[at] < robot.action.to_pi0(shut)[at]


def test_agilex_is_mapped_as_published():
    expected = stored("rdt/agilex_mapping.npz")
    assert np.allclose(AGILEX.state.to_rdt(expected["qpos"]), expected["state"], atol=1e-6)
    assert np.array_equal(np.broadcast_to(AGILEX.rdt_mask, (2, 128)), expected["mask"])
    assert np.allclose(AGILEX.action.from_rdt(expected["action128"]), expected["joints14"], atol=1e-5)
    assert [RDT_SLOTS[name] for part in AGILEX.action.parts for name in part.rdt] == expected["indices"].tolist()


def test_aloha_is_mapped_as_published():
    expected = stored("aloha_pi0.npz")
    assert np.allclose(ALOHA.state.to_pi0(expected["state_in"])[:14], expected["state_decoded"], atol=1e-6)
    padded = np.pad(expected["actions_in"], ((0, 0), (0, 18)))
    assert np.allclose(ALOHA.action.from_pi0(padded), expected["actions_encoded"], atol=1e-6)
    assert np.allclose(ALOHA.action.to_pi0(expected["actions_in"])[:, :14], expected["actions_encoded_inv"], atol=1e-6)
    assert ALOHA.action.delta.tolist() == ([True] * 6 + [False]) * 2


def test_the_workbench_arm_pointing_down_is_down_for_rdt():
    slots = PANDA.action.to_rdt(np.array([0.5, -0.1, 0.2, 0, 0, 0, 1], np.float32))
    six = [RDT_SLOTS[f"eef_angle_{i}"] for i in range(6)]
    assert np.allclose(matrix_from_six(slots[six]), DOWN)
    assert slots[RDT_SLOTS["right_eef_pos_z"]] == np.float32(0.2) and slots[RDT_SLOTS["right_gripper_open"]] == 1
    turned = PANDA.action.to_rdt(np.array([0.5, -0.1, 0.2, 0, 0, 0.3, 1]))
    assert np.allclose(matrix_from_six(turned[six]), matrix_from_vector(np.array([0, 0, 0.3])) @ DOWN, atol=1e-6)


def test_the_workbench_arm_measures_and_commands_the_same_slots():
    pose = np.array([0.5, -0.1, 0.2, 0.1, -0.2, 0.3])
    measured = PANDA.state.to_rdt(np.concatenate([np.arange(7) / 10, pose, [0.04]]))
    commanded = PANDA.action.to_rdt(np.concatenate([pose, [0.5]]))
    shared = PANDA.action.rdt_mask == 1
    assert np.allclose(measured[shared], commanded[shared], atol=1e-6)
    assert np.allclose(measured[:7], np.arange(7) / 10)


def test_cameras_find_their_place_in_both_models():
    assert PANDA.pi0_cameras == {"base_0_rgb": "front", "left_wrist_0_rgb": "wrist", "right_wrist_0_rgb": None}
    assert PANDA.rdt_cameras == {"exterior": "front", "right wrist": "wrist", "left wrist": None}
    assert list(AGILEX.rdt_cameras.values()) == ["cam_high", "cam_right_wrist", "cam_left_wrist"]
    assert list(ALOHA.pi0_cameras.values()) == ["cam_high", "cam_left_wrist", "cam_right_wrist"]


def test_rdt_velocity_slots_hold_si_units():
    full = np.array([1, 0, 0, 0, 0, 1, -1], np.float32)
    slots = LIBERO.action.to_rdt(full)
    assert slots[RDT_SLOTS["eef_vel_x"]] == pytest.approx(1.0)  # 5 cm in 1/20 s
    assert slots[RDT_SLOTS["eef_angular_vel_yaw"]] == pytest.approx(10.0)  # 0.5 rad in 1/20 s
    assert slots[RDT_SLOTS["gripper_open"]] == 1
    assert DROID.rdt_mask[[0, 6, 10, 15, 21]].tolist() == [1] * 5 and DROID.rdt_mask.sum() == 15


@pytest.mark.parametrize("robot", ROBOTS)
def test_a_robot_fits_its_own_policy(robot: Embodiment):
    check_match(robot.spec, robot.policy_spec("pi0", 50))


def test_the_table_of_the_workbench_arm_is_the_simulators():
    from sim.robot import PANDA as BODY

    check_match(BODY, PANDA.policy_spec("pi0", 50))


def test_a_wrong_camera_or_width_is_refused_with_both_sides_shown():
    with pytest.raises(Mismatch) as refused:
        check_match(PANDA.spec, UR5.policy_spec("rdt", 64))
    said = str(refused.value)
    assert "x y z rx ry rz gripper" in said and "joint_0 joint_1" in said and "base_rgb" in said and "front" in said
    small = PANDA.spec.model_copy(update={"cameras": {**PANDA.spec.cameras, "wrist": (64, 64)}})
    with pytest.raises(Mismatch, match=r"(?s)64.*64.*128.*128"):
        check_match(small, PANDA.policy_spec("rdt", 64))
    check_match(small, PANDA.policy_spec("rdt", 64, cameras=["front"]))


def test_a_row_of_the_wrong_width_is_refused_by_name():
    with pytest.raises(Mismatch, match=r"\[3, 6\].*7 wide: x, y, z, rx, ry, rz, gripper"):
        PANDA.action.to_rdt(np.zeros((3, 6)))
    with pytest.raises(Mismatch, match="128 wide"):
        PANDA.action.from_rdt(np.zeros((3, 32)))


def test_an_unknown_robot_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"Did you mean 'agilex'\?"):
        embodiment("agilx")
    assert embodiment("droid") is DROID
