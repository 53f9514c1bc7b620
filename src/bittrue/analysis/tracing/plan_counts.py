"""The counts of every quantizer of a plan: of parameters once, of data and accumulators batch by batch.

A result before its quantizer comes from the same kernel without one, or, where it has no finite code, with 16 fraction
bits more.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from bittrue.analysis.tracing.site_counts import Exact, QuantizerCounts
from bittrue.analysis.tracing.trace_result import SiteTrace
from bittrue.errors import CarrierError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, describe
from bittrue.fixed.arrays import quantize_array
from bittrue.fixed.format import LARGEST_WORD_LENGTH
from bittrue.fixed.integers import round_shift
from bittrue.lowering import Lowered
from bittrue.plan import Guard, Site, Spec, Word, describe_spec
from bittrue.plan.spec import GUARD_BITS
from bittrue.program import Bypass, CodeType, FixedNetwork, MultiplyAccumulate, Quantize, Step
from bittrue.simulation.simulator import KeptBatch, Simulator
from bittrue.simulation.sums.accumulators import quantizations
from bittrue.simulation.sums.products import ProductSums, product_sums
from bittrue.simulation.values import Codes, Value

INT64_BITS = 62

PIECE = 1 << 18
"""Of a parameter so many values are gone through at once, which stay in the processor's cache."""


def quantizers_of(spec: Spec) -> tuple[Quantizer, ...]:
    """A site's quantizers, one or one a channel; none for EXACT and FLOAT."""
    if isinstance(spec, Word):
        return ()
    if isinstance(spec, Guard):
        return (spec.quantizer,)
    return spec if isinstance(spec, tuple) else (spec,)


