"""What follows a source in a fused group: a rule for each instruction that works on one code at a time.

Every rule says what the numbers can be between its stages; whether int32 or float64 holds them is decided for the
whole group (`layout.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from math import ceil

from bittrue.errors import CarrierError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.program import (
    Add,
    Bypass,
    Clip,
    CodeType,
    Concatenate,
    Divide,
    Extremum,
    Instruction,
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
from bittrue.simulation.batch_normalization import certain_norm
from bittrue.simulation.constants import branch_bound, branches_of
from bittrue.simulation.requantization import limited
from bittrue.simulation.values import alignment, exact_code


class Kind(IntEnum):
    """`stage_kind` of group.h."""

    AFFINE = 0
    BRANCHES = 1
    CLIP = 2
    ADD = 3
    REAL = 4
    QUANTIZE = 5


ROUNDINGS = {rounding: index for index, rounding in enumerate(Rounding)}
OVERFLOWS = {overflow: index for index, overflow in enumerate(Overflow)}


class UnsuitedError(Exception):
    """A group isn't for the compiled kernels: torch computes it."""


@dataclass(frozen=True)
class Span:
    """Between which codes the numbers lie, ends included, and their binary point."""

    low: int
    high: int
    binary_point: int

    @property
    def reach(self) -> int:
        return max(-self.low, self.high)


@dataclass(frozen=True)
class Stage:
    """A stage of a group. reach: what no number at its end, or on the way there, can exceed.

    constants: one for each channel or one for all, as group.h has them; reals: those of REAL. low, high: a clip's ends,
    None for no end, or the threshold of two branches in `low`. step: the step whose quantizer it is.
    """

    kind: Kind
    reach: int
    constants: tuple[Sequence[int], ...] = ()
    reals: tuple[Sequence[float], ...] = ()
    shift: int = 0
    operand: str = ""
    operand_shift: int = 0
    low: int | None = None
    high: int | None = None
    rounding: Rounding = Rounding.NEAREST_EVEN
    quantizer: Quantizer | None = None
    step: Step | None = None


Staged = tuple[list[Stage], Span]
"""The stages of a step, and what comes of them."""

stages_of: RuleTable[Callable[..., Staged]] = RuleTable("stages of a compiled group", gaps_allowed=True)
"""Rules `(instruction, step, types, span, operands) -> Staged`: the stages of an instruction without its quantizer.

types: of the step's inputs. span: of the number that comes in. operands: the spans of the step's other inputs, by name.
Raises UnsuitedError.
"""


def staged(step: Step, types: tuple[CodeType, ...], span: Span, operands: Mapping[str, Span]) -> Staged:
    """All stages of a step, its quantizer's included."""
    found, span = stages_of[type(step.instruction)](step.instruction, step, types, span, operands)
    rounded, span = quantized(step, span)
    return [*found, *rounded], span


def quantized(step: Step, span: Span) -> Staged:
    """The stage of a step's quantizer, or one that measures what nothing bounds, or none."""
    quantizer = step.quantizer
    if quantizer is None:
        measured = is_unbounded(step) and not is_as_close_as_its_inputs(step)
        return [Stage(Kind.QUANTIZE, span.reach, step=step)] if measured else [], span
    if quantizer.overflow is Overflow.WRAP and quantizer.format.word_length > _LONGEST_WRAPPED:
        raise UnsuitedError
    shift = span.binary_point - quantizer.format.fraction_bits
    low, high = _shifted_right(span.low, span.high, shift)
    after = _within(low, high, quantizer)
    reach = max(span.reach, -low, high, -after[0], after[1])
    stage = Stage(Kind.QUANTIZE, reach, shift=shift, quantizer=quantizer, step=step)
    return [stage], Span(*after, quantizer.format.fraction_bits)


def _shifted_right(low: int, high: int, shift: int) -> tuple[int, int]:
    """Between what all lies that is rounded, in whichever direction."""
    return (low >> shift, -(-high >> shift)) if shift >= 0 else (low << -shift, high << -shift)


def _within(low: int, high: int, quantizer: Quantizer) -> tuple[int, int]:
    return limited(low, high, quantizer) if low < quantizer.min_code or high > quantizer.max_code else (low, high)


_LONGEST_WRAPPED = 30


def is_unbounded(step: Step) -> bool:
    """Whether no format bounds a step's codes."""
    return step.type.low is None or step.type.high is None


def is_as_close_as_its_inputs(step: Step) -> bool:
    """Whether what a step returns lies as close together as what it reads, so that its bounds are not measured."""
    return isinstance(step.instruction, Clip | WindowExtremum)


def moved_ends(stages: Sequence[Stage], low: int, high: int) -> tuple[int, int]:
    """Where the least and the largest code come to lie; stages: of a step that is as close as its inputs."""
    for stage in stages:
        if stage.kind is Kind.AFFINE:
            ((factor,), _) = stage.constants
            low, high = low * factor, high * factor
        elif stage.quantizer is not None:
            low, high = _within(*_shifted_right(low, high, stage.shift), stage.quantizer)
        else:
            low, high = _clipped(stage, low), _clipped(stage, high)
    return low, high


