"""The tables of losses that a search allocates by, each measured once: what the journal has isn't measured again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bittrue.analysis.evaluating.engine import Engine
from bittrue.analysis.progress import Progress
from bittrue.analysis.sensitivity import measured_alone
from bittrue.analysis.sensitivity_result import SiteLoss
from bittrue.analysis.site_words import SiteWords, Words
from bittrue.data import Dataset
from bittrue.repairs.draft import Draft
from bittrue.searches.allocation import monotone
from bittrue.searches.journal import Journal
from bittrue.searches.losses import JUDGED, JUDGED_OF, RepairedLosses, repaired_losses
from bittrue.searches.prices import Allowed

SENSITIVITY_IMAGES = 96
"""Of the images to choose on, so many are taken for losses without repairs: the divergence settles soon, as it is of
probabilities, not of single images that are right or wrong."""

LOSSES_OF = 6
"""Of the image passes that a search may take, what a table of losses may take of them."""

Losses = Mapping[str, Mapping[int, float]]
"""By site and word length; never less for a shorter word."""

_WHAT = "sensitivity"


@dataclass(frozen=True, eq=False)
class LossTables:
    """images: to repair on. judging: to measure on; no label is looked at. passes: of images that the whole search may
    take, a `LOSSES_OF`-th of them for a table; None for any number.

    A network is sure of images that it was trained on, and what it is sure of says little: those to choose on are
    others.
    """

    sites: SiteWords
    images: Dataset
    judging: Dataset
    journal: Journal
    seed: int
    engine: Engine
    progress: Progress | None
    passes: int | None = None

    def alone(self, cases: Allowed, *, repaired: bool) -> Losses:
        """What each site costs alone at each of its word lengths, all others being long."""
        if repaired:
            return self.repaired("", lambda: Draft.begun(self.sites.network, self.sites.base), cases)
        kept = self.journal.find(_WHAT, "")
        if kept is None:
            images = self.judging.take(min(SENSITIVITY_IMAGES, self.judging.images))
            pairs = [(name, bits) for name, lengths in cases.items() for bits in lengths]
            found = measured_alone(self.sites, images, pairs, engine=self.engine, progress=self.progress)
            kept = {"losses": found.records(), "image_passes": found.image_passes}
            self.journal.add(_WHAT, "", kept)
        by_site: dict[str, dict[int, float]] = {}
        for row in (SiteLoss(**row) for row in kept["losses"]):
            by_site.setdefault(row.site, {})[row.word_length] = row.loss
        return {name: monotone(of) for name, of in by_site.items()}

    def judged(self, cases: Allowed) -> int:
        """Images that losses with repairs are measured on, for so many cases."""
        found = min(self.images.images // JUDGED_OF, JUDGED, self.judging.images)
        if self.passes is not None:
            found = min(found, self.passes // LOSSES_OF // sum(map(len, cases.values())))
        return max(found, 1)

    def repaired(self, name: str, base: Callable[[], Draft], cases: Allowed, words: Words | None = None) -> Losses:
        """What each site costs, its weights repaired, where all others are as in the base, a plan with these `words`
        or one with long ones; name: the base's for the journal."""
        kept: Mapping[str, Any] | None = self.journal.find(_WHAT, name)
        if kept is None:
            images = self.images, self.judging.take(self.judged(cases))
            found = repaired_losses(
                self.sites, base(), cases, *images, words=words, seed=self.seed, progress=self.progress
            )
            kept = self.journal.add(_WHAT, name, found.to_json())
        losses = RepairedLosses.from_json(kept).losses
        return {site: monotone(losses[site]) for site in cases}


def beside(words: Words, allowed: Allowed) -> dict[str, tuple[int, ...]]:
    """The word lengths of each site that are one step away at most."""
    near = {}
    for name, lengths in allowed.items():
        place = lengths.index(words[name])
        near[name] = lengths[max(place - 1, 0) : place + 2]
    return near
