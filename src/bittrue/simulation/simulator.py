"""The simulator: a FixedNetwork on torch, with the bits of the definition, batch by batch."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.operators.float_value import float_value
from bittrue.program import Bypass, CodeType, FixedNetwork, Quantize, Step
from bittrue.simulation import (
    elementwise,
    functions,
    layer_normalization,
    movement,
    multiply_accumulate,
    normalize_table,
    pooling,
    tensor_products,
    wide,
    wide_functions,
    wide_tensors,
)
from bittrue.simulation.arithmetic import exact_arithmetic
from bittrue.simulation.fusion import Fusion, fusions
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.proof import LayerProof, carried, prove, prove_step
from bittrue.simulation.requantization import finish, quantize_reals
from bittrue.simulation.values import Codes, Result, Value

KERNEL_MODULES = (
    elementwise,
    functions,
    layer_normalization,
    movement,
    multiply_accumulate,
    normalize_table,
    pooling,
    tensor_products,
    wide,
    wide_functions,
    wide_tensors,
)
"""Imported for the rules that they register."""

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

    def run(self, x: np.ndarray, observe: Observer | None = None) -> BatchResult:
        """Simulate a batch x of float32, shape (batch, *input shape), channels last.

        Raises CarrierError where codes are too long for any carrier, FormatError for NaN or infinity in x.
        """
        return self._run(x, {self.program.output}, self._fusions if observe is None else {}, observe)[0]

    def run_keeping(self, x: np.ndarray) -> KeptBatch:
        """As `run`, with all values kept, which takes as much memory as they have together."""
        result, values = self._run(x, set(self.program.by_name), {}, None)
        return KeptBatch(self.program, x, values, result)

    @torch.inference_mode()
    @exact_arithmetic()
    def _run(
        self, x: np.ndarray, kept: set[str], fused: Mapping[str, Fusion], observe: Observer | None
    ) -> tuple[BatchResult, dict[str, Value]]:
        """The batch's result, and the values of the steps `kept`, which always has the output."""
        values: dict[str, Value] = {}
        readers = Counter(name for step in self.program.steps for name in set(step.inputs))
        readers.update(kept)
        overflows: dict[str, int] = {}
        peaks: dict[str, int] = {}
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
        return BatchResult(outputs, overflows, peaks), values

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
            codes, outside = quantize_reals(pixels, step, "the input")
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
            codes, outside = quantize_reals(result.tensor, step, _place(step))
            return codes, _by_site(step, outside, {})
        kept = {_storage(tensor) for name, tensor in tensors.items() if name not in step.inputs or readers[name] > 1}
        for name in step.inputs:
            if name in tensors and storages[_storage(tensors[name])] > 1:
                kept.add(_storage(tensors[name]))
        codes, outside = finish(result, step, may_overwrite=_storage(result.tensor) not in kept)
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


def _output_values(codes: Value, what: str) -> np.ndarray:
    """The exact values of the output in float64 (rounded to it where a code has more than 53 bits); no zero is
    negative."""
    try:
        return codes.reals() + 0.0
    except CarrierError as error:
        raise CarrierError(f"{what}: {error}") from None
