"""A layer as a repair sees it: its operator, its actual inputs in fixed point, and the outputs that are wanted."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from bittrue.network import Node, Operator
from bittrue.operators import Add, BatchNormalization, Convolution, Dense
from bittrue.operators.windows import pad_spatial
from bittrue.plan import Spec, Word
from bittrue.repairs.draft import Draft
from bittrue.repairs.moments import Seen, are_few, few_rows, moments
from bittrue.repairs.scaling import absorber
from bittrue.simulation.values import Value

_EXACT_IN_FLOAT32 = 1 << 24
_ROWS_AN_INPUT = 16
_PRODUCTS = 1 << 36
"""Of a convolution's output positions so many are looked at: enough for this many multiplications, or 16 an input."""


@dataclass(frozen=True, eq=False)
class Change:
    """What a repair makes of a layer: other operators, by node, and other formats, by site."""

    operators: Mapping[str, Operator] = field(default_factory=dict)
    sites: Mapping[str, Spec] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Live:
    """One batch's values that later layers read: first, the number of its first image; in fixed point by step, and of
    the target network by node."""

    first: int
    fixed: dict[str, Value]
    target: dict[str, torch.Tensor]


class Layer:
    """One node, when all before it are repaired and its inputs are known bit for bit."""

    def __init__(self, node: Node, draft: Draft, batches: list[Live], seed: int) -> None:
        """node: of the target network, whose value is in `batches`, too. seed: of whatever is drawn."""
        self.node = node
        self.draft = draft
        self.batches = batches
        self.seed = seed
        self._seen: Seen | None = None

    def changed(self, change: Change) -> "Layer":
        """The same layer after a change; what is known of its inputs stays known."""
        layer = Layer(self.node, self.draft.with_operators(change.operators, change.sites), self.batches, self.seed)
        layer._seen = self._seen
        return layer

    @property
    def operator(self) -> Any:
        """As it is by now."""
        return self.draft.network.by_name[self.node.name].operator

    @property
    def wanted(self) -> Any:
        """The operator of the target network."""
        return self.node.operator

    def spec(self, site: str) -> Spec | None:
        return self.draft.sites.get(site)

    @property
    def absorber(self) -> Node | None:
        """The batch norm that takes up factors of this layer's output channels, where its scale is a site."""
        if self.draft.options.batch_norm != "affine":
            return None
        return absorber(self.draft.target, self.node, self._is_inner)

    def _is_inner(self, name: str) -> bool:
        return self.draft.sites.get(f"{name}.output") is Word.EXACT

    def pairs(self) -> Iterator[tuple[Live, Value, torch.Tensor]]:
        """Batch by batch the actual input, and the wanted output (batch, *shape) in float64."""
        missing = self._missing()
        for live in self.batches:
            wanted = live.target[self.node.name].to(torch.float64)
            yield live, live.fixed[self.node.inputs[0]], wanted if missing is None else wanted + missing(live)

    def seen(self) -> Seen:
        """The inputs of each sum of products, and what the sums should be."""
        if self._seen is None:
            self._seen = self._measured()
        return self._seen

    def _measured(self) -> Seen:
        operator, taken = self.wanted, self._taken()
        groups = getattr(operator, "groups", 1)

        def pieces() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for live, value, wanted in self.pairs():
                kind = torch.float32 if value.bound <= _EXACT_IN_FLOAT32 else torch.float64
                x = INPUTS[type(operator)](operator, torch.from_numpy(value.integers()).to(kind))
                y = wanted.reshape(len(wanted), -1, wanted.shape[-1])
                rows = taken(live.first, len(wanted))
                if rows is not None:
                    x, y = _rows(x, rows), _rows(y, rows)
                yield _grouped(x, groups), y.reshape(-1, groups, y.shape[-1] // groups).transpose(0, 1)

        rows, bound, bits, largest = self.extent(math.prod(self.node.shape[:-1]))
        if are_few(rows, math.prod(operator.weight.value.shape[:-1])):
            return few_rows(pieces(), bits)
        return moments(pieces(), rows, bound, bits, largest)

    def extent(self, positions: int) -> tuple[int, int, int, float]:
        """How many rows there are with so many an image, the largest input code, the inputs' fraction bits, and the
        largest wanted value."""
        rows, bound, bits, largest = 0, 0, 0, 0.0
        for _, value, wanted in self.pairs():
            rows += positions * len(wanted)
            bound, bits = max(bound, value.bound), value.fraction_bits or 0
            largest = max(largest, float(wanted.abs().max()))
        return rows, bound, bits, largest

    def _taken(self) -> Callable[[int, int], torch.Tensor | None]:
        """Which output positions of some images are looked at, (images, positions); None for all of them.

        An image's are the same whatever batch it is in.
        """
        positions = math.prod(self.node.shape[:-1])
        inputs = math.prod(self.wanted.weight.value.shape[:-1])
        images = sum(len(live.target[self.node.name]) for live in self.batches)
        wanted = max(_ROWS_AN_INPUT * inputs, _PRODUCTS // inputs**2)
        each = min(positions, -(-wanted // images))
        if each == positions:
            return lambda first, count: None
        order = torch.from_numpy(np.random.default_rng(self.seed).permutation(positions))
        return lambda first, count: order[
            (torch.arange(first, first + count)[:, None] * each + torch.arange(each)) % positions
        ]

    def _missing(self) -> Callable[[Live], torch.Tensor] | None:
        """What the other operands lack of a sum that this layer's output goes into, in units of this output.

        Where the operands beside it are known by now, the layer can make up for their errors, too.
        """
        network, name, factor = self.draft.target, self.node.name, np.ones(1)
        while len(network.consumers[name]) == 1:
            reader = network.by_name[network.consumers[name][0]]
            if isinstance(reader.operator, BatchNormalization):
                factor = factor * scale_of(reader.operator)
            elif isinstance(reader.operator, Add) and all(
                network.by_name[i].shape == reader.shape for i in reader.inputs
            ):
                break
            else:
                return None
            name = reader.name
        else:
            return None
        others = [other for other in reader.inputs if other != name]
        if len(others) != len(reader.inputs) - 1 or any(other not in self.batches[0].fixed for other in others):
            return None
        if not (np.abs(factor) > 0).all():
            return None
        unit = torch.from_numpy(1 / factor)

        def missing(live: Live) -> torch.Tensor:
            off = [
                live.target[other].to(torch.float64) - torch.from_numpy(live.fixed[other].reals()) for other in others
            ]
            return torch.stack(off).sum(0) * unit

        return missing


def scale_of(operator: BatchNormalization) -> np.ndarray:
    """gamma / √(variance + epsilon), in float64."""
    root = np.sqrt(operator.variance.value.astype(np.float64) + operator.epsilon)
    return (1.0 if operator.gamma is None else operator.gamma.value.astype(np.float64)) / root


def _convolution_inputs(operator: Convolution, x: torch.Tensor) -> torch.Tensor:
    kernel = operator.weight.value.shape[:-2]
    padded = pad_spatial(x.movedim(-1, 1), operator.padding).movedim(1, -1)
    taps = []
    for tap in np.ndindex(*kernel):
        place: list[slice] = [slice(None)]
        for at, step, stride, size, reach in zip(
            tap, operator.dilation, operator.strides, padded.shape[1:-1], kernel, strict=True
        ):
            positions = (size - step * (reach - 1) - 1) // stride + 1
            place.append(slice(at * step, at * step + stride * (positions - 1) + 1, stride))
        taps.append(padded[tuple(place)].reshape(len(x), -1, 1, x.shape[-1]))
    return torch.cat(taps, dim=2)


def _dense_inputs(operator: Dense, x: torch.Tensor) -> torch.Tensor:
    return x.reshape(len(x), -1, 1, x.shape[-1])


INPUTS: Mapping[type[Operator], Callable[[Any, torch.Tensor], torch.Tensor]] = {
    Convolution: _convolution_inputs,
    Dense: _dense_inputs,
}
"""(operator, x) → what each output position multiplies, (batch, positions, taps, input channels). The operators whose
weights are repaired."""


def _rows(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Of (batch, positions, …) the positions (batch, taken)."""
    return x[torch.arange(len(x))[:, None], places]


def _grouped(x: torch.Tensor, groups: int) -> torch.Tensor:
    """(batch, positions, taps, channels) → (groups, rows, taps·channels of a group)."""
    batch, positions, taps, channels = x.shape
    split = x.reshape(batch * positions, taps, groups, channels // groups)
    return split.permute(2, 0, 1, 3).reshape(groups, batch * positions, -1)


def as_matrix(weight: np.ndarray, groups: int) -> torch.Tensor:
    """Weights (*kernel, inputs of a group, outputs) as (groups, inputs of a sum, outputs of a group), in float64."""
    flat = torch.from_numpy(weight.astype(np.float64)).reshape(-1, groups, weight.shape[-1] // groups)
    return flat.transpose(0, 1).contiguous()


def from_matrix(matrix: torch.Tensor, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `as_matrix`, for weights of this shape."""
    array: np.ndarray = matrix.transpose(0, 1).reshape(shape).numpy()
    return array
