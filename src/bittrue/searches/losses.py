"""What each site's word costs near a plan, from shared prefixes: the weights repaired for that word, if any are.

Three bits look hopeless where weights are only rounded, and cost next to nothing where they are repaired; so what an
allocation adds up are the losses after the repair.
"""

from collections.abc import Mapping, Sequence

from bittrue.analysis.evaluating.prefixes import Prefixes
from bittrue.analysis.evaluating.yardstick import Yardstick, plan_before_softmax
from bittrue.analysis.progress import Progress
from bittrue.analysis.site_words import SiteWords
from bittrue.data import Dataset
from bittrue.lowering import lower_variant
from bittrue.network import Network
from bittrue.plan import Plan, Spec
from bittrue.repairs.alone import repair_alone
from bittrue.repairs.draft import Draft, with_operators
from bittrue.repairs.layer import Change
from bittrue.simulation.simulator import KeptBatch, Simulator

JUDGED_OF = 3
"""The losses are measured on the last of so many parts of the images, and repairs made from the others."""


class Near:
    """A plan with its values on some images, beside which others that differ in a place or two are judged."""

    def __init__(self, trained: Network, network: Network, plan: Plan, images: Dataset) -> None:
        self._yardstick = Yardstick(trained, images)
        self._network = network
        self._plan = plan
        self._prefixes = Prefixes(*plan_before_softmax(network, plan), images, None)
        self.loss = self._judged(self._prefixes.base, is_base=True)

    def with_specs(self, specs: Mapping[str, Spec]) -> float:
        """The loss with other formats at some sites."""
        return self.with_change(Change({}, specs))

    def with_change(self, change: Change) -> float:
        """The loss with other parameters, too."""
        network = with_operators(self._network, change.operators) if change.operators else self._network
        plan = Plan(network.hash, self._plan.options, {**self._plan.sites, **change.sites})
        ended, formats = plan_before_softmax(network, plan)
        own = ended if change.operators else self._prefixes.lowered.network
        program = lower_variant(self._prefixes.lowered, formats, own)
        return self._judged(Simulator(program, self._prefixes.base))

    def _judged(self, simulator: Simulator, *, is_base: bool = False) -> float:
        outputs = []

        def take(batch: KeptBatch, first: int) -> None:
            judged = batch.result.judged if is_base else simulator.run_from(batch)
            outputs.append(judged.astype(float))

        self._prefixes.each(take)
        return float(self._yardstick.each(outputs).mean())


def losses_near(
    sites: SiteWords,
    network: Network,
    plan: Plan,
    cases: Mapping[str, Sequence[int]],
    images: Dataset,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[float, dict[str, dict[int, float]], int]:
    """The loss of `network` under `plan`, that with each site of `cases` at each of its word lengths, and the image
    passes taken; weights are repaired for their words.

    network, plan: a repaired one of `sites.network`, or this itself. The image passes count a case as one, although
    most of it is shared.
    """
    judged = max(images.images // JUDGED_OF, 1)
    made_from, judging = images.take(images.images - judged), images.skip(images.images - judged)
    near = Near(sites.network, network, plan, judging)
    found: dict[str, dict[int, float]] = {}
    weights = {name: lengths for name, lengths in cases.items() if sites.sites[name].role == "weight"}
    for name, lengths in cases.items():
        if name not in weights:
            found[name] = {bits: near.with_specs({name: sites.spec(name, bits)}) for bits in lengths}
    formats = {name: {bits: sites.spec(name, bits) for bits in lengths} for name, lengths in weights.items()}

    def take(site: str, word_length: int, change: Change) -> None:
        found.setdefault(site, {})[word_length] = near.with_change(change)

    draft = Draft(sites.network, network, plan.options, plan.sites)
    repair_alone(draft, formats, made_from, take, seed=seed, progress=progress)
    for name, lengths in weights.items():
        for bits in lengths:
            if bits not in found.setdefault(name, {}):
                found[name][bits] = near.with_specs({name: formats[name][bits]})
    measured = sum(len(lengths) for lengths in cases.values())
    return near.loss, found, made_from.images + judged * (measured + 2)
