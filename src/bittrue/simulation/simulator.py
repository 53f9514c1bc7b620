"""The simulator: a FixedNetwork on torch, with the bits of the definition, batch by batch."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from bittrue.errors import CarrierError, FormatError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.fixed.tensor import apply_overflow_, count_overflows, quantize, round_shift_
from bittrue.operators.float_value import float_value
from bittrue.program import Bypass, CodeType, FixedNetwork, Quantize, Step
from bittrue.simulation import (
    elementwise,
    functions,
    layer_normalization,
    movement,
    multiply_accumulate,
    pooling,
    tensor_products,
    wide,
    wide_functions,
    wide_tensors,
)
from bittrue.simulation.arithmetic import exact_arithmetic
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.fusion import fusions
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove, prove_step
from bittrue.simulation.values import Codes, Result, Value

KERNEL_MODULES = (
    elementwise,
    functions,
    layer_normalization,
    movement,
    multiply_accumulate,
    pooling,
    tensor_products,
    wide,
    wide_functions,
    wide_tensors,
)
"""Imported for the rules that they register."""

_MOST_SCALED = 60
"""Numbers and scales below 2^60 leave float32 room to hold their product."""

__all__ = ["BatchResult", "KeptBatch", "LayerProof", "Observer", "Simulator", "is_exact", "prove"]

Observer = Callable[[Step, Value], None]
"""Called with each step and its codes; it may not keep or change their tensor."""


@dataclass(frozen=True, eq=False)
class BatchResult:
    """One batch's results.

    outputs: the network's output as float64 values, (batch, *shape). overflows: per site of an output or accumulator,
    how many codes lay outside its quantizer's limits after rounding. peaks: per step that no format bounds, the largest
    absolute code.
    """

    outputs: np.ndarray
    overflows: dict[str, int]
    peaks: dict[str, int]


@dataclass(frozen=True, eq=False)
class KeptBatch:
    """One batch with every step's value, from which programs that differ in a few steps can go on.

    x: the images, (batch, *input shape). values: by step.
    """

    program: FixedNetwork
    x: np.ndarray
    values: Mapping[str, Value]
    result: BatchResult


class Simulator:
    """A FixedNetwork ready to run on torch.

    Kernels lay their weights out at the first batch that needs them. A step whose numbers no torch carrier is proven to
    hold is computed in Python integers. An instance isn't safe to use from several threads.
    """

    def __init__(self, program: FixedNetwork, like: "Simulator | None" = None) -> None:
        """like: a simulator whose kernels are shared for the steps that both programs have, the very same objects."""
        self.program = program
        self._kernels: dict[str, Kernel | None] = {}
        self._wide_kernels: dict[str, wide.WideKernel] = {}
        self._fusions = fusions(program)
        for step in program.steps:
            if isinstance(step.instruction, Quantize):
                continue
            if like is not None and like._computes(step, self._input_types(step)):
                self._kernels[step.name] = like._kernels[step.name]
            else:
                self._kernels[step.name] = _torch_kernel(step, self._input_types(step))

    def _computes(self, step: Step, types: tuple[CodeType, ...]) -> bool:
        """Whether the program has this very step, on inputs of these types."""
        return self.program.by_name.get(step.name) is step and self._input_types(step) == types

    def _input_types(self, step: Step) -> tuple[CodeType, ...]:
        return tuple(self.program.by_name[name].type for name in step.inputs)

    @torch.inference_mode()
    @exact_arithmetic()
    def run(self, x: np.ndarray, observe: Observer | None = None) -> BatchResult:
        """Simulate a batch x of float32, shape (batch, *input shape), channels last.

        Raises CarrierError where codes are too long for any carrier, FormatError for NaN or infinity in x.
        """
        values: dict[str, Value] = {}
        readers = Counter(name for step in self.program.steps for name in set(step.inputs))
        readers[self.program.output] += 1
        overflows: dict[str, int] = {}
        peaks: dict[str, int] = {}
        fused = self._fusions if observe is None else {}
        done: set[str] = set()
        for own in self.program.steps:
            if own.name in done:
                continue
            step, compute = own, self._kernels.get(own.name)
            if own.name in fused and isinstance(values[own.inputs[0]], Codes):
                step, compute = fused[own.name].step, fused[own.name].kernel
                done.add(step.name)
            codes, outside = self._compute(step, x, values, readers, compute)
            values[step.name] = codes
            overflows |= outside
            if codes.fraction_bits is not None and (step.type.low is None or step.type.high is None):
                peaks[step.name] = codes.bound
            if observe is not None:
                observe(step, codes)
            for name in set(step.inputs):
                readers[name] -= 1
                if not readers[name]:
                    del values[name]
        output = self.program.by_name[self.program.output]
        outputs = _output_values(values[output.name], _place(output))
        return BatchResult(outputs, overflows, peaks)

    def run_keeping(self, x: np.ndarray) -> KeptBatch:
        """As `run`, with all values kept, which takes as much memory as they have together."""
        with torch.inference_mode(), exact_arithmetic():
            values: dict[str, Value] = {}
            overflows: dict[str, int] = {}
            peaks: dict[str, int] = {}
            for step in self.program.steps:
                codes, outside = self._compute(
                    step, x, values, Counter(dict.fromkeys(values, 2)), self._kernels.get(step.name)
                )
                values[step.name] = codes
                overflows |= outside
                if codes.fraction_bits is not None and (step.type.low is None or step.type.high is None):
                    peaks[step.name] = codes.bound
            output = self.program.by_name[self.program.output]
            outputs = _output_values(values[output.name], _place(output))
        return KeptBatch(self.program, x, values, BatchResult(outputs, overflows, peaks))

    def run_from(self, kept: KeptBatch) -> np.ndarray:
        """The outputs of this program for a batch that another one has run: only what differs is computed.

        A step that is the other program's very own and whose inputs came out the same is left out, and so is all that
        depends on it alone.
        """
        fresh: dict[str, Value] = {}
        last_reader = {name: step.name for step in self.program.steps for name in step.inputs}
        with torch.inference_mode(), exact_arithmetic():
            changed: set[str] = set()
            for step in self.program.steps:
                known = kept.program.by_name.get(step.name)
                if known is step and changed.isdisjoint(step.inputs):
                    continue
                codes = self._from_kept(step, kept, fresh)
                if known is None or not _same_codes(codes, kept.values[step.name]):
                    fresh[step.name] = codes
                    changed.add(step.name)
                for name in set(step.inputs) & set(fresh):
                    if last_reader[name] == step.name and name != self.program.output:
                        del fresh[name]
            output = self.program.by_name[self.program.output]
            last = fresh[output.name] if output.name in fresh else kept.values[output.name]
            return _output_values(last, _place(output))

    def compute(self, name: str, kept: KeptBatch) -> Value:
        """One step's codes from the kept values of its inputs."""
        with torch.inference_mode(), exact_arithmetic():
            return self._from_kept(self.program.by_name[name], kept, {})

    def _from_kept(self, step: Step, kept: KeptBatch, fresh: Mapping[str, Value]) -> Value:
        inputs = {name: fresh[name] if name in fresh else kept.values[name] for name in step.inputs}
        codes, _ = self._compute(step, kept.x, inputs, Counter(dict.fromkeys(inputs, 2)), self._kernels.get(step.name))
        return codes

    def _compute(
        self, step: Step, x: np.ndarray, values: dict[str, Value], readers: Counter[str], compute: Kernel | None
    ) -> tuple[Value, dict[str, int]]:
        """The codes of a step, and its overflows by site; compute: its kernel, where it has one."""
        if isinstance(step.instruction, Quantize):
            pixels = torch.from_numpy(np.ascontiguousarray(x, np.float32))
            codes, outside = _quantize_reals(pixels, step, "the input")
            return codes, _by_site(step, outside, {})
        tensors = {name: codes.tensor for name, codes in values.items() if isinstance(codes, Codes)}
        storages = Counter(_storage(tensor) for tensor in tensors.values())
        inputs = tuple(
            replace(codes, reusable=readers[name] == 1 and storages[_storage(codes.tensor)] == 1)
            if isinstance(codes, Codes)
            else codes
            for name, codes in ((name, values[name]) for name in step.inputs)
        )
        result = _on_torch(step, compute, inputs)
        if result is None:
            return self._in_python(step, inputs)
        if isinstance(step.instruction, Bypass):
            codes, outside = _quantize_reals(result.tensor, step, _place(step))
            return codes, _by_site(step, outside, {})
        kept = {_storage(tensor) for name, tensor in tensors.items() if name not in step.inputs or readers[name] > 1}
        for name in step.inputs:
            if name in tensors and storages[_storage(tensors[name])] > 1:
                kept.add(_storage(tensors[name]))
        codes, outside = _finish(result, step, may_overwrite=_storage(result.tensor) not in kept)
        return codes, _by_site(step, outside, result.inner_overflows)

    def _in_python(self, step: Step, inputs: tuple[Value, ...]) -> tuple[Value, dict[str, int]]:
        if step.name not in self._wide_kernels:
            rule = wide.wide_kernel[type(step.instruction)]
            self._wide_kernels[step.name] = rule(step.instruction, step, self._input_types(step))
        result = self._wide_kernels[step.name](tuple(wide.numbers_of(codes) for codes in inputs))
        codes, outside = wide.finish(result.numbers, step, rounded=not step.is_dyadic)
        return codes, _by_site(step, outside, result.inner_overflows)


