"""Layer normalization: as the real numbers that it is, and as hardware computes it, table and all (B9)."""

from fractions import Fraction
from functools import cache
from math import prod

from bittrue.definition.enclosure import Real, offset_root, round_number
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.definition.rows import rows
from bittrue.errors import BittrueError
from bittrue.fixed.format import Quantizer
from bittrue.fixed.reference import decode, overflow_code, overflows
from bittrue.program import Normalize, NormalizeTable, Step


@meaning.rule(Normalize)
def _(instruction: Normalize, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    count = prod(x.shape[-instruction.axes :])
    gamma = [Fraction(1)] * count
    if instruction.gamma is not None:
        gamma = [decode(code, instruction.gamma_fraction_bits) for code in instruction.gamma.tolist()]
    beta = [0] * count if instruction.beta is None else instruction.beta.tolist()
    values: list[Fraction | Real] = []
    for row in rows(x, count):
        numbers = [decode(code, x.binary_point) for code in row]
        mean = sum(numbers, Fraction(0)) / count
        spread = sum(((number - mean) ** 2 for number in numbers), Fraction(0)) / count + instruction.epsilon
        for number, factor, offset in zip(numbers, gamma, beta, strict=True):
            slope = factor * (number - mean)
            values.append(
                offset_root(offset, instruction.beta_fraction_bits, slope * slope / spread, negative=slope < 0)
            )
    return Numbers(x.shape, values)


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
    for row in rows(x, count):
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
