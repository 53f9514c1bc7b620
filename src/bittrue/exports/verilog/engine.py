"""How a sum of products is computed side by side."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """lanes: sums at once. terms: products of each sum at once. words: of the input, side by side in a beat; each lane
    reads all of them where terms is above 1, else its share."""

    lanes: int
    terms: int
    words: int

    @property
    def multipliers(self) -> int:
        return self.lanes * self.terms


ONE = Engine(1, 1, 1)
"""What needs fewest."""
