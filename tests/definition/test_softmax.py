"""Softmax and its logarithm: the one correct rounding, against mpmath and, at ties and in tails, by hand."""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction

import mpmath
import pytest

from bittrue.definition import softmax
from bittrue.definition.enclosure import Bounds
from bittrue.fixed import Rounding
from bittrue.fixed.reference import decode, round_to_code
from bittrue.program import LogSoftmax, Softmax, SoftmaxTable
from definition.precision import exactly, high_precision
from definition.steps import codes, quantizer, result

FAR = 10**6
TINY = Fraction(1, 2**2000)


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
def test_softmax(fraction_bits: int, rounding: Rounding) -> None:
    assert softmax_mismatches(fraction_bits, rounding) == 0


def test_canary_an_off_by_one_in_the_softmax_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = softmax.softmax

    def one_unit_up(row: list[Fraction]) -> list[object]:
        def shifted(value: Callable[[int], Bounds]) -> Callable[[int], Bounds]:
            # One unit of 2^(−40): the last bit of the widest format above.
            return lambda precision: tuple(bound + (1 << precision - 40) for bound in value(precision))  # type: ignore[return-value]

        return [shifted(value) for value in original(row)]  # type: ignore[arg-type]

    monkeypatch.setattr(softmax, "softmax", one_unit_up)
    assert softmax_mismatches(40, Rounding.FLOOR) > 0


def test_canary_bounds_of_exp_that_are_too_tight_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def claimed(distance: Fraction, precision: int) -> Bounds:
        cut = int(high_precision(mpmath.exp, -distance) * 2**8) << precision - 8
        return cut, cut + 1

    monkeypatch.setattr(softmax, "exp_negative", claimed)
    assert softmax_mismatches(8, Rounding.NEAREST_EVEN) > 0


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
    """One half is a tie at no fraction bits, for a softmax of two equals; one value's is 1."""
    half = round_to_code(Fraction(1, 2), 0, rounding)
    round_0 = quantizer(8, 0, rounding)
    assert result(Softmax(), (codes((2,), 3, [77, 77]),), (2,), round_0).codes == [half, half]
    assert result(Softmax(), (codes((1,), 3, [-5]),), (1,), round_0).codes == [1]


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
