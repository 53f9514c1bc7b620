"""Functions and softmax: the one correct rounding, against mpmath at 200 digits and, at ties and in tails, by hand."""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from time import perf_counter

import mpmath
import numpy as np
import pytest

from bittrue.definition import functions
from bittrue.definition.enclosure import Bounds, decide, exponential, round_number
from bittrue.errors import BittrueError
from bittrue.fixed import Rounding
from bittrue.fixed.reference import decode, round_to_code
from bittrue.fixed.surd import round_surd
from bittrue.program import Function, Lookup, Softmax, SoftmaxTable
from bittrue.program.functions import BatchNorm, Sigmoid, Tanh
from definition.steps import codes, quantizer, result

NEAREST = [rounding for rounding in Rounding if rounding.value.startswith("NEAREST")]


def exactly(number: mpmath.mpf) -> Fraction:
    numerator, denominator = mpmath.libmp.to_rational(number._mpf_)
    return Fraction(int(numerator), int(denominator))


def high_precision(function: Callable[[mpmath.mpf], mpmath.mpf], x: Fraction) -> Fraction:
    """The function's value, right to about 200 digits."""
    with mpmath.workdps(200):
        return exactly(function(mpmath.mpf(x.numerator) / x.denominator))


def mp_sigmoid(x: mpmath.mpf) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-x))


def mp_softmax(row: Sequence[Fraction]) -> list[Fraction]:
    with mpmath.workdps(200):
        exps = [mpmath.exp(mpmath.mpf(x.numerator) / x.denominator) for x in row]
        return [exactly(value / mpmath.fsum(exps)) for value in exps]


def softmax_mismatches(fraction_bits: int, rounding: Rounding) -> int:
    rng = random.Random(fraction_bits)
    wrong = 0
    for length in (2, 3, 7):
        for spread in (3, 60, 900):
            row = [rng.randint(-spread, spread) for _ in range(length)]
            row[0] = row[-1] + 1  # never all equal, which is rational
            made = result(Softmax(), (codes((length,), 4, row),), (length,), quantizer(64, fraction_bits, rounding))
            expected = [round_to_code(y, fraction_bits, rounding) for y in mp_softmax([decode(c, 4) for c in row])]
            wrong += sum(a != b for a, b in zip(made.codes, expected, strict=True))
    return wrong


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("fraction_bits", [-1, 0, 3, 8, 40])
@pytest.mark.parametrize(("function", "float_value"), [(Sigmoid(), mp_sigmoid), (Tanh(), mpmath.tanh)])
def test_sigmoid_and_tanh(
    function: Function, float_value: Callable[[mpmath.mpf], mpmath.mpf], fraction_bits: int, rounding: Rounding
) -> None:
    # Multiples of 1/16 beyond 100, where mpmath's 200 digits still tell the tail from its limit.
    points = [*range(-80, 81), -1700, -161, 161, 1700]
    made = result(
        Lookup(function), (codes((len(points),), 4, points),), (len(points),), quantizer(64, fraction_bits, rounding)
    )
    exact = [high_precision(float_value, decode(code, 4)) for code in points]
    assert made.codes == [round_to_code(y, fraction_bits, rounding) for y in exact]


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("fraction_bits", [-1, 0, 3, 8, 40])
def test_softmax(fraction_bits: int, rounding: Rounding) -> None:
    assert softmax_mismatches(fraction_bits, rounding) == 0


def test_canary_an_off_by_one_in_the_softmax_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = functions.softmax

    def one_unit_up(row: list[Fraction]) -> list[object]:
        def shifted(value: Callable[[int], Bounds]) -> Callable[[int], Bounds]:
            # One unit of 2^(−40): the last bit of the widest format above.
            return lambda precision: tuple(bound + (1 << precision - 40) for bound in value(precision))  # type: ignore[return-value]

        return [shifted(value) for value in original(row)]  # type: ignore[arg-type]

    monkeypatch.setattr(functions, "softmax", one_unit_up)
    assert softmax_mismatches(40, Rounding.FLOOR) > 0


def test_canary_bounds_of_exp_that_are_too_tight_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def claimed(distance: Fraction, precision: int) -> Bounds:
        cut = int(high_precision(mpmath.exp, -distance) * 2**8) << precision - 8
        return cut, cut + 1

    monkeypatch.setattr(functions, "exp_negative", claimed)
    assert softmax_mismatches(8, Rounding.NEAREST_EVEN) > 0


FAR = 10**6


@pytest.mark.parametrize(
    ("function", "code", "limit", "above"),
    [
        (Sigmoid(), -FAR, 0, True),
        (Sigmoid(), FAR, 1, False),
        (Tanh(), -FAR, -1, True),
        (Tanh(), FAR, 1, False),
    ],
)
@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("fraction_bits", [-2, 0, 8, 200])
def test_tails(function: Function, code: int, limit: int, above: bool, rounding: Rounding, fraction_bits: int) -> None:
    """A value less than any tiny number away from its limit: rounded as that tiny number would be, and at once."""
    started = perf_counter()
    made = result(Lookup(function), (codes((1,), 0, [code]),), (1,), quantizer(256, fraction_bits, rounding))
    assert perf_counter() - started < 1
    tiny = Fraction(1, 2**300)
    assert made.codes == [round_to_code(limit + (tiny if above else -tiny), fraction_bits, rounding)]


