"""Exact sums of products: which carrier or split proves them (B14), and torch's kernels for it."""

from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch

from bittrue.fixed import Quantizer
from bittrue.operators.windows import convolution_weight, convolve, window_shape
from bittrue.program import MultiplyAccumulate
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.values import Codes, Result

_MOST_FOLDED = 64
"""How far a shift may move into the weights: no product or sum can leave float32's range by it."""

_MOST_GROUPS = 12
"""Up to how many groups of input channels in float32 are faster than one float64 convolution: benchmarks/carriers.py.
Dense layers cut their inputs instead: they are bound by the weights' traffic, and two parts read the weights once."""


class Strategy(NamedTuple):
    """How a sum is computed.

    On one carrier; or in groups of input channels (start, stop), each in float32, added in float64; or from inputs cut
    into a high part and `low_bits` low bits, side by side in one float32 product, added in float64.
    """

    carrier: Carrier
    groups: tuple[tuple[int, int], ...] = ()
    low_bits: int = 0

    @property
    def label(self) -> str:
        if self.groups:
            return f"float32 in {len(self.groups)} channel groups"
        return "float32, inputs in two parts" if self.low_bits else self.carrier.label


class ProductSums:
    """A MultiplyAccumulate with its weights aligned to the finest binary point G, and the bounds that prove it.

    The weights are laid out for one strategy at a time: the one that the largest inputs seen so far ask for.
    """

    def __init__(self, instruction: MultiplyAccumulate, input_fraction_bits: int, what: str) -> None:
        self.instruction = instruction
        self.input_fraction_bits = input_fraction_bits
        self.what = what
        self._largest_input = -1
        self._strategy = Strategy(Carrier.FLOAT32)
        self._weights: dict[tuple[int, tuple[int, int] | None], torch.Tensor] = {}

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
    def _edges(self) -> list[int]:
        """Where the input channels are cut into at most 64 blocks, the units that groups are made of."""
        channels = self.instruction.weight.shape[-2]
        blocks = min(channels, 64)
        return [channels * index // blocks for index in range(blocks + 1)]

    @cached_property
    def _block_sums(self) -> np.ndarray:
        """Σ|w| over each block of input channels and the whole kernel, (blocks, out): int64, or Python integers."""
        weight = self.instruction.weight
        largest = max(-int(weight.min()), int(weight.max()))
        wide = largest * weight.size >= 1 << 62
        sums = []
        for start, stop in pairwise(self._edges):
            block = weight[..., start:stop, :].reshape(-1, weight.shape[-1])
            if wide:
                sums.append(np.abs(block.astype(object)).sum(axis=0))
            else:
                sums.append(torch.from_numpy(block).to(torch.int64).abs().sum(0).numpy())
        return np.stack(sums)

    @cached_property
    def magnitudes(self) -> list[int]:
        """For each output channel: 2^shift · Σ|w|, so that a sum's bound is this times max|x|, plus the bias."""
        sums = self._block_sums.sum(axis=0).tolist()
        shifts = self.shifts * (len(sums) // len(self.shifts))
        return [total << shift for total, shift in zip(sums, shifts, strict=True)]

    @cached_property
    def _positive(self) -> list[int]:
        """For each output channel: 2^shift · the sum of its positive weights."""
        columns = self.instruction.weight.reshape(-1, len(self.magnitudes))
        kind = np.dtype(np.int64) if max(self.magnitudes, default=0) < 1 << 62 else np.dtype(object)
        shifts = self.shifts * (len(self.magnitudes) // len(self.shifts))
        sums = zip(self.magnitudes, columns.sum(axis=0, dtype=kind).tolist(), shifts, strict=True)
        return [(magnitude + (total << shift)) // 2 for magnitude, total, shift in sums]

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
        least = most = 0
        for positive, magnitude, bias in zip(self._positive, self.magnitudes, self.biases, strict=True):
            negative = magnitude - positive
            least = min(least, positive * low - negative * high + min(bias, 0))
            most = max(most, positive * high - negative * low + max(bias, 0))
        return least, most

    def strategy(self, largest_input: int) -> Strategy:
        """The cheapest way that is proven for inputs of absolute value ≤ largest_input; CarrierError where there is
        none."""
        carrier = carrier_for(self.bound(largest_input), self.what)
        if carrier is not Carrier.FLOAT64 or self.instruction.groups != 1:
            return Strategy(carrier)
        if not self.instruction.strides:
            low_bits = self._low_bits(largest_input)
            return Strategy(Carrier.FLOAT32, low_bits=low_bits) if low_bits else Strategy(carrier)
        groups = self._channel_groups(largest_input)
        return Strategy(carrier) if groups is None else Strategy(Carrier.FLOAT32, groups)

    def _low_bits(self, largest_input: int) -> int:
        """How many low bits to cut off the inputs so that both parts' sums fit float32; 0 where two parts don't do."""
        largest_part = ((1 << Carrier.FLOAT32.bits) - 1) // max(max(self.magnitudes), 1)
        low_bits = (largest_part + 1).bit_length() - 1
        return low_bits if (largest_input >> low_bits) + 1 <= largest_part else 0

    def _channel_groups(self, largest_input: int) -> tuple[tuple[int, int], ...] | None:
        """A few runs of input channels whose sums each fit float32, or None."""
        aligned = self._block_sums.astype(np.float64) * np.exp2(self.shifts)  # exact: the whole sum is below 2^53
        groups: list[tuple[int, int]] = []
        start = 0
        while start < len(aligned):
            reach = np.cumsum(aligned[start:], axis=0).max(axis=1) * largest_input
            taken = int(np.searchsorted(reach, 1 << Carrier.FLOAT32.bits))
            if not taken or len(groups) == _MOST_GROUPS:
                return None
            groups.append((self._edges[start], self._edges[start + taken]))
            start += taken
        return tuple(groups)

    def group_bound(self, strategy: Strategy, largest_input: int) -> int:
        """The bound of the widest sum that one kernel computes: of all, a channel group or an input part."""
        if strategy.low_bits:
            return max(self.magnitudes) * max((1 << strategy.low_bits) - 1, (largest_input >> strategy.low_bits) + 1)
        if not strategy.groups:
            return self.bound(largest_input)
        aligned = self._block_sums.astype(np.float64) * np.exp2(self.shifts)
        blocks = [(self._edges.index(start), self._edges.index(stop)) for start, stop in strategy.groups]
        widest = max(aligned[start:stop].sum(axis=0).max() for start, stop in blocks)
        return int(widest) * largest_input

    def _strategy_for(self, bound: int) -> Strategy:
        """The strategy for a batch; weights laid out for an earlier, narrower one are dropped."""
        if bound > self._largest_input:
            # The next number with four leading bits, so that slightly larger batches find their strategy chosen.
            excess = max(bound.bit_length() - 4, 0)
            rounded_up = -(-bound >> excess) << excess
            largest = rounded_up if self.bound(rounded_up) < 1 << Carrier.FLOAT64.bits else bound
            strategy = self.strategy(largest)  # where there is none, what was laid out stays as it is
            self._largest_input = largest
            if strategy != self._strategy:
                self._strategy = strategy
                self._weights.clear()
        return self._strategy

    def factors(self, carrier: Carrier) -> list[int]:
        """2^shift for each output channel; where that is more than the carrier holds, all products are zero anyway."""
        return [1 << min(shift, carrier.bits) for shift in self.shifts]

    def _weight(self, shift: int, channels: tuple[int, int] | None = None) -> torch.Tensor:
        """The aligned weights (of some input channels) times 2^(−shift), as the strategy's kernel wants them."""
        if (shift, channels) not in self._weights:
            dtype = self._strategy.carrier.dtype
            codes = self.instruction.weight if channels is None else self.instruction.weight[..., slice(*channels), :]
            aligned = torch.from_numpy(codes).to(dtype)
            if any(self.shifts):
                aligned = aligned * torch.tensor(self.factors(self._strategy.carrier), dtype=dtype)
            laid_out = convolution_weight(aligned) if self.instruction.strides else aligned.T.contiguous()
            self._weights[shift, channels] = laid_out.mul_(2.0**-shift) if shift else laid_out
        return self._weights[shift, channels]

    def _bias(self, carrier: Carrier, shift: int = 0) -> torch.Tensor | None:
        if self.instruction.bias is None:
            return None
        bias = torch.tensor(self.biases, dtype=carrier.dtype)
        return bias.mul_(2.0**-shift) if shift else bias

    def exact_sum(self, codes: Codes) -> Result:
        """The exact sums at G, on the narrowest carrier that the inputs' bounds allow."""
        bound = self.bound(codes.bound)
        return Result(self._compute(codes, self._strategy_for(codes.bound), 0), -bound, bound)

    def rounded_sum(self, codes: Codes, quantizer: Quantizer) -> Result:
        """The sums, rounded by a quantizer that rounds to nearest even.

        A power of two in the weights takes the place of the shift: a float carrier holds the scaled sums as exactly.
        """
        shift = self.fraction_bits - quantizer.format.fraction_bits
        bound = self.bound(codes.bound)
        strategy = self._strategy_for(codes.bound)
        if strategy.carrier is Carrier.INT64 or not 0 < shift <= _MOST_FOLDED:
            return Result(self._compute(codes, strategy, 0), -bound, bound)
        limit = (bound >> shift) + 1
        return Result(self._compute(codes, strategy, shift).round_(), -limit, limit, rounded=True)

    def _compute(self, codes: Codes, strategy: Strategy, shift: int) -> torch.Tensor:
        if strategy.low_bits:
            return self._in_two_parts(codes.tensor, strategy.low_bits, shift)
        x = codes.tensor.to(strategy.carrier.dtype)
        if strategy.carrier is Carrier.INT64:
            return integer_sums(x, self)
        if not strategy.groups:
            bias = self._bias(strategy.carrier, shift)
            return self._linear(x, self._weight(shift), bias)
        total: torch.Tensor | None = None
        for group in strategy.groups:
            part = self._linear(x[..., slice(*group)], self._weight(shift, group), None)
            total = part.to(torch.float64) if total is None else total.add_(part)
        assert total is not None
        bias = self._bias(Carrier.FLOAT64, shift)
        return total if bias is None else total.add_(bias)

    def _in_two_parts(self, x: torch.Tensor, low_bits: int, shift: int) -> torch.Tensor:
        """x = high · 2^low_bits + low, with 0 ≤ low < 2^low_bits: both parts in one product, added in float64."""
        if x.dtype != torch.float32:
            x = x.to(torch.float64)  # the parts fit float32, but the whole may not
        high = (x * 2.0**-low_bits).floor_()
        low = x - high * 2.0**low_bits
        halves = torch.cat((high, low)).to(torch.float32)
        parts = self._linear(halves, self._weight(shift), None).to(torch.float64)
        total = parts[: len(x)].mul_(2.0**low_bits).add_(parts[len(x) :])
        bias = self._bias(Carrier.FLOAT64, shift)
        return total if bias is None else total.add_(bias)

    def _linear(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        instruction = self.instruction
        if not instruction.strides:
            return torch.nn.functional.linear(x, weight, bias)
        geometry = (instruction.strides, instruction.padding, instruction.dilation, instruction.groups)
        return convolve(x, weight, bias, *geometry)


def integer_sums(x: torch.Tensor, sums: ProductSums) -> torch.Tensor:
    """Sums of products in int64: slow, for codes that no float carrier holds."""
    patches = gather_patches(x, sums.instruction)
    weight = torch.from_numpy(sums.instruction.weight.astype(np.int64))
    weight = weight * torch.tensor(sums.factors(Carrier.INT64))
    groups = sums.instruction.groups
    per_group = weight.shape[-1] // groups
    kernel_weight = weight.reshape(-1, weight.shape[-1])
    columns = torch.split(kernel_weight, per_group, dim=1)
    parts = [patches[..., group, :] @ columns[group] for group in range(groups)]
    return torch.cat(parts, -1) + torch.tensor(sums.biases)


def gather_patches(x: torch.Tensor, instruction: MultiplyAccumulate) -> torch.Tensor:
    """The inputs of each sum, in the stated order: (batch, *positions, groups, kernel rows · columns · channels in a
    group)."""
    groups = instruction.groups
    if not instruction.strides:
        return x.unsqueeze(-2)
    kernel_shape = instruction.weight.shape[:-2]
    spatial = tuple(x.shape[1:-1])
    positions = window_shape(spatial, kernel_shape, instruction.strides, instruction.padding, instruction.dilation)
    padded = x.new_zeros(
        (x.shape[0], *(size + sum(pair) for size, pair in zip(spatial, instruction.padding, strict=True)), x.shape[-1])
    )
    inner = padded
    for axis, (size, pair) in enumerate(zip(spatial, instruction.padding, strict=True), start=1):
        inner = inner.narrow(axis, pair[0], size)
    inner.copy_(x)
    taps = []
    for tap in np.ndindex(*kernel_shape):
        view = padded
        for axis, (offset, step, stride, count) in enumerate(
            zip(tap, instruction.dilation, instruction.strides, positions, strict=True), start=1
        ):
            start = offset * step
            view = view[(slice(None),) * axis + (slice(start, start + (count - 1) * stride + 1, stride),)]
        taps.append(view.reshape(*view.shape[:-1], groups, -1))
    return torch.cat(taps, -1)
