"""Plans near one plan, carried out elsewhere: each worker computes the base itself, and keeps what it can of it.

In this process `Prefixes` does it, which keeps the values of all images; they take more memory than the network and the
images together, so they don't travel.
"""

from collections.abc import Callable, Iterable
from typing import Any

from numpy.typing import NDArray

from bittrue.analysis.evaluating.executor import Executor, Unit
from bittrue.data import Batch
from bittrue.errors import CarrierError, FormatError, ModelError, PlanError
from bittrue.lowering import Lowered, lower_keeping, lower_variant
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.simulation.simulator import KeptBatch, Simulator

PLAN_IS_WRONG = (CarrierError, FormatError, ModelError, PlanError)
"""What ends a plan, and not those beside it."""

Outputs = NDArray[Any]


class Variants:
    """The work of plans that differ from `base` in a few sites: the outputs, `judged`, of each batch, or the sentence
    that says why there are none."""

    def __init__(self, network: Network, base: Plan) -> None:
        self.network, self.base = network, base
        self._made: tuple[Lowered, Simulator] | None = None
        self._kept: tuple[int, KeptBatch] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Variants, (self.network, self.base)

    def prepare(self, plan: Plan) -> Callable[[Batch], Outputs | str]:
        if self._made is None:
            lowered = lower_keeping(self.network, self.base)
            self._made = lowered, Simulator(lowered.program)
        lowered, base = self._made
        try:
            simulator = Simulator(lower_variant(lowered, plan), base)
        except PLAN_IS_WRONG as error:
            sentence = str(error)
            return lambda batch: sentence

        def compute(batch: Batch) -> Outputs | str:
            kept = self._base_of(batch, base)
            try:
                return simulator.run_from(kept)
            except PLAN_IS_WRONG as error:
                return str(error)

        return compute

    def _base_of(self, batch: Batch, base: Simulator) -> KeptBatch:
        """The base's values of a batch: the last one's are kept, since all plans go through a batch before the next."""
        if self._kept is None or self._kept[0] != batch.start or len(self._kept[1].x) != len(batch.x):
            self._kept = None
            self._kept = batch.start, base.run_keeping(batch.x)
        return self._kept[1]


def run_variants(
    executor: Executor,
    work: Variants,
    asked: Iterable[tuple[Plan, range]],
    advance: Callable[[int], None],
) -> dict[str, dict[int, Outputs | str]]:
    """By the hash of each plan and the first image of each batch what was found. asked: plans with images, all plans
    of a batch before the next."""
    found: dict[str, dict[int, Outputs | str]] = {}

    def take(part: Unit[Plan], outputs: Outputs | str) -> None:
        found.setdefault(part.plan.hash, {})[part.images.start] = outputs
        advance(len(part.images))

    executor.run(work, [Unit(plan, images) for plan, images in asked], take)
    return found


def outputs_of(found: dict[int, Outputs | str]) -> list[Outputs]:
    """The outputs in the images' order. Raises: CarrierError with the first sentence where there are none."""
    ordered: list[Outputs] = []
    for _, outputs in sorted(found.items()):
        if isinstance(outputs, str):
            raise CarrierError(outputs)
        ordered.append(outputs)
    return ordered
