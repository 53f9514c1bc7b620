"""How far a network under a plan is from the float network on some images, without labels: what repairs, sensitivities
and searches go by."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log10

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.batches import default_batch_size
from bittrue.analysis.evaluating.ending import ending_of
from bittrue.data import Batch, Dataset
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.operators import Softmax
from bittrue.plan import Plan, sites_of
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import Simulator


class Yardstick:
    """The float network's outputs on some images, and the distance of others from them.

    Of classes the distance is the mean Kullback–Leibler divergence of the probabilities, in nats, taken before a last
    softmax, whose own rounding no repair can change; else the squared error as a share of the squared outputs.
    """

    def __init__(self, trained: Network, images: Dataset) -> None:
        self._images = images
        self._size = default_batch_size(trained)
        self._classes = ending_of(trained).is_classes
        # Whether the outputs are logits of the probabilities that are compared.
        self.in_logits = self._classes and (
            ending_of(trained).ends_in == "logits" or isinstance(trained.by_name[trained.output].operator, Softmax)
        )
        model = FloatModel(before_softmax(trained))
        self._outputs = np.concatenate([model.outputs(batch.x).astype(np.float64) for batch in self.batches()])

    def distance(self, network: Network, plan: Plan) -> float:
        """Of the exact simulation of `network` under `plan`, the mean over the images."""
        simulator = Simulator(lower_network(*plan_before_softmax(network, plan)))
        return float(self.each([simulator.run(batch.x).outputs for batch in self.batches()]).mean())

    def batches(self) -> Iterator[Batch]:
        """The images."""
        return self._images.batches(self._size)

    def each(self, found: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Image by image the distance of outputs, which come in batches of any size, in the images' order."""
        own = np.concatenate(found)
        if self._classes:
            return self._divergence(self._outputs, own)
        errors, signal = _squares(own - self._outputs), float(_squares(self._outputs).mean())
        return errors / signal if signal else errors

    def cross_entropy(self, found: Sequence[NDArray[np.float64]], labels: NDArray[np.int64]) -> float:
        """The mean of −log of the labels' probabilities, in nats; outputs come as in `each`. Of classes only."""
        logs = self._log_probabilities(np.concatenate(found))
        return float(-logs[np.arange(len(labels)), labels].mean())

    def sqnr(self, found: Sequence[NDArray[np.float64]]) -> float | None:
        """The float outputs' squares to those of the errors, in dB; outputs come as in `each`. None where there is no
        error, or no signal."""
        errors = float(_squares(np.concatenate(found) - self._outputs).sum())
        signal = float(_squares(self._outputs).sum())
        return 10 * log10(signal / errors) if errors and signal else None

    def _divergence(self, wanted: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
        first, second = self._log_probabilities(wanted), self._log_probabilities(own)
        divergence: NDArray[np.float64] = (np.exp(first) * (first - second)).sum(1)
        return divergence

    def _log_probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.in_logits:
            shifted = outputs - outputs.max(1, keepdims=True)
            logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
            return logs
        clipped = np.clip(outputs, 1e-7, None)
        shares: NDArray[np.float64] = clipped / clipped.sum(1, keepdims=True)
        return np.log(shares)


def _squares(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of an image's squares."""
    squares: NDArray[np.float64] = np.square(values).reshape(len(values), -1).sum(1)
    return squares


def before_softmax(network: Network) -> Network:
    """The network up to its last softmax, where it ends in one."""
    last = network.by_name[network.output]
    if not isinstance(last.operator, Softmax):
        return network
    output = last.inputs[0]
    return replace(network, nodes=tuple(node for node in network.nodes if node is not last), output=output)


def plan_before_softmax(network: Network, plan: Plan) -> tuple[Network, Plan]:
    """The network up to its last softmax, and what the plan says of it."""
    ended = before_softmax(network)
    names = sites_of(ended, plan.options)
    return ended, Plan(ended.hash, plan.options, {name: plan.sites[name] for name in names if name in plan.sites})
