"""Steps that the compiled library computes together, and how a batch goes through them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from bittrue.program import CodeType, Lookup, MultiplyAccumulate, Step
from bittrue.simulation.carrier import Carrier, bound_bits
from bittrue.simulation.compiled.costs import pays
from bittrue.simulation.compiled.layout import STORAGES, WIDE_BITS, Layout, layout
from bittrue.simulation.compiled.library import Unit
from bittrue.simulation.compiled.running import in_one_piece, run
from bittrue.simulation.compiled.sources import SUM_BITS, Kept, Source, SourceKind, source_of
from bittrue.simulation.compiled.stages import (
    Span,
    Stage,
    Staged,
    UnsuitedError,
    is_as_close_as_its_inputs,
    is_unbounded,
    moved_ends,
    quantized,
    staged,
    stages_of,
)
from bittrue.simulation.proof import LayerProof
from bittrue.simulation.requantization import limited
from bittrue.simulation.sums.kernel_check import check_kernel
from bittrue.simulation.sums.products import widened
from bittrue.simulation.values import Codes

_SHORT_WORDS = (((-(1 << 15), (1 << 15) - 1), torch.int16), ((0, (1 << 16) - 1), torch.uint16))
_MOST_LAYOUTS = 8
"""How many ranges of codes a group is kept laid out for."""


@dataclass(frozen=True)
class Ran:
    """What a group has made of a batch.

    steps: those that were computed, the group's first ones. read: the values that they read, once for each step that
    did. value: the last one's codes. overflows: by site. peaks: the largest absolute code of each step that no format
    bounds.
    """

    steps: tuple[Step, ...]
    read: tuple[str, ...]
    value: Codes
    overflows: dict[str, int]
    peaks: dict[str, int]


class Group:
    """Some steps, each reading the one before it, as one call of the library.

    source: the first step's input. operands: what else the steps read, in order.

    A raw batch normalization is proven for the codes that occur. Where no format bounds these, and they come to be
    within the group, their ends are supposed to be those of the batches before. Nothing is supposed of the first batch,
    and where one goes beyond, what the library made of it is thrown away: then the steps before the normalization
    are computed alone.
    """

    def __init__(
        self, types: Mapping[str, CodeType], steps: Sequence[Step], unit: Unit, *, in_short_words: bool
    ) -> None:
        """types: of all that the steps read. in_short_words: whether the result is kept so where it can be, since
        another group reads it, or nobody does."""
        self.steps = tuple(steps)
        self._unit, self._in_short_words = unit, in_short_words
        self._types = {name: types[name] for step in steps for name in step.inputs}
        self.source = steps[0].inputs[0]
        own = {step.name for step in steps}
        self.operands = tuple(
            name for place, step in enumerate(steps) for name in step.inputs[place == 0 :] if name not in own
        )
        self._read = (self.source, *self.operands)
        self._fixed_spans = [_span_of(self._types[name]) for name in self._read]
        self._accounts = [_Account.of(step) for step in steps]
        self._no_overflows = _no_overflows(steps)
        self._layouts: dict[tuple[object, ...], _LaidOut | None] = {}
        self._kept: Kept = {}
        self._open = next(filter(partial(is_open, steps), range(1, len(steps))), None)
        self._supposed: Span | None = None
        self._parts: dict[tuple[int, int], Group] = {}

    @property
    def last(self) -> Step:
        """The step whose value it computes."""
        return self.steps[-1]

    def after(self, count: int) -> "Group":
        """The steps after the first `count` of them."""
        return self._part(count, len(self.steps)) if count else self

    def _part(self, start: int, stop: int) -> "Group":
        if (start, stop) not in self._parts:
            short = self._in_short_words or stop < len(self.steps)
            part = Group(self._types, self.steps[start:stop], self._unit, in_short_words=short)
            if not start:
                part._kept = self._kept  # the weights lie once
            self._parts[start, stop] = part
        return self._parts[start, stop]

    def shared_with(self, other: "Group | None") -> "Group":
        """The other group where it has these very steps, on inputs of the same types, and keeps its result alike."""
        if other is None or len(other.steps) != len(self.steps) or other._unit != self._unit:
            return self
        if any(step is not known for step, known in zip(self.steps, other.steps, strict=True)):
            return self
        alike = other._types == self._types and other._in_short_words == self._in_short_words
        return other if alike else self

    def run(self, x: Codes, operands: Sequence[Codes]) -> Ran | None:
        """The batch through all steps, or through the first of them; None where these codes are not for the library."""
        codes = (x, *operands)
        for one in codes:
            if one.tensor.dtype not in STORAGES:
                return None
        if not x.tensor.numel():
            return None
        spans = [
            # Where nothing bounds them, a little more than they do.
            Span(*widened(one.low, one.high), self._types[name].binary_point) if fixed is None else fixed
            for one, name, fixed in zip(codes, self._read, self._fixed_spans, strict=True)
        ]
        if self._open is None:
            return self._run(spans, x, operands)
        ran = None if self._supposed is None else self._run(spans, x, operands)
        if ran is None:
            before = self._part(0, self._open)
            ran = before.run(x, operands[: len(before.operands)])
            if ran is not None and len(ran.steps) == self._open:
                self._suppose(ran.value)
        return ran

    def _suppose(self, met: Codes) -> None:
        """Of the batches to come, that they lie between these ends and those before."""
        known = self._supposed or Span(0, 0, 0)
        self._supposed = Span(*widened(min(known.low, met.low), max(known.high, met.high)), 0)

    def _laid_out(self, codes: Sequence[Codes], spans: Sequence[Span]) -> "_LaidOut | None":
        try:
            source = self._source(spans[0])
            if source is None:
                return None
            others, of_steps, span = (
                dict(zip(self.operands, spans[1:], strict=True)),
                list[Sequence[Stage]](),
                source.span,
            )
            for place, step in enumerate(self.steps):
                if place == self._open and self._supposed is not None:
                    span = replace(self._supposed, binary_point=span.binary_point)
                more, span = self._staged(step, span, others)
                of_steps.append(more)
            stored_in = codes[0].tensor.dtype
            if source.kind is not SourceKind.CODES:
                stored_in = torch.uint16 if source.unsigned else torch.int16
            dtypes = {name: one.tensor.dtype for name, one in zip(self.operands, codes[1:], strict=True)}
            stages = [stage for more in of_steps for stage in more]
            laid_out = layout(source, stages, span, stored_in, self._storage(span), dtypes)
        except UnsuitedError:
            return None
        if source.layer is not None:
            self._check(source, spans[0])
        scratch = self._unit.scratch_bytes(laid_out.fields)
        places = [laid_out.places.get(step) for step in self.steps]
        return _LaidOut(laid_out, scratch, stored_in, places, of_steps)

    def _source(self, span: Span) -> Source | None:
        """What the group begins with, or None where torch is expected to take less time for it. Raises
        UnsuitedError."""
        step, kind = self.steps[0], self._types[self.source]
        rule = source_of[type(step.instruction)]
        source = rule(step.instruction, step, kind, span, self._kept, self._unit.multiplies_bytes)
        if isinstance(step.instruction, MultiplyAccumulate):
            sums = self._kept[span.binary_point].sums
            if not pays(step.instruction, kind, self.steps, span, source, sums, self._unit.name):
                return None
        return source

    def proof(self) -> LayerProof | None:
        """The proof of the first step's sums of products, where the formats alone bound its inputs."""
        step, kind = self.steps[0], self._types[self.source]
        if not isinstance(step.instruction, MultiplyAccumulate) or kind.low is None or kind.high is None:
            return None
        try:
            source = self._source(Span(kind.low, kind.high, kind.binary_point))
        except UnsuitedError:
            return None
        if source is None:
            return None
        how = "int8 " if source.packing is not None and source.packing.in_bytes else "int16 "
        how += "in two parts, " if len(source.places) > 1 else ""
        how += "added in float64" if source.must_be_wide else "added in int32"
        margin = min(SUM_BITS - bound_bits(source.largest_sum), WIDE_BITS - bound_bits(source.reach))
        return LayerProof(step.name, f"{self._unit.name}, {how}", bound_bits(source.reach), margin)

    def _check(self, source: Source, span: Span) -> None:
        """A canary (B14): the sums alone, on one image whose codes lie at their ends, beside float64's."""
        sums, kind = self._kept[span.binary_point].sums, self._types[self.source]
        stored = torch.uint16 if source.unsigned else torch.int16
        wide = replace(source, must_be_wide=True)
        alone = layout(wide, [], source.span, stored, torch.float64, {})
        shape = self.steps[0].exact.shape

        def kernel(x: torch.Tensor, rounded: torch.dtype | None) -> torch.Tensor:
            out = torch.empty((len(x), *shape), dtype=torch.float64)
            rows = len(x) * source.geometry.rows
            codes = x.to(torch.int32).to(stored).contiguous()
            run(self._unit, alone.fields, self._unit.scratch_bytes(alone.fields), rows, codes, [], out)
            # The binary point of an accumulator that never acts may be finer.
            return out.mul_(2.0 ** (sums.fraction_bits - source.span.binary_point))

        ends = np.array([span.low]), np.array([span.high])
        check_kernel(kernel, sums, 0, (1, *kind.shape), ends)

    def _staged(self, step: Step, span: Span, others: Mapping[str, Span]) -> Staged:
        """A step's stages; the first step's instruction may be all the source's work."""
        if type(step.instruction) not in stages_of:
            return quantized(step, span)
        types = tuple(self._types[name] for name in step.inputs)
        operands = {name: others[name] for name in step.inputs[step is self.steps[0] :] if name in others}
        return staged(step, types, span, operands)

    def _storage(self, span: Span) -> torch.dtype:
        """Short words where they serve, else the narrowest carrier, as torch's kernels have it."""
        for (least, most), dtype in _SHORT_WORDS:
            if self._in_short_words and least <= span.low and span.high <= most:
                return dtype
        return torch.float32 if Carrier.FLOAT32.holds(span.reach) else torch.float64

    def _run(self, spans: Sequence[Span], x: Codes, operands: Sequence[Codes]) -> Ran | None:
        """The batch through all steps; None where these codes are not for the library, or where they go beyond what was
        supposed."""
        codes = (x, *operands)
        key = (self._supposed, *spans, *[one.tensor.dtype for one in codes])
        if key not in self._layouts:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.pop(next(iter(self._layouts)))
            self._layouts[key] = self._laid_out(codes, spans)
        found = self._layouts[key]
        if found is None:
            return None
        fields, images = found.layout.fields, x.tensor.shape[0]
        source = in_one_piece(x.tensor)
        if source.dtype is not found.stored_in:
            source = source.to(found.stored_in)
        out = torch.empty((images, *self.last.type.shape), dtype=found.layout.stored)
        rows = images * fields.out_height * fields.out_width
        others = [in_one_piece(one.tensor) for one in operands]
        seen = run(self._unit, fields, found.scratch, rows, source, others, out)
        return self._told(found, seen, x, out)

    def _told(
        self,
        found: "_LaidOut",
        seen: Sequence[tuple[int, int, int]],
        x: Codes,
        out: torch.Tensor,
    ) -> Ran | None:
        """What is told of a batch; None where it goes beyond what was supposed. seen: by stage."""
        overflows, peaks = self._no_overflows.copy(), dict[str, int]()
        low, high = x.low, x.high
        for index, (step, account, place) in enumerate(zip(self.steps, self._accounts, found.places, strict=True)):
            if index == self._open and not self._is_supposed(low, high):
                return None
            outside, least, most = (0, found.layout.span.low, found.layout.span.high) if place is None else seen[place]
            if account.close:
                least, most = moved_ends(found.stages[index], low, high)
            elif outside and step.quantizer is not None:
                least, most = limited(least, most, step.quantizer)
            low, high = least, most
            if account.unbounded:
                peaks[step.name] = max(abs(low), abs(high))
            if outside and account.site is not None:
                overflows[account.site] = outside
        return Ran(self.steps, self._read, Codes(out, self.last.type.fraction_bits, low, high), overflows, peaks)

    def _is_supposed(self, low: int, high: int) -> bool:
        return self._supposed is not None and self._supposed.low <= low and high <= self._supposed.high


