"""An Endpoint as a Ray Serve deployment. Imported where Ray runs only: agent/executor/serve.py sets Ray's environment first.

Each replica listens on a port of its own (Serve's direct ingress): its websockets do not pass through Serve's Python proxy, which
costs 5 ms a message more.
"""

from collections.abc import Callable, Mapping
from typing import Any

import ray.serve._private.replica as serve_replica
from fastapi import FastAPI

from agent.executor.endpoint import Endpoint
from agent.types import Policy


class Replica:
    """One process that answers for one policy."""

    def __init__(self, make: Callable[[], Policy], stall_s: float, about: Mapping[str, Any], loopback: bool) -> None:
        if loopback:
            close_side_door()
        self.endpoint = Endpoint(make(), stall_s, about)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self.endpoint.app()

    def check_health(self) -> None:
        """Serve asks every second, and replaces a replica that has failed this three times in a row."""
        self.endpoint.worker.check()


def close_side_door() -> None:
    """Serve opens a second port in each replica, for calls from other deployments: on all interfaces, reading pickles, asking for no
    token. Nobody here calls that way from another machine, so it is bound to loopback."""
    bind = serve_replica.add_port_to_grpc_server
    serve_replica.add_port_to_grpc_server = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))
