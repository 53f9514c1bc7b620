"""What the rows of a sweep are judged by: how much accuracy may be lost."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor, isfinite

from bittrue.errors import BittrueError

MAX_DROP = 1.0
"""The percentage points of accuracy that may be lost where no one says otherwise."""


@dataclass(frozen=True)
class Standard:
    """What rows are judged by.

    max_drop: the percentage points of accuracy that may be lost against float. chance: the share of the commonest
    label, which a network that knows nothing reaches; None where it isn't known.
    """

    max_drop: float = MAX_DROP
    chance: float | None = None

    def __post_init__(self) -> None:
        _check("--max-drop", self.max_drop)

    @property
    def margin(self) -> float:
        """The largest drop as a share."""
        return self.max_drop / 100

    def most_lost(self, images: int) -> int:
        """Of so many images the most that may be lost, less those gained: 50 of 10,000 where 0.5 points may be."""
        return floor(Fraction(repr(self.max_drop)) * images / 100)


def check_decide(points: float, max_drop: float) -> None:
    """Refuse points of --decide that are none, and another largest drop beside them. Raises: BittrueError."""
    _check("--decide", points)
    if max_drop not in (MAX_DROP, points):
        raise BittrueError(
            f"--decide {points:g} says by itself how much may be lost: leave --max-drop {max_drop:g} out, or give the "
            "same number."
        )


def _check(option: str, points: float) -> None:
    if not (isfinite(points) and 0 < points < 100):
        raise BittrueError(
            f"{option} {points:g} is to be a number of percentage points above 0 and below 100: 1.0 means that of 100 "
            "images one may be lost."
        )
