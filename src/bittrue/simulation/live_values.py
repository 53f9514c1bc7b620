"""The values between steps: how long each is kept, and whose memory a step may write over."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch

from bittrue.program import FixedNetwork, Step
from bittrue.simulation.values import Codes, Value

_NOTHING: Mapping[str, Value] = MappingProxyType({})


class LiveValues:
    """A batch's values, each until the last step that reads it has run.

    A step may write over the memory of an input that goes with it, unless another value lies there too: a step that
    only moves codes may return a view of them.
    """

    def __init__(
        self,
        program: FixedNetwork,
        stay: Collection[str],
        earlier: Mapping[str, Value] = _NOTHING,
        steps: Collection[Step] = (),
    ) -> None:
        """stay: the steps whose values are kept to the end. earlier: the values of a run on the same batch, which are
        read where no newer ones differ, and stay as they are. steps: those that computed them."""
        self.own: dict[str, Value] = {}
        self._readers = program.reader_counts.copy()
        self._readers.update(list(stay))  # of a mapping it would take the values for counts
        self._in_memory: defaultdict[int, set[str]] = defaultdict(set)
        self._earlier, self._steps = earlier, frozenset(steps)
        self._lent = {_memory(value.tensor) for value in earlier.values() if isinstance(value, Codes)}

    def __getitem__(self, name: str) -> Value:
        return self.own[name] if name in self.own else self._earlier[name]

    def is_known(self, step: Step) -> bool:
        """Whether the earlier run has had this very step, on the very inputs."""
        return step in self._steps and not any(name in self.own for name in step.inputs)

    def inputs_of(self, step: Step) -> tuple[Value, ...]:
        """A step's inputs, reusable where it may write over them."""
        values = (self[name] for name in step.inputs)
        return tuple(
            replace(value, reusable=self.may_overwrite(value.tensor, step)) if isinstance(value, Codes) else value
            for value in values
        )

    def may_overwrite(self, tensor: torch.Tensor, step: Step) -> bool:
        """Whether nothing lies in a tensor's memory but, at most, one input that nobody reads after `step`."""
        memory = _memory(tensor)
        lying = self._in_memory.get(memory, set())
        going = all(name in step.inputs and self._readers[name] == 1 for name in lying)
        return going and len(lying) <= 1 and memory not in self._lent

    def put(self, step: Step, value: Value) -> None:
        """What a step has computed; where the earlier run has the same, that is read."""
        if step.name in self._earlier and same_codes(value, self._earlier[step.name]):
            return
        self.own[step.name] = value
        if isinstance(value, Codes):
            self._in_memory[_memory(value.tensor)].add(step.name)

    def release_inputs_of(self, step: Step) -> None:
        """What no other step reads goes."""
        self.release(set(step.inputs))

    def release(self, names: Iterable[str]) -> None:
        """Of each of these values one reader is done; what has no other goes."""
        for name in names:
            self._readers[name] -= 1
            if not self._readers[name] and name in self.own:
                value = self.own.pop(name)
                if isinstance(value, Codes):
                    self._in_memory[_memory(value.tensor)].discard(name)


def same_codes(first: Value, second: Value) -> bool:
    """Whether two batches of a step are equal, code by code and in their binary point."""
    if first.fraction_bits != second.fraction_bits:
        return False
    if isinstance(first, Codes) and isinstance(second, Codes) and first.tensor.dtype == second.tensor.dtype:
        return torch.equal(first.tensor, second.tensor)
    return np.array_equal(first.integers(), second.integers())


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
