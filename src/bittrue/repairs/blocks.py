"""Block reconstruction: all weights, biases and batch norms between two rounding points together, so that what leaves
the block comes near to the float network's.

Li et al., "BRECQ: pushing the limit of post-training quantization by block reconstruction", ICLR 2021; with blocks of
one layer Nagel et al., "Up or down? Adaptive rounding for post-training quantization" (AdaRound), ICML 2020. Both learn
which way to round; here codes may go farther: they follow gradients that pass the rounding unchanged (Bengio, Léonard
and Courville, 2013), on a float32 surrogate of the block in fixed point. What is found is codes again, and kept where
the block's error is less.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from bittrue.fixed import Quantizer
from bittrue.network import Network, Node, Operator, Parameter
from bittrue.operators import BatchNormalization, Convolution, Dense
from bittrue.operators.float_value import float_value
from bittrue.operators.windows import convolve
from bittrue.plan import Guard, Spec, Word, formats_of, group_inner_nodes
from bittrue.repairs.layer import INPUTS, Change, Layer, scale_of

ITERATIONS = 200
BATCH = 32
_CODE_RATE = 0.004
"""Of Adam, in codes of a weight."""
_SCALE_RATE = 1e-3
"""The same for scales, offsets and biases, as a share of their mean size."""

Forward = Callable[..., torch.Tensor]


def repair_blocks(layer: Layer) -> Change | None:
    """The block that begins with this layer, up to the next point through which everything goes."""
    return _reconstructed(layer, _block(layer, whole=True))


def repair_rounding(layer: Layer) -> Change | None:
    """This layer alone, up to its rounding point."""
    return _reconstructed(layer, _block(layer, whole=False))


def _block(layer: Layer, *, whole: bool) -> tuple[str, list[Node]] | None:
    """The node before the block and the block's nodes; None where this layer isn't the first of one with weights."""
    if type(layer.operator) not in INPUTS or not _has_formats(layer.draft.sites, layer.node):
        return None
    network, name = layer.draft.target, layer.node.name
    for source, nodes in _cuts(network) if whole else [_own(network, layer.node)]:
        names = [node.name for node in nodes]
        if name in names:
            weighted = [n for n in nodes if type(n.operator) in INPUTS and _has_formats(layer.draft.sites, n)]
            floats = any(layer.draft.sites.get(f"{n}.output") is Word.FLOAT for n in names)
            return (source, nodes) if weighted[0].name == name and not floats else None
    return None


def _has_formats(sites: Mapping[str, Spec], node: Node) -> bool:
    operator: Any = node.operator
    return isinstance(sites.get(operator.weight.name), tuple | Quantizer)


def _cuts(network: Network) -> Iterator[tuple[str, list[Node]]]:
    """The nodes between points that all values go through and that are rounded, each part with the point before it."""
    inner = group_inner_nodes(network)
    unread = {node.name: len(network.consumers[node.name]) for node in network.nodes}
    source, part, live = network.input.name, [], {network.input.name}
    for node in network.nodes[1:]:
        part.append(node)
        for name in node.inputs:
            unread[name] -= 1
            if not unread[name]:
                live.discard(name)
        live.add(node.name)
        if live == {node.name} and node.name not in inner:
            yield source, part
            source, part = node.name, []


def _own(network: Network, node: Node) -> tuple[str, list[Node]]:
    """A layer and what joins its group."""
    inner, nodes = group_inner_nodes(network), [node]
    while nodes[-1].name in inner:
        nodes.append(network.by_name[network.consumers[nodes[-1].name][0]])
    return node.inputs[0], nodes


def _reconstructed(layer: Layer, block: tuple[str, list[Node]] | None) -> Change | None:
    if block is None:
        return None
    source, nodes = block
    with torch.inference_mode(False), torch.enable_grad():
        pairs = [
            (live.fixed[source].values().clone(), _floats(nodes, source, live.target[source].clone()))
            for live in layer.batches
        ]
        x, wanted = (torch.cat(part) for part in zip(*pairs, strict=True))
        surrogate = _Surrogate(layer, nodes, source, float(wanted.square().mean().sqrt()))
        before = surrogate.error(x, wanted)
        surrogate.fit(x, wanted, layer.seed)
        return surrogate.change() if surrogate.error(x, wanted) < before else None


def _floats(nodes: Sequence[Node], source: str, x: torch.Tensor) -> torch.Tensor:
    """What the block gives in float."""
    values = {source: x}
    with torch.no_grad():
        for node in nodes:
            values[node.name] = float_value[type(node.operator)](node.operator)(*(values[i] for i in node.inputs))
    return values[nodes[-1].name]


@dataclass(frozen=True, eq=False)
class _Latent:
    """A parameter that is learned: value = codes·unit, codes the rounded and limited `numbers`."""

    numbers: torch.Tensor
    unit: torch.Tensor
    low: int
    high: int
    rate: float

    @property
    def value(self) -> torch.Tensor:
        """On the grid, with the gradient of what isn't rounded."""
        limited = self.numbers.clamp(self.low, self.high)
        return (limited + (limited.round() - limited).detach()) * self.unit


