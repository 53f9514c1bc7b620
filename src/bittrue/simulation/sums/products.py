"""Exact sums of products, batch by batch: the cheapest proven way for what has been seen so far (B14)."""

from dataclasses import dataclass

import numpy as np

from bittrue.fixed import Quantizer
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.choice import Ends, cheapest, multiplies_digits
from bittrue.simulation.sums.kernel_check import check_kernel
from bittrue.simulation.sums.strategies import Strategy, Work, work_of
from bittrue.simulation.sums.sum_kernels import SumKernel, sum_kernel
from bittrue.simulation.values import Codes, Result

_MOST_FOLDED = 64
"""How far a shift may move into the weights: no product or sum can leave float32's range by it."""


@dataclass(frozen=True, eq=False)
class _Layout:
    """The weights as one strategy wants them.

    seen: between which ends the inputs have been so far, for which the strategy is proven. kernels: by the shift that
    is folded into their weights.
    """

    strategy: Strategy
    seen: Ends
    kernels: dict[int, SumKernel]


class ProductSums(SumBounds):
    """The exact sums of a MultiplyAccumulate on torch.

    The weights are laid out for one strategy at a time: the one that the inputs seen so far ask for.
    """

    def __init__(self, instruction: MultiplyAccumulate, input_fraction_bits: int, what: str, work: Work) -> None:
        super().__init__(instruction, input_fraction_bits, what)
        self.work = work
        self._reaches: dict[tuple[int, int], tuple[int, int]] = {}
        self._layout: _Layout | None = None

    def strategy(self, low: int, high: int) -> Strategy:
        """The cheapest way that is proven for inputs from low to high; CarrierError where there is none."""
        return cheapest(self, self.work, np.array([low]), np.array([high]))

    def exact_sum(self, codes: Codes) -> Result:
        """The exact sums at G, on the narrowest carrier that the inputs' bounds allow."""
        kernel = self._kernel(self._prepare(codes), codes, 0)
        return Result(kernel(codes.tensor, None), *self._reach(codes))

    def rounded_sum(self, codes: Codes, quantizer: Quantizer) -> Result:
        """The sums, rounded by a quantizer that rounds to nearest even.

        A power of two in the weights takes the place of the shift: a float carrier holds the scaled sums as exactly.
        """
        shift = self.fraction_bits - quantizer.format.fraction_bits
        layout = self._prepare(codes)
        if layout.strategy.added_on is Carrier.INT64 or not 0 < shift <= _MOST_FOLDED:
            return self.exact_sum(codes)
        least, most = self._reach(codes)
        low, high = least >> shift, -(-most >> shift)
        kernel = self._kernel(layout, codes, shift)
        rounded = kernel(codes.tensor, carrier_for(max(-low, high), self.what).dtype)
        return Result(rounded, low, high, rounded=True)

    def _prepare(self, codes: Codes) -> "_Layout":
        """The layout for a batch; weights laid out for a cheaper strategy, which it outgrew, are dropped."""
        ends, layout = self._ends(codes), self._layout
        if layout is not None:
            ends = np.minimum(ends[0], layout.seen[0]), np.maximum(ends[1], layout.seen[1])
            if all(map(np.array_equal, ends, layout.seen)):
                return layout
        strategy = cheapest(self, self.work, *ends)  # where there is none, all stays as it is
        kernels = layout.kernels if layout is not None and layout.strategy == strategy else {}
        self._layout = _Layout(strategy, ends, kernels)
        return self._layout

    def _kernel(self, layout: "_Layout", codes: Codes, shift: int) -> SumKernel:
        """The strategy's kernel for sums times 2^(−shift)."""
        if shift not in layout.kernels:
            kernel = sum_kernel[type(layout.strategy)](layout.strategy, self, shift)
            check_kernel(kernel, self, shift, tuple(codes.tensor.shape), layout.seen)
            layout.kernels[shift] = kernel
        return layout.kernels[shift]

    def _reach(self, codes: Codes) -> tuple[int, int]:
        """The least and the largest partial sum for a batch's bounds, or slightly wider ones that were met before."""
        ends = widened(codes.low, codes.high)
        if ends not in self._reaches:
            self._reaches[ends] = self.partial_sums(*ends)
        return self._reaches[ends]

    def _ends(self, codes: Codes) -> Ends:
        """The batch's ends, slightly widened; by input channel where that can save a split into float32's sums."""
        low, high = widened(codes.low, codes.high)
        least, most = self._reach(codes)
        if Carrier.FLOAT32.holds(max(-least, most)) or not self.splits_by_channel or multiplies_digits(self):
            return np.array([low]), np.array([high])
        columns = codes.tensor.reshape(-1, codes.tensor.shape[-1])
        lows, highs = columns.amin(0).tolist(), columns.amax(0).tolist()
        pairs = [widened(int(low), int(high)) for low, high in zip(lows, highs, strict=True)]
        return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])


def product_sums(instruction: MultiplyAccumulate, step: Step, kind: CodeType) -> ProductSums:
    """The sums of a step whose inputs are of this type."""
    return ProductSums(instruction, kind.binary_point, step.name, work_of(instruction, kind.shape, step.exact.shape))


def widened(low: int, high: int) -> tuple[int, int]:
    """Ends with 0 between them and all bits set after the first four, which no longer word has: slightly larger
    batches find their strategy chosen."""
    return min(~_filled(~low), 0), max(_filled(high), 0)


def _filled(number: int) -> int:
    return number | (1 << max(number.bit_length() - 4, 0)) - 1
