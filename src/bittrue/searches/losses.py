"""What each site's word costs near a plan, from shared prefixes, with weights that are repaired for that word.

Three bits look hopeless where weights are only rounded, and cost next to nothing where they are repaired; so what an
allocation adds up are the losses after the repair.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bittrue.analysis.alone import Nearby
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.site_words import SiteWords, Words
from bittrue.data import Dataset
from bittrue.plan import Plan
from bittrue.repairs.alone import repair_alone
from bittrue.repairs.draft import Draft, with_operators
from bittrue.repairs.layer import Change
from bittrue.searches.near_words import NearWords
from bittrue.wording import counted

JUDGED_OF = 6
"""The losses are measured on a JUDGED_OF-th as many images as repairs are made from."""
NEGLIGIBLE = 1e-4
"""Where a word costs no more than this, in the distance's unit, longer ones aren't measured; near a plan they are."""
JUDGED = 512
"""Images that the losses are measured on at most."""


@dataclass(frozen=True)
class RepairedLosses:
    """losses: by site and word length, the distance from the float network with this word at this site. rest: that
    with all words as they are. image_passes: a case counts as one, although most of it is shared."""

    rest: float
    losses: Mapping[str, Mapping[int, float]]
    image_passes: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "losses": {name: list(of.items()) for name, of in self.losses.items()}}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "RepairedLosses":
        losses = {name: {int(bits): float(loss) for bits, loss in of} for name, of in found["losses"].items()}
        return cls(found["rest"], losses, found["image_passes"])


def repaired_losses(
    sites: SiteWords,
    draft: Draft,
    cases: Mapping[str, Sequence[int]],
    made_from: Dataset,
    judging: Dataset,
    *,
    words: Words | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> RepairedLosses:
    """The losses with each site of `cases` at each of its word lengths, the shortest first, all others as in the draft.

    draft: begun from the base of `sites`, or, with `words`, what repairs left of the plan with these. made_from: what
    repairs are made from; judging: what losses are measured on.

    Near a plan the words that it has cost `rest`, and all others are measured: one that is longer may cost less. What
    is repaired alone there stands beside layers that were repaired for other values, so that its own word, repaired
    alone, is what other words of the same weights are compared with.
    """
    near_words = NearWords(sites, draft, words or {})
    plan = near_words.plan
    near = Nearby(draft.network, plan, judging, trained=sites.network)
    rest = near.of_base().loss
    found: dict[str, dict[int, float]] = {name: {} for name in cases}
    weights = {name: lengths for name, lengths in cases.items() if sites.sites[name].role == "weight"}
    formats = {name: {bits: sites.spec(name, bits) for bits in lengths} for name, lengths in weights.items()}
    count = sum(map(len, cases.values()))
    measured = 0
    with showing(progress, f"{counted(len(cases), 'site')} alone, repaired", count) as advance:

        def keep(site: str, word_length: int, losses: Iterable[float]) -> bool:
            nonlocal measured
            tried = list(losses)
            measured += len(tried)
            found[site][word_length] = min(tried)
            advance(1)
            return words is not None or found[site][word_length] - rest > NEGLIGIBLE

        def take(site: str, word_length: int, change: Change) -> bool:
            changed = with_operators(draft.network, change.operators)
            own = Plan(changed.hash, plan.options, {**plan.sites, **change.sites})
            return keep(site, word_length, [near.of(own, changed).loss])

        repair_alone(draft, formats, made_from, take, seed=seed)
        for name, lengths in cases.items():
            own = near_words.words.get(name)
            if found[name] and own is not None:
                off = rest - found[name][own]
                found[name] = {bits: loss + off for bits, loss in found[name].items()}
            for bits in () if found[name] else lengths:
                if bits == own:
                    found[name][bits] = rest
                elif not keep(name, bits, (near.of(p, n).loss for n, p in near_words.variants(name, bits))):
                    break
    for name, lengths in cases.items():
        found[name].update((bits, rest) for bits in lengths if bits not in found[name])
    return RepairedLosses(rest, found, made_from.images + judging.images * (measured + 2))