def _latent(values: np.ndarray, spec: Spec, rate: Callable[[np.ndarray], float]) -> _Latent:
    """rate: of the codes' unit, the rate in codes."""
    quantizers = spec if isinstance(spec, tuple) else (spec,)
    assert all(isinstance(quantizer, Quantizer) for quantizer in quantizers)
    bits = np.array([f.fraction_bits for f in formats_of(spec)])
    first = quantizers[0]
    assert isinstance(first, Quantizer)
    numbers = torch.from_numpy(np.ldexp(values.astype(np.float64), bits).astype(np.float32)).requires_grad_()
    unit = np.ldexp(1.0, -bits).astype(np.float32)
    return _Latent(numbers, torch.from_numpy(unit), first.min_code, first.max_code, rate(unit))


class _Surrogate:
    """A block in float32 with the roundings of the plan, through which gradients pass."""

    def __init__(self, layer: Layer, nodes: Sequence[Node], source: str, size: float) -> None:
        """size: the root mean square of the wanted outputs."""
        self._draft, self._nodes, self._source, self._size = layer.draft, nodes, source, size
        self._latents: dict[str, _Latent] = {}
        self._operators: dict[str, Any] = {}
        self._forward: dict[str, Forward] = {}
        for node in nodes:
            operator = self._draft.network.by_name[node.name].operator
            self._operators[node.name] = operator
            rule = _LEARNED.get(type(operator))
            found = None if rule is None else rule(self, node.name, operator)
            self._forward[node.name] = float_value[type(operator)](operator) if found is None else found

    def fit(self, x: torch.Tensor, wanted: torch.Tensor, seed: int) -> None:
        """Adam on batches drawn by the seed, its rate falling to 0 as half a cosine."""
        groups = [{"params": [latent.numbers], "lr": latent.rate} for latent in self._latents.values()]
        optimizer = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
        generator = torch.Generator().manual_seed(seed)
        order = torch.empty(0, dtype=torch.int64)
        for _ in range(ITERATIONS):
            if len(order) < BATCH:
                order = torch.cat([order, torch.randperm(len(x), generator=generator)])
            chosen, order = order[:BATCH], order[BATCH:]
            optimizer.zero_grad()
            loss = (self._run(x[chosen]) - wanted[chosen]).square().mean() / self._size**2
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()

    def error(self, x: torch.Tensor, wanted: torch.Tensor) -> float:
        """The mean squared error of the outputs."""
        with torch.no_grad():
            parts = [
                float((self._run(x[i : i + BATCH]) - wanted[i : i + BATCH]).square().sum(dtype=torch.float64))
                for i in range(0, len(x), BATCH)
            ]
        return math.fsum(parts) / wanted.numel()

    def change(self) -> Change:
        """The operators with what was learned."""
        operators: dict[str, Operator] = {}
        for name, operator in self._operators.items():
            own = {
                role: Parameter(parameter.name, self._latents[parameter.name].value.detach().numpy().copy())
                for role, parameter in operator.parameters()
                if parameter.name in self._latents
            }
            if own:
                operators[name] = replace(operator, **own)
        return Change(operators, {})

    def _run(self, x: torch.Tensor) -> torch.Tensor:
        values = {self._source: x}
        for node in self._nodes:
            exact = self._forward[node.name](*(values[name] for name in node.inputs))
            values[node.name] = _rounded(exact, self._draft.sites[f"{node.name}.output"])
        return values[self._nodes[-1].name]

    def learned(self, values: np.ndarray, name: str, *, codes: bool) -> _Latent | None:
        """A parameter that has a format; codes: whether its rate is one of codes, as a weight's."""
        spec = self._draft.sites.get(name)
        if not isinstance(spec, tuple | Quantizer):
            return None
        size = float(np.abs(values).mean())

        def rate(unit: np.ndarray) -> float:
            return _CODE_RATE if codes else _SCALE_RATE * size / float(unit.max())

        self._latents[name] = _latent(values, spec, rate)
        return self._latents[name]

    def replaced(self, node: str, operator: Operator) -> None:
        """Another operator of the same values, whose parameters are sites."""
        self._operators[node] = operator


