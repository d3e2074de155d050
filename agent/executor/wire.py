"""The wire: openpi's websocket protocol, byte for byte, plus what saydo adds to it.

Every message is one msgpack map in one binary frame; an array is a map of four entries (`__ndarray__`, `data`, `dtype`, `shape`),
never a pickle. The server speaks first: what it serves (`metadata`). Then a request is answered by a reply. What openpi knows stands
under openpi's keys, so that its clients and servers are understood as they are; what only saydo knows stands in one map, `_saydo`.

    request   {"observation/state": float32[S], "observation/image/<camera>": uint8[h, w, 3], "prompt": str,
               "_saydo": {"seq", "tick", "time", "subtask": {…}, "scene": JSON or nil, "promised"?: float32[d, A]}}
    reply     {"actions": float32[H, A], "policy_timing": {…, "infer_ms"}, "server_timing": {"infer_ms", "queue_ms", "prev_total_ms"},
               "_saydo": {"seq", "tick", "by"?}}
    trouble   one text frame with one sentence, then the connection is closed with code 1011

Source of the format: `openpi_client` and openpi's `WebsocketPolicyServer`, as recorded in tests/fixtures/wire.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
from pydantic import ValidationError

from agent.errors import PolicyError, hint
from agent.types import Array, Chunk, Observation, PolicySpec, Scene, Subtask, clip_text

EXTRAS = "_saydo"
CLOSE_TROUBLE = 1011
LARGEST_FRAME = 64 << 20
"""bytes; sixteen 1080p pictures would still fit."""
DTYPE = re.compile(r"[<>|=]?[biufUS][0-9]{1,6}")
KINDS = "biufUS"
"""numpy kinds that may travel: booleans, integers, floats, text. Objects, records and complex numbers may not, as in openpi."""


# --- the codec --------------------------------------------------------------------------------------------------------------


def pack(value: Any) -> bytes:
    """One message as bytes, equal to `openpi_client.msgpack_numpy.packb`. Arrays become C-ordered and keep their byte order."""
    try:
        data = msgpack.packb(value, default=_describe)
    except (TypeError, ValueError, OverflowError) as error:
        raise PolicyError(f"This cannot travel to a policy: {error}") from error
    return bytes(data)


def unpack(data: bytes) -> Any:
    """The message in `data`. Its arrays are read-only views into `data`. Raises PolicyError on anything but one sound message."""
    if len(data) > LARGEST_FRAME:
        raise PolicyError(f"A message of {len(data)} bytes is refused; the most is {LARGEST_FRAME}.")
    try:
        return msgpack.unpackb(data, object_hook=_restore)
    except PolicyError:
        raise
    except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException) as error:
        raise PolicyError(f"This is not a msgpack message ({type(error).__name__}: {clip_text(str(error))}).") from error


def _describe(value: Any) -> Any:
    """What msgpack asks for each value that it does not know."""
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"a {type(value).__name__} is neither an array nor a plain value")
    if value.dtype.kind not in KINDS:
        raise ValueError(f"arrays of dtype {value.dtype} are refused")
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}


def _restore(entries: dict[Any, Any]) -> Any:
    """What msgpack asks for each map: an array if it describes one, else the map itself."""
    if b"__ndarray__" in entries:
        dtype, shape, data = _dtype(entries[b"dtype"]), entries[b"shape"], entries[b"data"]
        if not (isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape) and len(shape) <= 8):
            raise PolicyError(f"An array arrived with the shape {clip_text(repr(shape))}.")
        if not isinstance(data, bytes) or math.prod(shape) * dtype.itemsize != len(data):
            raise PolicyError(f"An array of {dtype}{shape} arrived with {len(data) if isinstance(data, bytes) else 'no'} bytes.")
        return np.ndarray(shape, dtype, data)
    if b"__npgeneric__" in entries:
        with np.errstate(over="ignore"):
            return _dtype(entries[b"dtype"]).type(entries[b"data"])
    return entries


def _dtype(text: Any) -> np.dtype[Any]:
    dtype = np.dtype(text) if isinstance(text, str) and DTYPE.fullmatch(text) else None  # numpy would parse far more than these
    if dtype is None or dtype.kind not in KINDS or dtype.itemsize == 0:
        raise PolicyError(f"An array arrived with the dtype {clip_text(repr(text))}; only numbers, booleans and text are accepted.")
    return dtype


# --- what is served ---------------------------------------------------------------------------------------------------------


def write_metadata(spec: PolicySpec, **more: Any) -> bytes:
    """The first frame of a connection: the policy's spec, and `more` plain values that say who serves it."""
    return pack({"saydo": {**more, "spec": spec.model_dump(mode="json")}})


