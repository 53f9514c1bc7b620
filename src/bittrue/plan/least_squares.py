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
from bittrue.fixed.squared_error import clipping_error, squared_error
from bittrue.plan.ranges import Octave

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
    return _least(
        covering,
        lambda quantizer: squared_error(values, quantizer),
        lambda quantizer: clipping_error(values, quantizer),
    )


def fraction_bits_of_octaves(octaves: Sequence[Octave], covering: Quantizer) -> int:
    """For values of which their octaves are known: rounding errors as if they were spread evenly between two codes.

    Values below half a step are all error; those beyond the last code err by what they lie beyond it.
    """

    def clipped(quantizer: Quantizer) -> float:
        step = 2.0**-quantizer.format.fraction_bits
        error = 0.0
        for octave in octaves:
            limit = step * (-quantizer.min_code if octave.negative else quantizer.max_code)
            if 2.0**octave.exponent >= limit:
                error += octave.squares - 2 * limit * octave.total + limit**2 * octave.count
        return error

    def rounded(quantizer: Quantizer) -> float:
        step = 2.0**-quantizer.format.fraction_bits
        error = 0.0
        for octave in octaves:
            limit = step * (-quantizer.min_code if octave.negative else quantizer.max_code)
            if 2.0**octave.exponent < min(limit, step / 2):
                error += octave.squares
            elif 2.0**octave.exponent < limit:
                error += octave.count * step**2 / _STEP_SQUARED[quantizer.rounding]
        return error

    return _least(covering, lambda quantizer: rounded(quantizer) + clipped(quantizer), clipped)


def _least(covering: Quantizer, error: Callable[[Quantizer], float], clipping: Callable[[Quantizer], float]) -> int:
    """The fraction bits with the least error, from those of `covering` up.

    error: the squared error of a quantizer; clipping: what of it the clipping alone is. Fewer bits than the covering
    ones only lose. With each more the clipping grows, so that the search ends where that alone is no better than the
    best.
    """
    best, least = covering, error(covering)
    finer = _finer(covering)
    while clipping(finer) < least:
        found = error(finer)
        if found < least:
            best, least = finer, found
        finer = _finer(finer)
    return best.format.fraction_bits


def _finer(quantizer: Quantizer) -> Quantizer:
    return replace(quantizer, format=replace(quantizer.format, fraction_bits=quantizer.format.fraction_bits + 1))