class PlanCounts:
    """The counts of all sites of a lowered plan that have a quantizer."""

    def __init__(self, lowered: Lowered, base: Simulator, sites: Mapping[str, Site]) -> None:
        self._lowered, self._base = lowered, base
        self._sites = {name: site for name, site in sites.items() if quantizers_of(lowered.plan.sites[name])}
        self._counts = {
            name: QuantizerCounts(quantizers, None if site.values is None else site.values.shape)
            for name, site in self._sites.items()
            if (quantizers := quantizers_of(lowered.plan.sites[name]))
        }
        self._steps = {step.site: step for step in lowered.program.steps if step.site is not None}
        self._without = {site: _Unrounded(lowered, base, step) for site, step in self._steps.items() if step.quantizer}
        self._sums: dict[str, ProductSums] = {}
        self._inner: dict[str, int] = {}
        self._uncounted: set[str] = set()
        for name, site in self._sites.items():
            if site.values is not None and name in self._counts:
                self._add_parameter(name, site.values)

    def altered(self, name: str) -> int | None:
        """How many numbers the site's quantizer changed so far; None where that is not known."""
        unknown = name not in self._counts or name in self._uncounted or self._sites[name].role == "accumulator"
        return None if unknown else self._counts[name].altered

    def add(self, kept: KeptBatch, first_image: int) -> dict[str, int]:
        """Count one batch; returns how many numbers each output's quantizer altered in it."""
        altered = {}
        for name, unrounded in self._without.items():
            exact, rounded = unrounded.numbers(kept)
            altered[name] = self._counts[name].add(exact, rounded, first_image)
        for name, site in self._sites.items():
            if site.role == "accumulator":
                self._add_accumulator(name, site.node, kept, first_image)
            elif site.values is None and name not in altered:
                self._add_overflows_alone(name, kept)
        return altered

    def result(self, bounded: FixedNetwork) -> list[SiteTrace]:
        """All sites in the order of the plan; `bounded`: the program with bounds for what no format bounds."""
        return [self._site(name, bounded) for name in self._lowered.plan.sites if name in self._sites]

    def _add_parameter(self, name: str, values: np.ndarray) -> None:
        counts = self._counts[name]
        quantizers = quantizers_of(self._lowered.plan.sites[name])
        unlimited = [Quantizer(q.format, q.rounding, Overflow.UNBOUNDED) for q in quantizers]
        rows = values.reshape(-1, values.shape[-1])
        at_a_time = max(PIECE // rows.shape[1], 1)
        for start in range(0, len(rows), at_a_time):
            piece = rows[start : start + at_a_time]
            counts.add(Exact(piece.astype(np.float64), None), quantize_array(piece, unlimited)[0], start)

    def _add_overflows_alone(self, site: str, kept: KeptBatch) -> None:
        """Of a number inside an instruction, which isn't gone through; none where FLOAT has a part in the node."""
        if site in kept.result.overflows:
            self._inner[site] = self._inner.get(site, 0) + kept.result.overflows[site]
            self._uncounted.add(site)

    def _add_accumulator(self, site: str, node: str, kept: KeptBatch, first_image: int) -> None:
        found = [
            (step, step.instruction, step.instruction.accumulator)
            for step in self._lowered.program.steps
            if step.node == node
            if isinstance(step.instruction, MultiplyAccumulate) and step.instruction.accumulator is not None
        ]
        if not found:
            self._add_overflows_alone(site, kept)
            return
        [(step, instruction, accumulator)] = found
        codes, counts = kept.values[step.inputs[0]], self._counts[site]
        try:
            if not isinstance(codes, Codes) or site in self._uncounted:
                raise CarrierError(f"{site}: its numbers are too long to be gone through one by one.")
            if site not in self._sums:
                self._sums[site] = product_sums(instruction, step, self._lowered.program.by_name[step.inputs[0]].type)
            with torch.inference_mode():
                for moment in quantizations(self._sums[site], accumulator, codes):
                    exact = Exact(moment.exact.numpy(), moment.fraction_bits)
                    counts.add(exact, moment.rounded.numpy(), first_image + moment.first_image, moment.product)
        except CarrierError:
            self._uncounted.add(site)
            self._inner[site] = self._inner.get(site, counts.overflowed) + kept.result.overflows[site]

    def _site(self, name: str, bounded: FixedNetwork) -> SiteTrace:
        site, counts = self._sites[name], self._counts[name]
        spec = self._lowered.plan.sites[name]
        quantizers = quantizers_of(spec)
        known = name not in self._uncounted
        text = describe_spec(spec) if isinstance(spec, tuple | Guard) else describe(quantizers[0])
        low, high = (counts.low, counts.high) if known and counts.values else (None, None)
        return SiteTrace(
            site=name,
            node=site.node,
            role=site.role,
            format=text,
            fraction_bits=quantizers[0].format.fraction_bits if len(quantizers) == 1 else None,
            values=counts.values,
            altered=counts.altered if known else None,
            overflow=counts.overflow,
            overflowed=counts.overflowed if known else self._inner[name],
            zeroed=counts.zeroed if known else None,
            nonzero=counts.nonzero if known else None,
            channels=None if counts.by_channel is None or not known else counts.by_channel.shape[1],
            overflowed_by_channel=counts.channel_counts(0) if known else (),
            zeroed_by_channel=counts.channel_counts(1) if known else (),
            first_overflow=counts.first_overflow if known else None,
            first_zero=counts.first_zero if known else None,
            low=low,
            high=high,
            bound=self._bound(site, bounded),
            keeps=counts.keeps,
            noise=counts.noise if known else None,
        )

    def _bound(self, site: Site, bounded: FixedNetwork) -> float | None:
        """The largest magnitude that the number can have; None for parameters, which are known."""
        if site.name in self._sums:
            sums, kind = self._sums[site.name], bounded.by_name[bounded.by_name[site.node].inputs[0]].type
            if kind.low is None or kind.high is None:
                return None
            return _largest(CodeType((), sums.fraction_bits, *sums.partial_sums(kind.low, kind.high)))
        if site.name not in self._steps:
            return None
        step = self._steps[site.name]
        if step.is_dyadic:
            return _largest(bounded.by_name[step.name].exact)
        # Of a result without a finite code its rounding's bounds tell, unless they are the limits that clip it.
        unlimited = step.quantizer is not None and step.quantizer.overflow is Overflow.UNBOUNDED
        return _largest(step.type) if unlimited else None


def _largest(kind: CodeType) -> float | None:
    if kind.low is None or kind.high is None or kind.fraction_bits is None:
        return None
    try:
        return float(max(abs(kind.low), abs(kind.high))) * 2.0**-kind.fraction_bits
    except OverflowError:
        return None


class _Unrounded:
    """One step's numbers before its quantizer, from the kept values of its inputs."""

    def __init__(self, lowered: Lowered, base: Simulator, step: Step) -> None:
        self._lowered, self._base, self._step = lowered, base, step
        self._variants: dict[str, Simulator] = {}

    def numbers(self, kept: KeptBatch) -> tuple[Exact, np.ndarray]:
        """(the numbers before the quantizer, their rounded codes before the overflow mode)."""
        step, quantizer = self._step, self._step.rounds_with
        if isinstance(step.instruction, Quantize):
            return _of_reals(kept.x.astype(np.float64), quantizer)
        if step.is_dyadic:
            exact = self._variant("exact", replace(step, quantizer=None, type=step.exact), kept)
            bits = step.exact.binary_point
            codes = exact.integers()
            return Exact(codes, bits), _shifted(codes, bits - quantizer.format.fraction_bits, quantizer, exact.bound)
        if isinstance(step.instruction, Bypass):
            values = self._variant("exact", replace(step, quantizer=None, type=step.exact), kept)
            return _of_reals(values.reals(), quantizer)
        finer = Quantizer(
            FixedFormat(
                True,
                min(quantizer.format.word_length + GUARD_BITS + 1, LARGEST_WORD_LENGTH),
                min(quantizer.format.fraction_bits + GUARD_BITS, LARGEST_WORD_LENGTH),
            ),
            overflow=Overflow.UNBOUNDED,
        )
        numbers = self._variant("finer", _with(step, finer), kept).integers()
        rounded = kept.values[step.name]
        if quantizer.overflow is not Overflow.UNBOUNDED and kept.result.overflows[str(step.site)]:
            unlimited = Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED)
            rounded = self._variant("unlimited", _with(step, unlimited), kept)
        return Exact(numbers, finer.format.fraction_bits, approximate=True), rounded.integers()

    def _variant(self, name: str, step: Step, kept: KeptBatch) -> Value:
        if name not in self._variants:
            program = self._lowered.program
            steps = tuple(step if other is self._step else other for other in program.steps)
            self._variants[name] = Simulator(replace(program, steps=steps), self._base)
        return self._variants[name].compute(self._step.name, kept)


def _with(step: Step, quantizer: Quantizer) -> Step:
    """The step with an unbounded quantizer in the place of its own."""
    kind = CodeType(step.type.shape, quantizer.format.fraction_bits)
    return replace(step, quantizer=quantizer, type=kind)


def _of_reals(values: np.ndarray, quantizer: Quantizer) -> tuple[Exact, np.ndarray]:
    unlimited = Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED)
    codes, _ = quantize_array(values, [unlimited])
    return Exact(values, None), codes


def _shifted(codes: np.ndarray, shift: int, quantizer: Quantizer, bound: int) -> np.ndarray:
    """The rounded codes, in int64 where it holds all numbers on the way."""
    if shift > INT64_BITS - 1 or bound << max(-shift, 0) >> INT64_BITS:
        codes = codes.astype(object)
    return round_shift(codes, shift, quantizer.rounding)
