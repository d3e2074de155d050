"""Policies served by Ray Serve: start it, find it, leave it small and quiet.

    with serve_policy(partial(build, …), config.serve) as served, served.policy(deadline_s=5.0) as policy:
        chunk = policy.predict(observation, subtask)

`make` builds the policy inside the replica, in another process: it must be picklable, such as a function of a module, or a
functools.partial of one. Everything listens on this machine alone unless `host` says otherwise. Ray is imported here when it is
started and not before, since its settings are read from the environment at import.
"""

import contextlib
import ipaddress
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent.config import ServeConfig
from agent.errors import PolicyError
from agent.executor.remote import RemotePolicy
from agent.executor.running import Running, announced, find_server, is_alive
from agent.types import Policy

APP = "saydo"
SETTINGS = {
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",  # a port for each replica: 0.3 ms a round trip instead of 5
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",  # no load balancer waits for a replica to leave
    "RAY_SERVE_PORT_QUARANTINE_S": "0",  # a replica that comes back may have its port back
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # else Ray prints what befalls its workers on our standard output
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # Ray's own out-of-memory killer misreads small containers
    "RAY_num_prestart_python_workers": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # replicas see the accelerators of the machine
    "OMP_NUM_THREADS": "1",
}
PORT_TRIES = 3
CLUSTER = "RAY_ADDRESS"
"""Where it names a Ray that runs already, that one is used, and is left running. For replicas on other machines, serve.host in config.yaml
must be one that they have (0.0.0.0)."""
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's switch for "one machine only", named after the systems where it is the default: all of Ray's own ports stay on 127.0.0.1."""


class Served:
    """A policy that is being served, for as long as `serve_policy` is open."""

    def __init__(self, host: str, front: str) -> None:
        self.host = host
        self.front = front
        """ws://… of Serve's own proxy: it outlives replicas, and costs 5 ms a message more than a replica's own address."""

    def addresses(self) -> list[str]:
        """ws://… of each replica that runs now, as Serve's controller knows them; empty while none does."""
        import ray

        if not ray.is_initialized():
            return []
        try:
            groups = ray.get(_controller().get_target_groups.remote(APP), timeout=5.0)
        except (ValueError, ray.exceptions.RayError):  # Ray is going down, or the controller is coming back
            return []
        targets = [target for group in groups for target in group.targets if target.name.startswith("SERVE_REPLICA")]
        return [_address(self.host if _is_loopback(self.host) else target.ip, target.port) for target in targets]

    def policy(self, deadline_s: float) -> RemotePolicy:
        """The served policy, looking like a local one."""
        return RemotePolicy(self.addresses(), deadline_s, resolve=self.addresses)


