import json
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.errors import PolicyError
from agent.executor.wire import (
    check_chunk,
    pack,
    read_metadata,
    read_reply,
    read_request,
    unpack,
    write_metadata,
    write_reply,
    write_request,
)
from agent.types import Chunk, Observation, Scene, Subtask, Thing
from tests.executor.toys import CAMERAS, Mixer, observation, subtask

FIXTURES = Path(__file__).parent.parent / "fixtures" / "wire"
MESSAGES = sorted(FIXTURES.glob("*.msgpack"))
MANIFEST = json.loads((FIXTURES / "wire_manifest.json").read_text())
SPEC = Mixer().spec
DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
)


def arrays_of(message: Any, path: str = "") -> dict[str, np.ndarray]:
    """Every array and numpy scalar in a message, by the path that the recording uses."""
    if isinstance(message, np.ndarray | np.generic):
        return {path: np.asarray(message)}
    inner = message.items() if isinstance(message, dict) else enumerate(message) if isinstance(message, list) else ()
    return {key: value for name, part in inner for key, value in arrays_of(part, f"{path}|{name}".replace("/", "⁄")).items()}


def test_the_recordings_are_all_there() -> None:
    assert {path.stem for path in MESSAGES} == {name for name in MANIFEST if not name.startswith("_")}


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_recorded_messages_decode_and_encode_to_the_same_bytes(path: Path) -> None:
    data = path.read_bytes()
    assert len(data) == MANIFEST[path.stem]["bytes"]
    assert pack(unpack(data)) == data


@pytest.mark.parametrize(("prefix", "name"), [("obs", "observation"), ("act", "action_response")])
def test_recorded_arrays_decode_to_the_recorded_values(prefix: str, name: str) -> None:
    recorded = {key.removeprefix(prefix): value for key, value in np.load(FIXTURES / "wire_arrays.npz").items() if key.startswith(prefix)}
    decoded = arrays_of(unpack((FIXTURES / f"{name}.msgpack").read_bytes()))
    assert decoded.keys() == recorded.keys()
    for key, value in recorded.items():
        assert decoded[key].dtype.kind == value.dtype.kind and decoded[key].shape == value.shape, key
        np.testing.assert_array_equal(decoded[key], value, err_msg=key)


def test_arrays_made_here_encode_to_the_recorded_bytes() -> None:
    assert pack(np.array([[1, 2], [3, 4]], np.float32)).hex() == MANIFEST["_mini_array_f32_full_hex"]
    assert pack(np.asfortranarray(np.array([[1, 2], [3, 4]], np.float32))).hex() == MANIFEST["_mini_array_f32_full_hex"]
    assert pack(np.float32(1.5)).hex() == MANIFEST["_mini_npgeneric_f32_full_hex"]
    assert pack(np.bool_(True)).hex() == MANIFEST["_mini_npgeneric_bool_full_hex"]
    assert unpack((FIXTURES / "observation.msgpack").read_bytes())["prompt"] == MANIFEST["_observation_prompt"]


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
def test_any_array_of_numbers_comes_back_bit_for_bit(array: np.ndarray) -> None:
    back = unpack(pack({"a": array}))["a"]
    assert back.dtype == array.dtype and back.shape == array.shape and back.tobytes() == array.tobytes()
    assert not back.flags.writeable


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.array([1j]), np.zeros(2, "i4,f4"), np.array(["2026-01-01"], "M8[D]"), object(), {1, 2}, 1 << 70],
    ids=repr,
)
def test_what_may_not_travel_is_refused(value: Any) -> None:
    with pytest.raises(PolicyError, match="cannot travel"):
        pack({"a": value})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({b"dtype": "|O"}, "dtype"),
        ({b"dtype": "i4,f4"}, "dtype"),
        ({b"dtype": "<c8"}, "dtype"),
        ({b"dtype": "<U0"}, "dtype"),
        ({b"dtype": 7}, "dtype"),
        ({b"dtype": "nonsense"}, "dtype"),
        ({b"dtype": "(3"}, "dtype"),
        ({b"dtype": "<f3"}, "not a msgpack message"),
        ({b"shape": [3]}, "16 bytes"),
        ({b"shape": [-2, -2]}, "shape"),
        ({b"shape": [2.0, 2]}, "shape"),
        ({b"shape": [1 << 40, 1 << 40]}, "bytes"),
        ({b"shape": 4}, "shape"),
        ({b"data": "text"}, "no bytes"),
    ],
    ids=str,
)
def test_a_lying_array_is_refused(change: dict[bytes, Any], told: str) -> None:
    honest = {b"__ndarray__": True, b"data": bytes(16), b"dtype": "<f4", b"shape": [2, 2]}
    assert unpack(msgpack.packb(honest)).shape == (2, 2)
    with pytest.raises(PolicyError, match=told):
        unpack(msgpack.packb({**honest, **change}))


@given(st.binary(max_size=200))
def test_noise_is_a_policy_error_or_a_message(data: bytes) -> None:
    try:
        unpack(data)
    except PolicyError as error:
        assert str(error)


