"""Batch normalization of rounded parameters: the one correct rounding, ties included."""

import random
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from bittrue.fixed import Rounding
from bittrue.fixed.reference import decode, round_to_code
from bittrue.fixed.surd import round_surd
from bittrue.program import Lookup
from bittrue.program.functions import BatchNorm
from definition.precision import exactly
from definition.steps import codes, quantizer, result


def batch_norm(gamma: int, beta: int, mean: int, variance: int, epsilon: Fraction) -> BatchNorm:
    """Binary points 3 for gamma, 5 for beta, 2 for the mean, 4 for the variance."""
    arrays = [np.array([code]) for code in (gamma, beta, mean, variance)]
    return BatchNorm(arrays[0], 3, arrays[1], 5, arrays[2], 2, arrays[3], 4, epsilon)


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("fraction_bits", [-3, 0, 4, 9])
def test_batch_norm(rounding: Rounding, fraction_bits: int) -> None:
    rng = random.Random(7)
    for _ in range(60):
        gamma, beta, mean = (rng.randint(-50, 50) for _ in range(3))
        variance, x = rng.choice([0, 1, 4, 16, rng.randint(0, 90)]), rng.randint(-99, 99)
        epsilon = Fraction(rng.choice([1e-3, 2.0**-4, 2.0**-10]))
        made = result(
            Lookup(batch_norm(gamma, beta, mean, variance, epsilon)),
            (codes((1,), 4, [x]),),
            (1,),
            quantizer(64, fraction_bits, rounding),
        )
        slope = decode(gamma, 3) * (decode(x, 4) - decode(mean, 2))
        spread = decode(variance, 4) + epsilon
        assert made.codes == [round_surd(decode(beta, 5), slope, spread, fraction_bits, rounding)]
        with mpmath.workdps(200):
            root = mpmath.sqrt(mpmath.mpf(spread.numerator) / spread.denominator)
            value = mpmath.mpf(slope.numerator) / slope.denominator / root + mpmath.mpf(beta) / 32
        apart = exactly(value) * 2**fraction_bits * 2
        if abs(apart - round(apart)) > Fraction(1, 10**100):  # not a tie, which 200 digits may miss by a hair
            assert made.codes == [round_to_code(exactly(value), fraction_bits, rounding)]


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("sign", [1, -1])
def test_batch_norm_on_a_tie(rounding: Rounding, sign: int) -> None:
    """±(3/2 − 0) / √(5/4 + 1) + 3/2 = 3/2 ± 1: ties at no fraction bits, and a hair beside them when ε differs."""
    made = result(
        Lookup(batch_norm(sign * 8, 48, 0, 20, Fraction(1))), (codes((1,), 1, [3]),), (1,), quantizer(8, 0, rounding)
    )
    assert made.codes == [round_to_code(Fraction(3, 2) + sign, 0, rounding)]
    hair = Fraction(1, 2**400)
    beside = result(
        Lookup(batch_norm(sign * 8, 48, 0, 20, 1 + hair)), (codes((1,), 1, [3]),), (1,), quantizer(8, 0, rounding)
    )
    assert beside.codes == [round_to_code(Fraction(3, 2) + sign * (1 - hair), 0, rounding)]


def test_batch_norm_by_channel_without_gamma_and_beta() -> None:
    """(4 − 0) / √4, (4 − 2) / √16 on two rows of two channels; zero spread elsewhere is not looked at."""
    function = BatchNorm(None, 0, None, 0, np.array([0, 2]), 0, np.array([4, 16]), 0, Fraction(0))
    made = result(Lookup(function), (codes((2, 2), 0, [4, 4, 8, 8]),), (2, 2), quantizer(16, 1))
    assert made.codes == [4, 1, 8, 3]
