"""Engines that can't be used are said to be so, in a sentence, soon, and before anything large is read."""

import builtins
import os
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from bittrue.analysis.evaluating.engine_names import parse_engine
from bittrue.cli.engine import without_engine
from bittrue.engines import address, facts
from bittrue.engines.address import checked_address
from bittrue.errors import BittrueError


@pytest.mark.parametrize("text", ["ray://", "rays", "processes:4", "", "dask://here"])
def test_there_is_no_such_engine(text: str) -> None:
    with pytest.raises(BittrueError, match="There is no engine .*: write ray for workers on this machine"):
        parse_engine(text)


def test_engines_and_their_addresses() -> None:
    assert parse_engine("ray") == ("ray", None)
    assert parse_engine("ray://10.0.0.1:6379") == ("ray", "10.0.0.1:6379")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_nothing_answers() -> None:
    with pytest.raises(BittrueError, match=r"Nothing answers at 127.0.0.1:\d+ .*: start a cluster with `ray start"):
        checked_address(f"127.0.0.1:{free_port()}")
    with pytest.raises(BittrueError, match="is no address: write ray://HOST:PORT"):
        checked_address("127.0.0.1:head")


def test_what_answers_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "SECONDS_TO_TELL", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        with pytest.raises(BittrueError, match="is no head of a Ray cluster: give the address"):
            checked_address(f"127.0.0.1:{server.getsockname()[1]}")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(("mode", "asked"), [("disabled", ["disabled"]), ("token", ["disabled", "token"])])
def test_a_token_is_taken_where_the_cluster_asks_for_one(
    mode: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself takes none where it is told an address, and joins no cluster without one if it has taken it."""
    modes: list[str] = []

    def answers(at: str, environment: dict[str, str]) -> tuple[str, str]:
        modes.append(environment[address.AUTH_MODE])
        return ("{}", "") if modes[-1] == mode else ("", "Unauthenticated: RPC error: InvalidAuthToken")

    monkeypatch.setenv(address.AUTH_MODE, "")  # what is set below is taken back
    monkeypatch.delenv(address.AUTH_MODE)
    monkeypatch.setattr(address, "_asked", answers)
    monkeypatch.setattr(address, "_refresh", lambda: None)  # what Ray has read stays for this process
    assert address._told("head:6379") == {}
    assert modes == asked
    assert os.environ[address.AUTH_MODE] == mode


@pytest.mark.parametrize("mode", ["disabled", "token", None])
def test_a_token_that_is_missing_is_named(mode: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if mode is None:
        monkeypatch.delenv(address.AUTH_MODE, raising=False)
    else:
        monkeypatch.setenv(address.AUTH_MODE, mode)
    monkeypatch.setattr(address, "_asked", lambda at, environment: ("", "Unauthenticated"))
    with pytest.raises(BittrueError, match=r"head:6379 asks for a token .* name the cluster's in RAY_AUTH_TOKEN_PATH"):
        address._told("head:6379")


def test_without_ray_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *others: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "ray":
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(address, "import_module", refuse)
    with pytest.raises(BittrueError, match=r"pip install 'bittrue\[cluster\]'"):
        address.ray_module()


def test_the_command_line_says_so_at_once() -> None:
    call = [sys.executable, "-m", "bittrue", "ranges", "nowhere.keras", "--data", "digits", "--engine", "rays"]
    said = subprocess.run(call, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("Error: There is no engine 'rays'")


def test_results_do_not_say_which_engine_made_them() -> None:
    given = ["sweep", "m.keras", "--engine", "ray", "--json", "--engine=ray://a:1"]
    assert without_engine(given) == ["sweep", "m.keras", "--json"]


@pytest.mark.parametrize("name", ["python", "bittrue", "torch"])
def test_workers_of_another_version_are_refused(name: str) -> None:
    there = facts.Facts(**{**vars(facts.facts()), name: "0.0"})
    with pytest.raises(BittrueError, match=f"The worker at 10.0.0.7 has (Python|{name}) 0.0, and here it is"):
        facts.check(there, "10.0.0.7")


def test_a_working_copy_that_differs_is_another_version() -> None:
    there = facts.Facts(**{**vars(facts.facts()), "source": "0123"})
    with pytest.raises(BittrueError, match="has another bittrue .* than this one"):
        facts.check(there, "10.0.0.7")
    facts.check(facts.facts(), "10.0.0.7")
