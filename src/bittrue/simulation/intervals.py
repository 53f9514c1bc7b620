"""Interval arithmetic: enclosures of real functions at the precision that is set, and the rounding that they decide."""

from collections.abc import Callable
from fractions import Fraction

import mpmath

from bittrue.errors import CarrierError
from bittrue.fixed import Rounding, round_to_code

_MOST_PRECISION = 1 << 16
_GUARD_BITS = 8


def padded(y: mpmath.mpi) -> mpmath.mpi:
    """An interval a little wider at both ends.

    mpmath rounds the ends in their directions, but what it rounds is itself known to a few bits beyond them only: next
    to a number of few bits an end can lie on the wrong side.
    """
    unit = mpmath.iv.mpf(2) ** (_GUARD_BITS - mpmath.iv.prec)
    return y * (1 + unit * mpmath.iv.mpf([-1, 1]))


def exp(x: mpmath.mpi) -> mpmath.mpi:
    return padded(mpmath.iv.exp(x))


def sigmoid(x: mpmath.mpi) -> mpmath.mpi:
    return 1 / (1 + exp(-x))


def tanh(x: mpmath.mpi) -> mpmath.mpi:
    return 1 - 2 / (1 + exp(2 * x))


def softplus(x: mpmath.mpi) -> mpmath.mpi:
    if x > 0:
        return x + padded(mpmath.iv.log(1 + exp(-x)))
    return padded(mpmath.iv.log(1 + exp(x)))


def erfc(x: mpmath.mpi) -> mpmath.mpi:
    """1 − erf x for x > 0, between its values at both ends, which mpmath gives to within its precision."""
    if x > mpmath.iv.prec:  # erfc x < exp(−x²)
        return mpmath.iv.mpf([0, mpmath.mpf(2) ** -mpmath.iv.prec])
    with mpmath.workprec(mpmath.iv.prec + 64):
        ends = [mpmath.erfc(mpmath.mpf(x.b)), mpmath.erfc(mpmath.mpf(x.a))]
    return padded(mpmath.iv.mpf(ends))


def erf(x: mpmath.mpi) -> mpmath.mpi:
    if not x > 0:
        return -erf(-x)
    if x > 1:
        return 1 - erfc(x)
    with mpmath.workprec(mpmath.iv.prec + 64):
        ends = [mpmath.erf(mpmath.mpf(x.a)), mpmath.erf(mpmath.mpf(x.b))]
    return padded(mpmath.iv.mpf(ends))


def gelu(x: mpmath.mpi) -> mpmath.mpi:
    beyond = erfc(abs(x) / mpmath.iv.sqrt(mpmath.iv.mpf(2))) / 2
    return x * (1 - beyond) if x > 0 else x * beyond


def gelu_by_tanh(x: mpmath.mpi) -> mpmath.mpi:
    cubic = x + mpmath.iv.mpf(44715) / 1000000 * x * x * x
    return x * sigmoid(2 * mpmath.iv.sqrt(2 / mpmath.iv.pi) * cubic)


def mish(x: mpmath.mpi) -> mpmath.mpi:
    if x > 0:
        inverse = exp(-x)
        rest = 2 * inverse * inverse
        return x * (1 - rest / (1 + 2 * inverse + rest))
    power = exp(x)
    part = power * (power + 2)
    return x * part / (part + 2)


def exact(code: int, fraction_bits: int) -> mpmath.mpi:
    """The value of a code."""
    return mpmath.iv.mpf(code) * mpmath.iv.mpf(2) ** -fraction_bits


def round_interval(evaluate: Callable[[], mpmath.mpi], bits: int, rounding: Rounding, what: str) -> int:
    """The rounded code of an irrational number given by ever narrower intervals.

    The number lies strictly inside each interval, so it is decided once both ends fall into one half-step.
    """
    precision, before = 80 + max(bits, 0), mpmath.iv.prec
    try:
        while precision <= _MOST_PRECISION:
            mpmath.iv.prec = precision
            doubled = evaluate() * mpmath.iv.mpf(2) ** (bits + 1)
            with mpmath.workprec(precision + 64):
                below = int(mpmath.floor(mpmath.mpf(doubled.a)))
                above = int(mpmath.ceil(mpmath.mpf(doubled.b))) - 1
            if below == above:
                return round_to_code(Fraction(2 * below + 1, 4), 0, rounding)
            precision *= 2
    finally:
        mpmath.iv.prec = before
    raise CarrierError(f"{what}: a result can't be told from a tie within {_MOST_PRECISION} bits; give the site fewer.")
