"""What answers robots: one policy, one thread that runs it, any number of websockets.

The event loop only moves bytes; the model runs on the worker's thread, so that handshakes, pings and health checks never wait for
it. Of each robot only the newest request waits: when it asks again before its turn, the older question is dropped. Nothing here
knows Ray; agent/executor/replica.py hangs it into Ray Serve.
"""

import asyncio
import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect

from agent.errors import PolicyError, SaydoError
from agent.executor.wire import CLOSE_TROUBLE, check_chunk, read_request, unpack, write_metadata, write_reply
from agent.types import Chunk, Observation, Policy, Subtask, clip_text

log = logging.getLogger("saydo.serve")


class Superseded(Exception):
    """The robot has asked again since; nobody waits for this answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    observation: Observation
    subtask: Subtask
    answer: "Future[tuple[Chunk, dict[str, float]]]" = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)


class Worker:
    """The one thread on which the policy runs; first come, first served, one waiting question per robot."""

    def __init__(self, policy: Policy, stall_s: float = 60.0) -> None:
        """`stall_s`: an answer that takes longer, and longer than 3 × the slow end (p99) of the recent ones, counts as stuck."""
        self.policy, self.stall_s = policy, stall_s
        self._waiting: dict[Hashable, Question] = {}
        self._arrival = threading.Condition()
        self._busy_since: float | None = None
        self._seconds: deque[float] = deque(maxlen=200)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"policy {policy.spec.name}", daemon=True)
        self._thread.start()

    def ask(self, robot: Hashable, observation: Observation, subtask: Subtask) -> "Future[tuple[Chunk, dict[str, float]]]":
        """The answer to come: (chunk, {"queue_ms", "infer_ms"}). An older waiting question of `robot` fails with Superseded; the new
        one takes its place in the line."""
        question = Question(observation, subtask)
        with self._arrival:
            older = self._waiting.get(robot)
            self._waiting[robot] = question
            self._arrival.notify()
        if older is not None and older.answer.set_running_or_notify_cancel():
            older.answer.set_exception(Superseded())
        return question.answer

    def check(self) -> None:
        """Raises PolicyError if the thread has ended, or has been busy with one question for too long."""
        since = self._busy_since
        if not self._thread.is_alive() and not self._closed:
            raise PolicyError(f"The thread of policy '{self.policy.spec.name}' has ended.")
        if since is not None and (busy := time.monotonic() - since) > self.patience_s():
            raise PolicyError(f"Policy '{self.policy.spec.name}' has been busy with one question for {busy:.0f} s.")

    def patience_s(self) -> float:
        recent = sorted(self._seconds)
        return max(self.stall_s, 3 * recent[int(0.99 * (len(recent) - 1))] if recent else 0.0)

    def close(self) -> None:
        with self._arrival:
            self._closed = True
            self._arrival.notify()

    def _run(self) -> None:
        while True:
            with self._arrival:
                self._arrival.wait_for(lambda: bool(self._waiting) or self._closed)
                if self._closed:
                    return
                question = self._waiting.pop(next(iter(self._waiting)))
            if question.answer.set_running_or_notify_cancel():
                self._answer(question)

    def _answer(self, question: Question) -> None:
        started = self._busy_since = time.monotonic()
        try:
            chunk = self.policy.predict(question.observation, question.subtask)
            check_chunk(chunk, self.policy.spec, question.observation.tick)
        except Exception as error:  # whatever a policy raises is the asker's to know, and must not end the thread
            question.answer.set_exception(error)
            return
        finally:
            self._busy_since = None
            self._seconds.append(time.monotonic() - started)
        timing = {"queue_ms": 1e3 * (started - question.arrived), "infer_ms": 1e3 * self._seconds[-1]}
        question.answer.set_result((chunk, timing))


class Endpoint:
    """One policy, answering over openpi's websocket protocol."""

    def __init__(self, policy: Policy, stall_s: float = 60.0, about: Mapping[str, Any] | None = None) -> None:
        self.worker = Worker(policy, stall_s)
        self.metadata = write_metadata(policy.spec, pid=os.getpid(), **(about or {}))
        self._robots = itertools.count()

    def app(self) -> FastAPI:
        """What an ASGI server runs: a websocket on every path, /healthz, and 426 for browsers that came by."""
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.add_api_websocket_route("/{path:path}", self.serve)
        app.add_api_route("/healthz", self.healthz)
        app.add_api_route("/{path:path}", refuse_browser)
        return app

    def healthz(self) -> Response:
        try:
            self.worker.check()
        except PolicyError as error:
            return Response(f"{error}\n", 503, media_type="text/plain")
        return Response("OK\n", media_type="text/plain")

    async def serve(self, socket: WebSocket) -> None:
        """Talk to one robot until it leaves, or until something goes wrong: then say so in one sentence and close."""
        await socket.accept()
        try:
            await self._talk(socket)
        except* WebSocketDisconnect:
            log.debug("a client left")
        except* Exception as group:
            await _complain(socket, self._sentence(next(_leaves(group))))

    async def _talk(self, socket: WebSocket) -> None:
        await socket.send_bytes(self.metadata)
        robot, totals = next(self._robots), deque[float](maxlen=1)
        async with asyncio.TaskGroup() as answers:
            for count in itertools.count():
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message.get("code") or 1005)
                data = message.get("bytes")
                if data is None:
                    raise PolicyError("A request must be a binary frame of msgpack; this was a text frame.")
                answers.create_task(self._reply(socket, robot, count, data, totals))

    async def _reply(self, socket: WebSocket, robot: int, count: int, data: bytes, totals: "deque[float]") -> None:
        arrived = time.monotonic()
        request = read_request(unpack(data), self.worker.policy.spec)
        asker = robot if request.seq is not None else (robot, count)
        try:
            chunk, timing = await asyncio.wrap_future(self.worker.ask(asker, request.observation, request.subtask))
        except Superseded:
            return
        if totals:
            timing["prev_total_ms"] = totals[0]
        await socket.send_bytes(write_reply(chunk, request.seq, timing))
        totals.append(1e3 * (time.monotonic() - arrived))

    def _sentence(self, error: BaseException) -> str:
        """What a client may know. The traceback stays in the server's log."""
        if isinstance(error, SaydoError):
            log.warning("refused: %s", error)
            return str(error)
        log.error("policy failed", exc_info=error)
        return f"Policy '{self.worker.policy.spec.name}' failed with {type(error).__name__}: {clip_text(str(error), 200)}"


def refuse_browser(path: str) -> Response:
    return Response("This is a policy server: it speaks msgpack over a websocket.\n", 426, {"Upgrade": "websocket"}, "text/plain")


async def _complain(socket: WebSocket, sentence: str) -> None:
    try:
        await socket.send_text(sentence)
        await socket.close(CLOSE_TROUBLE, "Internal server error. What went wrong is in the previous frame.")
    except (WebSocketDisconnect, RuntimeError):  # it left before it could be told
        log.info("a client left before it could be told: %s", sentence)


def _leaves(group: BaseExceptionGroup[Exception]) -> "itertools.chain[BaseException]":
    """The exceptions inside nested groups, in order."""
    return itertools.chain.from_iterable(
        _leaves(error) if isinstance(error, BaseExceptionGroup) else (error,) for error in group.exceptions
    )


__all__ = ["Endpoint", "Question", "Superseded", "Worker"]
