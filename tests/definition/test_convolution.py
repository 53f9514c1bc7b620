"""Sums of products against a loop over real values, and accumulators against their recurrence."""

import random
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest

from bittrue.definition import Codes, convolution
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.fixed.reference import decode, quantize
from bittrue.program import MultiplyAccumulate
from definition.steps import codes, quantizer, result


def naive(
    layer: MultiplyAccumulate, x: Codes, overflowed: list[Fraction] | None = None
) -> dict[tuple[int, ...], Fraction | int]:
    """The layer's values by output index, written from the formula of B6 over values; codes with an accumulator.

    overflowed: takes the values that the accumulator could not hold.
    """
    overflowed = [] if overflowed is None else overflowed
    *kernel, group_channels, out_channels = layer.weight.shape
    spatial = x.shape[:-1]
    group_outputs = out_channels // layer.groups
    made: dict[tuple[int, ...], Fraction | int] = {}
    sizes = [
        (size + sum(pad) - dilation * (k - 1) - 1) // stride + 1
        for size, pad, dilation, k, stride in zip(
            spatial, layer.padding, layer.dilation, kernel, layer.strides, strict=True
        )
    ]
    for p in product(*map(range, sizes)):
        for c in range(out_channels):
            weight_bits = layer.weight_fraction_bits[c % len(layer.weight_fraction_bits)]
            products = []
            for k in product(*map(range, kernel)):
                position = [
                    p[a] * layer.strides[a] + k[a] * layer.dilation[a] - layer.padding[a][0] for a in range(len(p))
                ]
                for i in range(group_channels):
                    inside = all(0 <= q < n for q, n in zip(position, spatial, strict=True))
                    index = (*position, c // group_outputs * group_channels + i)
                    flat = sum(q * prod(x.shape[a + 1 :]) for a, q in enumerate(index))
                    value = decode(x.codes[flat], x.binary_point) if inside else Fraction(0)
                    products.append(value * decode(int(layer.weight[(*k, i, c)]), weight_bits))
            bias = Fraction(0) if layer.bias is None else decode(int(layer.bias[c]), layer.bias_fraction_bits)
            plain = layer.accumulator is None
            made[(*p, c)] = bias + sum(products) if plain else _recurrence(layer, bias, products, overflowed)
    return made


def _recurrence(layer: MultiplyAccumulate, bias: Fraction, products: list[Fraction], overflowed: list[Fraction]) -> int:
    q = layer.accumulator
    assert q is not None
    unlimited = Quantizer(q.format, q.rounding, Overflow.UNBOUNDED)

    def store(number: Fraction) -> int:
        if not q.min_code <= quantize(number, unlimited) <= q.max_code:
            overflowed.append(number)
        return quantize(number, q)

    total = store(bias)
    for number in products:
        if layer.quantized_products:
            number = decode(store(number), q.format.fraction_bits)
        total = store(decode(total, q.format.fraction_bits) + number)
    return total


def layer_and_input(
    seed: int,
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    *,
    groups: int = 1,
    per_channel: bool = False,
    bias: bool = True,
    accumulator: Quantizer | None = None,
    quantized_products: bool = False,
) -> tuple[MultiplyAccumulate, Codes]:
    rng = random.Random(seed)
    channels, out_channels = 2 * groups, 3 * groups
    shape = (*kernel, channels // groups, out_channels)
    weight = np.array([rng.randint(-9, 9) for _ in range(prod(shape))]).reshape(shape)
    rank = len(kernel)
    layer = MultiplyAccumulate(
        weight,
        tuple(rng.randint(-1, 4) for _ in range(out_channels)) if per_channel else (3,),
        np.array([rng.randint(-99, 99) for _ in range(out_channels)]) if bias else None,
        rng.randint(0, 9) if bias else 0,
        tuple(rng.randint(1, 2) for _ in range(rank)),
        tuple((rng.randint(0, 2), rng.randint(0, 2)) for _ in range(rank)),
        tuple(rng.randint(1, 2) for _ in range(rank)),
        groups,
        accumulator,
        quantized_products,
    )
    shape = (*spatial, channels)
    return layer, codes(shape, rng.randint(0, 5), [rng.randint(-40, 40) for _ in range(prod(shape))])


def mismatches(layer: MultiplyAccumulate, x: Codes, rounded: Quantizer | None) -> int:
    """Over all outputs: by value where nothing is rounded, else by code."""
    expected = naive(layer, x)
    shape = tuple(extent + 1 for extent in max(expected))
    accumulator = layer.accumulator
    if accumulator is not None:
        made = result(layer, (x,), shape, fraction_bits=accumulator.format.fraction_bits)
        return sum(code != expected[index] for code, index in zip(made.codes, np.ndindex(*shape), strict=True))
    if rounded is not None:
        made = result(layer, (x,), shape, rounded)
        wanted = {index: quantize(Fraction(value), rounded) for index, value in expected.items()}
        return sum(code != wanted[index] for code, index in zip(made.codes, np.ndindex(*shape), strict=True))
    made = result(layer, (x,), shape, fraction_bits=30)
    return sum(decode(c, 30) != expected[index] for c, index in zip(made.codes, np.ndindex(*shape), strict=True))


GEOMETRIES = [
    ((7, 6), (3, 2), 1, False, True),
    ((7, 6), (2, 3), 2, True, True),
    ((5, 5), (1, 1), 3, True, False),
    ((9,), (3,), 2, True, True),
    ((), (), 1, True, True),
    ((5, 6), (3, 3), 1, False, False),
]


@pytest.mark.parametrize(("spatial", "kernel", "groups", "per_channel", "bias"), GEOMETRIES)
@pytest.mark.parametrize("rounded", [None, quantizer(9, 2), quantizer(6, 1, Rounding.FLOOR, Overflow.WRAP)])
def test_exact_sums(
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    groups: int,
    per_channel: bool,
    bias: bool,
    rounded: Quantizer | None,
) -> None:
    for seed in range(4):
        layer, x = layer_and_input(seed, spatial, kernel, groups=groups, per_channel=per_channel, bias=bias)
        assert mismatches(layer, x, rounded) == 0


@pytest.mark.parametrize("quantized_products", [False, True])
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.TRUNCATE])
def test_accumulators(rounding: Rounding, overflow: Overflow, quantized_products: bool) -> None:
    accumulator = quantizer(6, 2, rounding, overflow)
    for seed in range(3):
        layer, x = layer_and_input(
            seed,
            (4, 5),
            (2, 3),
            groups=2,
            per_channel=True,
            accumulator=accumulator,
            quantized_products=quantized_products,
        )
        assert mismatches(layer, x, None) == 0
        overflowed: list[Fraction] = []
        shape = tuple(extent + 1 for extent in max(naive(layer, x, overflowed)))
        assert overflowed
        made = result(layer, (x,), shape, fraction_bits=accumulator.format.fraction_bits)
        assert made.inner_overflows == {"accumulator": len(overflowed)}


