"""The last resort: steps whose numbers no torch carrier holds, in Python integers, which hold any.

Each instruction has a rule on NumPy arrays of Python integers. Nothing overflows and nothing is approximated here, so
that no bounds are carried along: what comes out is measured, and returns to torch as soon as it fits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from functools import reduce
from math import ceil

import numpy as np
import torch

from bittrue.fixed import Overflow, Quantizer, Rounding, integers
from bittrue.operators.broadcasting import spread
from bittrue.operators.windows import window_shape
from bittrue.program import (
    Add,
    Bypass,
    Clip,
    CodeType,
    Concatenate,
    Extremum,
    Move,
    MultiplyAccumulate,
    Pad,
    Quantize,
    Reshape,
    ScaleOffset,
    Select,
    Step,
    WindowExtremum,
    WindowSum,
)
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.proof import quantizer_reach
from bittrue.simulation.values import Codes, Result, Value, WideCodes, alignment


@dataclass(frozen=True, eq=False)
class WideResult:
    """What a rule here returns.

    numbers: the exact codes, or, where the exact result is no dyadic number, codes that the step's quantizer has
    rounded but not yet limited. inner_overflows: as in Result.
    """

    numbers: np.ndarray
    inner_overflows: Mapping[str, int] = field(default_factory=dict)


WideKernel = Callable[[tuple[np.ndarray, ...]], WideResult]
"""Takes a step's inputs, (batch, *shape), which it leaves alone."""

wide_kernel: RuleTable[Callable[..., WideKernel]] = RuleTable("wide kernel", gaps_allowed=True)
"""Rules `(instruction, step, input types) -> WideKernel`."""

wide_kernel.unsupported(Quantize, reason="the simulator quantizes the input itself")
wide_kernel.unsupported(Bypass, reason="it computes in float32, whatever its inputs are carried on")


def numbers_of(value: Value) -> np.ndarray:
    """The codes as Python integers."""
    return value.integers().astype(object)


def holds_wide_codes(part: object) -> bool:
    """Whether an instruction, or a part of it, has codes that int64 doesn't hold."""
    if isinstance(part, np.ndarray):
        return bool(part.dtype == object)
    return is_dataclass(part) and any(holds_wide_codes(getattr(part, entry.name)) for entry in fields(part))


def fits_torch(result: Result, step: Step) -> bool:
    """Whether a torch carrier holds every number of the step's quantizer at work on a kernel's result."""
    return not quantizer_reach(step, result.low, result.high, rounded=result.rounded) >> Carrier.INT64.bits


def finish_result(result: Result, step: Step) -> tuple[Value, int]:
    """A torch kernel's result, finished in Python integers because `fits_torch` doesn't hold."""
    return finish(result.tensor.to(torch.int64).numpy().astype(object), step, rounded=result.rounded)


def finish(numbers: np.ndarray, step: Step, *, rounded: bool) -> tuple[Value, int]:
    """The step's quantizer on its result; the codes, back in torch where they fit, and how many overflowed."""
    quantizer = step.quantizer
    if quantizer is None:
        return _carried(numbers, step.type, step.name), 0
    if not rounded:
        assert step.exact.fraction_bits is not None
        shift = step.exact.fraction_bits - quantizer.format.fraction_bits
        numbers = integers.round_shift(numbers, shift, quantizer.rounding)
    return _limited(numbers, step.type, quantizer, step.name)


def quantize_wide(reals: np.ndarray, kind: CodeType, quantizer: Quantizer, what: str) -> tuple[Value, int]:
    """Finite float32 numbers quantized in Python integers."""
    codes = integers.quantize_reals(reals, quantizer.format.fraction_bits, quantizer.rounding)
    return _limited(codes, kind, quantizer, what)


def _limited(numbers: np.ndarray, kind: CodeType, quantizer: Quantizer, what: str) -> tuple[Value, int]:
    outside = integers.count_overflows(numbers, quantizer)
    return _carried(integers.apply_overflow(numbers, quantizer), kind, what), outside


def _carried(numbers: np.ndarray, kind: CodeType, what: str) -> Value:
    """The codes on the narrowest carrier that holds them; raises CarrierError where there is none."""
    low, high = integers.extremes(numbers)
    carrier = carrier_for(max(abs(low), abs(high)), what, widest=Carrier.PYTHON)
    assert kind.fraction_bits is not None
    if carrier is Carrier.PYTHON:
        return WideCodes(numbers, kind.fraction_bits, low, high)
    return Codes(torch.from_numpy(numbers.astype(np.int64)).to(carrier.dtype), kind.fraction_bits, low, high)


# Code by code


