"""No test reaches the network: sockets connect to this machine only. Long runs wait for SAYDO_NIGHTLY=1 (`make nightly`)."""

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
os.environ.setdefault("SAYDO_POLICY_NAME", "oracle")  # exact and quick; tests of learned policies name them
os.environ.pop("OPENAI_API_KEY", None)
os.environ.pop("SAYDO_API_KEY", None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
"""What runs in the background of a shell is started deaf to Ctrl-C, and so would be the programs that tests start and stop."""


settings.register_profile("here", deadline=None)
settings.load_profile("here")


def is_here(address: Any) -> bool:
    """True for Unix sockets and for addresses of this machine."""
    if not isinstance(address, tuple):
        return True
    host = address[0]
    if host in ("localhost", "", "0.0.0.0", "::", socket.gethostname()):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or str(ip) in own_addresses()


def own_addresses() -> set[str]:
    """Addresses of this machine's own name: Ray's processes find each other by them."""
    try:
        return {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and self.type == socket.SOCK_STREAM and not is_here(address):
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither see nor touch what saydo keeps in the user's state folder, such as the address of a running server."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture
def root() -> Path:
    return Path(__file__).parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("SAYDO_NIGHTLY") == "1":
        return
    skip = pytest.mark.skip(reason="long: runs with `make nightly`")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)
