"""The sums of one layer as batches come: what they reach by the formats, and what they reached."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch

from bittrue.errors import CarrierError
from bittrue.fixed import FixedFormat
from bittrue.fixed.notation import ap_fixed_name
from bittrue.operators.windows import window_counts, window_rows, window_sum
from bittrue.plan import Word
from bittrue.program import CodeType, FixedNetwork, MultiplyAccumulate, Step, WindowSum
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.sums.accumulators import running_sums
from bittrue.simulation.sums.products import product_sums
from bittrue.simulation.values import Codes, Value
from bittrue.simulation.wide import holds_wide_codes


@dataclass(frozen=True)
class SumRange:
    """Codes that sums take: inclusive ends, at `fraction_bits`."""

    fraction_bits: int
    low: int
    high: int

    @property
    def format(self) -> FixedFormat:
        """The narrowest format that holds the range; unsigned where it never goes below zero."""
        signed = self.low < 0
        magnitude_bits = max(self.high.bit_length(), (-self.low - 1).bit_length() if signed else 0)
        return FixedFormat(signed, max(magnitude_bits + signed, 1), self.fraction_bits)

    def widened(self, low: int, high: int) -> "SumRange":
        """The range with more codes in it, at the same fraction bits."""
        return SumRange(self.fraction_bits, min(low, self.low), max(high, self.high))

    def __str__(self) -> str:
        return ap_fixed_name(self.format)

    def to_json(self) -> dict[str, Any]:
        bits = self.format.word_length
        return {"format": str(self), "word_length": bits, "fraction_bits": self.fraction_bits} | {
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SumRange":
        return cls(int(content["fraction_bits"]), int(content["low"]), int(content["high"]))


@dataclass(frozen=True)
class LayerAccumulator:
    """The accumulator that one layer needs.

    input, weight: the formats of the products' factors, as text; the input's is the narrowest that holds whatever the
    layers before can produce, and of a sum over windows the weight is EXACT, being 1. products: how many a sum has.
    any_input, any_order: None where no format bounds the input (UNBOUNDED), or nothing does. in_order, final: None
    where the sums need more than torch's integers hold.
    """

    node: str
    input: str
    weight: str
    products: int
    any_input: SumRange | None
    any_order: SumRange | None
    in_order: SumRange | None
    final: SumRange | None

    def to_json(self) -> dict[str, Any]:
        ranges = {name: getattr(self, name) for name in RANGES}
        return {name: getattr(self, name) for name in ("node", "input", "weight", "products")} | {
            name: None if found is None else found.to_json() for name, found in ranges.items()
        }


RANGES = ("any_input", "any_order", "in_order", "final")


@dataclass(frozen=True)
class SeenSums:
    """What the sums of some images reached. is_measurable: False where the sums need more than torch's integers
    hold."""

    in_order: SumRange | None = None
    final: SumRange | None = None
    is_measurable: bool = True


class StepSums(ABC):
    """The sums of one step so far.

    weight: the format of what its inputs are multiplied by. fraction_bits: of the sums; `input_fraction_bits`: of what
    is summed up. products: how many numbers one sum has at most.
    """

    def __init__(
        self, step: Step, program: FixedNetwork, by_formats: FixedNetwork, weight: str, products: int, measurable: bool
    ) -> None:
        self.step = step
        self.products = products
        self._weight = weight
        self._input: CodeType = program.by_name[step.inputs[0]].type
        self._allowed: CodeType = by_formats.by_name[step.inputs[0]].type
        self._seen = SeenSums(is_measurable=measurable)

    @property
    @abstractmethod
    def fraction_bits(self) -> int: ...

    @property
    @abstractmethod
    def input_fraction_bits(self) -> int: ...

    @abstractmethod
    def partial_sums(self, low: int, high: int) -> tuple[int, int]:
        """What partial sums in any order can reach for input codes from `low` to `high`."""

    @abstractmethod
    def final(self, codes: Codes) -> torch.Tensor:
        """The final sums of a batch. Raises: CarrierError where they can't be measured."""

    @abstractmethod
    def running(self, codes: Codes) -> Iterable[torch.Tensor]:
        """The partial sums of a batch in the stated order."""

    def seen(self, codes: Value, ordered_images: int) -> SeenSums:
        """What the sums of a batch of inputs reach, of the first `ordered_images` the partial ones, too."""
        if not self._seen.is_measurable or not isinstance(codes, Codes):
            return SeenSums(is_measurable=False)
        try:
            final, in_order = self._widened(None, self.final(codes)), None
            if ordered_images:
                for sums in self.running(replace(codes, tensor=codes.tensor[:ordered_images])):
                    in_order = self._widened(in_order, sums)
        except CarrierError:
            return SeenSums(is_measurable=False)
        return SeenSums(in_order, final)

    def join(self, other: SeenSums) -> None:
        """Widen the ranges by what was seen."""
        self._seen = SeenSums(
            _joined(self._seen.in_order, other.in_order),
            _joined(self._seen.final, other.final),
            self._seen.is_measurable and other.is_measurable,
        )

    def found(self) -> LayerAccumulator:
        low, high, bits = self._input.low, self._input.high, self.input_fraction_bits
        factor = f"UNBOUNDED with {bits} fraction bits"
        if low is not None and high is not None:
            factor = str(SumRange(bits, low, high))
        in_order, final = self._seen.in_order, self._seen.final
        if not self._seen.is_measurable or in_order is None or final is None:
            in_order = final = None
        else:
            # Final sums are partial sums too, those of the images whose others were left out among them.
            in_order = in_order.widened(final.low, final.high)
        return LayerAccumulator(
            self.step.node,
            factor,
            self._weight,
            self.products,
            any_input=self._reach(self._allowed),
            any_order=self._reach(self._input),
            in_order=in_order,
            final=final,
        )

    def _reach(self, inputs: CodeType) -> SumRange | None:
        """What partial sums in any order can reach for codes of this type; None where nothing bounds them."""
        if inputs.low is None or inputs.high is None:
            return None
        return SumRange(self.fraction_bits, *self.partial_sums(inputs.low, inputs.high))

    def _widened(self, known: SumRange | None, sums: torch.Tensor) -> SumRange:
        low, high = (int(end) for end in torch.aminmax(sums))
        return SumRange(self.fraction_bits, low, high) if known is None else known.widened(low, high)


