"""Bounds hold every exact result of values within them, and the codes that quantizers make of such values."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, decode, quantize
from bittrue.program import CodeType, Quantize, Step
from bittrue.program.bounds import Bounds, affine, hull, largest, smallest, total, weighted

dyadics = st.builds(lambda code, bits: Fraction(code) / Fraction(2) ** bits, st.integers(-300, 300), st.integers(-2, 5))


@dataclass(frozen=True)
class Within:
    """Bounds and a value that they hold."""

    bounds: Bounds
    value: Fraction


@st.composite
def within(draw: st.DrawFn) -> Within:
    low, value, high = sorted(draw(st.tuples(dyadics, dyadics, dyadics)))
    return Within(
        Bounds(low if draw(st.integers(0, 4)) else None, high if draw(st.integers(0, 4)) else None),
        value,
    )


def holds(bounds: Bounds, value: Fraction) -> bool:
    return (bounds.low is None or bounds.low <= value) and (bounds.high is None or value <= bounds.high)


quantizers = st.builds(
    lambda signed, length, bits, rounding, overflow: Quantizer(FixedFormat(signed, length, bits), rounding, overflow),
    st.booleans(),
    st.integers(1, 9),
    st.integers(-2, 6),
    st.sampled_from(Rounding),
    st.sampled_from(Overflow),
)


@given(within(), within())
def test_arithmetic_of_two_values_stays_within(a: Within, b: Within) -> None:
    assert holds(-a.bounds, -a.value)
    assert holds(a.bounds + b.bounds, a.value + b.value)
    assert holds(a.bounds * b.bounds, a.value * b.value)


COMBINED: list[tuple[Callable[[list[Bounds]], Bounds], Callable[[list[Fraction]], Fraction | int]]] = [
    (total, sum),
    (largest, max),
    (smallest, min),
]


@pytest.mark.parametrize(("of_bounds", "of_values"), COMBINED)
@given(operands=st.lists(within(), min_size=1, max_size=5))
def test_combinations_of_values_stay_within(
    of_bounds: Callable[[list[Bounds]], Bounds],
    of_values: Callable[[list[Fraction]], Fraction],
    operands: list[Within],
) -> None:
    assert holds(of_bounds([each.bounds for each in operands]), of_values([each.value for each in operands]))


@given(st.lists(within(), min_size=1, max_size=5))
def test_the_hull_holds_each_of_its_parts(operands: list[Within]) -> None:
    around = hull([each.bounds for each in operands])
    assert all(holds(around, each.value) for each in operands)


@given(within(), dyadics)
def test_multiples_and_quotients_stay_within(x: Within, factor: Fraction) -> None:
    assert holds(x.bounds.scaled(factor), factor * x.value)
    if factor:
        for divisor in (factor, -factor, 3 * factor):
            assert holds(x.bounds.divided(abs(factor)), x.value / divisor)


@given(within(), st.none() | dyadics, st.none() | dyadics)
def test_a_clip_stays_within(x: Within, low: Fraction | None, high: Fraction | None) -> None:
    clipped = x.value if low is None else max(x.value, low)
    assert holds(x.bounds.clipped(low, high), clipped if high is None else min(clipped, high))


@given(within(), quantizers)
def test_a_quantizer_stays_within(x: Within, quantizer: Quantizer) -> None:
    value = decode(quantize(x.value, quantizer), quantizer.format.fraction_bits)
    assert holds(x.bounds.quantized(quantizer), value)
    assert holds(Bounds.of_quantizer(quantizer), value)


codes = st.lists(st.integers(-40, 40), min_size=1, max_size=4)


@given(within(), codes, st.integers(-2, 5), st.integers(-40, 40), st.integers(-2, 5))
def test_an_affine_map_stays_within(x: Within, scales: list[int], bits: int, offset: int, offset_bits: int) -> None:
    bounds = affine(x.bounds, np.array(scales), bits, np.array([offset]), offset_bits)
    for scale in scales:
        assert holds(bounds, decode(scale, bits) * x.value + decode(offset, offset_bits))


@given(st.lists(within(), min_size=1, max_size=4), st.data())
def test_a_sum_of_products_stays_within(xs: list[Within], data: st.DataObject) -> None:
    """Inputs are 0 where a window hangs over the padding."""
    channels = st.lists(st.integers(-9, 9), min_size=len(xs), max_size=len(xs))
    weights = data.draw(st.lists(channels, min_size=1, max_size=3))
    bits, start = data.draw(st.integers(-2, 5)), data.draw(dyadics)
    above = [sum(max(code, 0) for code in channel) for channel in weights]
    below = [sum(max(-code, 0) for code in channel) for channel in weights]
    unit = decode(1, bits)
    bounds = weighted(hull([x.bounds for x in xs]), above, below, [unit] * len(weights), [start] * len(weights))
    for channel in weights:
        whole = [decode(code, bits) * x.value for code, x in zip(channel, xs, strict=True)]
        assert holds(bounds, sum(whole) + start)
        assert holds(bounds, sum(whole[1:]) + start)


@given(within(), st.integers(-2, 8))
def test_code_types_hold_the_values_and_say_so(x: Within, bits: int) -> None:
    kind = CodeType.within((3,), bits, x.bounds)
    assert holds(kind.bounds, x.value)
    assert kind.binary_point == bits
    assert CodeType.within((3,), bits, kind.bounds) == kind


def test_ends_are_as_narrow_as_the_operation_allows() -> None:
    """A canary: bounds that hold everything would pass all the tests above."""
    one, two = Bounds(Fraction(-1), Fraction(2)), Bounds(Fraction(3), Fraction(5))
    quantizer = Quantizer(FixedFormat(True, 4, 1), overflow=Overflow.SATURATE)
    scales, offsets = np.array([2, -1]), np.array([4])
    assert -one == Bounds(Fraction(-2), Fraction(1))
    assert one + two == total([one, two]) == Bounds(Fraction(2), Fraction(7))
    assert one * two == Bounds(Fraction(-5), Fraction(10))
    assert hull([one, two]) == Bounds(Fraction(-1), Fraction(5))
    assert (largest([one, two]), smallest([one, two])) == (two, one)
    assert one.scaled(-3) == Bounds(Fraction(-6), Fraction(3))
    assert one.divided(Fraction(1, 2)) == Bounds(Fraction(-4), Fraction(4))
    assert one.clipped(Fraction(0), None) == Bounds(Fraction(0), Fraction(2))
    assert Bounds().clipped(Fraction(0), Fraction(6)) == Bounds(Fraction(0), Fraction(6))
    assert one.quantized(quantizer) == one
    assert Bounds(Fraction(-9), Fraction(1, 4)).quantized(quantizer) == Bounds(Fraction(-4), Fraction(0))
    assert Bounds.of_quantizer(quantizer) == Bounds(Fraction(-4), Fraction(7, 2))
    assert affine(one, scales, 1, offsets, 2) == Bounds(Fraction(0), Fraction(3))
    assert weighted(one, [3], [1], [Fraction(1)], [Fraction(10)]) == Bounds(Fraction(5), Fraction(17))


def test_a_value_within_moved_bounds_is_found() -> None:
    """A canary: `holds` tells an end that is off by one from one that is not."""
    assert holds(Bounds(Fraction(0), Fraction(1)), Fraction(1))
    assert not holds(Bounds(Fraction(0), Fraction(1)), Fraction(2))
    assert not holds(Bounds(Fraction(0), Fraction(1)), Fraction(-1))


def test_what_has_no_codes_says_so() -> None:
    kind = CodeType((3,), None)
    with pytest.raises(PlanError, match="no binary point"):
        _ = kind.binary_point
    step = Step("image", "image.output", Quantize(), (), kind, None, kind)
    with pytest.raises(PlanError, match=r"site image\.output: it needs a format"):
        _ = step.rounds_with
