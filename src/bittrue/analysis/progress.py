"""How an analysis says how far it is: one account of it, and where it is shown.

On a terminal it is a bar, in a notebook one, too, and elsewhere a line now and then, where a command asks for them. An
analysis to which no display is given finds its own: the notebook's or the terminal's, on standard error; where there is
neither it says nothing.
"""

import contextlib
import html
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from bittrue.wording import counted, printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_PICTURES = 0.1


class Progress(Protocol):
    """One display, used for one thing after another: start, then advance until `total` images, then finish."""

    def start(self, what: str, total: int) -> None:
        """`what` begins, such as "F=5", and will take `total` images."""

    def advance(self, images: float) -> None:
        """So many images more are done, or a part of one that takes long; those that a results store has already are
        counted at once."""

    def finish(self) -> None:
        """What was started is over, be it done or broken off by an error."""

    def beside(self, state: str) -> None:
        """What else there is to say of what is being done, until something else is: "2 workers, 14 units"."""

    def tell(self, event: str) -> None:
        """Something that happened on the way and is not to be missed, such as a worker that died."""


class _Silent:
    """A display that shows nothing, where what is done was shown before."""

    def start(self, what: str, total: int) -> None: ...

    def advance(self, images: float) -> None: ...

    def finish(self) -> None: ...

    def beside(self, state: str) -> None: ...

    def tell(self, event: str) -> None: ...


SILENT: Progress = _Silent()


@contextlib.contextmanager
def showing(progress: Progress | None, what: str, total: int) -> Iterator[Callable[[float], None]]:
    """Start and finish around a block, which calls what this yields with numbers of images; None: see `found_here`."""
    with contextlib.nullcontext(progress) if progress is not None else found_here() as display:
        if display is None:
            yield lambda images: None
            return
        display.start(what, total)
        try:
            yield display.advance
        finally:
            display.finish()


@contextlib.contextmanager
def found_here(given: Progress | None = None) -> Iterator[Progress | None]:
    """The display that was given, or the notebook's or the terminal's for the block, or None where there is neither."""
    if given is not None:
        yield given
    elif in_notebook():
        yield NotebookProgress()
    elif sys.stderr.isatty():
        with bars() as display:
            yield display
    else:
        yield None


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process; IPython is not imported to find out."""
    python = sys.modules.get("IPython")
    return python is not None and getattr(python.get_ipython(), "kernel", None) is not None


@contextlib.contextmanager
def bars() -> Iterator[Progress]:
    """Bars on the terminal for the block; an error in the block finds the terminal in order."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    display = RichProgress(
        SpinnerColumn(finished_text=" "),  # moves where a batch takes a minute
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("images{task.fields[beside]}", markup=False),
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
        self._task: TaskID | None = None
        self._done = 0.0

    def start(self, what: str, total: int) -> None:
        self._task = self._display.add_task(printable(what), total=total, beside="")
        self._done = 0.0

    def advance(self, images: float) -> None:
        self._done += images
        if self._task is not None:
            self._display.update(self._task, completed=_told(self._done))

    def finish(self) -> None:
        if self._task is not None:
            self._display.stop_task(self._task)

    def beside(self, state: str) -> None:
        if self._task is not None:
            self._display.update(self._task, beside=f", {state}")

    def tell(self, event: str) -> None:
        self._display.console.print(printable(event), markup=False, highlight=False)


class _Account:
    """What is being done, how much of it is done, and since when."""

    def __init__(self) -> None:
        self._what = self._beside = ""
        self._total, self._done = 0, 0.0
        self._began = self._spoke = 0.0

    def start(self, what: str, total: int) -> None:
        self._what, self._total, self._done, self._beside = printable(what), total, 0.0, ""
        self._began = self._spoke = time.monotonic()

    def beside(self, state: str) -> None:
        self._beside = f", {state}"

    def _advanced(self, images: float, seconds: float) -> bool:
        """Count the images; whether it is time to say so, at most once in so many seconds."""
        self._done += images
        now = time.monotonic()
        if now - self._spoke < seconds or _told(self._done) >= self._total:
            return False
        self._spoke = now
        return True

    def _so_far(self) -> str:
        done = _told(self._done)
        within_one = "" if done == int(done) else f" ({100 * done / self._total:.0f} %)"
        return f"{self._what}: {int(done):,} of {self._total:,} images{within_one}{self._beside}{self._left()}"

    def _left(self) -> str:
        """How long it will take, where there is more to say than the images."""
        if not self._beside or not self._done:
            return ""
        seconds = (time.monotonic() - self._began) * (self._total / self._done - 1)
        return f", {max(seconds, 0):,.0f} s left"

    def _in_the_end(self) -> str:
        seconds = time.monotonic() - self._began
        return f"{self._what}: {counted(int(_told(self._done)), 'image')} in {seconds:.1f} s{self._beside}"


def _told(images: float) -> float:
    """Parts of images add up to whole ones, whatever float64 makes of their sum."""
    return round(images, 6)


class PlainProgress(_Account):
    """On standard error a line when a part is done, and one now and then while it lasts."""

    def advance(self, images: float) -> None:
        if self._advanced(images, SECONDS_BETWEEN_LINES):
            self._say(self._so_far())

    def finish(self) -> None:
        self._say(self._in_the_end())

    def tell(self, event: str) -> None:
        self._say(printable(event))

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class NotebookProgress(_Account):
    """One output of the cell: a bar for what is being done, above it a line for each part that is done."""

    def __init__(self) -> None:
        super().__init__()
        self._finished: list[str] = []
        self._handle: Any = None

    def start(self, what: str, total: int) -> None:
        super().start(what, total)
        self._show(self._so_far())

    def advance(self, images: float) -> None:
        if self._advanced(images, SECONDS_BETWEEN_PICTURES):
            self._show(self._so_far())

    def finish(self) -> None:
        self._finished.append(self._in_the_end())
        self._show(None)

    def tell(self, event: str) -> None:
        self._finished.append(printable(event))

    def _show(self, current: str | None) -> None:
        from IPython.display import display

        lines = [*self._finished, *([] if current is None else [current])]
        content = "<br>".join(map(html.escape, lines))
        if current is not None:
            content += f'<br><progress value="{_told(self._done):g}" max="{self._total}"></progress>'
        bundle = {"text/plain": "\n".join(lines), "text/html": f'<div style="opacity: 0.7">{content}</div>'}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
