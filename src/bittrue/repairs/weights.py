"""A layer's weights on their grid: steps chosen by what the outputs lose, codes by `rounding`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from bittrue.fixed import FixedFormat, Quantizer
from bittrue.lowering.parameters import round_parameter
from bittrue.network import Node, Operator, Parameter
from bittrue.operators import BatchNormalization
from bittrue.plan import Spec
from bittrue.repairs.draft import coded, covering
from bittrue.repairs.layer import INPUTS, Change, Layer, as_matrix, from_matrix, scale_of
from bittrue.repairs.moments import Seen
from bittrue.repairs.rounding import Quadratic, Rounder
from bittrue.repairs.scaling import TAKES_UP

DAMPING = 1e-3
"""Of the mean of the inputs' variances, added to each: what is known of the trained weights beyond the images."""
DAMPING_OF_FEW = 0.05
"""The same for each input a row, where there are few rows: the fewer, the less do they say against those weights."""

_FREE_STEPS = tuple(np.linspace(0.30, 1.05, 16).tolist())
"""Steps that are tried where a batch norm takes up any factor, of the step with which the largest weight is the largest
code."""
_SHIFTS = (0, 1, 2, 3, 4)
"""Binary points that are tried elsewhere: places to the left of the one with which nothing saturates."""
_ALL_ROUNDED = 1 << 33
"""Multiplications up to which every step that is tried is rounded in full; beyond it the one that nearest codes prefer
is."""
_PASSES = 4
_DESCENDED = 1 << 37
"""Multiplications that changing single codes may take; so many passes are made as they allow, `_PASSES` at most."""

Wanted = Callable[[Seen, torch.Tensor, torch.Tensor], torch.Tensor]
"""(what was seen, trained weights, damping a group) → the weights that codes are to come near to."""


@dataclass(frozen=True)
class Recipe:
    """How codes are found. wanted: see Wanted. compensates: see `Rounder.compensating`; else each is the nearest.
    descends: whether single codes are changed afterwards until none is better."""

    wanted: Wanted
    compensates: bool
    descends: bool


def repair_weights(layer: Layer, recipe: Recipe) -> Change | None:
    """New weights and bias of a convolution or dense layer, each on its grid."""
    if type(layer.operator) not in INPUTS:
        return None
    return next(repaired_under(layer, recipe, [layer.spec(layer.operator.weight.name)]), None)


def repaired_under(layer: Layer, recipe: Recipe, specs: Sequence[Spec | None]) -> Iterator[Change]:
    """The same under each of several formats of the weights; what hangs on the inputs alone is computed once.

    None for a layer that isn't repaired, nor under EXACT and FLOAT, with which nothing is rounded.
    """
    if type(layer.operator) not in INPUTS or _is_shared(layer):
        return
    operator = layer.operator
    formats = [(spec,) if isinstance(spec, Quantizer) else spec for spec in specs]
    rounded = [quantizers for quantizers in formats if isinstance(quantizers, tuple)]
    if not rounded:
        return
    norm = layer.absorber
    has_bias = operator.bias is not None and isinstance(layer.spec(operator.bias.name), Quantizer)
    found = layer.seen() if has_bias or _is_next(layer, norm) else layer.seen().about_zero()
    trained = as_matrix(layer.wanted.weight.value, found.groups)
    rounder = Rounder(_quadratic(found, trained, recipe.wanted), 0, 0)
    for quantizers in rounded:
        limited = rounder.within(quantizers[0].min_code, quantizers[0].max_code)
        chosen = _chosen(limited, quantizers, norm is not None, recipe)
        yield _change(layer, norm, quantizers, found, *chosen)


def on_the_grid(layer: Layer) -> np.ndarray | None:
    """The values of the weights' codes; None where they have none."""
    weight = layer.operator.weight
    spec = layer.spec(weight.name)
    if not isinstance(spec, tuple | Quantizer):
        return None
    return round_parameter(weight, spec)[0].values


def _is_next(layer: Layer, norm: Node | None) -> bool:
    """Whether the batch norm reads the sums themselves, so that its offset is their bias."""
    return norm is not None and norm.inputs == (layer.node.name,)


def _is_shared(layer: Layer) -> bool:
    """Whether other nodes have the same weights: no one layer may decide on them."""
    own: str = layer.operator.weight.name
    nodes = layer.draft.network.nodes
    return sum(parameter.name == own for node in nodes for _, parameter in node.operator.parameters()) > 1


def _quadratic(found: Seen, trained: torch.Tensor, wanted: Wanted) -> Quadratic:
    share = max(DAMPING, DAMPING_OF_FEW * found.inputs / found.rows)
    # Inputs that are always the same: any weight is as good as any other.
    damping = (share * found.power).clamp_(min=2.0**-40)
    return Quadratic(found.hessian(damping), wanted(found, trained.to(found.kind), damping))


