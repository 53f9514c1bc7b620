"""What a metric says of a network's outputs, batch by batch: the work of sweeps and simulations."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.ending import Ending, ending_of
from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.evaluating.metrics.metric import ByFloat, ByLabels, ByTargets, Metric
from bittrue.analysis.evaluating.record import Record
from bittrue.data import Batch, Dataset
from bittrue.errors import DataError
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.program import FixedNetwork
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import BatchResult, Simulator

Judge = Callable[[Batch, NDArray[np.float64], Mapping[str, Mapping[str, int]]], Record]
"""Makes the record of a batch from its outputs and counters."""


class Evaluation:
    """The work (executor.py) that gives a Record a batch: what the metric says of each image, and under a plan the
    counters `overflows` and `peaks`."""

    def __init__(self, network: Network, metric: Metric | None, beside: Plan | None = None) -> None:
        """metric: None where nothing is asked of the outputs. beside: whose outputs a metric that goes by float outputs
        takes for these; None for the float network's own."""
        self.network, self.metric, self.beside = network, metric, beside
        self._ending = ending_of(network)
        self._lowered: tuple[Plan, FixedNetwork] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """What was lowered stays here."""
        return Evaluation, (self.network, self.metric, self.beside)

    def program(self, plan: Plan) -> FixedNetwork:
        """The plan's program; the last one is kept, so that whoever asks first and the work here lower it once."""
        if self._lowered is None or self._lowered[0] is not plan:
            self._lowered = None  # one in memory at a time
            self._lowered = plan, lower_network(self.network, plan)
        return self._lowered[1]

    def prepare(self, plan: Plan | None) -> Callable[[Batch], Record]:
        judge = self.judge()
        if plan is None:
            model = FloatModel(self.network)
            return lambda batch: judge(batch, model.outputs(batch.x).astype(np.float64), {})
        simulator = Simulator(self.program(plan))

        def compute(batch: Batch) -> Record:
            result = simulator.run(batch.x)
            return judge(batch, result.judged, counters(result))

        return compute

    def judge(self) -> Judge:
        """What makes records; where the metric goes by the float outputs it runs what these are, too."""
        metric, ending = self.metric, self._ending
        if metric is None:
            return lambda batch, outputs, counters: Record(batch.start, len(batch.x), {}, counters)
        reference = REFERENCES[type(metric.judged)](self.network, self.beside)

        def record(batch: Batch, outputs: NDArray[np.float64], counters: Mapping[str, Mapping[str, int]]) -> Record:
            arrays = metric.tally(outputs, reference(batch), ending, batch.start)
            return Record(batch.start, len(batch.x), arrays, counters)

        return record


def counters(result: BatchResult) -> dict[str, dict[str, int]]:
    """What a record counts of a simulated batch."""
    return {"overflows": result.overflows, "peaks": result.peaks}


def check_metric(metric: Metric, network: Network, dataset: Dataset) -> None:
    """Refuse a metric that network and data have no answer to, before anything is computed.

    Raises: BittrueError for outputs whose shape has no answer; DataError for data without the labels that the metric
    needs, and for labels that no output stands for.
    """
    if not isinstance(metric.judged, ByFloat):
        metric.judged.check(ending_of(network).shape, dataset)


def metric_by_shape(network: Network, dataset: Dataset) -> Metric | None:
    """What can be asked by itself: the accuracy of what ends in classes where the data has labels; else None.

    Raises: DataError for labels that no output stands for.
    """
    metric = _own_metric(ending_of(network))
    if metric is None or dataset.labels is None:
        return None
    check_metric(metric, network, dataset)
    return metric


def _own_metric(ending: Ending) -> Metric | None:
    if ending.is_classes:
        return metric_named("accuracy")
    return metric_named("binary") if ending.is_binary else None


def _float_outputs(network: Network, beside: Plan | None) -> Callable[[Batch], NDArray[Any]]:
    if beside is not None:
        simulator = Simulator(lower_network(network, beside))
        return lambda batch: simulator.run(batch.x).judged
    model = FloatModel(network)
    return lambda batch: model.outputs(batch.x).astype(np.float64)


def _classes(batch: Batch) -> NDArray[Any]:
    if batch.y is None:
        raise DataError(f"Image {batch.start} has no label, and accuracy and loss need them, in an array y.")
    return batch.y


def _labels(batch: Batch) -> NDArray[Any]:
    return _classes(batch) if batch.targets is None else batch.targets


REFERENCES: dict[type, Callable[[Network, Plan | None], Callable[[Batch], NDArray[Any]]]] = {
    ByLabels: lambda network, beside: _classes,
    ByTargets: lambda network, beside: _labels,
    ByFloat: _float_outputs,
}
"""What makes the reference of a batch's outputs, by what a metric judges them by."""
