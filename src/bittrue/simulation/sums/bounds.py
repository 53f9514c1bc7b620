"""What the sums of a MultiplyAccumulate can reach: the bounds that prove a carrier (B14).

B14 bounds every partial sum by Σ|w|·max|x|. Where the inputs' ends differ, or differ by channel, less is possible, and
as certain: whatever the order, a partial sum is the sum of some of the products, so it lies between the sum of all that
can be negative and the sum of all that can be positive.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from numpy.typing import ArrayLike

from bittrue.fixed.arrays import signed_sums
from bittrue.program import MultiplyAccumulate
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.sums.digits import Digits, cut_weights


@dataclass(frozen=True)
class DigitSums:
    """Of one digit of the weights, for each output channel. above, below: Σ of the positive ones, and Σ of the negative
    ones' absolute values. constant: what no sum of all weights of some of the kernel's places can exceed, which is what
    an input that is 1 everywhere but in the padding gives."""

    above: list[int]
    below: list[int]
    constant: list[int]


def digit_sums(digit: np.ndarray) -> DigitSums:
    """digit: of weights (*kernel, in, out)."""
    *kernel, inputs, outputs = digit.shape
    places = prod(kernel)
    by_place = np.moveaxis(digit.reshape(places, inputs, outputs), 1, 0).reshape(inputs, places * outputs)
    above, below = np.array(signed_sums(by_place), np.int64).reshape(2, places, outputs)
    return DigitSums(above.sum(0).tolist(), below.sum(0).tolist(), np.abs(above - below).sum(0).tolist())


class SumBounds:
    """Bounds on the sums of a MultiplyAccumulate, its weights aligned to the finest binary point G."""

    def __init__(self, instruction: MultiplyAccumulate, input_fraction_bits: int, what: str) -> None:
        """what: the layer as errors name it."""
        self.instruction, self.what = instruction, what
        self.input_fraction_bits = input_fraction_bits
        self._digit_sums: dict[Digits, list[DigitSums]] = {}

    @cached_property
    def fraction_bits(self) -> int:
        """G: the fraction bits of the exact sums."""
        finest = self.input_fraction_bits + max(self.instruction.weight_fraction_bits)
        if self.instruction.bias is not None:
            finest = max(finest, self.instruction.bias_fraction_bits)
        return finest

    @cached_property
    def shifts(self) -> list[int]:
        """For each output channel, how far its products are shifted left to reach G (length 1: the same for all)."""
        return [self.fraction_bits - self.input_fraction_bits - bits for bits in self.instruction.weight_fraction_bits]

    @cached_property
    def _signed_sums(self) -> tuple[list[int], list[int]]:
        """For each output channel 2^shift · Σw over the positive weights, and 2^shift · Σ|w| over the negative ones."""
        above, below = signed_sums(self.instruction.weight)
        shifts = self.shifts * (len(above) // len(self.shifts))
        return (
            [total << shift for total, shift in zip(above, shifts, strict=True)],
            [total << shift for total, shift in zip(below, shifts, strict=True)],
        )

    @cached_property
    def magnitudes(self) -> list[int]:
        """For each output channel: 2^shift · Σ|w|, so that a sum's bound is this times max|x|, plus the bias."""
        return [above + below for above, below in zip(*self._signed_sums, strict=True)]

    @cached_property
    def weight_ends(self) -> tuple[int, int]:
        """The least and the largest weight code."""
        weight = self.instruction.weight
        return int(weight.min(initial=0)), int(weight.max(initial=0))

    def digit_sums(self, cut: Digits) -> list[DigitSums]:
        """Those of each digit of the weights, lowest first."""
        if cut not in self._digit_sums:
            self._digit_sums[cut] = [digit_sums(digit) for digit in cut_weights(self.instruction.weight, cut)]
        return self._digit_sums[cut]

    @cached_property
    def biases(self) -> list[int]:
        """The bias of each output channel at G."""
        if self.instruction.bias is None:
            return [0] * len(self.magnitudes)
        shift = self.fraction_bits - self.instruction.bias_fraction_bits
        return [code << shift for code in self.instruction.bias.tolist()]

    def bound(self, largest_input: int) -> int:
        """What no partial sum, in any order and in any channel, can exceed for inputs of absolute value ≤
        largest_input."""
        pairs = zip(self.magnitudes, self.biases, strict=True)
        return max((magnitude * largest_input + abs(bias) for magnitude, bias in pairs), default=0)

    def partial_sums(self, low: int, high: int) -> tuple[int, int]:
        """The least and the largest sum, in any channel, of any of the products and the bias, for inputs from low to
        high."""
        low, high = min(low, 0), max(high, 0)
        triples = list(zip(*self._signed_sums, self.biases, strict=True))
        least = min((above * low - below * high + min(bias, 0) for above, below, bias in triples), default=0)
        most = max((above * high - below * low + max(bias, 0) for above, below, bias in triples), default=0)
        return least, most

    @cached_property
    def splits_by_channel(self) -> bool:
        """Whether `by_channel` is exact: not for grouped channels, dense layers and weights that add up to 2^53."""
        instruction = self.instruction
        return instruction.groups == 1 and bool(instruction.strides) and Carrier.FLOAT64.holds(max(self.magnitudes))

    @cached_property
    def by_channel(self) -> tuple[np.ndarray, np.ndarray]:
        """A convolution's sums over the kernel of the positive weights, and of the negative ones' absolute values.

        (in, out) at G in float64, exactly where the layer `splits_by_channel`.
        """
        weight = torch.from_numpy(self.instruction.weight).to(torch.float64).flatten(0, -3)
        above, below = weight.clamp(min=0).sum(0).numpy(), (-weight).clamp(min=0).sum(0).numpy()
        # A channel shifted further than this has no weight but 0, or the magnitudes would be larger.
        scale = np.exp2(np.minimum(self.shifts, 53))
        return above * scale, below * scale

    def channel_reach(self, lows: ArrayLike, highs: ArrayLike) -> np.ndarray:
        """How far the products of each input channel can take a sum up, and down: (2, in, out) in float64, of a layer
        that `splits_by_channel`.

        lows ≤ 0 ≤ highs: each input channel's ends (or one for all). A little too large, where float64 rounds.
        """
        above, below = self.by_channel
        low, high = np.array(lows, np.float64)[:, None], np.array(highs, np.float64)[:, None]
        reach: np.ndarray = np.stack([above * high - below * low, below * high - above * low]) * (1 + 2.0**-50)
        return reach
