"""The binary point with the least squared error of the rounded and saturated values.

Words that cover a site's range waste their upper bits on its few largest values. Each bit that the point moves to the
left of that halves the rounding step and the largest value that isn't clipped; the best place is where the squares of
both errors add up to least (mean squared error as the criterion: e.g. Banner, Nahshan and Soudry, "Post training 4-bit
quantization of convolutional networks for rapid-deployment", 2019).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bittrue.fixed import Quantizer, Rounding
from bittrue.fixed.arrays import quantize_array
from bittrue.plan.ranges import Octave

_PIECE = 1 << 22
"""Values looked at at once: 32 MiB in float64."""

_STEP_SQUARED = {
    Rounding.NEAREST_EVEN: 12,
    Rounding.NEAREST_UP: 12,
    Rounding.NEAREST_DOWN: 12,
    Rounding.NEAREST_AWAY: 12,
    Rounding.NEAREST_TO_ZERO: 12,
    Rounding.FLOOR: 3,
    Rounding.TRUNCATE: 3,
}
"""The mean squared error of a rounding is a step's square divided by this."""


def fraction_bits_of_values(values: np.ndarray, covering: Quantizer) -> int:
    """For values that are all known, such as weights: by what the quantizer makes of each.

    covering: the quantizer with which none overflows. Of equal errors the fewest fraction bits.
    """

    def errors(quantizer: Quantizer) -> tuple[float, float]:
        total = clipped = 0.0
        low, high = (np.ldexp(end, -quantizer.format.fraction_bits) for end in (quantizer.min_code, quantizer.max_code))
        for start in range(0, values.size, _PIECE):
            piece = values[start : start + _PIECE]
            codes, _ = quantize_array(piece, (quantizer,))
            exact = piece.astype(np.float64)
            got = np.ldexp(codes.astype(np.float64), -quantizer.format.fraction_bits)
            total += float(np.square(got - exact).sum())
            clipped += float(np.square(np.clip(exact, low, high) - exact).sum())
        return total, clipped

    return _least(covering, errors)


def fraction_bits_of_octaves(octaves: Sequence[Octave], covering: Quantizer) -> int:
    """For values of which their octaves are known: rounding errors as if they were spread evenly between two codes.

    Values below half a step are all error; those beyond the last code err by what they lie beyond it.
    """

    def errors(quantizer: Quantizer) -> tuple[float, float]:
        step = 2.0**-quantizer.format.fraction_bits
        rounded = clipped = 0.0
        for octave in octaves:
            limit = step * (-quantizer.min_code if octave.negative else quantizer.max_code)
            if 2.0**octave.exponent >= limit:
                clipped += octave.squares - 2 * limit * octave.total + limit**2 * octave.count
            elif 2.0**octave.exponent < step / 2:
                rounded += octave.squares
            else:
                rounded += octave.count * step**2 / _STEP_SQUARED[quantizer.rounding]
        return rounded + clipped, clipped

    return _least(covering, errors)


def _least(covering: Quantizer, errors: Callable[[Quantizer], tuple[float, float]]) -> int:
    """The fraction bits with the least error, from those of `covering` up.

    errors: the squared error of a quantizer, and what of it the clipping alone is. Fewer bits than the covering ones
    only lose. With each more the clipping grows, so that the search ends where that alone is no better than the best.
    """
    format = covering.format
    best, least = format.fraction_bits, float("inf")
    fraction_bits = best
    while True:
        quantizer = replace(covering, format=replace(format, fraction_bits=fraction_bits))
        error, clipped = errors(quantizer)
        if error < least:
            best, least = fraction_bits, error
        if clipped >= least:
            return best
        fraction_bits += 1
