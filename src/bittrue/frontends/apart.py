"""A program in a process of its own, for a library that a damaged or hostile file may keep, break or fill."""

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from bittrue.limits import STARTED

HOME = Path(__file__).parents[2]
"""Where bittrue itself lies, however it was installed."""


class NotStartedError(Exception):
    """The library could not be started; the text is the last line of what was said of it."""


class StoppedError(Exception):
    """The process broke off or was stopped."""


class TooLongError(Exception):
    """It took more time than it was given."""


def answer_of(program: Path, file: BinaryIO, seconds: int) -> bytes:
    """What the program writes that has `file`, a file of the system, as its standard input, within `seconds`.

    It bounds what it takes itself, by `bittrue.limits`. Raises: NotStartedError, StoppedError, TooLongError.
    """
    paths = os.pathsep.join([*(path for path in sys.path if os.path.isabs(path)), str(HOME)])
    environment = os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
    # -S: what installed packages add to a start is this process's; -P: nothing is imported from the program's folder.
    command = [sys.executable, "-S", "-P", str(program)]
    try:
        done = subprocess.run(command, stdin=file, capture_output=True, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise TooLongError from None
    talk, said, answer = done.stdout.partition(STARTED)
    if talk or not said:
        raise NotStartedError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    if done.returncode:
        raise StoppedError
    return answer
