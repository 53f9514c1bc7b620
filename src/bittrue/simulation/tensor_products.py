"""The kernels of MultiplyTensors and Divide: products of two values, matrix products with their accumulators,
quotients."""

from collections.abc import Sequence

import torch

from bittrue.errors import BittrueError
from bittrue.fixed import Overflow, Quantizer
from bittrue.fixed.tensor import apply_overflow_, count_overflows, round_shift_
from bittrue.operators.broadcasting import spread
from bittrue.program import CodeType, Divide, MultiplyTensors, Step
from bittrue.simulation.carrier import Carrier, bound_bits, carrier_for
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.rounding import divide_rounded
from bittrue.simulation.values import Codes, Result


@kernel.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    if not instruction.matrices:
        return lambda inputs: _elementwise(step.name, *inputs)
    if instruction.accumulator is None:
        return lambda inputs: _matrix_product(step.name, *inputs)
    return _AccumulatedProduct(instruction, instruction.accumulator, types, step.name)


def _elementwise(what: str, x: Codes, w: Codes) -> Result:
    low, high = _product_ends((x.low, x.high), (w.low, w.high))
    carrier = carrier_for(max(-low, high, x.bound, w.bound), what)
    first, second = spread([x.tensor.to(carrier.dtype), w.tensor.to(carrier.dtype)])
    return Result(first * second, low, high)


def _matrix_product(what: str, x: Codes, w: Codes) -> Result:
    """Every partial sum, in any order, lies between the sums of the products' least and largest numbers and 0."""
    low, high = _sum_ends(x.tensor.shape[-1], (x.low, x.high), (w.low, w.high))
    carrier = carrier_for(max(-low, high, x.bound, w.bound), what)
    first, second = spread([x.tensor.to(carrier.dtype), w.tensor.to(carrier.dtype)])
    return Result(torch.matmul(first, second), low, high)


Ends = tuple[int, int]


def _product_ends(x: Ends, w: Ends) -> Ends:
    corners = [left * right for left in x for right in w]
    return min(corners), max(corners)


def _sum_ends(products: int, x: Ends, w: Ends) -> Ends:
    """The least and the largest sum of any of the products."""
    least, most = _product_ends(x, w)
    return products * min(least, 0), products * max(most, 0)


class _AccumulatedProduct:
    """A matrix product whose accumulator has a quantizer of its own (B6)."""

    def __init__(
        self, instruction: MultiplyTensors, accumulator: Quantizer, types: Sequence[CodeType], what: str
    ) -> None:
        self._instruction, self._accumulator, self._what = instruction, accumulator, what
        self._fraction_bits = sum(kind.fraction_bits for kind in types if kind.fraction_bits is not None)
        self._shift = accumulator.format.fraction_bits - self._fraction_bits

    def __call__(self, inputs: tuple[Codes, ...]) -> Result:
        x, w = inputs
        ends = _sum_ends(x.tensor.shape[-1], (x.low, x.high), (w.low, w.high))
        if never_acts(self._accumulator, self._shift, ends):
            exact = self._aligned(x, w)
            return Result(exact, ends[0] << self._shift, ends[1] << self._shift, inner_overflows={"accumulator": 0})
        if wraps_once(self._accumulator, self._shift):
            total = self._aligned(x, w)
            inner = {"accumulator": count_overflows(total, self._accumulator)}
            total = apply_overflow_(total, self._accumulator)
            return Result(total, self._accumulator.min_code, self._accumulator.max_code, inner_overflows=inner)
        return self._ordered(x, w)

    def _aligned(self, x: Codes, w: Codes) -> torch.Tensor:
        """The exact sums at the accumulator's fraction bits."""
        exact = _matrix_product(self._what, x, w)
        reach = max(self._accumulator.max_code, -self._accumulator.min_code)
        carrier = carrier_for(max(max(-exact.low, exact.high) << self._shift, reach), self._what)
        # Further than the carrier is wide only zeros are shifted, and stay zeros.
        return exact.tensor.to(carrier.dtype) * (1 << min(self._shift, carrier.bits))

    def _ordered(self, x: Codes, w: Codes) -> Result:
        """aᵢ = Q(aᵢ₋₁ + pᵢ): as many passes over the sums as each has products."""
        accumulator, lost = self._accumulator, max(-self._shift, 0)
        quantized = self._instruction.quantized_products
        products = x.tensor.shape[-1]
        reach = ordered_reach(accumulator, self._shift, products, x.bound * w.bound, quantized)
        carrier = carrier_for(max(reach, x.bound, w.bound), self._what)
        first, second = spread([x.tensor.to(carrier.dtype), w.tensor.to(carrier.dtype)])
        first = first * (1 << min(max(self._shift, 0), carrier.bits))
        total: torch.Tensor | None = None
        outside = 0
        for index in range(products):
            product = first[..., index, None] * second[..., index, None, :]
            if total is None:
                total = torch.zeros_like(product)
            if quantized:
                product = round_shift_(product, lost, accumulator.rounding)
                outside += count_overflows(product, accumulator)
                total.add_(apply_overflow_(product, accumulator))
            else:
                total = round_shift_(total.mul_(1 << lost).add_(product), lost, accumulator.rounding)
            outside += count_overflows(total, accumulator)
            apply_overflow_(total, accumulator)
        assert total is not None
        low, high = accumulator.min_code, accumulator.max_code
        if accumulator.overflow is Overflow.UNBOUNDED:
            low, high = (int(end) for end in torch.aminmax(total))
        return Result(total, low, high, inner_overflows={"accumulator": outside})


