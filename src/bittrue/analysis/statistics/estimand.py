"""What a confidence sequence speaks of, and what it says."""

from dataclasses import dataclass

from bittrue.wording import counted


@dataclass(frozen=True)
class TheseImages:
    """This test set of so many images, which are drawn from it one by one in a random order, without replacement.

    The chance is in the order alone. When all images are drawn nothing is left to chance.
    """

    images: int

    @property
    def text(self) -> str:
        """As it is named in sentences."""
        return f"this test set of {counted(self.images, 'image')}"


@dataclass(frozen=True)
class Population:
    """The population behind the images, of which each is an independent draw."""

    @property
    def text(self) -> str:
        """As it is named in sentences."""
        return "the population behind these images"


Estimand = TheseImages | Population


@dataclass(frozen=True)
class Interval:
    """Shares between which that of the estimand lies: of right images, in [0, 1], or a difference, in [−1, 1].

    error: the probability, however often it is looked at, that any of the intervals of the sequence misses it.
    """

    low: float
    high: float
    error: float
    of: Estimand
