"""Cheap estimates of what a site's rounding costs alone, from the float network and one backward pass.

Near the float outputs z, both distances are squares: of the errors δz that a rounding makes the Kullback–Leibler
divergence is ½·δzᵀ·F·δz, with F the Fisher information of the probabilities, and the squared error is δzᵀ·δz. Both are
the mean of (g·e)², where e is the error at a node's output, known exactly, and g the gradient there of a random number
of the outputs whose own mean square is the measure: of classes the log-probability of one drawn by the network's own
probabilities, else the outputs with random signs.

Where no gradient passes, the error is sent forward through the rest of the float network instead (forward
differences).

Sources: S. Amari, Natural Gradient Works Efficiently in Learning, Neural Computation 10 (1998); Z. Dong et al.,
HAWQ-V2, NeurIPS 2020 (a trace of second derivatives by random signs).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bittrue.analysis.evaluating.ending import ending_of
from bittrue.analysis.evaluating.yardstick import Yardstick, before_softmax
from bittrue.analysis.sensitivity_result import Estimate, SiteLoss
from bittrue.analysis.site_words import SiteWords
from bittrue.environment import exact_environment
from bittrue.fixed import Quantizer
from bittrue.fixed.arrays import quantize_array
from bittrue.fixed.tensor import decode, quantize
from bittrue.network import Network, Node, Operator, Parameter
from bittrue.operators.float_value import FloatFunction, float_value
from bittrue.plan import Spec

GRADIENT, CHANNELS, FORWARD, NOISE = "gradient", "gradient, channels apart", "forward differences", "squared error"
"""The estimates by name."""

MEANS = {
    GRADIENT: "second order, of the known error: one backward pass",
    CHANNELS: "the same, as if channels' errors were independent",
    FORWARD: "the error sent through the rest of the float network",
    NOISE: "the error's squares as a share of the node's",
}
PASSES = {GRADIENT: 2, CHANNELS: 2, FORWARD: 1, NOISE: 1}
"""How often images go through the network; forward differences do once a case. A backward pass counts as one."""

Case = tuple[str, int]
"""A site and its word length."""

MOST_CHANNELS = 4


@dataclass(frozen=True)
class CaseEstimates:
    """losses: by the estimates' names. channels: the shares of the output channels that cost most, the largest
    first."""

    losses: Mapping[str, float]
    channels: Mapping[int, float]


Draw = Callable[[Tensor, Yardstick, np.random.Generator], Tensor]
"""Makes of a batch's outputs the random number that is differentiated."""


@dataclass
class _Sums:
    """Over the images: of the second-order losses, and of the squares of errors and of values. outputs: where no
    gradient passes."""

    whole: float = 0.0
    apart: dict[int, float] = field(default_factory=dict)  # by channel
    errors: float = 0.0
    squares: float = 0.0
    outputs: list[NDArray[np.float64]] = field(default_factory=list)


@exact_environment()
def estimated(
    sites: SiteWords, yardstick: Yardstick, cases: Sequence[Case], seed: int = 0
) -> dict[Case, CaseEstimates]:
    """The estimates of each case's loss, by name, on the yardstick's images; none of a site that is neither an output
    nor a parameter of a node. One without a gradient has forward differences in the place of the first.

    seed: draws the classes and the signs.
    """
    network = before_softmax(sites.network)
    sums = {case: _Sums() for case in cases}
    generator = np.random.default_rng(seed)
    is_classes = ending_of(sites.network).is_classes
    signal, images = 0.0, 0
    with torch.inference_mode(False):
        functions = {node.name: _function(node.operator) for node in network.nodes}
    for batch in yardstick.batches():
        with torch.inference_mode(False), torch.enable_grad():
            run = _Run(network, functions, torch.from_numpy(np.ascontiguousarray(batch.x, np.float32)))
            run.differentiate(_log_probability if is_classes else _signed, yardstick, generator)
        images += len(batch.x)
        with torch.no_grad():
            signal += float(run.values[network.output].square().sum())
            for case, own in sums.items():
                _add(own, run, _errors(run, sites, case))
    scale = 0.5 / images if is_classes else 1 / signal if signal else 0.0
    return {case: _estimates(own, yardstick, scale) for case, own in sums.items() if own.squares}


