"""Functions of one code: the one correct rounding, against mpmath at 200 digits and, at ties and in tails, by hand."""

from collections.abc import Callable
from fractions import Fraction

import mpmath
import pytest

from bittrue.definition import interval, real_functions
from bittrue.definition.interval import Interval, erf_of_root, log, pi
from bittrue.errors import BittrueError
from bittrue.fixed import Rounding
from bittrue.fixed.reference import decode, round_to_code
from bittrue.program import LogSoftmax, Lookup
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    Erf,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    Log,
    LogSigmoid,
    Mish,
    Reciprocal,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Square,
)
from definition.steps import codes, quantizer, result

Number = mpmath.mpf
ONE_SIXTH = Fraction(1, 6)


def softplus(x: Number) -> Number:
    return mpmath.log1p(mpmath.exp(x))


def gelu(x: Number) -> Number:
    return x / 2 * (1 + mpmath.erf(x / mpmath.sqrt(2)))


def gelu_by_tanh(x: Number) -> Number:
    return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(44715) / 10**6 * x**3)))


def elu(alpha: Fraction, scale: Fraction) -> Callable[[Number], Number]:
    factor = mpmath.mpf(alpha.numerator) / alpha.denominator
    size = mpmath.mpf(scale.numerator) / scale.denominator
    return lambda x: size * (x if x >= 0 else factor * mpmath.expm1(x))


IRRATIONAL: list[tuple[Function, Callable[[Number], Number]]] = [
    (Exp(), mpmath.exp),
    (Log(), mpmath.log),
    (Sqrt(), mpmath.sqrt),
    (Erf(), mpmath.erf),
    (ELU(Fraction(3, 4)), elu(Fraction(3, 4), Fraction(1))),
    (SELU(), elu(Fraction(1.6732632423543772), Fraction(1.0507009873554805))),
    (GELU(approximate=False), gelu),
    (GELU(approximate=True), gelu_by_tanh),
    (SiLU(), lambda x: x / (1 + mpmath.exp(-x))),
    (Mish(), lambda x: x * mpmath.tanh(softplus(x))),
    (Softplus(), softplus),
    (LogSigmoid(), lambda x: -softplus(-x)),
]
RATIONAL: list[tuple[Function, Callable[[Fraction], Fraction]]] = [
    (Reciprocal(), lambda x: 1 / x),
    (Square(), lambda x: x * x),
    (Softsign(), lambda x: x / (1 + abs(x))),
    (HardSigmoid(ONE_SIXTH, Fraction(1, 2)), lambda x: max(min(x / 6 + Fraction(1, 2), Fraction(1)), Fraction(0))),
    (HardSwish(), lambda x: x * max(min(x + 3, Fraction(6)), Fraction(0)) / 6),
]


def named(pair: object) -> str:
    return repr(pair) if isinstance(pair, Function) else ""


def exactly(number: Number) -> Fraction:
    numerator, denominator = mpmath.libmp.to_rational(number._mpf_)
    return Fraction(int(numerator), int(denominator))


def points_of(function: Function) -> list[int]:
    """Sixteenths, some far out; of Log and Sqrt those that have a value, 1 left out, whose logarithm is 0."""
    every = [code for code in (*range(-80, 81, 3), -3, -16, 16, 36, -161, 161) if code]
    return [code for code in every if code > 0 and code != 16] if isinstance(function, Log | Sqrt) else every


def rounded(function: Function, points: list[int], bits: int, fraction_bits: int, rounding: Rounding) -> list[int]:
    word = quantizer(600, fraction_bits, rounding)
    return result(Lookup(function), (codes((len(points),), bits, points),), (len(points),), word).codes