def read_metadata(values: Any) -> tuple[PolicySpec, dict[str, Any]]:
    """(spec, who serves it). Raises PolicyError if the server is not one of saydo's."""
    about = values.get("saydo") if isinstance(values, Mapping) else None
    if not isinstance(about, Mapping) or "spec" not in about:
        raise PolicyError("The server does not say which policy it serves: it is not a saydo server. Start one with `saydo serve`.")
    try:
        return PolicySpec.model_validate(about["spec"]), {key: value for key, value in about.items() if key != "spec"}
    except ValidationError as error:
        raise PolicyError(f"The server describes its policy differently; use one version of saydo on both sides: {error}") from error


# --- a request --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    observation: Observation
    subtask: Subtask
    seq: int | None
    """The number that the reply must carry; None from a client that knows openpi's protocol only."""


def write_request(spec: PolicySpec, observation: Observation, subtask: Subtask, seq: int) -> bytes:
    """Only the cameras of `spec` travel, and the scene only to a policy that sees it. Raises PolicyError if a camera is missing."""
    scene = observation.scene if spec.sees_scene else None
    extras = {
        "seq": seq,
        "tick": int(observation.tick),
        "time": float(observation.time),
        "subtask": subtask.model_dump(),
        "scene": None if scene is None else scene.model_dump_json(),
    }
    if observation.promised is not None:
        extras["promised"] = observation.promised
    images = {f"observation/image/{camera}": _find(observation.images, camera, spec) for camera in spec.cameras}
    return pack({"observation/state": observation.state, **images, "prompt": subtask.words, EXTRAS: extras})


def read_request(values: Any, spec: PolicySpec) -> Request:
    """The request in an unpacked message, checked against `spec`; every PolicyError says which key is wrong and what it should be.

    State: "observation/state" or "state"; any numbers, read as float32. Images: "observation/image/<camera>", "observation/<camera>"
    or "images" → camera, uint8, [h, w, 3] or [3, h, w]. Without `_saydo` the tick is 0 and the subtask is the prompt alone.
    """
    if not isinstance(values, Mapping):
        raise PolicyError(f"A request must be a map; this is {type(values).__name__}.")
    extras = values.get(EXTRAS)
    images = {camera: _image(values, camera) for camera in spec.cameras}
    state = _state(values, spec)
    if extras is None:
        words = values.get("prompt", "")
        if not isinstance(words, str):
            raise PolicyError(f"The 'prompt' must be text; it is {type(words).__name__}.")
        return Request(Observation(0, 0.0, state, images), Subtask(skill="", words=words), None)
    try:
        scene = None if extras["scene"] is None else Scene.model_validate_json(extras["scene"])
        promised = _promised(extras.get("promised"), spec)
        observation = Observation(int(extras["tick"]), float(extras["time"]), state, images, scene, promised)
        return Request(observation, Subtask.model_validate(extras["subtask"]), int(extras["seq"]))
    except (KeyError, TypeError, ValueError) as error:  # pydantic's ValidationError is a ValueError
        raise PolicyError(f"The '{EXTRAS}' of the request cannot be read ({type(error).__name__}: {clip_text(str(error))}).") from error


def _find(images: Mapping[str, Array], camera: str, spec: PolicySpec) -> Array:
    if camera not in images:
        there = ", ".join(images) or "none"
        raise PolicyError(f"Policy '{spec.name}' needs camera '{camera}'; the observation has: {there}.{hint(camera, images)}")
    return images[camera]


def _image(values: Mapping[str, Any], camera: str) -> Array:
    nested = values.get("images")
    places = (values.get(f"observation/image/{camera}"), values.get(f"observation/{camera}"))
    image = next((place for place in places if place is not None), nested.get(camera) if isinstance(nested, Mapping) else None)
    if image is None:
        there = [str(key) for key in values]
        wanted = f"observation/image/{camera}"
        raise PolicyError(f"The request lacks '{wanted}'. It has: {clip_text(', '.join(there), 200)}.{hint(wanted, there)}")
    if isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] != 3 and image.shape[0] == 3:
        image = image.transpose(1, 2, 0)
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size):
        raise PolicyError(f"The image of camera '{camera}' must be uint8[h, w, 3]; it is {_name(image)}.")
    return image