def _on_torch(step: Step, compute: Kernel | None, inputs: tuple[Value, ...]) -> Result | None:
    """The torch kernel's result, or None where no torch carrier is proven to hold its numbers."""
    if isinstance(step.instruction, Bypass):
        inputs = tuple(Codes(x.values(), None, 0, 0) for x in inputs)
    on_torch = tuple(codes for codes in inputs if isinstance(codes, Codes))
    if compute is None or len(on_torch) < len(inputs):
        return None
    try:
        return compute(on_torch)
    except CarrierError:  # refused before anything was overwritten
        return None


def _torch_kernel(step: Step, types: tuple[CodeType, ...]) -> Kernel | None:
    """The kernel of a step, or None where no torch carrier holds its parameters or results, whatever the input is."""
    if wide.holds_wide_codes(step.instruction):
        return None
    try:
        return kernel[type(step.instruction)](step.instruction, step, types)
    except CarrierError:
        return None


@kernel.rule(Bypass)
def _(instruction: Bypass, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    compute = float_value[type(instruction.operator)](instruction.operator)
    return lambda inputs: Result(compute(*(codes.values() for codes in inputs)), 0, 0)


@kernel.rule(Quantize)
def _(instruction: Quantize, step: Step, types: tuple[CodeType, ...]) -> Kernel:
    raise AssertionError("the simulator quantizes the input itself")


@prove_step.rule(Bypass)
def _(instruction: Bypass, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    return LayerProof(step.name, "FLOAT: float32, not exact", 0.0, 0.0, exact=False)


@prove_step.rule(Quantize)
def _(instruction: Quantize, step: Step, types: tuple[CodeType, ...], bounds: tuple[int, ...]) -> LayerProof:
    if step.type.is_float:
        return LayerProof(step.name, "FLOAT: float32, not exact", 0.0, 0.0, exact=False)
    return carried(step, bounds[0])


def is_exact(program: FixedNetwork) -> bool:
    """Whether every value is a code, computed in integers: no FLOAT anywhere."""
    return not any(step.type.is_float or isinstance(step.instruction, Bypass) for step in program.steps)


def _place(step: Step) -> str:
    """The step as errors name it."""
    return step.name if step.site is None else f"site {step.site}"


def _by_site(step: Step, outside: int, inner: Mapping[str, int]) -> dict[str, int]:
    """The overflows of a step's quantizer and of those inside its instruction."""
    counts = {f"{step.name}.{role}": count for role, count in inner.items()}
    return counts if step.site is None or step.quantizer is None else counts | {step.site: outside}


def _same_codes(first: Value, second: Value) -> bool:
    """Whether two batches of a step are equal, code by code and in their binary point."""
    if first.fraction_bits != second.fraction_bits:
        return False
    if isinstance(first, Codes) and isinstance(second, Codes) and first.tensor.dtype == second.tensor.dtype:
        return torch.equal(first.tensor, second.tensor)
    return np.array_equal(first.integers(), second.integers())


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _quantize_reals(x: torch.Tensor, step: Step, what: str) -> tuple[Value, int]:
    """float32 numbers, the input's or those that FLOAT computes, by the step's quantizer, if it has one."""
    if step.quantizer is None:
        return Codes(x, None, 0, 0), 0
    try:
        return _quantize_on_torch(x, step.type, step.quantizer, what)
    except FormatError as error:
        raise FormatError(f"{what}: {error}") from None
    except CarrierError:
        return wide.quantize_wide(x.numpy(), step.type, step.quantizer, what)


def _quantize_on_torch(x: torch.Tensor, kind: CodeType, quantizer: Quantizer, what: str) -> tuple[Codes, int]:
    codes, low, high = _rounded_reals(x, quantizer)
    outside = 0
    if low < quantizer.min_code or high > quantizer.max_code:
        outside = count_overflows(codes, quantizer)
        codes = quantize(x, quantizer)
        low, high = _extremes(codes)
    carrier = carrier_for(max(abs(low), abs(high)), what)
    return Codes(codes.to(carrier.dtype), kind.fraction_bits, low, high), outside


def _rounded_reals(x: torch.Tensor, quantizer: Quantizer) -> tuple[torch.Tensor, int, int]:
    """float32 numbers as rounded codes, not yet limited, with the least and the largest of them."""
    bits = quantizer.format.fraction_bits
    if quantizer.rounding is Rounding.NEAREST_EVEN and abs(bits) <= _MOST_SCALED:
        least, most = (float(end) for end in torch.aminmax(x)) if x.numel() else (0.0, 0.0)
        if max(-least, most) < 2.0**_MOST_SCALED:  # false for NaN, which aminmax passes on
            # Scaling by a power of two is exact here, or leaves a number far below one half, which rounds to 0 all the
            # same.
            return torch.mul(x, 2.0**bits).round_(), round(least * 2.0**bits), round(most * 2.0**bits)
    codes = quantize(x, Quantizer(quantizer.format, quantizer.rounding, Overflow.UNBOUNDED))
    return codes, *_extremes(codes)


def _finish(result: Result, step: Step, *, may_overwrite: bool) -> tuple[Value, int]:
    """The step's quantizer on a kernel's result; codes that the bounds show to be in place are left alone."""
    if not wide.fits_torch(result, step):
        return wide.finish_result(result, step)
    quantizer = step.quantizer
    tensor, low, high = result.tensor, result.low, result.high
    if quantizer is None:
        if not result.tight and (step.type.low is None or step.type.high is None):
            # Of sums over sums the bounds would be the batches' own; the reported proof is for all data alike.
            low, high = _extremes(tensor)
        return _on_carrier(tensor, step, low, high), 0
    assert result.rounded or step.is_dyadic
    shift = 0 if result.rounded else (step.exact.fraction_bits or 0) - quantizer.format.fraction_bits
    if shift < 0:
        low, high = low << -shift, high << -shift
        carrier = carrier_for(max(abs(low), abs(high)), step.name)
        if carrier.dtype != tensor.dtype and carrier.bits > _bits(tensor):
            tensor, may_overwrite = tensor.to(carrier.dtype), True
    if shift:
        tensor = round_shift_(tensor if may_overwrite else tensor.clone(), shift, quantizer.rounding)
        may_overwrite = True
        if shift > 0:
            low, high = low >> shift, -(-high >> shift)
    unlimited = quantizer.overflow is Overflow.UNBOUNDED
    if (result.tight or not unlimited) and quantizer.min_code <= low and high <= quantizer.max_code:
        return _on_carrier(tensor, step, low, high), 0
    least, most = _extremes(tensor)
    outside = 0
    if least < quantizer.min_code or most > quantizer.max_code:
        outside = count_overflows(tensor, quantizer)
        if not unlimited:
            if quantizer.overflow is Overflow.WRAP:
                # In an unsigned word a small negative code wraps to a large one.
                carrier = carrier_for(quantizer.max_code, step.name)
                if carrier.bits > _bits(tensor):
                    tensor, may_overwrite = tensor.to(carrier.dtype), True
            tensor = apply_overflow_(tensor if may_overwrite else tensor.clone(), quantizer)
            least, most = _limited(least, most, quantizer)
    if unlimited and result.tight:
        least, most = low, high  # as where none overflows, so that the peak is the same in batches of any size
    return _on_carrier(tensor, step, least, most), outside


def _limited(least: int, most: int, quantizer: Quantizer) -> tuple[int, int]:
    """Bounds of codes from `least` to `most` after the overflow mode, some of them having overflowed."""
    if quantizer.overflow is Overflow.WRAP:
        return quantizer.min_code, quantizer.max_code
    least = min(max(least, quantizer.min_code), quantizer.max_code)
    most = min(max(most, quantizer.min_code), quantizer.max_code)
    return (min(least, 0), max(most, 0)) if quantizer.overflow is Overflow.SATURATE_ZERO else (least, most)


def _bits(tensor: torch.Tensor) -> int:
    return {torch.float32: 24, torch.float64: 53, torch.int64: 62}[tensor.dtype]


def _on_carrier(tensor: torch.Tensor, step: Step, low: int, high: int) -> Codes:
    """The codes on the narrowest carrier that their bounds allow."""
    carrier = carrier_for(max(abs(low), abs(high)), step.name)
    return Codes(tensor.to(carrier.dtype), step.type.fraction_bits, low, high)


def _extremes(codes: torch.Tensor) -> tuple[int, int]:
    if not codes.numel():
        return 0, 0
    low, high = torch.aminmax(codes)
    return int(low), int(high)


def _output_values(codes: Value, what: str) -> np.ndarray:
    """The exact values of the output in float64 (rounded to it where a code has more than 53 bits); no zero is
    negative."""
    try:
        return codes.reals() + 0.0
    except CarrierError as error:
        raise CarrierError(f"{what}: {error}") from None
