"""A real model server on loopback for tests: HTTP over a socket, a small model behind it, and bad manners on order.

It speaks /v1/models, /v1/decisions and /v1/chat/completions (log-probabilities, JSON). The model reads the menu in the prompt, as a
language model would, and likes the options that share words with what the person said last, unless a test names its favourite.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp, log
from typing import Any

MODEL = "tiny-overlap"
KEY = "sk-test-0123456789"


@dataclass
class Manners:
    """How the server behaves; tests change it while it runs."""

    decisions: bool = True
    logprobs: int = 20
    """Most alternatives a token comes with; 0: none, silently."""
    schema: bool = True
    chat: bool = True
    images: bool = True
    old_names: bool = False
    """Knows max_tokens only."""
    bad: str = ""
    """ "", "silent", "drip", "garbage", "nonsense", "401", "429", "500", "half": from request number `bad_from` on."""
    bad_from: int = 0
    bad_times: int = 10_000
    """So many bad answers, then good ones."""
    retry_after: str | None = None
    favourite: str = ""
    second: str = ""
    letter_bias: float = 0.0
    """Log-probability that the letter A gets for being A."""
    off_letters: float = 0.0
    """Probability that goes to a token that is no letter."""
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Requests: (path, body)."""
    keys: list[str] = field(default_factory=list)


class ModelHandler(BaseHTTPRequestHandler):
    manners: Manners
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Head and body in one packet."""

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.answer("GET", {})

    def do_POST(self) -> None:
        self.answer("POST", json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def answer(self, method: str, body: dict[str, Any]) -> None:
        m = self.manners
        number = len(m.seen)
        m.seen.append((self.path, body))
        m.keys.append(self.headers.get("authorization", ""))
        if m.bad and m.bad_from <= number < m.bad_from + m.bad_times:
            return self.misbehave(m.bad)
        if method == "GET":
            return self.send(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}]})
        if self.path.endswith("/decisions") and m.decisions:
            return self.decide(body)
        if self.path.endswith("/chat/completions") and m.chat:
            return self.chat(body)
        return self.send(404, {"error": {"message": f"no such endpoint: {self.path}"}})

    def misbehave(self, how: str) -> None:
        if how == "silent":
            time.sleep(3.0)
            return self.send(200, {})
        if how == "drip":
            self.head(200, "application/json", 100)
            for _ in range(30):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)
            return None
        if how == "garbage":
            return self.raw(200, b"\x00\xff<html>not json", "application/json")
        if how == "nonsense":
            return self.send(200, {"answers": [{"type": "choice", "probabilities": "many"}], "choices": [{"message": None}], "data": 3})
        if how == "half":
            whole = json.dumps({"answers": [{"type": "choice", "probabilities": []}]}).encode()
            self.head(200, "application/json", len(whole) + 500)
            self.wfile.write(whole)
            self.wfile.flush()
            self.close_connection = True
            return None
        error = {"error": {"message": f"error {how}, key {KEY}"}}
        return self.send(int(how), error, {"retry-after": self.manners.retry_after} if self.manners.retry_after else {})

    def decide(self, body: dict[str, Any]) -> None:
        answers = []
        for question in body["questions"]:
            if question["type"] == "predicate":
                answers.append({"type": "predicate", "name": question.get("name"), "probability": 0.97})
                continue
            values = [choice["value"] for choice in question["choices"]]
            chances = self.think(str(body["input"]), values)
            best = max(zip(values, chances, strict=True), key=lambda pair: pair[1])
            rows = [{"value": value, "probability": p} for value, p in zip(values, chances, strict=True)]
            answers.append(
                {"type": "choice", "name": question.get("name"), "choice": best[0], "confidence": best[1], "probabilities": rows}
            )
        usage = {"input_tokens": 1, "output_tokens": 0, "total_tokens": 1}
        self.send(200, {"answers": answers, "model": MODEL, "usage": usage})

    def chat(self, body: dict[str, Any]) -> None:
        m = self.manners
        if m.old_names and "max_completion_tokens" in body:
            return self.send(400, {"error": {"message": "unknown field max_completion_tokens"}})
        if body.get("top_logprobs", 0) > m.logprobs > 0:
            return self.send(400, {"error": {"message": f"top_logprobs must be at most {m.logprobs}"}})
        if "response_format" in body and not m.schema:
            return self.send(400, {"error": {"message": "response_format is not supported"}})
        content = body["messages"][-1]["content"]
        if isinstance(content, list):
            if not m.images:
                return self.send(400, {"error": {"message": "this model does not take images"}})
            content = " ".join(part.get("text", "") for part in content)
        menu = re.findall(r"^([A-Z])\. (.+)$", content, flags=re.M)
        chances = self.think(content, [words for _, words in menu]) if menu else [1.0]
        letters = [letter for letter, _ in menu] or ["A"]
        biased = [log(max(p, 1e-9)) + (m.letter_bias if letter == "A" else 0.0) for letter, p in zip(letters, chances, strict=True)]
        total = sum(exp(value) for value in biased) / (1 - m.off_letters)
        logs = sorted(((value - log(total), letter) for value, letter in zip(biased, letters, strict=True)), reverse=True)
        if "response_format" in body or not body.get("logprobs"):
            ratings = {letter: round(100 * p) for letter, p in zip(letters, chances, strict=True)}
            return self.send(200, completion(f"Here you are:\n```json\n{json.dumps(ratings)}\n```", None))
        listed = [{"token": letter, "logprob": value, "bytes": None} for value, letter in logs]
        if m.off_letters:
            listed.append({"token": "The", "logprob": log(m.off_letters), "bytes": None})
        listed += [{"token": f"word{i}", "logprob": -14.0 - i, "bytes": None} for i in range(20)]
        listed = sorted(listed, key=lambda item: -float(item["logprob"]))[: body["top_logprobs"]]
        logprobs = {"content": [{**listed[0], "top_logprobs": listed}]} if m.logprobs else None
        return self.send(200, completion(str(listed[0]["token"]), logprobs))

    def think(self, prompt: str, options: list[str]) -> list[float]:
        """A probability for each option."""
        m = self.manners
        if m.favourite in options:
            weights = [60.0 if option == m.favourite else 55.0 if option == m.second else 1.0 for option in options]
        else:
            said = re.findall(r"^\d+\. (.+)$", prompt.replace("\\n", "\n"), flags=re.M)
            words = set((said[-1] if said else prompt).lower().replace(".", " ").split())
            weights = [exp(1.5 * len(words & set(option.split()))) for option in options]
        return [weight / sum(weights) for weight in weights]

    def send(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.raw(status, json.dumps(body).encode(), "application/json", headers)

    def raw(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        try:
            self.head(status, kind, len(data), headers)
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # the client has given up, as it should

    def head(self, status: int, kind: str, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()


def completion(text: str, logprobs: dict[str, Any] | None) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}, "logprobs": logprobs}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}


@contextmanager
def model_server(**manners: Any) -> Iterator[tuple[str, Manners]]:
    """(base URL, manners) of a server that runs for the length of the with block."""
    own = Manners(**manners)
    handler = type("Handler", (ModelHandler,), {"manners": own})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", own
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
