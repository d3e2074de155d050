"""A server that stays up, for others of the same user to find: a small file says where it is."""

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from agent.executor.remote import RemotePolicy

log = logging.getLogger("saydo.serve")


class Server(Protocol):
    """What `announced` needs of agent.executor.serve.Served."""

    front: str

    def addresses(self) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Running:
    """What a server says of itself in `state_file()`."""

    policy: str
    pid: int
    version: str
    front: str
    addresses: list[str]

    def connect(self, deadline_s: float) -> RemotePolicy:
        return RemotePolicy(self.addresses, deadline_s, resolve=_running_addresses)


def state_file() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "saydo" / "serve.json"


@contextlib.contextmanager
def announced(served: Server, policy: str) -> Iterator[None]:
    """Say in `state_file()` where the server is, as long as the `with` block lasts; kept true when replicas move. Where nothing can
    be written the server is merely not found by itself."""
    path, over = state_file(), threading.Event()

    def write(addresses: list[str]) -> None:
        fresh = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(asdict(Running(policy, os.getpid(), version("saydo"), served.front, addresses))))
            fresh.replace(path)
        except OSError as error:
            log.warning("%s cannot be written, so others will not find this server: %s", path, error)

    def follow(known: list[str]) -> None:
        while not over.wait(1.0):
            if (now := served.addresses()) and now != known:
                write(known := now)

    first = served.addresses()
    write(first)
    follower = threading.Thread(target=follow, args=(first,), daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join(timeout=10.0)
        if (running := _read_state()) is not None and running.pid == os.getpid():
            path.unlink(missing_ok=True)


def find_server() -> Running | None:
    """The server that stays up for this user, if one does and answers."""
    running = _read_state()
    if running is None or not is_alive(running.pid):
        return None
    return running if any(_answers(address) for address in (*running.addresses, running.front)) else None


def _running_addresses() -> list[str]:
    running = _read_state()
    return [] if running is None else running.addresses


def _read_state() -> Running | None:
    try:
        return Running(**json.loads(state_file().read_text()))
    except (OSError, ValueError, TypeError):  # none there, or not one of this version
        return None


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _answers(address: str) -> bool:
    host, _, port = address.removeprefix("ws://").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1.0):
            return True
    except (OSError, ValueError):
        return False
