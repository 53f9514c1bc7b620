"""Exact simulations of plans near one another on the same images: each computed from the first step that differs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import ending_of
from bittrue.analysis.evaluating.engine import HERE, Engine
from bittrue.analysis.evaluating.evaluation import metric_by_shape
from bittrue.analysis.evaluating.prefixes import Prefixes
from bittrue.analysis.evaluating.variants import Variants, outputs_of, run_variants
from bittrue.analysis.evaluating.yardstick import Yardstick, plan_before_softmax
from bittrue.analysis.progress import Progress
from bittrue.data import Dataset
from bittrue.lowering import lower_variant
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.simulation.simulator import KeptBatch, Simulator


@dataclass(frozen=True)
class Measured:
    """loss: the distance from the float network. accuracy, cross_entropy: of the values before a last softmax; None
    without labels or classes. sqnr: of these values, in dB; None where nothing differs."""

    loss: float
    accuracy: float | None
    cross_entropy: float | None
    sqnr: float | None


class Nearby:
    """The images under plans that differ from `base` in a few sites.

    What is kept of the base's values is one pass over the images; each plan takes another, of what differs.
    """

    def __init__(
        self,
        network: Network,
        base: Plan,
        images: Dataset,
        batch_size: int | None = None,
        trained: Network | None = None,
    ) -> None:
        """trained: the network whose float outputs are wanted; None for `network` itself."""
        self.network, self.base, self.images = network, base, images
        self.yardstick = Yardstick(network if trained is None else trained, images)
        self._labels = images.labels if metric_by_shape(network, images) is not None else None
        ended, plan = plan_before_softmax(network, base)
        self._ending = ending_of(ended)
        self._prefixes = Prefixes(ended, plan, images, batch_size)

    def of_base(self) -> Measured:
        """What the base itself costs."""
        outputs: list[NDArray[Any]] = []
        self._prefixes.each(lambda kept, first: outputs.append(kept.result.judged))
        return self._judged(outputs)

    def of(self, plan: Plan, network: Network | None = None) -> Measured:
        """What a plan of the same options costs, of this network, or of one with other operators at some nodes."""
        ended, formats = plan_before_softmax(self.network if network is None else network, plan)
        simulator = Simulator(lower_variant(self._prefixes.lowered, formats, ended), self._prefixes.base)
        outputs: list[NDArray[Any]] = []

        def run(kept: KeptBatch, first: int) -> None:
            outputs.append(simulator.run_from(kept))

        self._prefixes.each(run)
        return self._judged(outputs)

    def of_all(
        self,
        plans: Iterable[Plan],
        engine: Engine = HERE,
        progress: Progress | None = None,
        advance: Callable[[int], None] = lambda images: None,
    ) -> Iterator[Measured]:
        """What each of these plans costs, in their order, carried out by an engine."""
        if not engine.is_apart:
            for plan in plans:
                yield self.of(plan)
                advance(self.images.images)
            return
        near = [plan_before_softmax(self.network, plan)[1] for plan in plans]
        ended, base = plan_before_softmax(self.network, self.base)
        executor = engine.executor(self.images, self._prefixes.batch_size, progress)
        asked = [(plan, batch) for batch in self._prefixes.batches for plan in near]
        found = run_variants(executor, Variants(ended, base), asked, advance)
        for plan in near:
            yield self._judged(outputs_of(found[plan.hash]))

    def _judged(self, outputs: Sequence[NDArray[Any]]) -> Measured:
        values = [batch.astype(np.float64) for batch in outputs]
        accuracy = cross_entropy = None
        if self._labels is not None:
            accuracy = float((self._ending.predictions(np.concatenate(values)) == self._labels).mean())
            if self._ending.is_classes:
                cross_entropy = self.yardstick.cross_entropy(values, self._labels)
        loss = float(self.yardstick.each(values).mean())
        return Measured(loss, accuracy, cross_entropy, self.yardstick.sqnr(values))


def with_sites(plan: Plan, sites: Mapping[str, Any]) -> Plan:
    """The plan with other formats at these sites."""
    return Plan(plan.network, plan.options, {**plan.sites, **sites})
