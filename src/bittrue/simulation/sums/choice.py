"""Which ways of computing an exact sum of products are proven (B14), and which of those is the cheapest."""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.sums import integer_units
from bittrue.simulation.sums.bounds import DigitSums, SumBounds
from bittrue.simulation.sums.digits import LARGEST_DIGIT, Digits, digits_for
from bittrue.simulation.sums.strategies import (
    TWO_PART_PRODUCT,
    ChannelGroups,
    DigitProducts,
    InputParts,
    OneCarrier,
    Strategy,
    Work,
    cost,
)

_MOST_GROUPS = 64
"""More groups than this are not looked for: their additions alone cost more than float64."""

_SMALLEST_DIGIT = 5

Ends = tuple[np.ndarray, np.ndarray]
"""The least and the largest inputs: one an input channel or one for all."""

ADDED_ON = (Carrier.FLOAT32, Carrier.FLOAT64, Carrier.INT64)
"""The carriers on which products of digits are added."""


def cheapest(sums: SumBounds, work: Work, lows: np.ndarray, highs: np.ndarray) -> Strategy:
    """The cheapest way that is proven for inputs between these ends, one an input channel or one for all.

    Raises CarrierError where there is none.
    """
    return min(proven(sums, work, lows, highs), key=lambda strategy: cost[type(strategy)](strategy, work))


def proven(sums: SumBounds, work: Work, lows: np.ndarray, highs: np.ndarray) -> Iterator[Strategy]:
    low, high = int(lows.min()), int(highs.max())
    least, most = sums.partial_sums(low, high)
    carrier = carrier_for(max(-least, most), sums.what)
    yield OneCarrier(carrier)
    digits = _digit_products(sums, low, high) if multiplies_digits(sums) else None
    if digits is not None:
        yield digits
    if carrier is not Carrier.FLOAT64:
        return
    if work.kind in TWO_PART_PRODUCT:
        low_bits = _low_bits(sums, low, high)
        if low_bits:
            yield InputParts(low_bits)
    elif sums.splits_by_channel:
        reach = sums.channel_reach(lows, highs)
        if Carrier.FLOAT32.holds(reach.sum(axis=1).max() + max(map(abs, sums.biases))):
            yield OneCarrier(Carrier.FLOAT32)
        groups = channel_groups(reach)
        if groups is not None:
            yield ChannelGroups(groups)


# Inputs in two parts


def _low_bits(sums: SumBounds, low: int, high: int) -> int:
    """How many low bits to cut off the inputs so that both parts' sums fit float32; 0 where two parts don't do."""
    for low_bits in range(1, Carrier.FLOAT32.bits):
        if Carrier.FLOAT32.holds(part_bound(sums, low, high, low_bits)):
            return low_bits
    return 0


def part_bound(sums: SumBounds, low: int, high: int, low_bits: int) -> int:
    """What no partial sum of the low parts, or of the high ones, can exceed (the bias, added later, counted too)."""
    parts = sums.partial_sums(0, (1 << low_bits) - 1), sums.partial_sums(low >> low_bits, high >> low_bits)
    return max(max(-least, most) for least, most in parts)


# Groups of channels


def channel_groups(reach: np.ndarray) -> tuple[tuple[int, int], ...] | None:
    """A few runs of input channels whose sums each fit float32, or None. reach: as channel_reach gives it."""
    groups: list[tuple[int, int]] = []
    start, channels = 0, reach.shape[1]
    while start < channels:
        run = np.cumsum(reach[:, start:], axis=1).max(axis=(0, 2)) * (1 + 2.0**-40)
        taken = int(np.searchsorted(run, 1 << Carrier.FLOAT32.bits))
        if not taken or len(groups) == _MOST_GROUPS:
            return None
        groups.append((start, start + taken))
        start += taken
    return tuple(groups)


# Digits


def multiplies_digits(sums: SumBounds) -> bool:
    """Whether this machine has fast integer kernels for the layer."""
    return integer_units.suits(sums.instruction) and integer_units.available()