def _joined(first: SumRange | None, second: SumRange | None) -> SumRange | None:
    return second if first is None else first if second is None else first.widened(second.low, second.high)


class ProductSums(StepSums):
    """Sums of products with weights."""

    def __init__(
        self,
        step: Step,
        instruction: MultiplyAccumulate,
        program: FixedNetwork,
        by_formats: FixedNetwork,
        weight: str,
    ) -> None:
        self._sums = product_sums(instruction, step, program.by_name[step.inputs[0]].type)
        products = prod(self._sums.instruction.weight.shape[:-1])
        super().__init__(step, program, by_formats, weight, products, not holds_wide_codes(instruction))

    @property
    def fraction_bits(self) -> int:
        return self._sums.fraction_bits

    @property
    def input_fraction_bits(self) -> int:
        return self._sums.input_fraction_bits

    def partial_sums(self, low: int, high: int) -> tuple[int, int]:
        return self._sums.partial_sums(low, high)

    def final(self, codes: Codes) -> torch.Tensor:
        return self._sums.exact_sum(codes).tensor

    def running(self, codes: Codes) -> Iterable[torch.Tensor]:
        return running_sums(self._sums, codes)


class WindowSums(StepSums):
    """Sums of numbers over windows."""

    def __init__(self, step: Step, instruction: WindowSum, program: FixedNetwork, by_formats: FixedNetwork) -> None:
        self._geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)
        counts = window_counts(program.by_name[step.inputs[0]].type.shape[:-1], *self._geometry)
        super().__init__(step, program, by_formats, Word.EXACT.value, int(counts.max()), True)

    @property
    def fraction_bits(self) -> int:
        return self._input.binary_point

    @property
    def input_fraction_bits(self) -> int:
        return self._input.binary_point

    def partial_sums(self, low: int, high: int) -> tuple[int, int]:
        return self.products * min(low, 0), self.products * max(high, 0)

    def final(self, codes: Codes) -> torch.Tensor:
        carrier_for(codes.bound * self.products, self.step.name)
        return window_sum(codes.tensor.to(torch.int64), *self._geometry)

    def running(self, codes: Codes) -> Iterable[torch.Tensor]:
        yield window_rows(codes.tensor.to(torch.int64), *self._geometry).cumsum(-1)