def never_acts(accumulator: Quantizer, shift: int, ends: Ends) -> bool:
    """Whether no partial sum is rounded or overflows; shift: from the products' fraction bits to the accumulator's."""
    return shift >= 0 and accumulator.min_code <= ends[0] << shift and ends[1] << shift <= accumulator.max_code


def wraps_once(accumulator: Quantizer, shift: int) -> bool:
    """Whether the accumulator may wrap once at the end with the same bits (B6)."""
    return shift >= 0 and accumulator.overflow is Overflow.WRAP


def ordered_reach(accumulator: Quantizer, shift: int, products: int, largest: int, quantized: bool) -> int:
    """What no number of an ordered sum can exceed, in units of the finest bit of products and accumulator."""
    unit, largest = 1 << max(-shift, 0), largest << max(shift, 0)
    if accumulator.overflow is Overflow.UNBOUNDED:
        # Nothing holds the total back: every product, and the roundings of it and of the total, may add to it.
        return (products + 1) * (largest + 2 * unit)
    limit = max(accumulator.max_code, -accumulator.min_code) * unit
    return limit + max(largest, limit if quantized else 0)


@kernel.rule(Divide)
def _(instruction: Divide, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    shift = quotient_shift(instruction, step, types)
    assert step.quantizer is not None
    rounding = step.quantizer.rounding
    constant = None if instruction.divisor is None else torch.from_numpy(instruction.divisor.astype("int64"))

    def divide(inputs: tuple[Codes, ...]) -> Result:
        x = inputs[0]
        if constant is None:
            divisor, largest = inputs[1].tensor.to(torch.int64), inputs[1].bound
            refuse_zero(bool((divisor == 0).any()), step.name)
        else:
            divisor, largest = constant.unsqueeze(0), int(constant.abs().max())
        # Twice the numerator or the denominator decides the rounding, on int64.
        carrier_for(2 * (x.bound << max(shift, 0)), step.name)
        carrier_for(2 * (largest << max(-shift, 0)), step.name)
        numerator, denominator = spread([x.tensor.to(torch.int64) << max(shift, 0), divisor << max(-shift, 0)])
        rounded = divide_rounded(torch.where(denominator < 0, -numerator, numerator), denominator.abs(), rounding)
        # No divisor is smaller than one unit of its own.
        limit = (x.bound << max(shift, 0)) // (1 << max(-shift, 0)) + 1
        return Result(rounded.to(carrier_for(limit, step.name).dtype), -limit, limit, rounded=True)

    return divide


def quotient_shift(instruction: Divide, step: Step, types: tuple[CodeType, ...]) -> int:
    """How far numerators are shifted left (or divisors, where it is negative), for the quotient of codes to have the
    step's fraction bits."""
    source, target = types[0].fraction_bits, step.type.fraction_bits
    divisor = instruction.divisor_fraction_bits if instruction.divisor is not None else types[1].fraction_bits
    assert source is not None
    assert target is not None
    assert divisor is not None
    return target - source + divisor


def refuse_zero(found: bool, name: str) -> None:
    if found:
        raise BittrueError(
            f"{name} divides by a code of 0: give the site of its divisor more fraction bits, or train a network whose "
            "divisor stays away from 0."
        )


@prove_step.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    largest = bounds[0] * bounds[1]
    if not instruction.matrices:
        return carried(step, max(largest, *bounds))
    products, accumulator = types[0].shape[-1], instruction.accumulator
    total = products * largest
    if accumulator is None:
        return carried(step, max(total, *bounds))
    shift = accumulator.format.fraction_bits - sum(kind.fraction_bits or 0 for kind in types)
    if never_acts(accumulator, shift, (-total, total)):
        return carried(step, max(total << shift, *bounds))
    if wraps_once(accumulator, shift):
        return carried(step, max(total << shift, accumulator.max_code, -accumulator.min_code, *bounds))
    reach = max(ordered_reach(accumulator, shift, products, largest, instruction.quantized_products), *bounds)
    carrier, bits = carrier_for(reach, step.name, widest=Carrier.PYTHON), bound_bits(reach)
    return LayerProof(step.name, f"{carrier.label}, product by product", bits, carrier.bits - bits)


@prove_step.rule(Divide)
def _(instruction: Divide, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    shift = quotient_shift(instruction, step, types)
    constant = instruction.divisor
    ends = (1, bounds[1]) if constant is None else (int(abs(constant).min()), int(abs(constant).max()))
    numerator, smallest, largest = bounds[0] << max(shift, 0), *(end << max(-shift, 0) for end in ends)
    reach = max(*bounds, numerator // smallest + 1)
    # Twice the numerator or the denominator decides the rounding, on int64.
    return carried(
        step, max(reach, 2 * numerator, 2 * largest) if 2 * max(numerator, largest) >> Carrier.INT64.bits else reach
    )
