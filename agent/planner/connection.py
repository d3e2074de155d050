"""The one seam to model servers: every request to any OpenAI-compatible server goes through `ModelServer.ask`.

Deadlines are for the whole answer, retries included: a server that drips bytes is given up on like one that is silent. 429 is waited out
as long as its Retry-After fits in the deadline; 5xx and broken connections are tried again shortly. Whatever ends in no answer is a
ModelServerError that says what was asked of whom, what happened, and what to do.
"""

import ipaddress
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
from openai import OpenAI

from agent.config import PlannerConfig
from agent.errors import ModelServerError
from agent.types import clip_text

Answer = TypeVar("Answer")
Client = OpenAI
"""The SDK's client; what a scorer sends its request with."""
TRIES = 3
"""For errors that come at once (5xx, broken connection); 429 is tried as often as the deadline allows."""
PAUSE_S = 0.4
INSTEAD = "or set planner.model to null in config.yaml to use the embedded scorer"


class Unsupported(Exception):
    """The server understood the request and does not offer this capability: the next rung of the ladder is tried."""


class ModelServer:
    """A connection to the configured server."""

    def __init__(self, config: PlannerConfig) -> None:
        if config.model is None:
            raise ModelServerError("No model is configured: set planner.model in config.yaml.")
        self.model, self.deadline_s = config.model, config.deadline_s
        self.url = config.base_url or "https://api.openai.com/v1"
        key = config.api_key
        self._key = key.get_secret_value() if key else "none"
        self._client: OpenAI | None = None

    @property
    def name(self) -> str:
        """ "model 'x' at http://…": for messages; without a user name or password that the URL may hold."""
        parts = urlsplit(self.url)
        return f"model '{self.model}' at {parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def ask(self, what: str, send: Callable[[OpenAI], Any], read: Callable[[Any], Answer]) -> Answer:
        """Send one request, retried within the deadline, and read its answer. what: "choose the next step", for the error message.

        Raises ModelServerError when no answer came or none that can be read, Unsupported when the server says that it has no such endpoint
        or option. The SDK does not check answers, so whatever `read` trips over is the server's nonsense.
        """
        answer = self._send(what, send)
        try:
            return read(answer)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise self.garbage(what, f"{error} in {answer}") from error

    def _send(self, what: str, send: Callable[[OpenAI], Any]) -> Any:
        end = time.monotonic() + self.deadline_s
        for attempt in range(1, 100):
            try:
                return within(end - time.monotonic(), lambda: send(self._connected(end)))
            except TimeoutError as error:
                self.close()
                raise self._failed(what, f"it did not answer within {self.deadline_s:g} s", "Raise planner.deadline_s") from error
            except (openai.APIStatusError, openai.APIError, httpx2.HTTPError, ValueError) as error:
                wait = self._wait(error, attempt)
                if wait is None or time.monotonic() + wait >= end:
                    raise self._explained(what, error, wait) from error
                time.sleep(wait)
        raise self._failed(what, "it asked to wait again and again", "Wait a while")

    def _connected(self, end: float) -> OpenAI:
        if self._client is None:
            own = httpx2.Client(trust_env=not is_local(self.url), timeout=max(0.1, end - time.monotonic()))
            self._client = OpenAI(api_key=self._key, base_url=self.url, max_retries=0, http_client=own)
        return self._client.with_options(timeout=max(0.1, end - time.monotonic()))

    def _wait(self, error: Exception, attempt: int) -> float | None:
        """Seconds until the next try; None if trying again would not help."""
        status = getattr(error, "status_code", None)
        if status == 429:
            asked = retry_after(error)
            return PAUSE_S * attempt if asked is None else max(0.05, asked)
        again = status in (408, 409) or (status or 0) >= 500 or isinstance(error, openai.APIConnectionError | httpx2.TransportError)
        if status == 501 or not again or attempt >= TRIES:
            return None
        return retry_after(error) or PAUSE_S * attempt

    def _explained(self, what: str, error: Exception, wait: float | None) -> Exception:
        """The error in plain words; an Unsupported where the server merely lacks the capability."""
        status = getattr(error, "status_code", None)
        said = clip_text(self._safe(str(getattr(error, "message", error))), 200)
        match status:
            case 401 | 403:
                return self._failed(what, f"it refused the key ({status})", "Set SAYDO_API_KEY to a key for this server")
            case 429:
                asked = f"; it asks to wait {wait:g} s" if wait else ""
                return self._failed(
                    what, f"it is over its limit (429){asked}, which is past the deadline", "Raise planner.deadline_s, wait a while"
                )
            case 404 | 405 | 400 | 415 | 422 | 501:
                return Unsupported(f"{self.name} answered {status}: {said}")
            case None if isinstance(error, openai.APITimeoutError):
                return self._failed(what, f"it did not answer within {self.deadline_s:g} s", "Raise planner.deadline_s")
            case None if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
                cause = self._safe(str(error.__cause__ or error)) or type(error.__cause__ or error).__name__
                broken = isinstance(error.__cause__ or error, httpx2.RemoteProtocolError | httpx2.ReadError)
                happened = f"the connection broke in the middle of the answer ({cause})" if broken else f"it cannot be reached ({cause})"
                return self._failed(what, happened, "Look into its log" if broken else "Start it, correct planner.base_url")
            case None:
                return self._failed(
                    what, f"its answer made no sense ({said})", "Check that planner.base_url is an OpenAI-compatible server"
                )
        return self._failed(what, f"it failed with {status} ({said})", "Look into its log")

    def garbage(self, what: str, said: str) -> ModelServerError:
        """For answers that arrived whole and do not hold what was asked for."""
        return self._failed(what, f"its answer made no sense ({clip_text(self._safe(said), 200)})", "Try another model or server")

    def _failed(self, what: str, happened: str, remedy: str) -> ModelServerError:
        return ModelServerError(f"I asked {self.name} to {what}, but {happened}. {remedy}, {INSTEAD}.")

    def _safe(self, text: str) -> str:
        """Never the key, not even where a server repeats it."""
        text = " ".join(text.split())
        return text.replace(self._key, "…") if len(self._key) > 5 else text


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """Run on a thread of its own; TimeoutError after `seconds`, whatever the work is stuck in."""
    done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=run, name="saydo-model-server", daemon=True).start()
    try:
        answer, error = done.get(timeout=max(0.0, seconds))
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return answer


def retry_after(error: Exception) -> float | None:
    """Seconds from a Retry-After header, as a number or a date; None if there is none."""
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after") if response is not None else None
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def is_local(url: str) -> bool:
    """Servers on this machine are reached directly, whatever proxy the environment names."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
