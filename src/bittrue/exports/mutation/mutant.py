"""One change of exported files, how it is tried, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

CAUGHT, EXPLAINED, ESCAPED = "caught", "explained", "escaped"


@dataclass(frozen=True)
class Mutation:
    """What is changed. file: its path in the export. place: where in it. before, after: the code, call or type there.

    kind: of `kinds.KINDS`.
    """

    kind: str
    file: str
    place: str
    before: str
    after: str


@dataclass(frozen=True)
class Mutant:
    """What became of a mutation.

    outcome: `caught`; `explained`, which changes no result, as was found by computing it again; or `escaped`. by: the
    first line of the check that caught it. reason: why nothing changes.
    """

    mutation: Mutation
    outcome: str
    by: str | None
    reason: str | None


@dataclass(frozen=True)
class Trial:
    """A mutation that can be tried.

    run: makes the change, runs the check, and undoes the change; gives what the check says, or None where it passes.
    explain: computes again with the change and says why no result changes; None where that isn't so.
    """

    mutation: Mutation
    run: Callable[[], str | None]
    explain: Callable[[], str | None]


BenchT = TypeVar("BenchT")
"""The exported files of a kind with their check."""

Draw = Callable[[BenchT, Random], Trial | None]
"""A mutation of one kind, drawn at random; None where the export has no place for it."""