@wide_kernel.rule(Add)
def _(instruction: Add, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shifts = alignment(step, types)
    return lambda inputs: WideResult(reduce(np.add, _aligned(inputs, shifts)))


@wide_kernel.rule(Extremum)
def _(instruction: Extremum, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shifts, choose = alignment(step, types), np.maximum if instruction.largest else np.minimum
    return lambda inputs: WideResult(reduce(choose, _aligned(inputs, shifts)))


def _aligned(inputs: Sequence[np.ndarray], shifts: Sequence[int]) -> list[np.ndarray]:
    return spread([x << shift for x, shift in zip(inputs, shifts, strict=True)])


@wide_kernel.rule(Clip)
def _(instruction: Clip, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    (shift,) = alignment(step, types)
    low, high = _code(instruction.low, step), _code(instruction.high, step)

    def clip(inputs: tuple[np.ndarray, ...]) -> WideResult:
        y = inputs[0] << shift
        y = y if low is None else np.maximum(y, low)
        return WideResult(y if high is None else np.minimum(y, high))

    return clip


def _code(bound: Fraction | None, step: Step) -> int | None:
    assert step.exact.fraction_bits is not None
    return None if bound is None else int(bound * Fraction(2) ** step.exact.fraction_bits)


@wide_kernel.rule(ScaleOffset)
def _(instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    source, finest = types[0].fraction_bits, step.exact.fraction_bits
    assert source is not None
    assert finest is not None
    scale_shift = finest - source - instruction.scale_fraction_bits
    offset_shift = finest - instruction.offset_fraction_bits

    def branch(x: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
        result: np.ndarray = x * (scale.astype(object) << scale_shift) + (offset.astype(object) << offset_shift)
        return result

    def scale_offset(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        y = branch(x, instruction.scale, instruction.offset)
        if instruction.below is not None:
            first_above = ceil(instruction.below.threshold * Fraction(2) ** source)
            y = np.where(x >= first_above, y, branch(x, instruction.below.scale, instruction.below.offset))
        return WideResult(y)

    return scale_offset


# Movement


@wide_kernel.rule(Reshape)
def _(instruction: Reshape, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    return lambda inputs: WideResult(inputs[0].reshape(len(inputs[0]), *step.type.shape))


@wide_kernel.rule(Pad)
def _(instruction: Pad, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    (shift,) = alignment(step, types)
    fill = _code(instruction.value, step)
    assert fill is not None
    return lambda inputs: WideResult(_padded(inputs[0] << shift, instruction.padding, fill))


@wide_kernel.rule(Move)
def _(instruction: Move, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    places = np.indices(instruction.sizes).reshape(len(instruction.sizes), -1)
    sources = instruction.offset + np.array(instruction.strides, np.int64) @ places
    return lambda inputs: WideResult(
        inputs[0].reshape(len(inputs[0]), -1)[:, sources].reshape(len(inputs[0]), *step.type.shape)
    )


@wide_kernel.rule(Select)
def _(instruction: Select, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    def read(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        for axis, indices in enumerate(instruction.indices, start=1):
            if indices is not None:
                # −1 reads the zeros that are put behind the last place.
                zeros = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), 0, object)
                x = np.take(np.concatenate([x, zeros], axis), indices, axis)
        return WideResult(x)

    return read


@wide_kernel.rule(Concatenate)
def _(instruction: Concatenate, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    shifts = alignment(step, types)

    def concatenate(inputs: tuple[np.ndarray, ...]) -> WideResult:
        aligned = [x << shift for x, shift in zip(inputs, shifts, strict=True)]
        return WideResult(np.concatenate(aligned, instruction.axis + 1))

    return concatenate


# Windows


Sizes = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


def _padded(x: np.ndarray, padding: Padding, fill: int) -> np.ndarray:
    # np.pad would fill in NumPy's integers, which overflow. Axes after those of `padding` have none.
    pairs = [*padding, *((0, 0) for _ in x.shape[1 + len(padding) :])]
    sizes = (size + before + after for size, (before, after) in zip(x.shape[1:], pairs, strict=True))
    padded = np.full((len(x), *sizes), fill, object)
    inner = (slice(before, before + size) for size, (before, _) in zip(x.shape[1:], pairs, strict=True))
    padded[(slice(None), *inner)] = x
    return padded


def _taps(
    x: np.ndarray, window: Sizes, strides: Sizes, padding: Padding, dilation: Sizes, fill: int
) -> Iterator[np.ndarray]:
    """For each place in the window, in row-major order, the input under it at every position: (batch, *positions,
    channels); `fill` stands in the padding."""
    positions = window_shape(tuple(x.shape[1:-1]), window, strides, padding, dilation)
    padded = _padded(x, padding, fill)
    for place in np.ndindex(*window):
        reach = zip(place, dilation, strides, positions, strict=True)
        yield padded[
            (
                slice(None),
                *(slice(k * step, k * step + (count - 1) * stride + 1, stride) for k, step, stride, count in reach),
            )
        ]


@wide_kernel.rule(WindowExtremum)
def _(instruction: WindowExtremum, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)

    def extremum(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        # The least code of all is never more than what a window holds besides padding, nor is the largest less.
        fill = 0
        if x.size:
            fill = int(x.max()) if instruction.minimum else int(x.min())
        chosen = np.minimum if instruction.minimum else np.maximum
        y: np.ndarray = reduce(chosen, _taps(x, *geometry, fill))
        return WideResult(y.reshape(len(x), *step.type.shape))

    return extremum


@wide_kernel.rule(WindowSum)
def _(instruction: WindowSum, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)
    exact, source = step.exact.fraction_bits, types[0].fraction_bits
    assert source is not None
    if exact is None:
        assert step.quantizer is not None
        target, rounding = step.quantizer.format.fraction_bits, step.quantizer.rounding
    else:  # a dyadic result divides without a rest; any rounding leaves it as it is
        target, rounding = exact, Rounding.FLOOR
    shift = target - source
    divisors = instruction.divisor[..., np.newaxis].astype(object) << max(-shift, 0)

    def divided_sum(inputs: tuple[np.ndarray, ...]) -> WideResult:
        (x,) = inputs
        total: np.ndarray = reduce(np.add, _taps(x, *geometry, 0))
        rounded = integers.divide_rounded(total << max(shift, 0), divisors, rounding)
        return WideResult(rounded.reshape(len(x), *step.type.shape))

    return divided_sum


# Sums of products


@wide_kernel.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, step: Step, types: tuple[CodeType, ...]) -> WideKernel:
    assert types[0].fraction_bits is not None
    sums = _Sums(instruction, types[0].fraction_bits)
    accumulator = instruction.accumulator
    if accumulator is None:
        return lambda inputs: WideResult(sums.exact(inputs[0]))
    shift = accumulator.format.fraction_bits - sums.fraction_bits
    if accumulator.overflow is not Overflow.WRAP or shift < 0:
        return lambda inputs: sums.accumulated(inputs[0], accumulator)

    def wrapped_once(inputs: tuple[np.ndarray, ...]) -> WideResult:
        total = sums.exact(inputs[0]) << shift
        inner = {"accumulator": integers.count_overflows(total, accumulator)}
        return WideResult(integers.apply_overflow(total, accumulator), inner)

    return wrapped_once


class _Sums:
    """The sums of a MultiplyAccumulate, group by group of channels; fraction_bits: of the exact ones."""

    def __init__(self, instruction: MultiplyAccumulate, input_fraction_bits: int) -> None:
        groups, outputs = instruction.groups, instruction.weight.shape[-1]
        product_bits = np.broadcast_to(
            [input_fraction_bits + bits for bits in instruction.weight_fraction_bits], outputs
        )
        self._instruction = instruction
        self._product_bits = np.split(product_bits.astype(object), groups)
        self._columns = np.split(instruction.weight.reshape(-1, outputs).astype(object), groups, axis=1)
        self.fraction_bits = int(product_bits.max())
        bias = np.zeros(outputs, np.int64)
        if instruction.bias is not None:
            bias = instruction.bias
            self.fraction_bits = max(self.fraction_bits, instruction.bias_fraction_bits)
        self._biases = np.split(bias.astype(object), groups)

    def _groups(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """For each group: inputs (batch, *positions, products) in the stated order, weights (products, outputs), the
        products' fraction bits and the biases."""
        instruction = self._instruction
        patches = np.split(x, instruction.groups, axis=-1)
        if instruction.strides:
            geometry = (instruction.weight.shape[:-2], instruction.strides, instruction.padding, instruction.dilation)
            patches = [np.concatenate(list(_taps(part, *geometry, 0)), axis=-1) for part in patches]
        return zip(patches, self._columns, self._product_bits, self._biases, strict=True)

    def exact(self, x: np.ndarray) -> np.ndarray:
        bias_shift = (
            self.fraction_bits - self._instruction.bias_fraction_bits if self._instruction.bias is not None else 0
        )
        totals = [
            (patches @ weight << self.fraction_bits - bits) + (bias << bias_shift)
            for patches, weight, bits, bias in self._groups(x)
        ]
        return np.concatenate(totals, axis=-1)

    def accumulated(self, x: np.ndarray, accumulator: Quantizer) -> WideResult:
        """aᵢ = Q(aᵢ₋₁ + pᵢ) in the stated order."""
        outside = 0

        def quantized(codes: np.ndarray, fraction_bits: int) -> np.ndarray:
            nonlocal outside
            shift = fraction_bits - accumulator.format.fraction_bits
            rounded = integers.round_shift(codes, shift, accumulator.rounding)
            outside += integers.count_overflows(rounded, accumulator)
            return integers.apply_overflow(rounded, accumulator)

        finest = max(self.fraction_bits, accumulator.format.fraction_bits)
        left = finest - accumulator.format.fraction_bits
        totals = []
        for patches, weight, bits, bias in self._groups(x):
            first = np.broadcast_to(bias, (*patches.shape[:-1], len(bias)))
            total = quantized(first, self._instruction.bias_fraction_bits)
            for index in range(len(weight)):
                product = patches[..., index, np.newaxis] * (weight[index] << finest - bits)
                if self._instruction.quantized_products:
                    product = quantized(product, finest) << left
                total = quantized((total << left) + product, finest)
            totals.append(total)
        return WideResult(np.concatenate(totals, axis=-1), {"accumulator": outside})
