"""A plan's run with every step's values, from which plans near it go on: only what differs is computed again."""

from collections.abc import Callable
from math import prod

from bittrue.analysis.evaluating.batches import LARGEST_BATCH
from bittrue.analysis.evaluating.executor import Executor, InProcess, Unit
from bittrue.data import Batch, Dataset
from bittrue.lowering import Lowered, lower_keeping
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.simulation.simulator import KeptBatch, Simulator

KEPT_BYTES = 1 << 31
"""What the values of all steps may take that are kept at a time."""


class Prefixes:
    """The images under one plan, batch by batch with all values, kept from the first pass on where memory allows.

    The values lie in this process and so does the work on them: they take more memory than the network and the images
    together, and a worker elsewhere would have to compute its own.
    """

    def __init__(self, network: Network, plan: Plan, images: Dataset, batch_size: int | None) -> None:
        self.lowered: Lowered = lower_keeping(network, plan)
        self.base = Simulator(self.lowered.program)
        values = sum(prod(step.type.shape) for step in self.lowered.program.steps)
        fitting = max(KEPT_BYTES // (8 * values), 1)
        largest = min(1 << (fitting.bit_length() - 1), LARGEST_BATCH)
        self.batch_size = largest if batch_size is None else min(batch_size, largest)
        self._executor: Executor = InProcess(images, self.batch_size)
        self._unit = Unit(plan, range(images.images))
        self._fit = images.images <= fitting
        self._kept: list[tuple[KeptBatch, int]] = []
        self._is_whole = False

    @property
    def batches(self) -> list[range]:
        """The images of each batch."""
        images = self._unit.images
        return [images[first : first + self.batch_size] for first in range(0, len(images), self.batch_size)]

    def each(self, take: Callable[[KeptBatch, int], None]) -> None:
        """Call `take` with every batch and the number of its first image; what could be kept isn't computed again."""
        if self._is_whole:
            for kept, first in self._kept:
                take(kept, first)
            return

        def took(part: Unit[Plan], kept: KeptBatch) -> None:
            if self._fit:
                self._kept.append((kept, part.images.start))
            take(kept, part.images.start)

        self._kept.clear()
        self._executor.run(self, [self._unit], took)
        self._is_whole = self._fit

    def prepare(self, plan: Plan) -> Callable[[Batch], KeptBatch]:
        """The work of the first pass."""
        return lambda batch: self.base.run_keeping(batch.x)
