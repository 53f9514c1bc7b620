"""Where a command's work is carried out."""

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.options import CommonOptions

if TYPE_CHECKING:
    from bittrue.analysis.evaluating.engine import Engine

OPTION = "--engine"

EngineName = Annotated[
    str | None,
    typer.Option(
        OPTION,
        metavar="ray|ray://HOST:PORT",
        help="Where units are computed: ray for workers on this machine, ray://HOST:PORT for a Ray cluster of which "
        "this machine is a node; changes the time, not the results (default: this process).",
    ),
]


def check_engine(name: str | None) -> None:
    """Raise BittrueError where an engine can't be used, before anything large is read."""
    if name is None:
        return
    from bittrue.analysis.evaluating.engine_names import parse_engine
    from bittrue.engines.address import checked_address, ray_module

    _, address = parse_engine(name)
    if address is None:
        ray_module()
    else:
        checked_address(address)


def opened_engine(name: str | None, common: CommonOptions) -> "contextlib.AbstractContextManager[Engine]":
    """The engine for the block; what its workers print is shown with --debug."""
    from bittrue.analysis.evaluating.engine import opened

    return opened(name, logs=common.debug)


def without_engine(words: list[str]) -> list[str]:
    """The words of a command without the option: results say how they were made, and no engine changes them."""
    kept: list[str] = []
    words_left = iter(words)
    for word in words_left:
        if word == OPTION:
            next(words_left, None)
        elif not word.startswith(f"{OPTION}="):
            kept.append(word)
    return kept
