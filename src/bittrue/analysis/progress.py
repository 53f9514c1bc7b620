"""How an analysis says how far it is; what shows it (a bar on standard error, a notebook) is the caller's affair."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol


class Progress(Protocol):
    """One display, used for one thing after another: start, then advance until `total` images, then finish."""

    def start(self, what: str, total: int) -> None:
        """`what` begins, such as "F=5", and will take `total` images."""

    def advance(self, images: int) -> None:
        """So many images more are done; those that a results store has already are counted at once."""

    def finish(self) -> None:
        """What was started is over, be it done or broken off by an error."""


@contextlib.contextmanager
def showing(progress: Progress | None, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Start and finish around a block, which calls what this yields with numbers of images; None shows nothing."""
    if progress is None:
        yield lambda images: None
        return
    progress.start(what, total)
    try:
        yield progress.advance
    finally:
        progress.finish()