@contextlib.contextmanager
def serve_policy(
    make: Callable[[], Policy],
    config: ServeConfig,
    progress: Callable[[str], None] = lambda stage: None,
    *,
    port: int | None = None,
    stall_s: float = 60.0,
) -> Iterator[Served]:
    """Serve what `make` builds until the `with` block ends. Raises PolicyError if it is not ready within `config.start_deadline_s`.

    `progress` hears each stage as it begins: "starting Ray", "starting Ray Serve", "loading the policy", "ready".
    `port`: where `Served.front` listens, and the replicas on the ports after it; None: wherever there is room.
    `stall_s`: see Worker. A replica that is stuck, or killed, is replaced by Ray; its robots reconnect.
    """
    deadline = time.monotonic() + config.start_deadline_s
    with contextlib.ExitStack() as stack:
        free = _free_port(config.host, port)
        try:
            progress("starting Ray")
            ours = stack.enter_context(ray_session(config, port))
            progress("starting Ray Serve")
            served = Served(config.host, _start_serve(config.host, free))
        except (RuntimeError, OSError, ValueError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise PolicyError(f"Ray cannot be started: {reason} A policy in this process needs no Ray (--local).") from error
        progress("loading the policy")
        _deploy(make, config, stall_s)
        if not ours:
            stack.callback(_undeploy)
        _wait_ready(served, config.replicas, deadline)
        progress("ready")
        yield served


@contextlib.contextmanager
def ray_session(config: ServeConfig, port: int | None = None) -> Iterator[bool]:
    """Ray, small, quiet and on this machine: True if it was started here, and so ends here; False if this process had one already."""
    first = port + 1 if port else 30000
    last = min(first + 999, 65535)
    ports = {"RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first), "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(last)}
    for name, value in {**SETTINGS, **(LOOPBACK if _is_loopback(config.host) else {})}.items():
        os.environ.setdefault(name, value)
    os.environ.update(ports)
    import ray
    from ray.serve.context import _set_global_client

    if ray.is_initialized():
        yield False
        return
    theirs = bool(os.environ.get(CLUSTER))
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    small = {"num_cpus": config.cpus, "include_dashboard": False, "object_store_memory": 128 << 20}
    with contextlib.nullcontext("") if theirs else _folder() as folder:
        try:
            with _sigterm_kept():
                _begin(ray, **quiet, **({} if theirs else {**small, "_temp_dir": folder}))
            yield not theirs
        finally:
            ray.shutdown()
            _set_global_client(None)  # else the next session would talk to this one's controller


def _begin(ray: Any, **options: Any) -> None:
    """Start Ray; again, if another program took a port between Ray's choosing it and its use."""
    for left in reversed(range(PORT_TRIES)):
        try:
            ray.init(**options)
            return
        except RuntimeError as error:
            ray.shutdown()
            if left == 0 or "Failed to bind" not in str(error):
                raise


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    """A folder for Ray's sockets and logs, whose path must be short. Those of sessions that were killed are swept away first."""
    parent = Path("/tmp") if os.path.isdir("/tmp") else Path(tempfile.gettempdir())
    for old in parent.glob("saydo-*-*"):
        pid = old.name.split("-")[1]
        if pid.isdecimal() and not is_alive(int(pid)):
            shutil.rmtree(old, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"saydo-{os.getpid()}-", dir=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Ray answers SIGTERM with a stack trace and an abort. Afterwards it is answered as before; by default, the process exits in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        default = before in (signal.SIG_DFL, None)
        signal.signal(signal.SIGTERM, (lambda number, frame: sys.exit(128 + number)) if default else before)


def _start_serve(host: str, port: int) -> str:
    """Returns the address of Serve's proxy: at another port than asked for, if Serve runs already."""
    import ray
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    quiet = {"log_level": "WARNING", "enable_access_log": False}
    options = {"host": host, "port": port}
    serve.start(proxy_location="HeadOnly", http_options=options, logging_config=quiet, controller_options=_environment())
    reachable = ray.util.get_node_ip_address() if host in ("0.0.0.0", "::") else host
    return _address(reachable, ray.get(_controller().get_http_config.remote()).port)


def _environment() -> dict[str, Any]:
    """Serve's settings for processes of a cluster that was started by others; those of our own inherit them."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("RAY_SERVE_")}
    return {"runtime_env": {"env_vars": ours}} if os.environ.get(CLUSTER) else {}


def _controller() -> Any:
    import ray

    return ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")


def _deploy(make: Callable[[], Policy], config: ServeConfig, stall_s: float) -> None:
    """Hand the deployment to Serve's controller; returns before it is ready."""
    from ray import serve

    from agent.executor.replica import Replica

    deployment = serve.deployment(serve.ingress()(Replica)).options(
        num_replicas=config.replicas,
        max_ongoing_requests=1000,  # every open websocket holds one of these
        ray_actor_options={"num_cpus": 0, **_environment()},
        graceful_shutdown_timeout_s=1.0,
        health_check_period_s=1.0,
        health_check_timeout_s=30.0,
        max_constructor_retry_count=1,
    )
    about = {"version": version("saydo")}
    app = deployment.bind(make, stall_s, about, _is_loopback(config.host))
    serve.run_many([serve.RunTarget(target=app, name=APP, route_prefix="/")], wait_for_applications_running=False)


def _wait_ready(served: Served, replicas: int, deadline: float) -> None:
    from ray import serve

    while len(served.addresses()) < replicas:
        status = serve.status().applications.get(APP)
        if status is not None and status.status in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise PolicyError(f"The policy cannot be loaded: {_last_line(status)}")
        if time.monotonic() > deadline:
            state = "unknown" if status is None else str(status.status.value)
            raise PolicyError(f"Ray Serve was not ready in time (it is {state}). Give it longer: serve.start_deadline_s in config.yaml.")
        time.sleep(0.05)


def _undeploy() -> None:
    from ray import serve

    serve.delete(APP)


def _last_line(status: Any) -> str:
    """What Serve says went wrong: the last line of the traceback that it passes on."""
    messages = [status.message, *(deployment.message for deployment in status.deployments.values())]
    lines = [line.strip() for message in messages for line in message.splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "Exception" in line]
    return (told or lines or ["Ray Serve gives no reason"])[-1]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(host: str, port: int) -> str:
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


def _free_port(host: str, wanted: int | None) -> int:
    """The wanted port, or any. Raises PolicyError if it cannot be had."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            probe.bind((host, wanted or 0))
        except OSError as error:
            place = f"{host}:{wanted or 'any port'}"
            raise PolicyError(f"Nothing can listen on {place}: {error.strerror}. Choose another host or port.") from error
        return int(probe.getsockname()[1])


__all__ = ["RemotePolicy", "Running", "Served", "announced", "find_server", "ray_session", "serve_policy"]
