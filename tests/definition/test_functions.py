"""Functions of one code: the one correct rounding, against mpmath at 200 digits and, at ties and in tails, by hand."""

from collections.abc import Callable
from fractions import Fraction
from time import perf_counter

import mpmath
import pytest

from bittrue.definition import functions, interval
from bittrue.definition.functions import function_meaning
from bittrue.definition.interval import Interval
from bittrue.errors import BittrueError
from bittrue.fixed import Rounding
from bittrue.fixed.reference import decode, round_to_code
from bittrue.program import Lookup
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    BatchNorm,
    Erf,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    Log,
    LogSigmoid,
    Mish,
    Reciprocal,
    Sigmoid,
    Sign,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Square,
    Tanh,
)
from definition.precision import exactly, high_precision
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
    (Sign(), lambda x: Fraction((x > 0) - (x < 0))),
    (Softsign(), lambda x: x / (1 + abs(x))),
    (HardSigmoid(ONE_SIXTH, Fraction(1, 2)), lambda x: max(min(x / 6 + Fraction(1, 2), Fraction(1)), Fraction(0))),
    (HardSwish(), lambda x: x * max(min(x + 3, Fraction(6)), Fraction(0)) / 6),
]


def test_every_function_has_a_row() -> None:
    here = {type(function) for function, _ in (*IRRATIONAL, *RATIONAL)} | {Sigmoid, Tanh}
    assert here == set(function_meaning) - {BatchNorm}


def named(pair: object) -> str:
    return repr(pair) if isinstance(pair, Function) else ""


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


@pytest.mark.parametrize(
    ("name", "function", "value"),
    [("log", Log(), mpmath.log), ("erf_of_root", Erf(), mpmath.erf), ("pi", GELU(approximate=True), gelu_by_tanh)],
)
def test_canary_an_enclosure_off_in_its_last_bits_is_noticed(
    name: str, function: Function, value: Callable[[Number], Number], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(functions, name)

    def off(*arguments: object) -> Interval:
        y = original(*arguments)
        return Interval(y.low + (1 << y.bits - 60), y.high + (1 << y.bits - 60), y.bits)

    monkeypatch.setattr(functions, name, off)
    monkeypatch.setattr(interval, name, off)
    with pytest.raises(AssertionError):
        test_irrational_values(function, value, 90, Rounding.FLOOR)


def mp_sigmoid(x: mpmath.mpf) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-x))


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
def test_tails_of_sigmoid_and_tanh(
    function: Function, code: int, limit: int, above: bool, rounding: Rounding, fraction_bits: int
) -> None:
    """A value less than any tiny number away from its limit: rounded as that tiny number would be, and at once."""
    started = perf_counter()
    made = result(Lookup(function), (codes((1,), 0, [code]),), (1,), quantizer(256, fraction_bits, rounding))
    assert perf_counter() - started < 1
    tiny = TINY
    assert made.codes == [round_to_code(limit + (tiny if above else -tiny), fraction_bits, rounding)]


@pytest.mark.parametrize("rounding", Rounding)
def test_one_half_is_a_tie_of_the_sigmoid(rounding: Rounding) -> None:
    assert rounded(Sigmoid(), [0], 3, 0, rounding) == [round_to_code(Fraction(1, 2), 0, rounding)]
    assert rounded(Tanh(), [0], 3, 0, rounding) == [0]
    expected = [round_to_code(Fraction(1, 2) + side * TINY, 0, rounding) for side in (-1, 1)]
    assert rounded(Sigmoid(), [-1, 1], 3000, 0, rounding) == expected