@pytest.mark.parametrize("rounding", Rounding)
def test_softmax_tails(rounding: Rounding) -> None:
    tiny = Fraction(1, 2**300)
    expected = [round_to_code(y, 8, rounding) for y in (1 - tiny, tiny, tiny)]
    made = result(Softmax(), (codes((3,), 0, [FAR, -FAR, 0]),), (3,), quantizer(32, 8, rounding))
    assert made.codes == expected
    # Two that share the top fall short of one half each, which is a tie at no fraction bits.
    shared = result(Softmax(), (codes((3,), 0, [FAR, FAR, 0]),), (3,), quantizer(32, 0, rounding))
    assert shared.codes == [round_to_code(y, 0, rounding) for y in (Fraction(1, 2) - tiny,) * 2 + (tiny,)]


@pytest.mark.parametrize("rounding", Rounding)
def test_rational_points(rounding: Rounding) -> None:
    """One half is a tie at no fraction bits, for the sigmoid and for a softmax of two equals; one value's is 1."""
    half = [round_to_code(Fraction(1, 2), 0, rounding)]
    round_0 = quantizer(8, 0, rounding)
    assert result(Lookup(Sigmoid()), (codes((1,), 3, [0]),), (1,), round_0).codes == half
    assert result(Lookup(Tanh()), (codes((1,), 3, [0]),), (1,), round_0).codes == [0]
    assert result(Softmax(), (codes((2,), 3, [77, 77]),), (2,), round_0).codes == half * 2
    assert result(Softmax(), (codes((1,), 3, [-5]),), (1,), round_0).codes == [1]
    near = result(Lookup(Sigmoid()), (codes((2,), 500, [-1, 1]),), (2,), round_0)
    tiny = Fraction(1, 2**300)
    assert near.codes == [round_to_code(Fraction(1, 2) + side * tiny, 0, rounding) for side in (-1, 1)]


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


def test_softmax_table_rounds_exp_and_reciprocal_correctly() -> None:
    table = SoftmaxTable(quantizer(12, 4), quantizer(18, 14), quantizer(18, 10), quantizer(18, 15))
    row = [100, 93, 41, 99, -20]
    made = result(table, (codes((5,), 4, row),), (5,), fraction_bits=29)
    exps = [
        round_to_code(high_precision(mpmath.exp, decode(code - max(row), 4)), 14, Rounding.NEAREST_EVEN) for code in row
    ]
    total = round_to_code(decode(sum(exps), 14), 10, Rounding.NEAREST_EVEN)
    reciprocal = round_to_code(Fraction(2**10, total), 15, Rounding.NEAREST_EVEN)
    assert made.codes == [exp * reciprocal for exp in exps]


@pytest.mark.parametrize("x", [Fraction(1, 16), Fraction(5, 2), Fraction(40), Fraction(-3, 7), Fraction(-30)])
@pytest.mark.parametrize("precision", [10, 64, 300])
def test_exponential_bounds_hold_the_value_and_are_narrow(x: Fraction, precision: int) -> None:
    number = exponential(x)
    assert not isinstance(number, Fraction)
    low, high = number(precision)
    with mpmath.workdps(200):
        y = high_precision(mpmath.exp, x) * 2**precision
    assert low < y < high
    assert high - low <= 2


def test_exponential_out_of_reach() -> None:
    with pytest.raises(BittrueError, match="beyond what any word holds"):
        exponential(Fraction(10**6))


@pytest.mark.parametrize("rounding", Rounding)
def test_decide(rounding: Rounding) -> None:
    """At a precision of 4 bits and one fraction bit, a half-step is four units."""
    assert decide(4, 8, 4, 1, rounding) == round_to_code(Fraction(6, 16), 1, rounding)  # ends on neighbours
    assert decide(4, 9, 4, 1, rounding) is None
    assert decide(3, 5, 4, 1, rounding) is None
    assert decide(-1, 0, 4, 1, rounding) == round_to_code(Fraction(-1, 32), 1, rounding)
    assert decide(-1, 1, 4, 1, rounding) is None
    assert decide(4, 4, 4, 1, rounding) == round_to_code(Fraction(1, 4), 1, rounding)  # a tie, known exactly


def test_a_loop_that_would_not_end_is_an_error() -> None:
    """A tie that its function doesn't know for one."""

    def one_half(precision: int) -> Bounds:
        return (1 << precision - 1) - 1, (1 << precision - 1) + 1

    with pytest.raises(BittrueError, match="rational points"):
        round_number(one_half, 0, Rounding.NEAREST_EVEN)
