"""Word lengths by kind of site, as the hardware recipe gives them."""

from dataclasses import dataclass

from bittrue.errors import PlanError
from bittrue.plan.sites import Site

BIASES = ("bias", "offset", "beta")
"""Roles of what is added to a product, which has as many bits as both of its factors."""


@dataclass(frozen=True)
class WordLengths:
    """How many bits weights, activations and other parameters have.

    activations: the outputs of nodes, the input's among them, and the parts of tables. scales: of all parameters but
    weights and biases (a batch norm's scale, slopes); None for the larger of weights and activations. biases: also
    of offsets and betas; None for twice that.
    """

    weights: int
    activations: int
    scales: int | None = None
    biases: int | None = None

    @classmethod
    def uniform(cls, word_length: int) -> "WordLengths":
        """The same for all, and twice that for biases."""
        return cls(word_length, word_length)

    @classmethod
    def chosen(
        cls,
        word_length: int | None = None,
        *,
        weights: int | None = None,
        activations: int | None = None,
        scales: int | None = None,
        biases: int | None = None,
    ) -> "WordLengths":
        """`word_length` for all that isn't given by itself; raises PlanError where nothing speaks of a kind."""
        weights = word_length if weights is None else weights
        activations = word_length if activations is None else activations
        if weights is None or activations is None:
            raise PlanError("word lengths are missing: give --word-length, or --weights and --activations.")
        if word_length is not None:
            scales = word_length if scales is None else scales
            biases = 2 * word_length if biases is None else biases
        return cls(weights, activations, scales, biases)

    def of(self, site: Site) -> int:
        """The word length of a site."""
        widest = max(self.weights, self.activations)
        if site.role in BIASES:
            return 2 * widest if self.biases is None else self.biases
        if site.values is None:
            return self.activations
        if site.role == "weight":
            return self.weights
        return widest if self.scales is None else self.scales