def _chosen(
    rounder: Rounder, quantizers: tuple[Quantizer, ...], free: bool, recipe: Recipe
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes (groups, inputs, outputs) and steps (groups, outputs)."""
    target = rounder.quadratic.target
    rounded = rounder.compensating if recipe.compensates else rounder.nearest
    candidates = _candidates(target, quantizers, free)
    one_for_all = not free and len(quantizers) == 1
    work = rounder.quadratic.hessian.work(target.shape[2])
    if len(candidates) * work > _ALL_ROUNDED:
        steps, _ = _best(candidates, rounder.nearest, rounder.quadratic.rough_loss, one_for_all=one_for_all)
        candidates = [steps]
    steps, codes = _best(candidates, rounded, rounder.quadratic.loss, one_for_all=one_for_all)
    passes = min(_PASSES, _DESCENDED // work)
    if not recipe.descends or not passes:
        return codes, steps
    codes = rounder.descended(codes, steps, passes)
    if free:
        for _ in range(passes):
            steps = rounder.fitted_steps(codes, steps)
            codes = rounder.descended(codes, steps, 1)
        steps = rounder.fitted_steps(codes, steps)
    return codes, steps


def _candidates(target: torch.Tensor, quantizers: tuple[Quantizer, ...], free: bool) -> list[torch.Tensor]:
    """Steps to be tried, each (groups, outputs)."""
    groups, _, outputs = target.shape
    largest = target.abs().amax(1)
    if free:
        reach = quantizers[0].max_code + 0.5
        floor = largest.max() * 2.0**-20
        return [torch.maximum(largest, floor) * (ratio / reach) for ratio in _FREE_STEPS]
    if len(quantizers) == 1:
        low, high = float(target.min()), float(target.max())
        bits = covering(np.array([low, high]), quantizers[0]).format.fraction_bits
        return [torch.full_like(largest, 2.0 ** -(bits + shift)) for shift in _SHIFTS]
    columns = target.transpose(0, 1).reshape(target.shape[1], -1).numpy()
    covered_bits = np.array(
        [covering(columns[:, c], quantizer).format.fraction_bits for c, quantizer in enumerate(quantizers)]
    )
    covered = torch.from_numpy(np.ldexp(1.0, -covered_bits)).reshape(groups, outputs).to(target.dtype)
    return [covered * 2.0**-shift for shift in _SHIFTS]


def _best(
    candidates: list[torch.Tensor],
    rounded: Callable[[torch.Tensor], torch.Tensor],
    lost: Callable[[torch.Tensor], torch.Tensor],
    *,
    one_for_all: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The steps that lose least, for each output, or in all, with their codes."""
    steps, *others = candidates
    codes = rounded(steps)
    if not others:
        return steps, codes

    def loss_of(codes: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        loss = lost(codes * steps[:, None, :])
        return loss.sum().expand_as(loss) if one_for_all else loss

    least = loss_of(codes, steps)
    for candidate in others:
        new = rounded(candidate)
        loss = loss_of(new, candidate)
        better = loss < least
        steps, least = torch.where(better, candidate, steps), torch.where(better, loss, least)
        codes = torch.where(better[:, None, :], new, codes)
    return steps, codes


def _change(
    layer: Layer,
    norm: Node | None,
    quantizers: tuple[Quantizer, ...],
    found: Seen,
    codes: torch.Tensor,
    steps: torch.Tensor,
) -> Change:
    operator = layer.operator
    flat = steps.reshape(-1).to(torch.float64).numpy()
    bits = np.round(-np.log2(flat)).astype(int) if norm is None else _fraction_bits(layer, norm, flat, len(quantizers))
    units = torch.from_numpy(np.ldexp(1.0, -bits)).reshape(steps.shape)
    weights = codes.to(torch.float64) * units[:, None, :]
    # What a channel is larger than wanted; 1 where its step is a power of two that is kept.
    factors = np.ldexp(1.0, -bits) / flat if norm is not None else np.ones(len(flat))
    per_channel = tuple(_at(quantizers[c % len(quantizers)], int(b)) for c, b in enumerate(bits))
    spec: Spec = per_channel if len(quantizers) > 1 else per_channel[0]
    sites: dict[str, Spec] = {operator.weight.name: spec}
    value = from_matrix(weights, operator.weight.value.shape).astype(np.float32)
    repaired = replace(operator, weight=Parameter(operator.weight.name, value))
    bias_quantizer = None if operator.bias is None else layer.spec(operator.bias.name)
    if isinstance(bias_quantizer, Quantizer):
        sums = (found.input_mean[:, None, :] @ weights)[:, 0, :]
        scaled = torch.from_numpy(factors).reshape(sums.shape)
        bias = (found.target_mean * scaled - sums).reshape(-1).numpy()
        values, sites[operator.bias.name] = coded(bias, bias_quantizer)
        repaired = replace(repaired, bias=Parameter(operator.bias.name, values))
    operators = {layer.node.name: repaired}
    if norm is not None:
        scaled_norm = TAKES_UP[type(norm.operator)](norm.operator, factors, np.ones(len(factors)))
        if _is_next(layer, norm) and not isinstance(bias_quantizer, Quantizer):
            scaled_norm = _recentred(scaled_norm, found, weights, factors)
        operators[norm.name] = scaled_norm
    return Change(operators, sites)


def _recentred(operator: Any, found: Seen, weights: torch.Tensor, factors: np.ndarray) -> Operator:
    """A batch norm right after sums without a bias, with the mean that they have now."""
    sums = (found.input_mean[:, None, :] @ weights).reshape(-1).numpy()
    moved = operator.mean.value.astype(np.float64) + sums - found.target_mean.reshape(-1).numpy() * factors
    mean = Parameter(operator.mean.name, moved.astype(np.float32))
    recentred: Operator = replace(operator, mean=mean)
    return recentred


def _fraction_bits(layer: Layer, norm: Node, steps: np.ndarray, formats: int) -> np.ndarray:
    """Where the batch norm takes up what is no power of two: one for all channels, or those with which its scales are
    of one size, since they share a format."""
    middle = float(np.median(np.log2(steps)))
    if formats == 1:
        return np.full(len(steps), round(-middle))
    assert isinstance(norm.operator, BatchNormalization)
    scale = np.abs(scale_of(norm.operator))
    sized = np.log2(steps * np.where(scale > 0, scale, 1.0))
    bits: np.ndarray = np.round(-(sized - np.median(sized) + middle)).astype(int)
    return bits


def _at(quantizer: Quantizer, fraction_bits: int) -> Quantizer:
    format = quantizer.format
    return replace(quantizer, format=FixedFormat(format.signed, format.word_length, fraction_bits))
