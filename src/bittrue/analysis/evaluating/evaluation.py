"""What is asked of a network's outputs, checked against network and data before anything is computed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.metrics import (
    EndsIn,
    PerImage,
    PerImageDeviation,
    tally,
    tally_binary,
    tally_deviation,
)
from bittrue.data import Batch, Dataset
from bittrue.errors import BittrueError
from bittrue.network import Network
from bittrue.operators import ends_in_probabilities

Metric = Literal["accuracy", "binary", "mse", "sqnr"]


@dataclass(frozen=True)
class Question:
    """metric: B13. ends_in: what the values of the network's output are."""

    metric: Metric
    ends_in: EndsIn

    @property
    def needs_float(self) -> bool:
        """Whether a batch is judged by the float outputs for it, instead of by labels."""
        return self.metric in ("mse", "sqnr")

    def per_image(
        self, outputs: NDArray[np.float64], batch: Batch, float_outputs: NDArray[np.float64] | None
    ) -> PerImage | PerImageDeviation:
        """The records of one batch; `float_outputs` where `needs_float`."""
        if float_outputs is not None:
            return tally_deviation(outputs, float_outputs, first_image=batch.start)
        assert batch.y is not None
        judge = tally_binary if self.metric == "binary" else tally
        return judge(outputs, batch.y, ends_in=self.ends_in, first_image=batch.start)


def question(network: Network, dataset: Dataset, metric: str) -> Question:
    """The question `metric` of this network on this data.

    Raises: BittrueError for an unknown metric, or one that the outputs' shape has no answer to; DataError for data
    without labels where the metric needs them, and for labels that no output stands for.
    """
    known = next((name for name in get_args(Metric) if name == metric), None)
    if known is None:
        raise BittrueError(f"There is no metric {metric!r}: choose one of {', '.join(get_args(Metric))}.")
    asked = Question(known, "probabilities" if ends_in_probabilities(network) else "logits")
    if not asked.needs_float:
        shape = network.by_name[network.output].shape
        # Outputs of the wrong shape are refused now by what would refuse them after the first batch.
        asked.per_image(np.zeros((1, *shape)), Batch(np.zeros((1, 1), np.float32), np.zeros(1, np.int64), 0), None)
        dataset.check_classes(2 if known == "binary" else shape[0])
    return asked


def question_by_shape(network: Network, dataset: Dataset) -> Question | None:
    """What can be asked by itself: accuracy of a classifier where the data has labels; else None.

    Raises: DataError for labels that no output stands for.
    """
    shape = network.by_name[network.output].shape
    if dataset.labels is None:
        return None
    if len(shape) == 1 and shape[0] > 1:
        return question(network, dataset, "accuracy")
    if shape in ((), (1,)) and ends_in_probabilities(network):
        return question(network, dataset, "binary")
    return None


def combined(parts: Iterable[Mapping[str, int]], how: Callable[[int, int], int]) -> dict[str, int]:
    """The batches' counters as one, names in the order in which they come; `how` joins two of a name."""
    totals: dict[str, int] = {}
    for part in parts:
        for name, number in part.items():
            totals[name] = how(totals[name], number) if name in totals else number
    return totals
