"""The ways in which a sum of products can be computed side by side, and the cycles that each takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

from bittrue.errors import BittrueError
from bittrue.exports.verilog.engine import Engine
from bittrue.exports.verilog.windows import Windows
from bittrue.fixed import Overflow, Quantizer
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class Layer:
    """A sum of products, and what it reads: a value of `shape`, whose codes are of type `source`."""

    step: Step
    instruction: MultiplyAccumulate
    shape: Shape
    source: CodeType

    @property
    def inner(self) -> int:
        """Input channels of each sum."""
        inner: int = self.instruction.weight.shape[-2]
        return inner

    @property
    def outputs(self) -> int:
        outputs: int = self.instruction.weight.shape[-1]
        return outputs

    @cached_property
    def windows(self) -> Windows:
        geometry = self.instruction.strides, self.instruction.padding, self.instruction.dilation
        return Windows.of(self.step, self.shape, tuple(self.instruction.weight.shape[:-2]), *geometry)

    @cached_property
    def quantizer(self) -> Quantizer | None:
        """What quantizes each sum on its way; None where that happens once, at the end, with the same bits.

        Raises: BittrueError for an accumulator that rounds and that nothing bounds.
        """
        instruction, quantizer = self.instruction, self.instruction.accumulator
        if quantizer is None:
            return None
        finest = self.source.binary_point + max(instruction.weight_fraction_bits)
        if instruction.bias is not None:
            finest = max(finest, instruction.bias_fraction_bits)
        exact = quantizer.format.fraction_bits >= finest
        if exact and quantizer.overflow in (Overflow.WRAP, Overflow.UNBOUNDED):
            return None
        if quantizer.overflow is Overflow.UNBOUNDED:
            raise BittrueError(
                f"site {self.step.inner_site('accumulator')}: a sum that is rounded on its way and that nothing bounds "
                "has no register; give it SATURATE or WRAP, or EXACT."
            )
        return quantizer

    def beats(self, engine: Engine) -> int:
        """That are read at each position."""
        return -(-self.outputs // engine.lanes) * prod(self.windows.kernel) * self.inner // engine.terms

    def cycles(self, engine: Engine) -> int:
        """Of an image: of the products, and of its words in and out, one each."""
        positions = prod(self.windows.out)
        return max(self.windows.cycles(self.beats(engine)), positions * self.outputs, prod(self.shape))

    @cached_property
    def engines(self) -> tuple[Engine, ...]:
        """Those that are worth their multipliers, the slowest and smallest first: each is faster than all before it."""
        found: list[Engine] = []
        for engine in sorted(self._possible(), key=lambda each: (each.multipliers, self.cycles(each), each.terms)):
            if not found or self.cycles(engine) < self.cycles(found[-1]):
                found.append(engine)
        return tuple(found)

    def engine(self, multipliers: int) -> Engine:
        """The fastest with so many multipliers at most."""
        return [engine for engine in self.engines if engine.multipliers <= multipliers][-1]

    def _possible(self) -> Iterator[Engine]:
        """A sum that is rounded on its way has its products one by one, in their order (B6).

        Groups share no input, so lanes lie in one group, whose sums they divide; or, where each group has one input
        channel as in a depthwise convolution, in several groups side by side."""
        groups = self.instruction.groups
        each = self.outputs // groups
        terms = [count for count in range(1, self.inner + 1) if self.inner % count == 0]
        for count in terms if self.quantizer is None else [1]:
            for lanes in range(1, each + 1):
                if groups == 1 or each % lanes == 0:
                    yield Engine(lanes, count, count)
        if self.inner == 1 and groups > 1:
            for side in range(2, groups + 1):
                if groups % side == 0:
                    yield Engine(side * each, 1, side)
