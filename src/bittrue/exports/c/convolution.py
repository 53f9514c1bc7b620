"""C of sums of products with trained weights: convolutions of any rank, and dense layers (B6)."""

import contextlib
from math import prod

import numpy as np

from bittrue.exports.c.accumulation import Accumulation
from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.table import export_c, finish
from bittrue.exports.c.windows import flat, window
from bittrue.program import MultiplyAccumulate

_ROWS = 1 << 10
"""Rows of weights whose absolute values are in memory at a time, as 64-bit integers."""


@export_c.rule(MultiplyAccumulate)
def multiply_accumulate(instruction: MultiplyAccumulate, draft: Draft) -> None:
    *kernel, group_channels, out_channels = instruction.weight.shape
    *spatial, channels = draft.inputs[0].shape
    taps = prod(kernel) * group_channels
    # Output channel first, so that the weights of one sum lie one after the other.
    weight = draft.constant(draft.step, "weight", np.moveaxis(instruction.weight, -1, 0))
    total, alignment, first = _accumulation(instruction, draft, taps)
    group = "" if instruction.groups == 1 else f"c / {out_channels // instruction.groups} * {group_channels} + "
    out_spatial = draft.step.type.shape[:-1] if kernel else (prod(spatial),)
    with draft.nest("p", out_spatial) as positions, draft.loop("c", out_channels):
        draft.line(f"const {weight.c_type} *w = {weight.name} + (size_t)c * {taps};")
        total.begin(first)
        with contextlib.ExitStack() as stack:
            tap, place = "", positions[0]
            if kernel:
                geometry = instruction.strides, instruction.padding, instruction.dilation
                under = stack.enter_context(window(draft, spatial, kernel, *geometry, positions))
                tap, place = f"({flat(under[0], kernel)}) * {group_channels} + ", flat(under[1], spatial)
            stack.enter_context(draft.loop("j", group_channels))
            w = Number(f"w[{tap}j]", 0, weight.low, weight.high)
            total.add(draft.code(0, f"({place}) * {channels} + {group}j"), w, alignment, first)
        finish(draft, f"({flat(positions, out_spatial)}) * {out_channels} + c", total.end(alignment, first))


def _accumulation(instruction: MultiplyAccumulate, draft: Draft, taps: int) -> tuple[Accumulation, Number, Number]:
    """The sum, what aligns a channel's products with those of the others, and the bias that it starts from."""
    bits = instruction.weight_fraction_bits
    finest = draft.inputs[0].binary_point + max(bits)
    factors = np.array([1 << max(bits) - own for own in bits], object)
    alignment = draft.element(draft.step, "alignment", factors, "c", 0)
    first = draft.zero(finest)
    if instruction.bias is not None:
        first = draft.element(draft.step, "bias", instruction.bias, "c", instruction.bias_fraction_bits)
    most = _most(instruction, draft, factors)
    exact = max(finest, first.fraction_bits)
    total = Accumulation(draft, finest, exact, most, taps, instruction.accumulator, instruction.quantized_products)
    return total, alignment, first


def _most(instruction: MultiplyAccumulate, draft: Draft, factors: np.ndarray) -> int:
    """The largest absolute value that a partial sum of the products can have: Σ|w|·max|x|, aligned, of any channel."""
    rows = instruction.weight.reshape(-1, instruction.weight.shape[-1])
    kind = object if rows.dtype == object else np.int64
    totals = np.zeros(rows.shape[1], object)
    for start in range(0, len(rows), _ROWS):
        totals += np.abs(rows[start : start + _ROWS].astype(kind)).sum(axis=0).astype(object)
    x = draft.code(0, "0")
    return int((totals * factors).max()) * max(-x.low, x.high)
