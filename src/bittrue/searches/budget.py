"""How many images a search may send through networks before it is content with what it has found."""

from dataclasses import dataclass

from bittrue.searches.journal import Journal


@dataclass(frozen=True, eq=False)
class Budget:
    """most: image passes in all; None for any number. claim: those that are kept for the claim. plan: what a plan takes
    at most, its repair and all images to choose on."""

    journal: Journal
    most: int | None
    claim: int
    plan: int

    def affords_plan(self, beside: int = 0) -> bool:
        """Whether another plan can be simulated, and so many images `beside`.

        It goes by what this run has asked for, so that one that was killed goes on as it would have.
        """
        return self.most is None or self.journal.used_passes() + beside + self.plan + self.claim <= self.most
