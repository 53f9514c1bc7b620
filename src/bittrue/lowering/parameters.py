"""Parameter rounding: the codes of trained and of computed parameters, and how many of them overflowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bittrue import fixed
from bittrue.errors import CarrierError, FormatError, PlanError
from bittrue.fixed import Quantizer
from bittrue.fixed.arrays import quantize_array, signed_sums
from bittrue.fixed.dyadic import exact_codes, integer_array, narrow
from bittrue.fixed.surd import round_surd
from bittrue.network import Parameter
from bittrue.plan import Guard, Spec, Word
from bittrue.program import Bounds
from bittrue.program.bounds import weighted

Surd = tuple[Fraction, Fraction, Fraction]
"""(a, b, v) stands for the real number a + b/√v."""


@dataclass(frozen=True, eq=False)
class ParameterCodes:
    """A parameter's codes in the parameter's shape: integers, or Python integers (the dtype object) where one exceeds
    62 bits. fraction_bits: one in all, or one an output channel."""

    codes: np.ndarray
    fraction_bits: tuple[int, ...]

    @property
    def values(self) -> np.ndarray:
        """What the codes stand for, as float64."""
        values: np.ndarray = np.ldexp(self.codes.astype(np.float64), -np.array(self.fraction_bits))
        return values

    def sum_bounds(self, bias: "ParameterCodes | None", x: Bounds) -> Bounds:
        """Of the sums of products with these weights, over all output channels, for inputs within `x`."""
        above, below = signed_sums(self.codes)
        channels = len(above)
        repeated = channels if len(self.fraction_bits) == 1 else 1
        units = [Fraction(2) ** -bits for bits in self.fraction_bits] * repeated
        starts = [Fraction(0)] * channels
        if bias is not None:
            starts = [fixed.decode(code, bias.fraction_bits[0]) for code in bias.codes.tolist()]
        return weighted(x, above, below, units, starts)


def round_parameter(parameter: Parameter, spec: Spec) -> tuple[ParameterCodes, int]:
    """A trained parameter under its site's spec, and how many of its values overflowed.

    Raises PlanError for FLOAT, and what the quantizer raises, with the site's name.
    """
    if spec is Word.EXACT:
        codes, fraction_bits = exact_codes(parameter.value)
        return ParameterCodes(narrow(codes), (fraction_bits,)), 0
    if isinstance(spec, Guard):
        spec = spec.quantizer
    if isinstance(spec, Word):
        raise PlanError(f"site {parameter.name}: {spec.value} can't be lowered to integers.")
    quantizers = (spec,) if isinstance(spec, Quantizer) else spec
    try:
        codes, overflows = quantize_array(parameter.value, quantizers)
    except (FormatError, CarrierError) as error:
        raise type(error)(f"site {parameter.name}: {error}") from None
    return ParameterCodes(codes, tuple(quantizer.format.fraction_bits for quantizer in quantizers)), overflows


def round_surds(surds: Sequence[Surd], quantizer: Quantizer) -> tuple[ParameterCodes, int]:
    """Computed parameters, each correctly rounded from its real value, and how many of them overflowed."""
    bits = quantizer.format.fraction_bits
    rounded = [round_surd(*surd, bits, quantizer.rounding) for surd in surds]
    codes = [fixed.overflow_code(code, quantizer) for code in rounded]
    overflows = sum(fixed.overflows(code, quantizer) for code in rounded)
    return ParameterCodes(integer_array(codes), (bits,)), overflows


def approximate_surds(surds: Sequence[Surd]) -> np.ndarray:
    """Computed parameters as float32."""
    return np.array([float(a) + float(b) / float(v) ** 0.5 for a, b, v in surds], np.float32)


def round_number(number: Fraction, quantizer: Quantizer) -> tuple[Fraction, int]:
    """A single number as a quantizer has it, and 1 where it overflowed, else 0."""
    bits = quantizer.format.fraction_bits
    code = fixed.round_to_code(number, bits, quantizer.rounding)
    return fixed.decode(fixed.overflow_code(code, quantizer), bits), int(fixed.overflows(code, quantizer))
