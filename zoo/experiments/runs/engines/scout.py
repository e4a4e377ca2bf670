"""Look at a Ray cluster from a process of its own: does it answer, and does it demand a token?

Ray itself waits a minute and more for a cluster that is not there, prints on the way, and remembers in its process
whether it uses tokens.
"""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from zoo.errors import RunError

PATIENCE = 20.0
"""Seconds that a cluster may take to answer."""
REACH = 3.0
"""Seconds that a connection may take."""
QUICK = {"RAY_gcs_rpc_server_connect_timeout_s": "3", "RAY_gcs_server_request_timeout_seconds": "5"}


class Found(NamedTuple):
    """A cluster that answers."""

    address: str
    demands_token: bool


def find_cluster(address: str) -> Found:
    """Find a cluster and what it demands.

    Args:
        address: "auto", "ray://host:port" or "host:port".

    Raises:
        RunError: there is none, or it refuses the token of this user.
    """
    first = _scout(address, "disabled")
    if first != "token":
        return Found(first, demands_token=False)
    with suppress(RunError):  # without any token Ray ends the process
        if (second := _scout(address, "token")) != "token":
            return Found(second, demands_token=True)
    raise RunError(
        f"The Ray cluster at '{address}' demands a token, and the one here is missing or another: put it in "
        "~/.ray/auth_token, or in RAY_AUTH_TOKEN."
    )


def demands_token(address: str) -> bool:
    """Return whether a cluster answers only to those who know its token.

    Raises:
        RunError: there is no cluster.
    """
    return _scout(address, "disabled") == "token"


def _scout(address: str, mode: str) -> str:
    """Return the address of a cluster, resolved; "token" if it refuses.

    Raises:
        RunError: there is none.
    """
    command = [sys.executable, "-m", __name__, address]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **QUICK, "RAY_AUTH_MODE": mode},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        answer = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        answer = {"problem": f"what is at '{address}' does not answer as a Ray cluster"}
    if "problem" in answer:
        raise RunError(f"No Ray cluster: {answer['problem']}. `ray start --head` starts one; --address names it.")
    return str(answer["answer"])


def look(address: str) -> dict[str, str]:
    """Look at a cluster, in a process that does nothing else."""
    wanted = address
    if address == "auto":
        address = import_module("ray._private.services").get_ray_address_from_environment("auto", None) or "auto"
        if address == "auto":
            return {"problem": "none runs on this machine, and RAY_ADDRESS names none"}
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return {"problem": f"'{address}' is not auto, local, host:port or ray://host:port"}
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH).close()
    except (OSError, OverflowError) as error:
        named = "" if wanted == address else f" (the address that '{wanted}' stands for)"
        return {"problem": f"nothing answers at {address}{named}: {str(error).rpartition('] ')[2]}"}
    if address.startswith("ray://") and find_spec("grpc") is None:
        return {"problem": f"'{address}' takes Ray's client, which is not installed: pip install 'ray[client]'"}
    knows = _ask_client_server(f"{host}:{port}") if address.startswith("ray://") else _ask_head(address)
    return {"answer": address if knows else "token"}


def _ask_head(address: str) -> bool:
    """Return whether the head node answers without a better token."""
    try:
        import_module("ray._raylet").GcsClient(address=address)
    except import_module("ray.exceptions").AuthenticationError:
        return False
    return True


def _ask_client_server(address: str) -> bool:
    """Return whether the server of Ray's client answers without a better token."""
    grpc, channels = import_module("grpc"), import_module("ray._private.grpc_utils")
    messages, services = (
        import_module(f"ray.core.generated.{name}") for name in ("ray_client_pb2", "ray_client_pb2_grpc")
    )
    server = services.RayletDriverStub(channels.init_grpc_channel(address))
    ping = messages.ClusterInfoRequest(type=messages.ClusterInfoType.PING)
    try:
        server.ClusterInfo(ping, timeout=REACH)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            return False
        raise
    return True


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1])))