def _rounded(exact: torch.Tensor, spec: Spec) -> torch.Tensor:
    if isinstance(spec, Guard):
        spec = spec.quantizer
    if not isinstance(spec, Quantizer):
        return exact
    unit = 2.0**-spec.format.fraction_bits
    limited = (exact / unit).clamp(spec.min_code, spec.max_code)
    return (limited + (limited.round() - limited).detach()) * unit


def _constant(parameter: Parameter | None) -> Callable[[], torch.Tensor | None]:
    value = None if parameter is None else torch.from_numpy(np.ascontiguousarray(parameter.value, np.float32))
    return lambda: value


def _value(surrogate: _Surrogate, parameter: Parameter | None, *, codes: bool) -> Callable[[], torch.Tensor | None]:
    latent = None if parameter is None else surrogate.learned(parameter.value, parameter.name, codes=codes)
    return _constant(parameter) if latent is None else lambda: latent.value


def _convolution(surrogate: _Surrogate, node: str, operator: Convolution) -> Forward:
    weight = _value(surrogate, operator.weight, codes=True)
    bias = _value(surrogate, operator.bias, codes=False)
    rank = len(operator.strides)

    def forward(x: torch.Tensor) -> torch.Tensor:
        kernel: Any = weight()
        moved = kernel.permute(rank + 1, rank, *range(rank))
        return convolve(x, moved, bias(), operator.strides, operator.padding, operator.dilation, operator.groups)

    return forward


def _dense(surrogate: _Surrogate, node: str, operator: Dense) -> Forward:
    weight = _value(surrogate, operator.weight, codes=True)
    bias = _value(surrogate, operator.bias, codes=False)

    def forward(x: torch.Tensor) -> torch.Tensor:
        matrix: Any = weight()
        return torch.nn.functional.linear(x, matrix.T, bias())

    return forward


def _normalization(surrogate: _Surrogate, node: str, operator: BatchNormalization) -> Forward | None:
    """In the `affine` form; else None, and it isn't learned."""
    sites = surrogate._draft.sites
    specs = sites.get(f"{node}.scale"), sites.get(f"{node}.offset")
    if not all(isinstance(spec, Quantizer) for spec in specs):
        return None
    scale = scale_of(operator)
    shift = (0.0 if operator.beta is None else operator.beta.value.astype(np.float64)) - scale * operator.mean.value
    own = BatchNormalization(
        Parameter(f"{node}.scale", scale.astype(np.float32)),
        Parameter(f"{node}.offset", np.asarray(shift, np.float32)),
        Parameter(f"{node}.zero", np.zeros(len(scale), np.float32)),
        Parameter(f"{node}.one", np.ones(len(scale), np.float32)),
        0.0,
    )
    surrogate.replaced(node, own)
    slopes = _value(surrogate, own.gamma, codes=False)
    offsets = _value(surrogate, own.beta, codes=False)
    return lambda x: x * slopes() + offsets()


_LEARNED: Mapping[type[Operator], Callable[[_Surrogate, str, Any], Forward | None]] = {
    BatchNormalization: _normalization,
    Convolution: _convolution,
    Dense: _dense,
}
"""What makes the forward function of an operator whose parameters are learned."""
