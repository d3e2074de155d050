"""A policy in another process, looking like a local one: the client side of the wire."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from agent.errors import PolicyError
from agent.executor.wire import LARGEST_FRAME, check_chunk, read_metadata, read_reply, unpack, write_request
from agent.types import Chunk, Observation, PolicySpec, Subtask, clip_text

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
"""Between attempts to connect: the first pause, doubled each time up to the longest."""


class RemotePolicy:
    """A Policy that asks a server over openpi's websocket protocol.

    Every wait ends at `deadline_s`. A request that was given up is never answered late: replies are matched by number. When the
    connection is lost the request in flight fails at once, and the next `predict` connects again, to whatever `resolve` names
    then. One request at a time; calls from several threads wait for each other.
    """

    def __init__(self, addresses: str | Sequence[str], deadline_s: float, resolve: Callable[[], Sequence[str]] | None = None) -> None:
        """Connects, and so learns `spec`. Raises PolicyError if no server answers within `deadline_s`.

        addresses: ws://host:port of servers that serve the same policy; any of them may be asked.
        resolve: says where the servers are now; asked when the known addresses do not answer.
        """
        self.deadline_s = deadline_s
        self.about: dict[str, Any] = {}
        """Who serves it, in the server's own words: {"pid": …, "version": …}."""
        self._addresses = [addresses] if isinstance(addresses, str) else list(addresses)
        self._resolve = resolve
        self._turn = os.getpid()  # robots start at different replicas
        self._seq = 0
        self._lock = threading.Lock()
        self._connection = contextlib.ExitStack()
        self._socket: ClientConnection | None = None
        self._spec: PolicySpec | None = None
        self._given_up = False  # this connection may still bring the answer to a request that was given up
        self._connected(time.monotonic() + deadline_s)
        assert self._spec is not None
        self.spec: PolicySpec = self._spec

    def predict(self, observation: Observation, subtask: Subtask) -> Chunk:
        """Timing, ms: `trip_ms` from here to here, of which `queue_ms` waiting for the model's thread and `infer_ms` on it.

        Raises PolicyError: too late, or connection lost or refused; asking again later may help. Where the server did answer, with
        trouble or with nonsense, the error says `refused = True`: it is there, and asking the same again is no use.
        """
        deadline = time.monotonic() + self.deadline_s
        if not self._lock.acquire(timeout=self.deadline_s):
            raise self._late()
        try:
            socket = self._connected(deadline)
            self._seq += 1
            started = time.perf_counter()
            try:
                socket.socket.settimeout(max(0.001, deadline - time.monotonic()))  # bounds the sending, which has no deadline else
                socket.send(write_request(self.spec, observation, subtask, self._seq))
                chunk = self._receive(socket, self._seq, observation.tick, deadline)
            except (OSError, WebSocketException) as error:
                if isinstance(error, TimeoutError):
                    self._given_up = True
                    raise self._late() from error
                self._drop()
                raise PolicyError(f"The connection to policy '{self.spec.name}' was lost while it was asked ({_why(error)}).") from error
            trip_ms = 1e3 * (time.perf_counter() - started)
        finally:
            self._lock.release()
        return replace(chunk, timing={**chunk.timing, "trip_ms": trip_ms})

    def close(self) -> None:
        """Leave the server. A later `predict` would connect again."""
        with self._lock:
            self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _receive(self, socket: ClientConnection, seq: int, tick: int, deadline: float) -> Chunk:
        """The reply to `seq`; those to earlier numbers, which were given up, are dropped."""
        while True:
            frame = socket.recv(timeout=max(0.0, deadline - time.monotonic()))
            if isinstance(frame, str):
                sentence = frame.strip() or f"The server of policy '{self.spec.name}' refused without a word."
                error = PolicyError(sentence) if self._given_up else _refusal(sentence)  # trouble has no number: whose is it?
                self._drop()
                raise error
            try:
                got, chunk = read_reply(unpack(frame), self.spec, tick)
                if got == seq:
                    self._given_up = False
                    return check_chunk(chunk, self.spec, tick)
            except PolicyError as error:
                self._drop()
                raise _refusal(str(error)) from error
            if got > seq or got < 0:
                self._drop()
                raise _refusal(f"The server of policy '{self.spec.name}' answered request {got}; it was asked request {seq}.")

    def _connected(self, deadline: float) -> ClientConnection:
        """The open connection, or a new one: every address in turn, then a growing pause, until the deadline."""
        pause, reason = FIRST_PAUSE_S, "no server is known"
        while self._socket is None:
            for address in self._candidates():
                try:
                    return self._open(address, deadline)
                except (OSError, WebSocketException) as error:
                    reason = f"{address}: {_why(error)}"
                    self._drop()
            if time.monotonic() + pause > deadline:
                raise PolicyError(f"No policy server could be reached within {self.deadline_s:g} s ({reason}). Is `saydo serve` running?")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            if self._resolve is not None:
                self._addresses = list(self._resolve())
        return self._socket

    def _candidates(self) -> list[str]:
        if not self._addresses:
            return []
        self._turn += 1
        first = self._turn % len(self._addresses)
        return self._addresses[first:] + self._addresses[:first]

    def _open(self, address: str, deadline: float) -> ClientConnection:
        """Connect and read who is there. Raises PolicyError if it is another policy than before."""
        left = max(0.001, deadline - time.monotonic())
        try:
            socket = self._connection.enter_context(
                connect(address, open_timeout=left, close_timeout=0.5, compression=None, max_size=LARGEST_FRAME, proxy=None)
            )
        except InvalidURI as error:
            raise PolicyError(f"'{address}' is not the address of a policy server; one looks like ws://127.0.0.1:8000.") from error
        frame = socket.recv(timeout=max(0.001, deadline - time.monotonic()))
        try:
            spec, about = read_metadata(unpack(frame) if isinstance(frame, bytes) else None)
            if self._spec is not None and spec != self._spec:
                raise _refusal(f"{address} serves another policy now: '{spec.name}', not '{self._spec.name}' as before.")
        except PolicyError:
            self._drop()
            raise
        self._spec, self.about, self._socket = spec, about, socket
        return socket

    def _drop(self) -> None:
        self._socket, self._given_up = None, False
        with contextlib.suppress(OSError, WebSocketException):
            self._connection.close()

    def _late(self) -> PolicyError:
        return PolicyError(f"Policy '{self.spec.name}' did not answer within {self.deadline_s:g} s.")


def _refusal(sentence: str) -> PolicyError:
    error = PolicyError(sentence)
    error.refused = True
    return error


def _why(error: BaseException) -> str:
    return clip_text(str(error) or type(error).__name__)
