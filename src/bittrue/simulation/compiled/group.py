"""Steps that the compiled library computes together, and how a batch goes through them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from bittrue.program import CodeType, FixedNetwork, MultiplyAccumulate, Step
from bittrue.simulation.carrier import Carrier, bound_bits
from bittrue.simulation.compiled.costs import pays
from bittrue.simulation.compiled.layout import STORAGES, WIDE_BITS, Layout, layout
from bittrue.simulation.compiled.library import Unit
from bittrue.simulation.compiled.running import run
from bittrue.simulation.compiled.sources import SUM_BITS, Kept, Source, SourceKind, source_of
from bittrue.simulation.compiled.stages import (
    Span,
    Stage,
    Staged,
    UnsuitedError,
    is_as_close_as_its_inputs,
    is_unbounded,
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

    value: the last step's codes. overflows: by site. peaks: the largest absolute code of each step that no format
    bounds.
    """

    value: Codes
    overflows: dict[str, int]
    peaks: dict[str, int]


class Group:
    """Some steps, each reading the one before it, as one call of the library.

    source: the first step's input. operands: what else the steps read, in order. rest: the steps after the first one,
    for when torch computes that.
    """

    def __init__(self, program: FixedNetwork, steps: Sequence[Step], unit: Unit, *, feeds_groups: bool) -> None:
        """feeds_groups: whether another group reads the result, which is then kept in short words."""
        self.steps = tuple(steps)
        self._unit, self._feeds_groups = unit, feeds_groups
        self._types = {name: program.by_name[name].type for step in steps for name in step.inputs}
        self.source = steps[0].inputs[0]
        own = {step.name for step in steps}
        self.operands = tuple(
            name for place, step in enumerate(steps) for name in step.inputs[place == 0 :] if name not in own
        )
        self._layouts: dict[tuple[object, ...], tuple[Layout, int] | None] = {}
        self._kept: Kept = {}
        self.rest = Group(program, steps[1:], unit, feeds_groups=feeds_groups) if len(steps) > 1 else None

    @property
    def last(self) -> Step:
        """The step whose value it computes."""
        return self.steps[-1]

    def shared_with(self, other: "Group | None") -> "Group":
        """The other group where it has these very steps, on inputs of the same types, and keeps its result alike."""
        if other is None or len(other.steps) != len(self.steps) or other._unit != self._unit:
            return self
        if any(step is not known for step, known in zip(self.steps, other.steps, strict=True)):
            return self
        alike = other._types == self._types and other._feeds_groups == self._feeds_groups
        return other if alike else self

    def run(self, x: Codes, operands: Sequence[Codes]) -> Ran | None:
        """The batch through all steps; None where these codes are not for the library."""
        codes = (x, *operands)
        if any(one.tensor.dtype not in STORAGES for one in codes) or not x.tensor.numel():
            return None
        names = (self.source, *self.operands)
        spans = [_span(one, self._types[name]) for one, name in zip(codes, names, strict=True)]
        key = (*spans, *(one.tensor.dtype for one in codes))
        if key not in self._layouts:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.pop(next(iter(self._layouts)))
            self._layouts[key] = self._laid_out(codes, spans)
        found = self._layouts[key]
        return None if found is None else self._run(*found, x, operands)

    def _laid_out(self, codes: Sequence[Codes], spans: Sequence[Span]) -> tuple[Layout, int] | None:
        try:
            source = self._source(spans[0])
            if source is None:
                return None
            others, stages, span = dict(zip(self.operands, spans[1:], strict=True)), list[Stage](), source.span
            for step in self.steps:
                more, span = self._staged(step, span, others)
                stages += more
            stored_in = codes[0].tensor.dtype
            if source.kind is not SourceKind.CODES:
                stored_in = torch.uint16 if source.unsigned else torch.int16
            dtypes = {name: one.tensor.dtype for name, one in zip(self.operands, codes[1:], strict=True)}
            laid_out = layout(source, stages, span, stored_in, self._storage(span), dtypes)
        except UnsuitedError:
            return None
        if source.layer is not None:
            self._check(source, spans[0])
        return laid_out, self._unit.scratch_bytes(laid_out.fields)

    def _source(self, span: Span) -> Source | None:
        """What the group begins with, or None where torch is expected to take less time for it. Raises
        UnsuitedError."""
        step, kind = self.steps[0], self._types[self.source]
        source = source_of[type(step.instruction)](step.instruction, step, kind, span, self._kept)
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
        how = "in two parts, " if source.in_two else ""
        how += "added in float64" if source.must_be_wide else "added in int32"
        margin = min(SUM_BITS - bound_bits(source.largest_sum), WIDE_BITS - bound_bits(source.reach))
        return LayerProof(step.name, f"{self._unit.name}, int16 {how}", bound_bits(source.reach), margin)

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
        """Short words where another group reads them, else the narrowest carrier, as torch's kernels have it."""
        for (least, most), dtype in _SHORT_WORDS:
            if self._feeds_groups and least <= span.low and span.high <= most:
                return dtype
        return torch.float32 if Carrier.FLOAT32.holds(span.reach) else torch.float64

    def _run(self, laid_out: Layout, scratch: int, x: Codes, operands: Sequence[Codes]) -> Ran:
        fields = laid_out.fields
        source = _in_one_piece(x.tensor).to(STORAGES[fields.stored_in])
        out = torch.empty((len(source), *self.last.type.shape), dtype=laid_out.stored)
        rows = len(source) * fields.out_height * fields.out_width
        others = [_in_one_piece(one.tensor) for one in operands]
        seen = dict(zip(laid_out.quantizers, run(self._unit, fields, scratch, rows, source, others, out), strict=True))
        overflows, peaks = {}, {}
        low, high = x.low, x.high
        spans = {name: _span(one, self._types[name]) for name, one in zip(self.operands, operands, strict=True)}
        for step in self.steps:
            outside, low, high = self._bounds(step, laid_out, seen, Span(low, high, 0), spans)
            if is_unbounded(step):
                peaks[step.name] = max(abs(low), abs(high))
            if isinstance(step.instruction, MultiplyAccumulate) and step.instruction.accumulator is not None:
                overflows[step.inner_site("accumulator")] = 0  # it is here because it never acts
            if step.site is not None and step.quantizer is not None:
                overflows[step.site] = outside
        return Ran(Codes(out, self.last.type.fraction_bits, low, high), overflows, peaks)

    def _bounds(
        self,
        step: Step,
        laid_out: Layout,
        seen: Mapping[Step | None, tuple[int, int, int]],
        before: Span,
        others: Mapping[str, Span],
    ) -> tuple[int, int, int]:
        """How many of a step's codes lay outside its limits, and between which ends the codes lie."""
        outside, least, most = seen.get(step, (0, laid_out.span.low, laid_out.span.high))
        if is_unbounded(step) and is_as_close_as_its_inputs(step):
            span = replace(before, binary_point=self._types[step.inputs[0]].binary_point)
            after = self._staged(step, span, others)[1]
            return outside, after.low, after.high
        if outside and step.quantizer is not None:
            least, most = limited(least, most, step.quantizer)
        return outside, least, most


def _in_one_piece(tensor: torch.Tensor) -> torch.Tensor:
    """Contiguous, and at an address that its numbers may lie at: a copy where it isn't so."""
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % tensor.element_size() else tensor


def _span(codes: Codes, kind: CodeType) -> Span:
    """Between what a batch's codes lie: what their formats allow, or, where nothing bounds them, a little more than
    they do."""
    low, high = kind.low, kind.high
    if low is None or high is None:
        low, high = widened(codes.low, codes.high)
    return Span(low, high, kind.binary_point)
