"""Whether an address is one of a cluster that this Ray can join, found out before anything large is imported."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from functools import cache
from importlib import import_module
from typing import Any

from bittrue.engines.facts import installed
from bittrue.errors import BittrueError

SECONDS_TO_ANSWER = 3.0
SECONDS_TO_TELL = 4.0
"""What an address has to take a connection, and then to say which cluster it is, once Ray is imported: less than 10 s
together, which Ray itself would take four times."""

PORT = "6379"
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
PROBE = """
import sys
from ray._raylet import GcsClient
print("asking", flush=True)
print(GcsClient(address=sys.argv[1]).internal_kv_get(b"CLUSTER_METADATA", b"cluster", timeout=4).decode())
"""

AUTH_MODE = "RAY_AUTH_MODE"
REFUSALS = ("Unauthenticated", "InvalidAuthToken")


def ray_module() -> Any:
    """Ray, told to be quiet. Raises: BittrueError where it isn't installed."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        return import_module("ray")
    except ImportError:
        raise BittrueError(
            "The engine ray needs Ray, which isn't installed: pip install 'bittrue[cluster]', or leave --engine out."
        ) from None


@cache
def checked_address(address: str) -> str:
    """The address, once it is known that a cluster of the same Ray and Python answers there.

    Raises: BittrueError where that is not so, within 10 s.
    """
    if installed("ray") == "not installed":
        ray_module()
    if address == "auto":
        return address
    host, separator, port = address.rpartition(":")
    if not separator:
        host, port = address, PORT
    if not port.isdecimal():
        raise BittrueError(f"ray://{address} is no address: write ray://HOST:PORT, as `ray start --head` prints it.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise BittrueError(
            f"Nothing answers at {host}:{port} ({error}): start a cluster with `ray start --head --port={port}`, or "
            "write the address that it printed."
        ) from None
    said = _told(f"{host}:{port}")
    ours = {"ray_version": installed("ray"), "python_version": ".".join(map(str, sys.version_info[:3]))}
    for name, version in ours.items():
        called = {"ray_version": "Ray", "python_version": "Python"}[name]
        if str(said.get(name)) != version:
            raise BittrueError(
                f"The cluster at {host}:{port} runs {called} {said.get(name)}, and here it is {version}: Ray wants the "
                "same on both sides."
            )
    return f"{host}:{port}"


def _told(address: str) -> dict[str, Any]:
    """What a cluster's head says of itself, with or without this machine's token; from then on Ray does the same here,
    which it doesn't find out where it is told an address."""
    refused = False
    for mode in (None,) if AUTH_MODE in os.environ else ("disabled", "token"):
        said, complaints = _asked(address, {} if mode is None else {AUTH_MODE: mode})
        with contextlib.suppress(ValueError):
            found: dict[str, Any] = json.loads(said)
            if mode is not None:
                os.environ[AUTH_MODE] = mode
                _refresh()
            return found
        refused = refused or any(mark in complaints for mark in REFUSALS)
        if not refused:
            break
    if refused:
        raise BittrueError(
            f"The cluster at {address} asks for a token that this machine doesn't have, or has another one: see "
            "`ray get-auth-token`, and name the cluster's in RAY_AUTH_TOKEN_PATH."
        )
    remedy = "give the address that `ray start --head` printed (a client's port, 10001, is another)"
    raise BittrueError(f"What answers at {address} is no head of a Ray cluster: {remedy}.")


def _asked(address: str, environment: dict[str, str]) -> tuple[str, str]:
    """What a head answers, and what Ray complains of; asked in a process of its own, since Ray can't be told to
    hurry."""
    asked = [sys.executable, "-c", PROBE, address]
    with subprocess.Popen(
        asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as child:
        if child.stdout is not None:
            child.stdout.readline()  # imports take as long as the machine lets them
        try:
            return child.communicate(timeout=SECONDS_TO_TELL)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.communicate()


def _refresh() -> None:
    """Have Ray read its settings again, should it have done so already."""
    with contextlib.suppress(ImportError, AttributeError):
        import_module("ray._raylet").Config.initialize("")
