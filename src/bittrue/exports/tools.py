"""Running the tools that build and execute what was exported."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from signal import Signals

from bittrue.errors import BittrueError


class MissingToolError(BittrueError):
    """A tool that an export is built or run with isn't installed here."""


def c_compiler() -> str:
    """The C compiler: what CC names, else cc."""
    return os.environ.get("CC", "cc")


def require_tools(what: str, *commands: str, remedy: str) -> None:
    """Raises: MissingToolError, which names `what` and says `remedy`, for the first of these that isn't there."""
    for command in commands:
        if shutil.which(command) is None:
            raise MissingToolError(f"{what} needs {command}, which isn't there: {remedy}.")


def version_of(command: str) -> str | None:
    """The first line of what a tool says of its version; None where it isn't there."""
    try:
        done = subprocess.run([*shlex.split(command), "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return next(iter(done.stdout.splitlines()), None)


def tool_output(command: Sequence[str | Path], what: str, *, remedy: str, folder: Path | None = None) -> str:
    """What a tool prints that runs in `folder` (None: here).

    Raises: BittrueError, which names `what` and says `remedy`, where it isn't there or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    except FileNotFoundError:
        raise MissingToolError(f"{what} needs {command[0]}, which isn't there: {remedy}.") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        if done.returncode < 0:  # such a one had no time to say why
            lines = [f"ended by {Signals(-done.returncode).name}"]
        raise BittrueError(f"{what} failed in {command[0]} ({lines[0][:200]}): {remedy}.")
    return done.stdout
