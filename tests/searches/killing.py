"""Searches in processes of their own, which can be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

FILES = ("plan.json", "weights.npz", "search.json", "search.jsonl", "report.html")
"""What a search leaves; weights.npz only where it repairs."""


def started(command: Sequence[str], out: Path) -> "subprocess.Popen[bytes]":
    """A search, under way in the folder `out`; its own folder is `found` there, so that its command, which it keeps, is
    the same everywhere."""
    out.mkdir(parents=True, exist_ok=True)
    tests = Path(__file__).parents[1]
    paths = os.pathsep.join([str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, *command], cwd=out, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finished(process: "subprocess.Popen[bytes]") -> None:
    """Wait for its end, which is to leave an answer."""
    _, said = process.communicate()
    if process.returncode not in (0, 1) or b"Traceback" in said:
        raise AssertionError(said.decode())


def killed(process: "subprocess.Popen[bytes]", out: Path, when: Callable[[int, float], bool]) -> int:
    """Kill it as soon as `when` says so of the journal's lines and of the seconds that it has run, or let it end.

    Returns how many lines there are.
    """
    begun = time.monotonic()
    while process.poll() is None and not when(lines_of(out), time.monotonic() - begun):
        time.sleep(0.002)
    process.kill()
    process.communicate()
    return lines_of(out)


def lines_of(out: Path) -> int:
    journal = out / "found" / "search.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def different(first: Path, second: Path) -> list[str]:
    """The files that aren't the same in both."""
    return [name for name in FILES if _content(first, name) != _content(second, name)]


def _content(out: Path, name: str) -> bytes | None:
    path = out / "found" / name
    return path.read_bytes() if path.exists() else None
