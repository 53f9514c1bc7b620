"""Engines: where the units of an analysis are carried out, by name (docs/decisions/0023-cluster.md)."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, TypeAlias

from bittrue.analysis.evaluating.engine_names import OPENERS, parse_engine
from bittrue.analysis.evaluating.executor import Executor, InProcess
from bittrue.analysis.progress import Progress
from bittrue.data import Dataset


class Engine(Protocol):
    """Makes executors, which may share workers."""

    @property
    def is_apart(self) -> bool:
        """Whether units are carried out elsewhere, those of several plans at a time."""

    def executor(self, images: Dataset, batch_size: int, progress: Progress | None) -> Executor:
        """What carries out units of these images; how it goes is shown beside what `progress` shows."""


EngineLike: TypeAlias = Engine | str | None
"""An engine that is open; or the text that names one, which is opened and closed; None: this process."""


@dataclass(frozen=True)
class Here:
    """The engine of one process."""

    is_apart = False

    def executor(self, images: Dataset, batch_size: int, progress: Progress | None) -> Executor:
        return InProcess(images, batch_size)


HERE = Here()


@contextlib.contextmanager
def opened(engine: EngineLike, *, logs: bool = False) -> Iterator[Engine]:
    """The engine for the block; one that is opened here is closed with it. logs: whether what it prints is shown.

    Raises: BittrueError for a name that is none, and where the engine can't be opened.
    """
    if not isinstance(engine, str):
        yield HERE if engine is None else engine
        return
    name, address = parse_engine(engine)
    module, _, function = OPENERS[name].partition(":")
    opener: Callable[..., AbstractContextManager[Engine]] = getattr(import_module(module), function)
    with opener(address, logs=logs) as found:
        yield found