def test_more_positions_than_a_block() -> None:
    layer, x = layer_and_input(1, (40, 41), (1, 1))
    assert mismatches(layer, x, quantizer(9, 2)) == 0


def test_wrapping_accumulator_may_wrap_once_at_the_end() -> None:
    """B6: with enough fraction bits, WRAP of each partial sum is WRAP of the exact one."""
    wrap = quantizer(6, 12, overflow=Overflow.WRAP)
    for seed in range(5):
        each, x = layer_and_input(seed, (4, 5), (2, 3), accumulator=wrap)
        once, _ = layer_and_input(seed, (4, 5), (2, 3))
        shape = tuple(extent + 1 for extent in max(naive(once, x)))
        as_it_grows = result(each, (x,), shape, fraction_bits=12)
        at_the_end = result(once, (x,), shape, wrap)
        assert as_it_grows.codes == at_the_end.codes
        assert as_it_grows.inner_overflows == {"accumulator": at_the_end.overflows}
        assert at_the_end.overflows > 0


def test_canary_an_accumulator_in_another_order_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = convolution._window

    def columns_first(*arguments: object) -> list[int]:
        return original(*arguments)[::-1]  # type: ignore[arg-type]

    layer, x = layer_and_input(0, (4, 5), (2, 3), accumulator=quantizer(6, 2))
    symmetric = MultiplyAccumulate(**(vars(layer) | {"weight": np.full_like(layer.weight, 3)}))
    assert mismatches(symmetric, x, None) == 0
    monkeypatch.setattr(convolution, "_window", columns_first)
    # The weights are all alike, so that the exact sums stay and the order alone differs.
    exact = MultiplyAccumulate(**(vars(symmetric) | {"accumulator": None}))
    assert mismatches(exact, x, None) == 0
    assert mismatches(symmetric, x, None) > 0


def test_canary_a_dropped_bias_is_noticed() -> None:
    layer, x = layer_and_input(0, (4, 5), (2, 3))
    expected = naive(layer, x)
    shape = tuple(extent + 1 for extent in max(expected))
    without = MultiplyAccumulate(**(vars(layer) | {"bias": None}))
    made = result(without, (x,), shape, fraction_bits=30)
    assert [decode(code, 30) for code in made.codes] != [expected[index] for index in np.ndindex(*shape)]


def test_canary_padding_at_the_wrong_side_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    original = convolution.slide

    def swapped(spatial, window, strides, padding, dilation):  # type: ignore[no-untyped-def]
        return original(spatial, window, strides, [pair[::-1] for pair in padding], dilation)

    layer, x = layer_and_input(0, (6, 7), (2, 3))
    assert any(before != after for before, after in layer.padding)
    monkeypatch.setattr(convolution, "slide", swapped)
    assert mismatches(layer, x, None) > 0
