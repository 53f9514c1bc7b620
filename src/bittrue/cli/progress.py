"""The progress of a command, on standard error: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bittrue.analysis.progress import Progress


@contextlib.contextmanager
def progress() -> "Iterator[Progress]":
    """A display for the block; an error in the block finds the terminal in order."""
    from bittrue.analysis.progress import PlainProgress, bars

    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    with bars() as display:
        yield display
