"""What each site's word costs near a plan, from shared prefixes, with weights that are repaired for that word.

Three bits look hopeless where weights are only rounded, and cost next to nothing where they are repaired; so what an
allocation adds up are the losses after the repair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bittrue.analysis.alone import Nearby, with_sites
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.site_words import SiteWords
from bittrue.data import Dataset
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.repairs.alone import repair_alone
from bittrue.repairs.draft import Draft, with_operators
from bittrue.repairs.layer import Change
from bittrue.wording import counted

JUDGED_OF = 6
"""The losses are measured on a JUDGED_OF-th as many images as repairs are made from."""
NEGLIGIBLE = 1e-4
"""Where a word costs no more than this, in the distance's unit, longer ones aren't measured."""
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
    network: Network,
    plan: Plan,
    cases: Mapping[str, Sequence[int]],
    made_from: Dataset,
    judging: Dataset,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> RepairedLosses:
    """The losses with each site of `cases` at each of its word lengths, the shortest first, all others as in `plan`.

    network, plan: a repaired one of `sites.network`, or this itself. made_from: what repairs are made from; judging:
    what losses are measured on.
    """
    near = Nearby(network, plan, judging, trained=sites.network)
    rest = near.of_base().loss
    found: dict[str, dict[int, float]] = {name: {} for name in cases}
    weights = {name: lengths for name, lengths in cases.items() if sites.sites[name].role == "weight"}
    formats = {name: {bits: sites.spec(name, bits) for bits in lengths} for name, lengths in weights.items()}
    count = sum(map(len, cases.values()))
    with showing(progress, f"{counted(len(cases), 'site')} alone, repaired", count) as advance:

        def keep(site: str, word_length: int, loss: float) -> bool:
            found[site][word_length] = loss
            advance(1)
            return loss - rest > NEGLIGIBLE

        def take(site: str, word_length: int, change: Change) -> bool:
            changed = with_operators(network, change.operators)
            own = Plan(changed.hash, plan.options, {**plan.sites, **change.sites})
            return keep(site, word_length, near.of(own, changed).loss)

        repair_alone(Draft(sites.network, network, plan.options, plan.sites), formats, made_from, take, seed=seed)
        for name, lengths in cases.items():
            for bits in () if found[name] else lengths:
                if not keep(name, bits, near.of(with_sites(plan, {name: sites.spec(name, bits)})).loss):
                    break
    measured = sum(map(len, found.values()))
    for name, lengths in cases.items():
        found[name].update((bits, rest) for bits in lengths if bits not in found[name])
    return RepairedLosses(rest, found, made_from.images + judging.images * (measured + 2))
