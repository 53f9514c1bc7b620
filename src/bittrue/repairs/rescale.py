"""One factor for all channels of what passes between layers: it makes up for steps that have to be powers of two.

The layer that makes the channels takes the factor up, those that read them divide their weights by it, and the float
network computes the same. Since all channels have the same factor, it costs the weights that follow nothing, as it does
in `equalize`. It goes through a ReLU with a maximum, too, where the rounded value saturates before.

Factors and binary points are those with which the outputs come nearest to the float network's when nothing but the
outputs' words is rounded, in float32: first a set of layers that share a factor at a time, then site by site. There is
no margin as in `points`: what a set gains is often less than a standard error, and most of it is there on other images.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from bittrue.analysis.evaluating.yardstick import Yardstick, before_softmax
from bittrue.data import Dataset
from bittrue.environment import exact_environment
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.network import Network, Node
from bittrue.operators import Flatten, ReLU
from bittrue.operators.float_value import float_value
from bittrue.repairs.draft import Draft, covering, with_operators
from bittrue.repairs.equalize import scaled, sharing

_IMAGES = 256
_HELD_BYTES = 2**31
_COPIES = 12
"""Bytes for each value of an image: in float32, of what is tried, of what it is compared with, and of one more."""
_PARTS = 8
"""Factors tried within an octave; beyond it they are binary points."""
_OCTAVES = 5
"""Binary points tried, from the one that covers all values on."""


@exact_environment()
@torch.inference_mode()
def rescale(draft: Draft, images: Dataset) -> Draft:
    """The draft with other scales inside, and the binary points of outputs that go with them."""
    held = _COPIES * sum(math.prod(node.shape) for node in draft.target.nodes)
    taken = min(_IMAGES, images.images, max(_HELD_BYTES // held, 2))
    run = _Run.begun(draft, Yardstick(draft.target, images.take(taken)))
    maxima = _maxima(draft)
    parts: dict[str, int] = {}
    for shared in sharing(draft.target, maxima):
        own = [name for name in shared if name in run.steps]
        if own:
            for part in range(_PARTS):
                tried = run.with_steps({name: run.fitted(name, part) for name in own})
                if tried.is_better_than(run):
                    run = tried
                    parts.update(dict.fromkeys(shared, part))
    for name in run.steps:
        for octave in (-1, 1):
            moved = run.with_steps({name: run.steps[name] + octave})
            if run.allows(name, moved.steps[name]) and moved.is_better_than(run):
                run = moved
    factors = {
        name: np.full(draft.target.by_name[name].shape[-1], 2.0 ** (-part / _PARTS))
        for name, part in parts.items()
        if part
    }
    sites = {
        f"{name}.output": _at(quantizer, round(parts.get(name, 0) / _PARTS - run.steps[name]))
        for name, quantizer in run.quantizers.items()
    }
    target = _with_maxima(scaled(draft.target, factors), {name: factors[name][0] for name in maxima if name in factors})
    return replace(draft, target=target, network=scaled(draft.network, factors), sites={**draft.sites, **sites})


def _maxima(draft: Draft) -> dict[str, float]:
    """Of the ReLUs whose values are rounded right there, and saturate.

    A word that saturates at the maximum or before it takes the ReLU's place: whatever factor below 1 its values have,
    they are the float network's times this factor, although the ReLU keeps its maximum.
    """
    found = {}
    for node in draft.target.nodes:
        operator, spec = node.operator, draft.sites.get(f"{node.name}.output")
        saturates = isinstance(spec, Quantizer) and spec.overflow is Overflow.SATURATE
        if saturates and isinstance(operator, ReLU) and operator.max_value is not None and operator.threshold == 0:
            found[node.name] = float(operator.max_value)
    return found


def _with_maxima(target: Network, factors: Mapping[str, float]) -> Network:
    """The float network whose ReLUs of these names have their maxima times these factors."""
    operators = {}
    for name, factor in factors.items():
        operator = target.by_name[name].operator
        assert isinstance(operator, ReLU)
        assert operator.max_value is not None
        operators[name] = replace(operator, max_value=operator.max_value * factor)
    return with_operators(target, operators)


@dataclass(frozen=True, eq=False)
class _Run:
    """The float network on some images, its outputs rounded where the plan rounds them.

    steps: the logarithm to base 2 of each rounded node's step, in units of the trained network. maxima: what may be
    the largest value of some. values: batch by batch of all nodes. losses: image by image.
    """

    network: Network
    functions: Mapping[str, Callable[..., torch.Tensor]]
    yardstick: Yardstick
    quantizers: Mapping[str, Quantizer]
    maxima: Mapping[str, float]
    steps: Mapping[str, float]
    values: list[dict[str, torch.Tensor]]
    losses: NDArray[np.float64]

    @classmethod
    def begun(cls, draft: Draft, yardstick: Yardstick) -> "_Run":
        network = before_softmax(draft.target)
        quantizers = {}
        for node in network.nodes:
            spec = draft.sites.get(f"{node.name}.output")
            # A Flatten moves codes, and has the format of what it moves.
            if isinstance(spec, Quantizer) and not isinstance(node.operator, Flatten):
                quantizers[node.name] = spec
        steps = {name: -float(quantizer.format.fraction_bits) for name, quantizer in quantizers.items()}
        inputs = [{"": torch.from_numpy(batch.x)} for batch in yardstick.batches()]
        functions = {node.name: float_value[type(node.operator)](node.operator) for node in network.nodes}
        begun = cls(network, functions, yardstick, quantizers, _maxima(draft), steps, inputs, np.empty(0))
        return begun.from_node(0, steps)

    def with_steps(self, steps: Mapping[str, float]) -> "_Run":
        """The same with other steps at some nodes, from the first of which on everything is computed again."""
        first = next(place for place, node in enumerate(self.network.nodes) if node.name in steps)
        return self.from_node(first, {**self.steps, **steps})

    def from_node(self, first: int, steps: Mapping[str, float]) -> "_Run":
        values = []
        for before in self.values:
            found = dict(before)
            for node in self.network.nodes[first:]:
                value = self._unrounded(node, found)
                if node.name in steps:
                    value = _rounded(value, self.quantizers[node.name], steps[node.name])
                found[node.name] = value
            values.append(found)
        outputs = [found[self.network.output].numpy().astype(np.float64) for found in values]
        return replace(self, steps=steps, values=values, losses=self.yardstick.each(outputs))

    def _unrounded(self, node: Node, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
        inputs = [values[name] for name in node.inputs] if node.inputs else [values[""]]
        value: torch.Tensor = self.functions[node.name](*inputs)
        return value

    def fitted(self, name: str, part: int) -> float:
        """The step with the least squared error at a node, among those of this part of an octave."""
        quantizer = self.quantizers[name]
        values = self._unrounded(self.network.by_name[name], self.values[0])
        covered = covering(np.array([float(values.min()), float(values.max())]), quantizer).format.fraction_bits
        steps = [part / _PARTS - covered - octave for octave in range(-1, _OCTAVES)]
        allowed = [step for step in steps if self.allows(name, step)]
        return min(
            allowed or steps[-1:], key=lambda step: float((_rounded(values, quantizer, step) - values).square().mean())
        )

    def allows(self, name: str, step: float) -> bool:
        """Whether a node's values saturate no later than its ReLU does."""
        most = self.maxima.get(name, math.inf)
        return bool(self.quantizers[name].max_code * 2.0**step <= most)

    def is_better_than(self, other: "_Run") -> bool:
        return bool(self.losses.mean() < other.losses.mean())


def _rounded(values: torch.Tensor, quantizer: Quantizer, step: float) -> torch.Tensor:
    unit = 2.0**step
    rounded: torch.Tensor = (values / unit).round_().clamp_(quantizer.min_code, quantizer.max_code).mul_(unit)
    return rounded


def _at(quantizer: Quantizer, fraction_bits: int) -> Quantizer:
    format = quantizer.format
    return replace(quantizer, format=FixedFormat(format.signed, format.word_length, fraction_bits))
