"""The codes that a program computes, gathered over all images."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.executor import InProcess, Unit
from bittrue.data import Batch, Dataset
from bittrue.program import FixedNetwork, Step
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value

BATCH_SIZE = 16
"""Few, since the codes of all images are held anyway, and what is compared or written are seldom many."""


def codes_of(program: FixedNetwork, images: Dataset, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """The codes of the steps of these names, none of them FLOAT: integers (images, *shape), in the order of `names`.

    Raises: DataError where the images can't be read; CarrierError where no exact result can be promised.
    """
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in names}

    def take(part: Unit[None], codes: Mapping[str, NDArray[Any]]) -> None:
        for name, own in codes.items():
            found[name].append(own)

    InProcess(images, BATCH_SIZE).run(_Gathering(program, names), [Unit(None, range(images.images))], take)
    return {name: np.concatenate(parts) for name, parts in found.items()}


@dataclass(frozen=True, eq=False)
class _Gathering:
    """The work of one program, in this process; its unit has no plan, as a changed program is the program of none."""

    program: FixedNetwork
    names: Collection[str]

    def prepare(self, plan: None) -> Callable[[Batch], dict[str, NDArray[Any]]]:
        simulator = Simulator(self.program)

        def compute(batch: Batch) -> dict[str, NDArray[Any]]:
            codes: dict[str, NDArray[Any]] = {}

            def observe(step: Step, value: Value) -> None:
                if step.name in self.names:
                    codes[step.name] = value.integers()

            simulator.run(batch.x, observe)
            return codes

        return compute