def _state(values: Mapping[str, Any], spec: PolicySpec) -> Array:
    state = values.get("observation/state", values.get("state"))
    width = len(spec.state)
    if not (isinstance(state, np.ndarray) and state.shape == (width,) and state.dtype.kind in "fiu"):
        raise PolicyError(f"'observation/state' must be float32[{width}] ({', '.join(spec.state)}); it is {_name(state)}.")
    state = _float32(state)
    if not np.isfinite(state).all():
        raise PolicyError("'observation/state' holds values that are not finite.")
    return state


def _promised(rows: Any, spec: PolicySpec) -> Array | None:
    width = len(spec.action)
    if rows is None:
        return None
    if not (isinstance(rows, np.ndarray) and rows.ndim == 2 and len(rows) and rows.shape[1] == width and rows.dtype.kind == "f"):
        raise PolicyError(f"The promised rows must be float32[d ≥ 1, {width}] ({', '.join(spec.action)}); they are {_name(rows)}.")
    rows = _float32(rows)
    if not np.isfinite(rows).all():
        raise PolicyError("The promised rows hold values that are not finite.")
    return rows


def _float32(array: Array) -> Array:
    """Too large a number becomes infinite, without a warning: whoever reads it checks."""
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32, copy=False)


def _name(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else "missing" if value is None else type(value).__name__


# --- a reply ----------------------------------------------------------------------------------------------------------------


def write_reply(chunk: Chunk, seq: int | None, server_timing: Mapping[str, float]) -> bytes:
    """`server_timing` in ms. The policy's own stages travel as `policy_timing`, which always says `infer_ms`, as openpi's does."""
    policy_timing = {"infer_ms": float(server_timing["infer_ms"]), **{stage: float(ms) for stage, ms in chunk.timing.items()}}
    values: dict[str, Any] = {"actions": chunk.actions, "policy_timing": policy_timing, "server_timing": dict(server_timing)}
    if seq is not None:
        values[EXTRAS] = {"seq": seq, "tick": int(chunk.start), **({"by": chunk.by} if chunk.by else {})}
    return pack(values)


def read_reply(values: Any, spec: PolicySpec, tick: int) -> tuple[int, Chunk]:
    """(seq, chunk) of an unpacked message; the seq is -1 if none was sent. Raises PolicyError if the policy answered nonsense."""
    if not isinstance(values, Mapping) or not isinstance(values.get("actions"), np.ndarray):
        raise PolicyError(f"The server of policy '{spec.name}' sent a message without 'actions'.")
    extras, stages, server = (values.get(key) or {} for key in (EXTRAS, "policy_timing", "server_timing"))
    try:
        timing = {str(stage): float(ms) for stage, ms in {**stages, **server}.items() if stage != "prev_total_ms"}
        seq, start, by = int(extras.get("seq", -1)), int(extras.get("tick", tick)), str(extras.get("by", ""))
    except (AttributeError, TypeError, ValueError) as error:
        raise PolicyError(f"The server of policy '{spec.name}' sent a reply that cannot be read ({error}).") from error
    actions = values["actions"]
    if actions.ndim != 2 or not len(actions) or actions.dtype.kind != "f":
        raise PolicyError(f"Policy '{spec.name}' must answer float32[H ≥ 1, {len(spec.action)}]; it answered {_name(actions)}.")
    return seq, Chunk(start, _float32(actions), timing, by)


def check_chunk(chunk: Chunk, spec: PolicySpec, tick: int) -> Chunk:
    """The same chunk, if it is one: as wide as the spec says, finite, and for `tick`. Else PolicyError."""
    rows, width = chunk.actions, len(spec.action)
    if rows.shape[1] != width:
        raise PolicyError(f"Policy '{spec.name}' answered {rows.shape[1]} numbers a row instead of {width} ({', '.join(spec.action)}).")
    if not np.isfinite(rows).all():
        raise PolicyError(f"Policy '{spec.name}' answered with {int((~np.isfinite(rows)).sum())} numbers that are not finite.")
    if chunk.start != tick:
        raise PolicyError(f"Policy '{spec.name}' was asked at tick {tick} and answered for tick {chunk.start}.")
    return chunk
