"""What the rows of a sweep are judged by: how much accuracy may be lost."""

from dataclasses import dataclass
from math import isfinite

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
        if not (isfinite(self.max_drop) and 0 < self.max_drop < 100):
            raise BittrueError(
                f"--max-drop {self.max_drop:g} is to be a number of percentage points above 0 and below 100: 1.0 means "
                "that of 100 images one may be lost."
            )

    @property
    def margin(self) -> float:
        """The largest drop as a share."""
        return self.max_drop / 100
