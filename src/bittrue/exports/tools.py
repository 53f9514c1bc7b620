"""Running the tools that build and execute what was exported."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from signal import Signals

from bittrue.errors import BittrueError


def tool_output(command: Sequence[str | Path], what: str, *, remedy: str) -> str:
    """What a tool prints. Raises: BittrueError, which names `what` and says `remedy`, where it isn't there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BittrueError(f"{what} needs {command[0]}, which isn't there: {remedy}.") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        if done.returncode < 0:  # such a one had no time to say why
            lines = [f"ended by {Signals(-done.returncode).name}"]
        raise BittrueError(f"{what} failed in {command[0]} ({lines[0][:200]}): {remedy}.")
    return done.stdout