@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.FLOOR, Rounding.TRUNCATE])
@pytest.mark.parametrize("fraction_bits", [-1, 8, 90])
@pytest.mark.parametrize(("function", "value"), IRRATIONAL, ids=named)
def test_irrational_values(
    function: Function, value: Callable[[Number], Number], fraction_bits: int, rounding: Rounding
) -> None:
    points = points_of(function)
    with mpmath.workdps(200):
        exact = [exactly(value(mpmath.mpf(code) / 16)) for code in points]
    expected = [round_to_code(y, fraction_bits, rounding) for y in exact]
    assert rounded(function, points, 4, fraction_bits, rounding) == expected


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("fraction_bits", [-1, 0, 3, 40])
@pytest.mark.parametrize(("function", "value"), RATIONAL, ids=named)
def test_rational_values(
    function: Function, value: Callable[[Fraction], Fraction], fraction_bits: int, rounding: Rounding
) -> None:
    points = points_of(function)
    expected = [round_to_code(value(decode(code, 4)), fraction_bits, rounding) for code in points]
    assert rounded(function, points, 4, fraction_bits, rounding) == expected


@pytest.mark.parametrize("rounding", Rounding)
def test_rational_points(rounding: Rounding) -> None:
    """Where a value is a tie, or a code exactly, no bounds could decide it."""
    for function in (Erf(), GELU(approximate=False), GELU(approximate=True), SiLU(), Mish(), Square(), SELU()):
        assert rounded(function, [0], 3, 4, rounding) == [0]
    assert rounded(Exp(), [0], 3, 4, rounding) == [16]
    assert rounded(Log(), [8], 3, 4, rounding) == [0]
    three_halves = round_to_code(Fraction(3, 2), 0, rounding)
    assert rounded(Sqrt(), [9], 2, 0, rounding) == [three_halves]
    assert rounded(ELU(), [3], 1, 0, rounding) == [three_halves]
    assert rounded(ELU(0), [-3], 1, 0, rounding) == [0]


TINY = Fraction(1, 2**2000)
FAR = 10**6


@pytest.mark.parametrize(
    ("function", "code", "limit"),
    [
        (Erf(), FAR, 1 - TINY),
        (Erf(), -FAR, -1 + TINY),
        (ELU(), -FAR, -1 + TINY),
        (GELU(approximate=False), FAR, FAR - TINY),
        (GELU(approximate=False), -FAR, -TINY),
        (GELU(approximate=True), FAR, FAR - TINY),
        (GELU(approximate=True), -FAR, -TINY),
        (SiLU(), FAR, FAR - TINY),
        (SiLU(), -FAR, -TINY),
        (Mish(), FAR, FAR - TINY),
        (Mish(), -FAR, -TINY),
        (Softplus(), FAR, FAR + TINY),
        (Softplus(), -FAR, TINY),
        (LogSigmoid(), FAR, -TINY),
        (LogSigmoid(), -FAR, -FAR - TINY),
        (Exp(), -FAR, TINY),
    ],
    ids=named,
)
@pytest.mark.parametrize("fraction_bits", [-1, 60])
@pytest.mark.parametrize("rounding", Rounding)
def test_tails(function: Function, code: int, limit: Fraction, rounding: Rounding, fraction_bits: int) -> None:
    """A value less than any tiny number beside its limit is rounded as that tiny number would be, and at once."""
    assert rounded(function, [code], 0, fraction_bits, rounding) == [round_to_code(limit, fraction_bits, rounding)]


@pytest.mark.parametrize(
    ("function", "code", "sentence"),
    [
        (Log(), 0, "takes the logarithm of 0"),
        (Log(), -1, "takes the logarithm of a negative number"),
        (Sqrt(), -1, "takes the square root of a negative number"),
        (Reciprocal(), 0, "takes the reciprocal of 0"),
        (Exp(), 4097, "takes the exponential of a number above 4096"),
    ],
    ids=named,
)
def test_numbers_without_a_value(function: Function, code: int, sentence: str) -> None:
    with pytest.raises(BittrueError, match=rf"^Step 'node' {sentence}.*; give its input a range"):
        rounded(function, [1, code], 0, 4, Rounding.NEAREST_EVEN)