def _estimates(own: _Sums, yardstick: Yardstick, scale: float) -> CaseEstimates:
    noise = {NOISE: own.errors / own.squares}
    if own.outputs:
        return CaseEstimates({FORWARD: float(yardstick.each(own.outputs).mean()), **noise}, {})
    apart = sum(own.apart.values())
    most = sorted(own.apart, key=lambda channel: (-own.apart[channel], channel))[:MOST_CHANNELS] if apart else []
    return CaseEstimates(
        {GRADIENT: scale * own.whole, CHANNELS: scale * apart, **noise},
        {channel: own.apart[channel] / apart for channel in most},
    )


def _function(operator: Operator) -> FloatFunction:
    return float_value[type(operator)](operator)


class _Run:
    """The float network on a batch, with the values of all nodes."""

    def __init__(self, network: Network, functions: Mapping[str, FloatFunction], x: Tensor) -> None:
        self.network, self._functions, self._x = network, functions, x
        self.values: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self._blocked: set[str] = set()
        for node in network.nodes:
            found = self._called(node)
            self.values[node.name] = found if found.requires_grad else found.detach().requires_grad_()

    def inputs(self, node: Node) -> list[Tensor]:
        return [self.values[name] for name in node.inputs] or [self._x]

    def _called(self, node: Node) -> Tensor:
        """The node's output; where no gradient passes through it that is noted."""
        inputs = self.inputs(node)
        try:
            found = self._functions[node.name](*inputs)
        except RuntimeError:  # what torch can't differentiate, such as a table read through NumPy
            found = self._functions[node.name](*(value.detach() for value in inputs))
        if not found.requires_grad:
            self._blocked.add(node.name)
        return found

    def differentiate(self, drawn: Draw, yardstick: Yardstick, generator: np.random.Generator) -> None:
        """The gradients of a random number of the outputs, at the nodes of which every way to the output passes one."""
        passing = {self.network.output}
        for node in reversed(self.network.nodes):
            readers = self.network.consumers[node.name]
            if readers and all(name in passing and name not in self._blocked for name in readers):
                passing.add(node.name)
        names = [node.name for node in self.network.nodes if node.name in passing]
        number = drawn(self.values[self.network.output], yardstick, generator)
        found = torch.autograd.grad(number, [self.values[name] for name in names], materialize_grads=True)
        self.gradients = dict(zip(names, found, strict=True))

    def outputs_with(self, errors: Mapping[str, Tensor]) -> NDArray[np.float64]:
        """The network's outputs where these errors are added to nodes' outputs."""
        changed: dict[str, Tensor] = {}
        for node in self.network.nodes:
            if any(name in changed for name in node.inputs):
                inputs = [changed.get(name, self.values[name]) for name in node.inputs]
                changed[node.name] = self._functions[node.name](*inputs)
            if node.name in errors:
                changed[node.name] = changed.get(node.name, self.values[node.name]) + errors[node.name]
        found: NDArray[np.float64] = changed.get(self.network.output, self.values[self.network.output]).double().numpy()
        return found


def _log_probability(outputs: Tensor, yardstick: Yardstick, generator: np.random.Generator) -> Tensor:
    """Of a class for each image, drawn by the probabilities; the sum over the images."""
    if yardstick.in_logits:
        logs = torch.log_softmax(outputs.double(), 1)
    else:
        clipped = outputs.double().clamp(min=1e-7)
        logs = torch.log(clipped / clipped.sum(1, keepdim=True))
    shares = logs.detach().exp().numpy().cumsum(1)
    chosen = (shares / shares[:, -1:] < generator.random((len(shares), 1))).sum(1)
    return logs[torch.arange(len(logs)), torch.from_numpy(chosen)].sum()


def _signed(outputs: Tensor, yardstick: Yardstick, generator: np.random.Generator) -> Tensor:
    """The outputs with random signs, their sum."""
    signs = torch.from_numpy(generator.choice([-1.0, 1.0], tuple(outputs.shape)).astype(np.float32))
    return (outputs * signs).sum()


