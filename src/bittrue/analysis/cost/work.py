"""What each instruction needs of hardware: products, an accumulator, tables. A gap says what isn't counted, and why."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from bittrue.analysis.cost.hardware import ULTRASCALE, Operand
from bittrue.fixed import FixedFormat, Overflow, Quantizer, word_length_between
from bittrue.program import (
    Add,
    Bypass,
    Clip,
    CodeType,
    Concatenate,
    Divide,
    Extremum,
    LogSoftmax,
    Lookup,
    Move,
    MultiplyAccumulate,
    MultiplyTensors,
    Normalize,
    NormalizeTable,
    Pad,
    Quantize,
    Reshape,
    ScaleOffset,
    Select,
    Softmax,
    SoftmaxTable,
    Step,
    WindowExtremum,
    WindowSum,
)
from bittrue.program.functions import BatchNorm
from bittrue.rules import RuleTable

LARGEST_ADDRESS = 16
"""Bits of a code that a table is made for (B8)."""


@dataclass(frozen=True)
class Products:
    """Products of data with a parameter, or with other data, of one pair of widths.

    at_once: for one output position. positions: how many there are.
    """

    data: Operand
    factor: Operand
    at_once: int
    positions: int

    @property
    def widths(self) -> str:
        """`8×6`: the data's and the factor's."""
        return f"{self.data.bits}×{self.factor.bits}"

    @property
    def count(self) -> int:
        """For one image."""
        return self.at_once * self.positions

    @property
    def bit_operations(self) -> int:
        return self.count * self.data.bits * self.factor.bits

    @property
    def dsps(self) -> int:
        """DSP48E2 that compute one output position at once."""
        return self.at_once * ULTRASCALE.multipliers(self.data, self.factor)

    @property
    def dsp_cycles(self) -> int:
        """Cycles of a DSP48E2 for one image."""
        return self.dsps * self.positions


@dataclass(frozen=True)
class LookupTable:
    """A table beside the data. role: of the site whose codes it holds."""

    role: str
    words: int
    word_length: int


@dataclass(frozen=True)
class Work:
    """products: those of a multiply-accumulate are `macs`. accumulator: the bits of the widest sum on the way.
    uncounted: what else there is to compute, and why it isn't here."""

    macs: tuple[Products, ...] = ()
    products: tuple[Products, ...] = ()
    accumulator: int | None = None
    tables: tuple[LookupTable, ...] = ()
    uncounted: str | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """A step with what it reads, and the formats that the plan gives the node's parameters."""

    step: Step
    inputs: tuple[CodeType, ...]
    formats: Callable[[str], tuple[FixedFormat, ...]]

    @property
    def data(self) -> Operand:
        return operand_of(self.inputs[0])

    @property
    def channels(self) -> int:
        """Numbers at one output position."""
        return self.step.type.shape[-1] if self.step.type.shape else 1

    @property
    def positions(self) -> int:
        return prod(self.step.type.shape) // self.channels

    def factor(self, roles: Iterable[str], codes: Iterable[np.ndarray]) -> Operand | None:
        """What is multiplied by: the node's parameter of one of these roles, else constants in the steps. None where
        these are 0 and powers of two only, which shift."""
        for role in roles:
            if formats := self.formats(role):
                return max(map(Operand.of_format, formats), key=lambda word: word.bits)
        found = [int(code) for array in codes for code in np.asarray(array).ravel()]
        if all(abs(code).bit_count() <= 1 for code in found):
            return None
        return Operand.of_codes(min(found), max(found))

    def each(self, factor: Operand | None, data: Operand | None = None) -> tuple[Products, ...]:
        """One product for every output number."""
        if factor is None:
            return ()
        return (Products(data or self.data, factor, self.channels, self.positions),)


def operand_of(kind: CodeType) -> Operand:
    return Operand.of_codes(*_ends(kind))


def _ends(kind: CodeType) -> tuple[int, int]:
    return kind.low or 0, kind.high or 0


def _sum_bits(kind: CodeType, terms: int) -> int:
    low, high = _ends(kind)
    return word_length_between(terms * min(low, 0), terms * max(high, 0))


work: RuleTable[Callable[[Any, Reading], Work]] = RuleTable("cost", gaps_allowed=True)
"""Rules `(instruction, reading) -> work`."""


@work.rule(Quantize, Add, Clip, Extremum, WindowExtremum, Reshape, Pad, Move, Select, Concatenate)
def _(instruction: Any, reading: Reading) -> Work:
    return Work()