def test_a_large_exponential() -> None:
    word = quantizer(1000, -600, Rounding.FLOOR)
    (code,) = result(Lookup(Exp()), (codes((1,), 0, [700]),), (1,), word).codes
    with mpmath.workdps(500):
        assert code == int(mpmath.exp(700) / mpmath.mpf(2) ** 600)


@pytest.mark.parametrize("bits", [1, 20, 300])
def test_enclosures_hold_their_numbers_and_are_narrow(bits: int) -> None:
    with mpmath.workdps(200):
        known = [
            (pi(bits), mpmath.pi + 0),
            (log(Fraction(7, 3), bits), mpmath.log(mpmath.mpf(7) / 3)),
            (log(Fraction(1, 1000), bits), mpmath.log(mpmath.mpf(1) / 1000)),
            (log(Fraction(2**100 + 1, 2**100), bits), mpmath.log1p(mpmath.mpf(2) ** -100)),
            (erf_of_root(Fraction(9, 16), bits), mpmath.erf(0.75)),
            (erf_of_root(Fraction(19), bits), mpmath.erf(mpmath.sqrt(19))),
            (Interval.around(2, bits).root(), mpmath.sqrt(2)),
        ]
        for enclosed, number in known:
            low, high = enclosed.ends
            assert low <= exactly(number) <= high
            assert high - low <= Fraction(64, 2**bits) * max(1, bits // 8)


def test_arithmetic_is_directed_outward() -> None:
    third, minus_two = Interval.around(Fraction(1, 3), 4), Interval.around(-2, 4)
    assert (third.low, third.high) == (5, 6)
    assert ((third * third).low, (third * third).high) == (1, 3)
    assert ((third * minus_two).low, (third * minus_two).high) == (-12, -10)
    assert ((minus_two / third).low, (minus_two / third).high) == (-103, -85)
    assert ((1 - third).low, (1 - third).high) == (10, 11)


@pytest.mark.parametrize(
    ("name", "function", "value"),
    [("log", Log(), mpmath.log), ("erf_of_root", Erf(), mpmath.erf), ("pi", GELU(approximate=True), gelu_by_tanh)],
)
def test_canary_an_enclosure_off_in_its_last_bits_is_noticed(
    name: str, function: Function, value: Callable[[Number], Number], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(real_functions, name)

    def off(*arguments: object) -> Interval:
        y = original(*arguments)
        return Interval(y.low + (1 << y.bits - 60), y.high + (1 << y.bits - 60), y.bits)

    monkeypatch.setattr(real_functions, name, off)
    monkeypatch.setattr(interval, name, off)
    with pytest.raises(AssertionError):
        test_irrational_values(function, value, 90, Rounding.FLOOR)


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("fraction_bits", [-1, 0, 8, 40])
def test_log_softmax(fraction_bits: int, rounding: Rounding) -> None:
    for row in ([3, -2, 40], [7, 7, 7, 7], [-900, 900, 4], [5, 4]):
        made = result(LogSoftmax(), (codes((len(row),), 4, row),), (len(row),), quantizer(64, fraction_bits, rounding))
        with mpmath.workdps(200):
            total = mpmath.fsum(mpmath.exp(mpmath.mpf(code) / 16) for code in row)
            exact = [exactly(mpmath.mpf(code) / 16 - mpmath.log(total)) for code in row]
        assert made.codes == [round_to_code(y, fraction_bits, rounding) for y in exact]
    assert result(LogSoftmax(), (codes((1,), 4, [9]),), (1,), quantizer(64, fraction_bits, rounding)).codes == [0]


@pytest.mark.parametrize("rounding", Rounding)
def test_the_largest_of_far_log_softmax_inputs_is_a_hair_below_zero(rounding: Rounding) -> None:
    made = result(LogSoftmax(), (codes((2,), 0, [FAR, -FAR]),), (2,), quantizer(64, 8, rounding))
    assert made.codes == [round_to_code(y, 8, rounding) for y in (-TINY, -2 * FAR - TINY)]