@settings(max_examples=300)
@given(st.sampled_from(MESSAGES), st.data())
def test_a_damaged_message_is_a_policy_error_or_a_message(path: Path, data: st.DataObject) -> None:
    body = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_request(unpack(bytes(body)), SPEC)
    except PolicyError as error:
        assert str(error)


def test_deep_nesting_and_giant_messages_are_refused() -> None:
    with pytest.raises(PolicyError):
        unpack(b"\x91" * 5000 + b"\x00")
    with pytest.raises(PolicyError, match="the most is"):
        unpack(bytes((64 << 20) + 1))


# --- what is served ---


def test_metadata_carries_the_spec() -> None:
    spec, about = read_metadata(unpack(write_metadata(SPEC, pid=12)))
    assert spec == SPEC and about == {"pid": 12}


@pytest.mark.parametrize("values", [None, {}, [], {"reset_pose": [0, 1]}, {"saydo": {"spec": {"name": "x"}}}, {"saydo": 3}], ids=str)
def test_other_servers_are_told_apart(values: Any) -> None:
    with pytest.raises(PolicyError, match="saydo"):
        read_metadata(values)


# --- requests ---


@given(
    st.integers(0, 1 << 40),
    st.floats(0, 1e9),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3),
    st.text(max_size=50),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    st.floats(-10, 10),
)
def test_a_request_arrives_as_it_was_sent(tick: int, time: float, state: list[float], words: str, args: dict[str, str], x: float) -> None:
    things = (Thing(name="red block", kind="block", position=(x, x / 3, 0.02), yaw=x / 7),)
    scene = Scene(tick=tick, things=things, facts=(("clear", "red block"),), events=((3, ("pressed", "button")),))
    sent = Observation(tick, time, np.array(state, np.float32), observation().images, scene)
    task = Subtask(skill="pick", args=args, words=words)
    spec = Mixer(sees_scene=True).spec
    got = read_request(unpack(write_request(spec, sent, task, seq=5)), spec)
    assert (got.seq, got.subtask, got.observation.tick, got.observation.time) == (5, task, tick, time)
    assert got.observation.scene == scene
    assert got.observation.state.tobytes() == sent.state.tobytes()
    assert {name: image.tobytes() for name, image in got.observation.images.items()} == {
        name: image.tobytes() for name, image in sent.images.items()
    }


def test_only_what_the_policy_needs_travels() -> None:
    scene = Scene(tick=1, things=())
    sent = Observation(1, 0.05, np.zeros(3, np.float32), {**observation().images, "side": np.zeros((900, 900, 3), np.uint8)}, scene)
    values = unpack(write_request(SPEC, sent, subtask(), seq=1))
    assert set(values) == {"observation/state", "observation/image/front", "observation/image/wrist", "prompt", "_saydo"}
    assert values["_saydo"]["scene"] is None and values["prompt"] == subtask().words


def test_a_camera_that_the_robot_lacks_is_named_before_anything_is_sent() -> None:
    with pytest.raises(PolicyError, match=r"needs camera 'wrist'.*front, wrists.*Did you mean 'wrists'"):
        images = {"front": observation().images["front"], "wrists": observation().images["wrist"]}
        write_request(SPEC, Observation(0, 0.0, np.zeros(3, np.float32), images), subtask(), 1)


@pytest.mark.parametrize("style", ["flat", "slash", "nested", "channels first"])
def test_the_ways_in_which_openpi_clients_name_things(style: str) -> None:
    images = observation().images
    values: dict[str, Any] = {"observation/state": np.array([1, 2, 3], np.float64), "prompt": "pick up the fork"}
    if style == "flat":
        values |= {f"observation/image/{name}": image for name, image in images.items()}
    elif style == "slash":
        values |= {f"observation/{name}": image for name, image in images.items()}
    elif style == "nested":
        values = {"state": values["observation/state"], "prompt": values["prompt"], "images": images}
    else:
        values |= {f"observation/image/{name}": np.ascontiguousarray(image.transpose(2, 0, 1)) for name, image in images.items()}
    got = read_request(unpack(pack(values)), SPEC)
    assert got.seq is None and got.subtask == Subtask(skill="", words="pick up the fork")
    assert got.observation.state.dtype == np.float32 and got.observation.state.tolist() == [1, 2, 3]
    for name, size in CAMERAS.items():
        np.testing.assert_array_equal(got.observation.images[name], images[name])
        assert got.observation.images[name].shape == (*size, 3)