@work.rule(MultiplyAccumulate)
def _(instruction: MultiplyAccumulate, reading: Reading) -> Work:
    *kernel, channels = instruction.weight.shape
    formats = reading.formats("weight")
    if formats:
        words = Counter(map(Operand.of_format, formats * (channels // len(formats))))
    else:
        constant = reading.factor((), (instruction.weight,))
        words = Counter({} if constant is None else {constant: channels})
    macs = tuple(Products(reading.data, word, prod(kernel) * count, reading.positions) for word, count in words.items())
    return Work(macs=macs, accumulator=_accumulator(instruction.accumulator, reading))


@work.rule(MultiplyTensors)
def _(instruction: MultiplyTensors, reading: Reading) -> Work:
    first, second = map(operand_of, reading.inputs)
    if not instruction.matrices:
        return Work(products=(Products(first, second, reading.channels, reading.positions),))
    terms = reading.inputs[0].shape[-1]
    macs = (Products(first, second, terms * reading.channels, reading.positions),)
    return Work(macs=macs, accumulator=_accumulator(instruction.accumulator, reading))


def _accumulator(quantizer: Quantizer | None, reading: Reading) -> int:
    if quantizer is not None:
        return quantizer.format.word_length
    return operand_of(reading.step.exact).bits


@work.rule(ScaleOffset)
def _(instruction: ScaleOffset, reading: Reading) -> Work:
    below = () if instruction.below is None else (instruction.below.scale,)
    return Work(products=reading.each(reading.factor(("scale", "slope"), (instruction.scale, *below))))


@work.rule(WindowSum)
def _(instruction: WindowSum, reading: Reading) -> Work:
    terms = prod(instruction.window)
    divisors = sorted({int(divisor) for divisor in instruction.divisor.ravel()})
    odd = [divisor for divisor in divisors if divisor.bit_count() > 1]
    return Work(
        accumulator=_sum_bits(reading.inputs[0], terms) if terms > 1 else None,
        uncounted=f"divisions by {', '.join(map(str, odd))}" if odd else None,
    )


@work.rule(Lookup)
def _(instruction: Lookup, reading: Reading) -> Work:
    if isinstance(instruction.function, BatchNorm):
        return Work(uncounted="raw batch norm has a square root and a quotient: use --batch-norm affine")
    address = reading.data.bits
    if address > LARGEST_ADDRESS:
        return Work(uncounted=f"a function of {address}-bit codes, too long for a table: give its input 16 or fewer")
    return Work(tables=(LookupTable("output", 1 << address, reading.step.rounds_with.format.word_length),))


@work.rule(SoftmaxTable)
def _(instruction: SoftmaxTable, reading: Reading) -> Work:
    (kind,) = reading.inputs
    low, high = _ends(kind)
    terms = kind.shape[-1]
    exp, reciprocal = Operand.of_format(instruction.exp.format), Operand.of_format(instruction.reciprocal.format)
    difference = _bits(instruction.difference, word_length_between(0, high - low))
    total = _bits(instruction.sum, word_length_between(0, terms * instruction.exp.max_code))
    addresses = {"difference": difference, "sum": total}
    wide = [f"{bits}-bit {role}" for role, bits in addresses.items() if bits > LARGEST_ADDRESS]
    if wide:
        return Work(
            products=reading.each(reciprocal, exp),
            accumulator=total,
            uncounted=f"tables for a {' and a '.join(wide)}, too long for one: give them 16 bits or fewer",
        )
    tables = (LookupTable("exp", 1 << difference, exp.bits), LookupTable("reciprocal", 1 << total, reciprocal.bits))
    return Work(products=reading.each(reciprocal, exp), accumulator=total, tables=tables)


@work.rule(NormalizeTable)
def _(instruction: NormalizeTable, reading: Reading) -> Work:
    (kind,) = reading.inputs
    low, high = _ends(kind)
    terms = prod(kind.shape[-instruction.axes :])
    difference = Operand(_bits(instruction.difference, word_length_between(low - high, high - low)), True)
    root = Operand.of_format(instruction.reciprocal_root.format)
    address = instruction.variance.format.word_length
    products = [*reading.each(difference, difference), *reading.each(root, difference)]
    if gamma := reading.formats("gamma"):
        exact = difference.bits + root.bits
        scaled = Operand(exact if instruction.normalized is None else _bits(instruction.normalized, exact), True)
        products += reading.each(Operand.of_format(gamma[0]), scaled)
    long = instruction.variance.overflow is Overflow.UNBOUNDED or address > LARGEST_ADDRESS
    return Work(
        products=tuple(products),
        accumulator=_sum_bits(kind, terms),
        tables=() if long else (LookupTable("reciprocal_root", 1 << address, root.bits),),
        uncounted="a table for a variance too long for one: give it 16 bits or fewer" if long else None,
    )


def _bits(quantizer: Quantizer, exact: int) -> int:
    """The bits of a number inside a node: its format's; the exact ones where it is EXACT, which nothing clips."""
    return exact if quantizer.overflow is Overflow.UNBOUNDED else quantizer.format.word_length


work.unsupported(Softmax, reason="its exact form has no hardware: use --softmax table, or stop before it")
work.unsupported(LogSoftmax, reason="it has no form for hardware: stop before it")
work.unsupported(Normalize, reason="its exact form has no hardware: use --layer-norm table")
work.unsupported(Divide, reason="a quotient has no form for hardware yet")
work.unsupported(Bypass, reason="float32 has no bits in fixed-point hardware: give its sites formats")