def _digit_products(sums: SumBounds, low: int, high: int) -> DigitProducts | None:
    """The fewest products of digits that are each proven, and their sum too; None where none are."""
    sizes = range(LARGEST_DIGIT, _SMALLEST_DIGIT - 1, -1)
    cuts = [
        (inputs, weights)
        for inputs in (digits_for(min(low, 0), max(high, 0), bits, signed=low < 0) for bits in sizes)
        for weights in (digits_for(*sums.weight_ends, bits, signed=True) for bits in sizes)
        if inputs is not None and weights is not None
    ]
    for inputs, weights in sorted(cuts, key=lambda pair: pair[0].count * pair[1].count):
        if not Carrier.FLOAT32.holds(digit_bound(sums, inputs, weights, low, high)):
            continue
        bound = _added_bound(sums, inputs, weights, low, high)
        carrier = next((carrier for carrier in ADDED_ON if carrier.holds(bound)), None)
        if carrier is not None:
            return DigitProducts(inputs, weights, carrier)
    return None


def digit_bound(sums: SumBounds, inputs: Digits, weights: Digits, low: int, high: int) -> int:
    """What no sum of products of two digits can exceed, with the inputs' zero point in it or without; 2^24 where a
    partial sum might leave int32."""
    digit_sums = sums.digit_sums(weights)
    # The units multiply the digits with their zero points, in any order.
    if max(map(_largest, digit_sums)) << inputs.bits >> integer_units.SUM_BITS:
        return 1 << Carrier.FLOAT32.bits
    ends = inputs.ends(min(low, 0), max(high, 0))
    # What the zero point adds to a whole sum is taken off again in float32: both have to fit.
    return max(
        reach + inputs.zero_point * constant
        for end in ends
        for weight in digit_sums
        for reach, constant in zip(_reaches(end, weight), weight.constant, strict=True)
    )


def _largest(weight: DigitSums) -> int:
    return max(map(sum, zip(weight.above, weight.below, strict=True)))


def _added_bound(sums: SumBounds, inputs: Digits, weights: Digits, low: int, high: int) -> int:
    """What the sum of all products, each shifted to its place, and the bias can't exceed in whatever order."""
    bounds = [abs(bias) for bias in sums.biases]
    ends = zip(inputs.places, inputs.ends(min(low, 0), max(high, 0)), strict=True)
    for (place, end), (weight_place, weight) in product(
        ends, zip(weights.places, sums.digit_sums(weights), strict=True)
    ):
        for channel, reach in enumerate(_reaches(end, weight)):
            bounds[channel] += reach << place + weight_place + sums.shifts[channel % len(sums.shifts)]
    return max(bounds, default=0)


def _reaches(ends: tuple[int, int], weight: DigitSums) -> list[int]:
    """The largest absolute value of the sum in each channel, for one digit of the inputs and one of the weights."""
    low, high = min(ends[0], 0), max(ends[1], 0)
    pairs = zip(weight.above, weight.below, strict=True)
    return [max(above * high - below * low, below * high - above * low) for above, below in pairs]


# All of them


kernel_bound: RuleTable[Callable[..., int]] = RuleTable("bound of a kernel")
"""Rules `(strategy, sums, low, high) -> int`: what no number that one kernel computes can exceed, for inputs between
these ends."""


@kernel_bound.rule(OneCarrier)
def _(strategy: OneCarrier, sums: SumBounds, low: int, high: int) -> int:
    least, most = sums.partial_sums(low, high)
    return max(-least, most)


@kernel_bound.rule(ChannelGroups)
def _(strategy: ChannelGroups, sums: SumBounds, low: int, high: int) -> int:
    reach = sums.channel_reach([min(low, 0)], [max(high, 0)])
    return int(max(reach[:, start:stop].sum(axis=1).max() for start, stop in strategy.groups))


@kernel_bound.rule(InputParts)
def _(strategy: InputParts, sums: SumBounds, low: int, high: int) -> int:
    return part_bound(sums, low, high, strategy.low_bits)


@kernel_bound.rule(DigitProducts)
def _(strategy: DigitProducts, sums: SumBounds, low: int, high: int) -> int:
    return digit_bound(sums, strategy.inputs, strategy.weights, low, high)
