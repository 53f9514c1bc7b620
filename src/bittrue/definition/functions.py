"""Batch normalization, layer normalization and softmax, as the real numbers that they are (B7, B9).

A rule gives exact numbers: fractions where the value is known to be rational, else bounds of any precision
(`enclosure`), from which the one correct rounding is proven. By Lindemann and Weierstrass, a softmax of rational
numbers is rational only where all are equal, and its logarithm only over one number. The functions of one code are in
`real_functions`.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import isqrt, prod
from typing import Any

from bittrue.definition.enclosure import Bounds, Real, exp_negative, exponential, round_number
from bittrue.definition.interval import Interval, exp, irrational, log_of
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.errors import BittrueError
from bittrue.fixed.format import Quantizer
from bittrue.fixed.reference import decode, overflow_code, overflows, round_to_code
from bittrue.program import LogSoftmax, Lookup, Normalize, NormalizeTable, Softmax, SoftmaxTable, Step
from bittrue.program.functions import BatchNorm
from bittrue.rules import RuleTable

FunctionMeaning = Callable[[Any, Step, Codes], list[Fraction | Real]]
"""(function, the step of its Lookup, the input's codes) → the function's value at each code."""

function_meaning: RuleTable[FunctionMeaning] = RuleTable("definition of functions")


@meaning.rule(Lookup)
def _(instruction: Lookup, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    return Numbers(x.shape, function_meaning[type(instruction.function)](instruction.function, step, x))


@function_meaning.rule(BatchNorm)
def _(function: BatchNorm, step: Step, x: Codes) -> list[Fraction | Real]:
    mean = function.mean.tolist()
    channels = len(mean)
    gamma = [Fraction(1)] * channels
    if function.gamma is not None:
        gamma = [decode(code, function.gamma_fraction_bits) for code in function.gamma.tolist()]
    beta, beta_bits = [0] * channels, 0
    if function.beta is not None:
        beta, beta_bits = function.beta.tolist(), function.beta_fraction_bits
    spread = [decode(code, function.variance_fraction_bits) + function.epsilon for code in function.variance.tolist()]
    for channel, under_root in enumerate(spread):
        if under_root <= 0:
            raise BittrueError(
                f"The batch normalization '{step.name}' takes the root of {float(under_root):g}, its variance plus "
                f"epsilon in channel {channel}; give the site of its variance more fraction bits or EXACT."
            )

    @cache
    def value(channel: int, code: int) -> Real:
        slope = gamma[channel] * (decode(code, x.binary_point) - decode(mean[channel], function.mean_fraction_bits))
        return offset_root(beta[channel], beta_bits, slope * slope / spread[channel], negative=slope < 0)

    return [value(index % channels, code) for index, code in enumerate(x.codes)]


def offset_root(offset: int, offset_bits: int, square: Fraction, *, negative: bool) -> Real:
    """offset·2^(−offset_bits) ± √square, whose bounds are equal wherever it is a multiple of 2^(−precision)."""

    def bounds(precision: int) -> Bounds:
        work = max(precision, offset_bits)  # the offset is an integer at this precision
        scaled = square * 4**work
        whole = scaled.numerator // scaled.denominator
        root = isqrt(whole)  # ⌊√scaled⌋, since ⌊√z⌋ = ⌊√⌊z⌋⌋
        exact = root * root == scaled
        if negative:
            root = -root if exact else -root - 1  # ⌊−√scaled⌋
        below = (offset << work - offset_bits) + root
        low = below >> work - precision
        exact = exact and low << work - precision == below
        return low, low if exact else low + 1

    return bounds


@meaning.rule(Softmax)
def _(instruction: Softmax, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    values: list[Fraction | Real] = []
    for row, part in zip(_number_rows(x), _parts_of(instruction.mask, x), strict=True):
        found = iter(softmax([number for number, taken in zip(row, part, strict=True) if taken]))
        values += [next(found) if taken else Fraction(0) for taken in part]
    return Numbers(x.shape, values)


def softmax(row: list[Fraction]) -> list[Fraction | Real]:
    """exp(x_i) / Σ_j exp(x_j)."""
    if len(set(row)) == 1:
        return [Fraction(1, len(row)) for _ in row]
    largest = max(row)

    @cache
    def parts(work: int) -> dict[Fraction, Bounds]:
        """exp(x − largest) by x; exactly 1 for the largest."""
        one = 1 << work
        return {x: exp_negative(largest - x, work) if x < largest else (one, one) for x in row}

    @cache
    def total(work: int) -> Bounds:
        return sum(parts(work)[x][0] for x in row), sum(parts(work)[x][1] for x in row)

    def value(x: Fraction) -> Real:
        def bounds(precision: int) -> Bounds:
            work = precision + 4
            low, high = _quotient(*parts(work)[x], *total(work), precision)
            return low, min(high, 1 << precision)

        return bounds

    values = {x: value(x) for x in row}
    return [values[x] for x in row]


@meaning.rule(LogSoftmax)
def _(instruction: LogSoftmax, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    return Numbers(x.shape, [value for row in _number_rows(x) for value in log_softmax(row)])


def log_softmax(row: list[Fraction]) -> list[Fraction | Real]:
    """x_i − max − log Σ_j exp(x_j − max)."""
    if len(row) == 1:
        return [Fraction(0)]
    largest = max(row)

    @cache
    def log_of_sum(bits: int) -> Interval:
        return log_of(sum((exp(x - largest, bits) for x in row), Interval(0, 0, bits)))

    def value(x: Fraction) -> Real:
        return irrational(lambda bits: -log_of_sum(bits) + (x - largest))

    values = {x: value(x) for x in row}
    return [values[x] for x in row]


@meaning.rule(Normalize)
def _(instruction: Normalize, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    count = prod(x.shape[-instruction.axes :])
    gamma = [Fraction(1)] * count
    if instruction.gamma is not None:
        gamma = [decode(code, instruction.gamma_fraction_bits) for code in instruction.gamma.tolist()]
    beta = [0] * count if instruction.beta is None else instruction.beta.tolist()
    values: list[Fraction | Real] = []
    for row in _rows(x, count):
        numbers = [decode(code, x.binary_point) for code in row]
        mean = sum(numbers, Fraction(0)) / count
        spread = sum(((number - mean) ** 2 for number in numbers), Fraction(0)) / count + instruction.epsilon
        for number, factor, offset in zip(numbers, gamma, beta, strict=True):
            slope = factor * (number - mean)
            values.append(
                offset_root(offset, instruction.beta_fraction_bits, slope * slope / spread, negative=slope < 0)
            )
    return Numbers(x.shape, values)


@meaning.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs

    @cache
    def exp_code(difference: int) -> int:
        exponent = -decode(difference, instruction.difference.format.fraction_bits)
        return round_number(exponential(exponent), instruction.exp.format.fraction_bits, instruction.exp.rounding)

    outside = dict.fromkeys(("difference", "exp", "sum", "reciprocal"), 0)

    def limited(role: str, code: int, quantizer: Quantizer) -> int:
        outside[role] += overflows(code, quantizer)
        return overflow_code(code, quantizer)

    def requantized(role: str, code: int, fraction_bits: int, quantizer: Quantizer) -> int:
        value = decode(code, fraction_bits)
        return limited(role, round_to_code(value, quantizer.format.fraction_bits, quantizer.rounding), quantizer)

    codes: list[int] = []
    for whole, part in zip(_rows(x, x.shape[-1]), _parts_of(instruction.mask, x), strict=True):
        row = [code for code, taken in zip(whole, part, strict=True) if taken]
        largest = max(row)
        differences = [
            requantized("difference", largest - code, x.binary_point, instruction.difference) for code in row
        ]
        exps = [limited("exp", exp_code(difference), instruction.exp) for difference in differences]
        total = requantized("sum", sum(exps), instruction.exp.format.fraction_bits, instruction.sum)
        if total == 0:
            raise BittrueError(
                f"The sum of exponentials in '{step.name}' is rounded to zero, which has no reciprocal; "
                "give its sum and exp table formats with more bits."
            )
        inverse = 1 / decode(total, instruction.sum.format.fraction_bits)
        reciprocal_bits, rounding = instruction.reciprocal.format.fraction_bits, instruction.reciprocal.rounding
        reciprocal = limited("reciprocal", round_to_code(inverse, reciprocal_bits, rounding), instruction.reciprocal)
        products = iter([exp * reciprocal for exp in exps])
        codes += [next(products) if taken else 0 for taken in part]
    bits = instruction.exp.format.fraction_bits + instruction.reciprocal.format.fraction_bits
    return Codes(x.shape, bits, codes, inner_overflows=outside)


@meaning.rule(NormalizeTable)
def _(instruction: NormalizeTable, step: Step, inputs: tuple[Codes, ...]) -> Codes:
    (x,) = inputs
    count = prod(x.shape[-instruction.axes :])
    gamma = [Fraction(1)] * count
    if instruction.gamma is not None:
        gamma = [decode(code, instruction.gamma_fraction_bits) for code in instruction.gamma.tolist()]
    beta = [Fraction(0)] * count
    if instruction.beta is not None:
        beta = [decode(code, instruction.beta_fraction_bits) for code in instruction.beta.tolist()]
    outside = dict.fromkeys(("mean", "difference", "variance", "reciprocal_root"), 0)
    if instruction.normalized is not None:
        outside["normalized"] = 0

    def stored(role: str, number: Fraction | Real, quantizer: Quantizer) -> Fraction:
        """The number that the role's code stands for."""
        code = round_number(number, quantizer.format.fraction_bits, quantizer.rounding)
        outside[role] += overflows(code, quantizer)
        return decode(overflow_code(code, quantizer), quantizer.format.fraction_bits)

    @cache
    def root(spread: Fraction) -> Fraction | Real:
        if spread <= 0:
            raise BittrueError(
                f"The table of '{step.name}' has no reciprocal root of {float(spread):g}, a variance plus epsilon; "
                "give its variance SATURATE."
            )
        return offset_root(0, 0, 1 / spread, negative=False)

    last = instruction.normalized
    bits = instruction.difference.format.fraction_bits + instruction.reciprocal_root.format.fraction_bits
    bits = (bits if last is None else last.format.fraction_bits) + instruction.gamma_fraction_bits
    if instruction.beta is not None:
        bits = max(bits, instruction.beta_fraction_bits)
    codes: list[int] = []
    for row in _rows(x, count):
        numbers = [decode(code, x.binary_point) for code in row]
        mean = stored("mean", sum(numbers, Fraction(0)) / count, instruction.mean)
        differences = [stored("difference", number - mean, instruction.difference) for number in numbers]
        squares = sum((difference**2 for difference in differences), Fraction(0))
        variance = stored("variance", squares / count, instruction.variance)
        factor = stored("reciprocal_root", root(variance + instruction.epsilon), instruction.reciprocal_root)
        for difference, scale, offset in zip(differences, gamma, beta, strict=True):
            product = difference * factor
            if last is not None:
                product = stored("normalized", product, last)
            codes.append(int((scale * product + offset) * Fraction(2) ** bits))  # whole: no bit is below
    return Codes(x.shape, bits, codes, inner_overflows=outside)


def _parts_of(mask: Any, x: Codes) -> list[list[bool]]:
    """Which positions take part, row by row: all of them where there is no mask."""
    length = x.shape[-1]
    taken = [True] * len(x.codes) if mask is None else mask.ravel().tolist()
    return [taken[start : start + length] for start in range(0, len(taken), length)]


def _number_rows(x: Codes) -> list[list[Fraction]]:
    """The numbers along the last axis, row by row."""
    return [[decode(code, x.binary_point) for code in row] for row in _rows(x, x.shape[-1])]


def _rows(x: Codes, length: int) -> list[list[int]]:
    """The codes along the last axis, or the last axes, that hold `length`, row by row."""
    return [x.codes[start : start + length] for start in range(0, len(x.codes), length)]


def _quotient(low: int, high: int, low_divisor: int, high_divisor: int, precision: int) -> Bounds:
    """Bounds at `precision` of a quotient whose dividend and positive divisor lie within bounds of one common unit."""
    return (low << precision) // high_divisor, -(-(high << precision) // low_divisor)