def _errors(run: _Run, sites: SiteWords, case: Case) -> dict[str, Tensor]:
    """What the case's rounding alone changes at the outputs of the nodes that it is in."""
    name, bits = case
    site, spec = sites.sites[name], sites.spec(name, bits)
    if site.role == "output":
        values = run.values[site.node]
        return {site.node: _on_grid(values, spec) - values}
    found = {}
    for node in run.network.nodes:
        own = {role: parameter for role, parameter in node.operator.parameters() if parameter.name == name}
        if own:
            rounded = {role: Parameter(name, _rounded(parameter.value, spec)) for role, parameter in own.items()}
            function = _function(replace(node.operator, **rounded))
            found[node.name] = function(*run.inputs(node)) - run.values[node.name]
    return found


def _on_grid(values: Tensor, spec: Spec) -> Tensor:
    assert isinstance(spec, Quantizer)  # an output that is free has one
    return decode(quantize(values, spec), spec.format.fraction_bits, torch.float32)


def _rounded(values: NDArray[Any], spec: Spec) -> NDArray[np.float32]:
    quantizers = spec if isinstance(spec, tuple) else (spec,)
    codes, _ = quantize_array(values, cast(tuple[Quantizer, ...], quantizers))
    bits = np.array([quantizer.format.fraction_bits for quantizer in cast(tuple[Quantizer, ...], quantizers)])
    found: NDArray[np.float32] = np.ldexp(codes.astype(np.float64), -bits).astype(np.float32)
    return found


def _add(own: _Sums, run: _Run, errors: Mapping[str, Tensor]) -> None:
    for name, error in errors.items():
        own.errors += float(error.double().square().sum())
        own.squares += float(run.values[name].double().square().sum())
    if not errors.keys() <= run.gradients.keys():
        own.outputs.append(run.outputs_with(errors))
        return
    images = len(run.values[run.network.output])
    together = torch.zeros(images, dtype=torch.float64)
    for name, error in errors.items():
        product = (run.gradients[name] * error).double()
        by_channel = product.reshape(images, -1, product.shape[-1]).sum(1)
        together += by_channel.sum(1)
        for channel, square in enumerate(by_channel.square().sum(0).tolist()):
            own.apart[channel] = own.apart.get(channel, 0.0) + square
    own.whole += float(together.square().sum())


def judged(
    losses: Sequence[SiteLoss], found: Mapping[Case, CaseEstimates], images: int
) -> tuple[tuple[SiteLoss, ...], tuple[Estimate, ...]]:
    """The losses with their estimates, and how well each estimate orders them. images: on which they were made."""
    none = CaseEstimates({}, {})
    cases = [found.get((loss.site, loss.word_length), none) for loss in losses]
    with_them = tuple(
        replace(loss, estimates=case.losses, channels={str(channel): share for channel, share in case.channels.items()})
        for loss, case in zip(losses, cases, strict=True)
    )
    names = [name for name in MEANS if any(name in loss.estimates for loss in with_them)]
    return with_them, tuple(
        _judged(name, [loss for loss in with_them if name in loss.estimates], images) for name in names
    )


def _judged(name: str, losses: Sequence[SiteLoss], images: int) -> Estimate:
    lengths = sorted({loss.word_length for loss in losses})
    of_words = [_ranks(name, [loss for loss in losses if loss.word_length == bits]) for bits in lengths]
    known = [found for found in of_words if found is not None]
    passes = PASSES[name] * images * (len(losses) if name == FORWARD else 1)
    return Estimate(name, MEANS[name], _ranks(name, losses), fmean(known) if known else None, passes)


def _ranks(name: str, losses: Sequence[SiteLoss]) -> float | None:
    """Spearman's rank correlation of an estimate with the exact losses; None where there is nothing to order."""
    from scipy.stats import spearmanr

    exact, estimates = [loss.loss for loss in losses], [loss.estimates[name] for loss in losses]
    if len(set(exact)) < 2 or len(set(estimates)) < 2:
        return None
    return float(spearmanr(exact, estimates).statistic)