def good_request() -> dict[str, Any]:
    return dict(unpack(write_request(SPEC, observation(), subtask(), seq=1)))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("observation/state", None, "must be float32.3. .x, y, z.; it is missing"),
        ("observation/state", np.zeros(4, np.float32), "it is float32.4."),
        ("observation/state", "abc", "it is str"),
        ("observation/state", np.array([1, np.nan, 0], np.float32), "not finite"),
        ("observation/state", np.array([1, 1e300, 0]), "not finite"),
        ("observation/image/front", None, "lacks 'observation/image/front'"),
        ("observation/image/front", np.zeros((24, 32), np.uint8), "uint8.h, w, 3.; it is uint8.24, 32."),
        ("observation/image/front", np.zeros((24, 32, 3), np.float32), "it is float32"),
        ("observation/image/front", np.zeros((0, 32, 3), np.uint8), "it is uint8.0, 32, 3."),
        ("_saydo", {"seq": 1}, "_saydo"),
        ("_saydo", 3, "_saydo"),
        ("_saydo", {"seq": 1, "tick": "x", "time": 0.0, "subtask": {}, "scene": None}, "_saydo"),
        ("_saydo", {"seq": 1, "tick": 1, "time": 0.0, "subtask": {"skill": "a"}, "scene": None}, "_saydo"),
        ("_saydo", {"seq": 1, "tick": 1, "time": 0.0, "subtask": {"skill": "a", "words": "b"}, "scene": "{"}, "_saydo"),
    ],
    ids=str,
)
def test_a_wrong_request_is_told_what_is_wrong(key: str, value: Any, told: str) -> None:
    values = good_request()
    assert read_request(values, SPEC).seq == 1
    values[key] = value
    with pytest.raises(PolicyError, match=told):
        read_request(values, SPEC)


def test_a_prompt_that_is_no_text_and_a_request_that_is_no_map() -> None:
    values = {**good_request(), "prompt": 3}
    del values["_saydo"]
    with pytest.raises(PolicyError, match="prompt"):
        read_request(values, SPEC)
    with pytest.raises(PolicyError, match="must be a map"):
        read_request([1], SPEC)


# --- replies ---


@given(hnp.arrays(np.float32, (8, 2), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_a_reply_arrives_bit_for_bit(rows: np.ndarray) -> None:
    timing = {"infer_ms": 3.5, "queue_ms": 0.25, "prev_total_ms": 9.0}
    seq, chunk = read_reply(unpack(write_reply(Chunk(9, rows, {"think_ms": 1.0}), 4, timing)), SPEC, tick=9)
    assert seq == 4 and chunk.start == 9 and chunk.actions.tobytes() == rows.tobytes()
    assert chunk.timing == {"infer_ms": 3.5, "queue_ms": 0.25, "think_ms": 1.0}
    assert check_chunk(chunk, SPEC, 9) is chunk


def test_a_reply_to_an_openpi_client_has_exactly_the_recorded_keys() -> None:
    transcript = json.loads((FIXTURES / "server_transcript.json").read_text())
    chunk = Chunk(0, np.zeros((8, 2), np.float32))
    for response, timing in (("response1_keys", {"infer_ms": 1.0}), ("response2_keys", {"infer_ms": 1.0, "prev_total_ms": 2.0})):
        keys, values = transcript[response], unpack(write_reply(chunk, None, timing))
        assert list(values) == list(keys) and isinstance(values["actions"], np.ndarray)
        assert sorted(values["server_timing"]) == keys["server_timing"] and sorted(values["policy_timing"]) == keys["policy_timing"]


def test_recorded_actions_of_another_server_are_read() -> None:
    _, chunk = read_reply(unpack((FIXTURES / "action_response.msgpack").read_bytes()), SPEC, tick=2)
    assert chunk.actions.shape == (10, 7) and chunk.actions.dtype == np.float32 and chunk.start == 2
    with pytest.raises(PolicyError, match="7 numbers a row instead of 2"):
        check_chunk(chunk, SPEC, 2)


@pytest.mark.parametrize(
    "values",
    [
        None,
        {},
        {"actions": [1, 2]},
        {"actions": np.zeros(2, np.float32)},
        {"actions": np.zeros((0, 2), np.float32)},
        {"actions": np.zeros((8, 2), np.int64)},
        {"actions": np.zeros((8, 2), np.float32), "_saydo": {"seq": "x"}},
        {"actions": np.zeros((8, 2), np.float32), "_saydo": 5},
        {"actions": np.zeros((8, 2), np.float32), "server_timing": {"infer_ms": "soon"}},
        {"actions": np.zeros((8, 2), np.float32), "policy_timing": [1]},
    ],
    ids=str,
)
def test_nonsense_is_not_taken_for_a_reply(values: Any) -> None:
    with pytest.raises(PolicyError, match="mixer"):
        read_reply(values, SPEC, tick=0)


@pytest.mark.parametrize(
    ("chunk", "told"),
    [
        (Chunk(3, np.zeros((8, 3), np.float32)), "3 numbers a row instead of 2 .dx, dy."),
        (Chunk(3, np.full((8, 2), np.inf, np.float32)), "16 numbers that are not finite"),
        (Chunk(4, np.zeros((8, 2), np.float32)), "asked at tick 3 and answered for tick 4"),
    ],
)
def test_a_chunk_is_checked(chunk: Chunk, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        check_chunk(chunk, SPEC, 3)
