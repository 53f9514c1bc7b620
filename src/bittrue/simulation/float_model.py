"""The float yardstick: the network as trained, in float32 on torch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from bittrue.environment import exact_environment
from bittrue.network import Network
from bittrue.operators.float_value import float_value

Observer = Callable[[str, torch.Tensor], None]
"""Called with a node's name and its output (batch, *shape), channels last; it may not keep or change the tensor."""


_threads: int | None = None


def run_floats_on(threads: int | None) -> None:
    """From now on have float networks run on as many threads as elsewhere (None: on those of this process).

    The last bits of float32 sums depend on how they are shared out, so a worker that has one processor computes float
    rows as the process does that began the study. What is exact doesn't depend on it.
    """
    global _threads
    _threads = threads


@contextmanager
def _their_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    if _threads is None or _threads == before:
        yield
        return
    torch.set_num_threads(_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class FloatModel:
    """A Network ready to run in float32; parameters are laid out once, here."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._functions = {node.name: float_value[type(node.operator)](node.operator) for node in network.nodes}
        self._last_reader = {name: node.name for node in network.nodes for name in node.inputs}

    def run(self, x: np.ndarray, observe: Observer | None = None) -> np.ndarray:
        """What the model gives for a batch: the network's output, or the classes that its ArgMax names."""
        outputs, argmax = self.outputs(x, observe), self.network.argmax
        return outputs if argmax is None else argmax.classes(outputs)

    @torch.inference_mode()
    @exact_environment()
    @_their_threads()
    def outputs(self, x: np.ndarray, observe: Observer | None = None) -> np.ndarray:
        """The network's output for a batch x of float32, shape (batch, *input shape), channels last; float32
        likewise."""
        values: dict[str, torch.Tensor] = {
            self.network.input.name: torch.from_numpy(np.ascontiguousarray(x, np.float32))
        }
        for node in self.network.nodes:
            inputs = [values[name] for name in node.inputs] if node.inputs else [values[node.name]]
            values[node.name] = self._functions[node.name](*inputs)
            if observe is not None:
                observe(node.name, values[node.name])
            for name in set(node.inputs):
                if self._last_reader[name] == node.name and name != self.network.output:
                    del values[name]
        result: np.ndarray = values[self.network.output].numpy()
        return result