@dataclass(frozen=True)
class _LaidOut:
    """A layout, the scratch memory that it needs, how its input is stored, and by step the stage that measures it, and
    all of the step's own."""

    layout: Layout
    scratch: int
    stored_in: torch.dtype
    places: Sequence[int | None]
    stages: Sequence[Sequence[Stage]]


@dataclass(frozen=True)
class _Account:
    """What is told of a step after each batch.

    unbounded: its peak, since no format bounds it. close: not measured, since it lies as close together as its inputs.
    site: of its overflows, None where it has no quantizer.
    """

    unbounded: bool
    close: bool
    site: str | None

    @classmethod
    def of(cls, step: Step) -> "_Account":
        unbounded, site = is_unbounded(step), None if step.quantizer is None else step.site
        return cls(unbounded, unbounded and is_as_close_as_its_inputs(step), site)


def _no_overflows(steps: Sequence[Step]) -> dict[str, int]:
    """By site, where nothing overflows; an accumulator never does, or the group wouldn't have it."""
    counts = dict[str, int]()
    for step in steps:
        if isinstance(step.instruction, MultiplyAccumulate) and step.instruction.accumulator is not None:
            counts[step.inner_site("accumulator")] = 0
        if step.site is not None and step.quantizer is not None:
            counts[step.site] = 0
    return counts


def is_open(steps: Sequence[Step], place: int) -> bool:
    """Whether a step is proven for the codes that occur, and no format bounds those: so it is with raw batch norms."""
    return isinstance(steps[place].instruction, Lookup) and is_unbounded(steps[place - 1])


def _span_of(kind: CodeType) -> Span | None:
    """Between what codes of a type lie; None where no format bounds them."""
    return None if kind.low is None or kind.high is None else Span(kind.low, kind.high, kind.binary_point)
