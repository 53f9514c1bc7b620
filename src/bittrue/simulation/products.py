"""Exact sums of products: which carrier or split proves them (B14), and torch's kernels for it."""

from typing import NamedTuple

import numpy as np
import torch

from bittrue.fixed import Quantizer
from bittrue.operators.windows import convolution_weight, convolve, window_shape
from bittrue.program import MultiplyAccumulate
from bittrue.simulation.bounds import SumBounds
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


class ProductSums(SumBounds):
    """The exact sums of a MultiplyAccumulate on torch.

    The weights are laid out for one strategy at a time: the one that the inputs seen so far ask for.
    """

    def __init__(self, instruction: MultiplyAccumulate, input_fraction_bits: int, what: str) -> None:
        super().__init__(instruction, input_fraction_bits)
        self.what = what
        self._reaches: dict[tuple[int, int], tuple[int, int]] = {}
        self._seen: tuple[list[int], list[int]] | None = None
        self._strategy = Strategy(Carrier.FLOAT32)
        self._weights: dict[tuple[int, tuple[int, int] | None], torch.Tensor] = {}

    def strategy(self, largest_input: int) -> Strategy:
        """The cheapest way that is proven for inputs of absolute value ≤ largest_input; CarrierError where there is
        none."""
        return self._choose([-largest_input], [largest_input])

    def _choose(self, lows: list[int], highs: list[int]) -> Strategy:
        """The cheapest way that is proven for inputs between these ends, one an input channel or one for all."""
        low, high = min(lows), max(highs)
        least, most = self.partial_sums(low, high)
        carrier = carrier_for(max(-least, most), self.what)
        if carrier is not Carrier.FLOAT64:
            return Strategy(carrier)
        if not self.instruction.strides:
            low_bits = self._low_bits(low, high)
            return Strategy(Carrier.FLOAT32, low_bits=low_bits) if low_bits else Strategy(carrier)
        if self.by_channel is None:
            return Strategy(carrier)
        reach = self.channel_reach(lows, highs)
        if reach.sum(axis=1).max() + max(map(abs, self.biases)) < 1 << Carrier.FLOAT32.bits:
            return Strategy(Carrier.FLOAT32)
        groups = _channel_groups(reach)
        return Strategy(carrier) if groups is None else Strategy(Carrier.FLOAT32, groups)

    def _low_bits(self, low: int, high: int) -> int:
        """How many low bits to cut off the inputs so that both parts' sums fit float32; 0 where two parts don't do."""
        for low_bits in range(1, Carrier.FLOAT32.bits):
            if self._part_bound(low, high, low_bits) < 1 << Carrier.FLOAT32.bits:
                return low_bits
        return 0

    def _part_bound(self, low: int, high: int, low_bits: int) -> int:
        """What no partial sum of the low parts, or of the high ones, can exceed (the bias, added later, counted
        too)."""
        parts = self.partial_sums(0, (1 << low_bits) - 1), self.partial_sums(low >> low_bits, high >> low_bits)
        return max(max(-least, most) for least, most in parts)

    def kernel_bound(self, strategy: Strategy, largest_input: int) -> int:
        """What no number that one kernel computes can exceed: of the whole sum, a channel group or an input part."""
        if strategy.low_bits:
            return self._part_bound(-largest_input, largest_input, strategy.low_bits)
        if not strategy.groups:
            return self.bound(largest_input)
        reach = self.channel_reach([-largest_input], [largest_input])
        return int(max(reach[:, start:stop].sum(axis=1).max() for start, stop in strategy.groups))

    def _strategy_for(self, codes: Codes) -> Strategy:
        """The strategy for a batch; weights laid out for a cheaper one, which it outgrew, are dropped."""
        least, most = self._reach(codes)
        if self._seen is None and max(-least, most) < 1 << Carrier.FLOAT32.bits:
            return self._strategy
        lows, highs = self._ends(codes)
        if self._seen is not None:
            lows = [min(pair) for pair in zip(lows, self._seen[0], strict=True)]
            highs = [max(pair) for pair in zip(highs, self._seen[1], strict=True)]
        if (lows, highs) != self._seen:
            strategy = self._choose(lows, highs)  # where there is none, what was laid out stays as it is
            self._seen = lows, highs
            if strategy != self._strategy:
                self._strategy = strategy
                self._weights.clear()
        return self._strategy

    def _reach(self, codes: Codes) -> tuple[int, int]:
        """The least and the largest partial sum for a batch's bounds, or slightly wider ones that were met before."""
        ends = -_rounded_up(max(-codes.low, 0)), _rounded_up(max(codes.high, 0))
        if ends not in self._reaches:
            self._reaches[ends] = self.partial_sums(*ends)
        return self._reaches[ends]

    def _ends(self, codes: Codes) -> tuple[list[int], list[int]]:
        """The batch's ends, by input channel where the sums are known by channel; rounded up, and with 0 between."""
        if self.by_channel is None:
            return [-_rounded_up(max(-codes.low, 0))], [_rounded_up(max(codes.high, 0))]
        columns = codes.tensor.reshape(-1, codes.tensor.shape[-1])
        lows, highs = columns.amin(0).tolist(), columns.amax(0).tolist()
        return [-_rounded_up(max(-int(low), 0)) for low in lows], [_rounded_up(max(int(high), 0)) for high in highs]

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
        return Result(self._compute(codes, self._strategy_for(codes), 0), *self._reach(codes))

    def rounded_sum(self, codes: Codes, quantizer: Quantizer) -> Result:
        """The sums, rounded by a quantizer that rounds to nearest even.

        A power of two in the weights takes the place of the shift: a float carrier holds the scaled sums as exactly.
        """
        shift = self.fraction_bits - quantizer.format.fraction_bits
        least, most = self._reach(codes)
        strategy = self._strategy_for(codes)
        if strategy.carrier is Carrier.INT64 or not 0 < shift <= _MOST_FOLDED:
            return Result(self._compute(codes, strategy, 0), least, most)
        rounded = self._compute(codes, strategy, shift).round_()
        return Result(rounded, least >> shift, -(-most >> shift), rounded=True)

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


def _rounded_up(number: int) -> int:
    """The next number with four leading bits, so that slightly larger batches find their strategy chosen."""
    excess = max(number.bit_length() - 4, 0)
    return -(-number >> excess) << excess


def _channel_groups(reach: np.ndarray) -> tuple[tuple[int, int], ...] | None:
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