def _clipped(clip: Stage, code: int) -> int:
    code = code if clip.low is None else max(code, clip.low)
    return code if clip.high is None else min(code, clip.high)


@stages_of.rule(Clip)
def _(instruction: Clip, step: Step, types: tuple[CodeType, ...], span: Span, operands: Mapping[str, Span]) -> Staged:
    moved, span = _aligned(span, step.exact.binary_point)
    low, high = (None if end is None else exact_code(end, step) for end in (instruction.low, instruction.high))
    clip = Stage(Kind.CLIP, max(span.reach, abs(low or 0), abs(high or 0)), low=low, high=high)
    return [*moved, clip], Span(_clipped(clip, span.low), _clipped(clip, span.high), span.binary_point)


def _aligned(span: Span, binary_point: int) -> Staged:
    shift = binary_point - span.binary_point
    if not shift:
        return [], span
    moved = Span(span.low << shift, span.high << shift, binary_point)
    return [Stage(Kind.AFFINE, moved.reach, ([1 << shift], [0]))], moved


@stages_of.rule(ScaleOffset)
def _(
    instruction: ScaleOffset, step: Step, types: tuple[CodeType, ...], span: Span, operands: Mapping[str, Span]
) -> Staged:
    branches = branches_of(instruction, step, types)
    channels = step.type.shape[-1]
    if any(len(numbers) not in (1, channels) for branch in branches for numbers in branch):
        raise UnsuitedError
    bound = branch_bound(branches, span.reach)
    largest = max(abs(number) for branch in branches for numbers in branch for number in numbers)
    reach, after = max(bound, span.reach, largest), Span(-bound, bound, step.exact.binary_point)
    if instruction.below is None:
        return [Stage(Kind.AFFINE, reach, branches[0])], after
    threshold = ceil(instruction.below.threshold * Fraction(2) ** types[0].binary_point)
    # Beyond every code it decides no more than just there.
    threshold = min(max(threshold, -span.reach - 1), span.reach + 1)
    return [Stage(Kind.BRANCHES, reach + 1, (*branches[0], *branches[1]), low=threshold)], after


@stages_of.rule(Lookup)
def _(instruction: Lookup, step: Step, types: tuple[CodeType, ...], span: Span, operands: Mapping[str, Span]) -> Staged:
    """A raw batch normalization, where float64 is proven to round as the exact number does."""
    quantizer, function = step.rounds_with, instruction.function
    if not isinstance(function, BatchNorm):
        raise UnsuitedError
    try:
        found = certain_norm(function, quantizer, span.binary_point, (span.low, span.high), step.name)
    except CarrierError:
        raise UnsuitedError from None
    if found is None:
        raise UnsuitedError
    after = Span(-found.limit, found.limit, quantizer.format.fraction_bits)
    reach, reals = max(span.reach, found.limit), (found.scale, found.offset)
    return [Stage(Kind.REAL, reach, reals=reals, rounding=quantizer.rounding)], after


def is_sum_of_two(step: Step, types: tuple[CodeType, ...]) -> bool:
    """Whether an Add is of two different values of one shape."""
    return len(step.inputs) == len(set(step.inputs)) == 2 and types[0].shape == types[1].shape


@stages_of.rule(Add)
def _(instruction: Add, step: Step, types: tuple[CodeType, ...], span: Span, operands: Mapping[str, Span]) -> Staged:
    if not is_sum_of_two(step, types) or len(operands) != 1:
        raise UnsuitedError
    ((name, other),) = operands.items()
    shifts = dict(zip(step.inputs, alignment(step, types), strict=True))
    (own,) = (shift for input_name, shift in shifts.items() if input_name != name)
    there = shifts[name]
    low, high = (span.low << own) + (other.low << there), (span.high << own) + (other.high << there)
    reach = (span.reach << own) + (other.reach << there)
    stage = Stage(Kind.ADD, reach, shift=own, operand=name, operand_shift=there)
    return [stage], Span(low, high, step.exact.binary_point)


ON_TORCH: tuple[type[Instruction], ...] = (
    Quantize,
    MultiplyTensors,
    Divide,
    Extremum,
    WindowSum,
    Softmax,
    LogSoftmax,
    Normalize,
    SoftmaxTable,
    NormalizeTable,
    Reshape,
    Pad,
    Move,
    Select,
    Concatenate,
    Bypass,
)
"""Instructions that no group has."""

for _instruction in ON_TORCH:
    stages_of.unsupported(_instruction, reason="torch computes it")
for _instruction in (MultiplyAccumulate, WindowExtremum):
    stages_of.unsupported(_instruction, reason="it isn't computed code by code")
