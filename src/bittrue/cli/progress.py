"""The one progress display, on standard error: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bittrue.cli.output import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from bittrue.analysis.progress import Progress

SECONDS_BETWEEN_LINES = 30.0


@contextlib.contextmanager
def progress() -> "Iterator[Progress]":
    """A display for the block; an error in the block finds the terminal in order."""
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    display = RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with display:
        yield BarProgress(display)


class BarProgress:
    """A bar for what is being done, above it those for what is done."""

    def __init__(self, display: "RichProgress") -> None:
        self._display = display
        self._task: TaskID

    def start(self, what: str, total: int) -> None:
        self._task = self._display.add_task(printable(what), total=total)

    def advance(self, images: int) -> None:
        self._display.advance(self._task, images)

    def finish(self) -> None:
        self._display.stop_task(self._task)


class PlainProgress:
    """A line when a part is done, and one now and then while it lasts."""

    def __init__(self) -> None:
        self._what = ""
        self._total = self._done = 0
        self._began = self._spoke = 0.0

    def start(self, what: str, total: int) -> None:
        self._what, self._total, self._done = printable(what), total, 0
        self._began = self._spoke = time.monotonic()

    def advance(self, images: int) -> None:
        self._done += images
        now = time.monotonic()
        if now - self._spoke >= SECONDS_BETWEEN_LINES and self._done < self._total:
            self._spoke = now
            self._say(f"{self._done:,} of {self._total:,} images")

    def finish(self) -> None:
        self._say(f"{self._done:,} images in {time.monotonic() - self._began:.1f} s")

    def _say(self, text: str) -> None:
        print(f"{self._what}: {text}", file=sys.stderr, flush=True)
