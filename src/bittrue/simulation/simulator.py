"""The simulator: a FixedNetwork on torch, with the bits of the definition, batch by batch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.operators.float_value import float_value
from bittrue.program import Bypass, CodeType, FixedNetwork, Quantize, Step
from bittrue.simulation import (
    activation,
    arithmetic,
    batch_normalization,
    constants,
    functions,
    layer_normalization,
    layer_normalization_table,
    matrix_product,
    movement,
    pooling,
    proof,
    softmax,
    softmax_table,
    wide,
)
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.compiled import library
from bittrue.simulation.compiled.group import Group, Ran
from bittrue.simulation.compiled.groups import groups, proofs, read_in_short_words
from bittrue.simulation.compiled.inputs import short_codes
from bittrue.simulation.fusion import Fusion, fusions
from bittrue.simulation.ieee import exact_arithmetic
from bittrue.simulation.kernel import Kernel, kernel
from bittrue.simulation.live_values import LiveValues
from bittrue.simulation.proof import LayerProof, carried, prove_step
from bittrue.simulation.requantization import finish, quantize_reals
from bittrue.simulation.sums import multiply_accumulate
from bittrue.simulation.values import Codes, Result, Value

_LAST_FLOAT64_BIT = 1074
"""Fraction bits of the smallest float64."""

KERNEL_MODULES = (
    activation,
    arithmetic,
    batch_normalization,
    constants,
    functions,
    layer_normalization,
    layer_normalization_table,
    matrix_product,
    movement,
    multiply_accumulate,
    pooling,
    softmax,
    softmax_table,
)
"""Imported for the rules that they register."""

__all__ = ["BatchResult", "KeptBatch", "LayerProof", "Observer", "Simulator", "is_exact", "prove"]

Observer = Callable[[Step, Value], None]
"""Called with each step and its codes; it may not keep or change their tensor."""


@dataclass(frozen=True, eq=False)
class BatchResult:
    """One batch's results.

    outputs: the network's output as float64 values, (batch, *shape). judged: the same without any rounding, by which
    predictions and ties go: `outputs` itself or, where a code has more than 53 bits, Fractions in an array of the dtype
    object. overflows: per site of an output or accumulator, how many codes lay outside its quantizer's limits after
    rounding. peaks: per step that no format bounds, the largest absolute code.
    """

    outputs: np.ndarray
    judged: np.ndarray
    overflows: dict[str, int]
    peaks: dict[str, int]

    @property
    def rounded(self) -> int:
        """How many outputs are rounded to float64."""
        return 0 if self.judged is self.outputs else int((self.outputs != self.judged).sum())


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
        self._unit = unit = library.unit()
        self._groups: Mapping[str, Group] = groups(program, unit, False, None if like is None else like._groups)
        self._lone_groups: Mapping[str, Group] = groups(
            program, unit, True, None if like is None else like._lone_groups
        )
        self._read_in_short_words = (
            set() if unit is None else read_in_short_words((group.last for group in self._lone_groups.values()), unit)
        )
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
        live = LiveValues(self.program, [self.program.output])
        if observe is None:
            return self._run(x, live, self._fusions, self._groups, observe)
        return self._run(x, live, {}, self._lone_groups, observe)

    def run_keeping(self, x: np.ndarray) -> KeptBatch:
        """As `run`, with all values kept, which takes as much memory as they have together."""
        live = LiveValues(self.program, self.program.by_name)
        result = self._run(x, live, {}, self._lone_groups, None)
        return KeptBatch(self.program, x, live.own, result)

    @torch.inference_mode()
    @exact_arithmetic()
    def _run(
        self,
        x: np.ndarray,
        live: LiveValues,
        fused: Mapping[str, Fusion],
        together: Mapping[str, Group],
        observe: Observer | None,
    ) -> BatchResult:
        overflows: dict[str, int] = {}
        peaks: dict[str, int] = {}
        for step, value, outside, inner_peaks in self._computed(x, live, fused, together):
            overflows |= outside
            peaks |= inner_peaks
            if value.fraction_bits is not None and (step.type.low is None or step.type.high is None):
                peaks[step.name] = value.bound
            if observe is not None:
                observe(step, value)
        return BatchResult(*self._outputs(live), overflows, peaks)

    @torch.inference_mode()
    @exact_arithmetic()
    def run_from(self, kept: KeptBatch) -> np.ndarray:
        """The outputs of this program, `judged`, for a batch that another one has run: only what differs is computed.

        A step that is the other program's very own and whose inputs came out the same is left out, and so is all that
        depends on it alone.
        """
        live = LiveValues(self.program, [self.program.output], kept.values, kept.program.steps)
        for _ in self._computed(kept.x, live, {}, self._lone_groups):
            pass
        return self._outputs(live)[1]

    @torch.inference_mode()
    @exact_arithmetic()
    def compute(self, name: str, kept: KeptBatch) -> Value:
        """One step's codes from the kept values of its inputs."""
        live = LiveValues(self.program, (), kept.values)
        value, _ = self._compute(self.program.by_name[name], kept.x, live, self._kernels.get(name))
        return value

    def _computed(
        self, x: np.ndarray, live: LiveValues, fused: Mapping[str, Fusion], together: Mapping[str, Group]
    ) -> Iterator[tuple[Step, Value, dict[str, int], dict[str, int]]]:
        """Step after step that isn't known, with its value, its overflows by site, and the peaks of steps within it.

        A group of steps waits for its last one.
        """
        done: set[str] = set()
        waiting = {step.name for group in together.values() for step in group.steps[:-1]}
        for own in self.program.steps:
            if own.name in done or own.name in waiting or live.is_known(own):
                continue
            group = together.get(own.name)
            steps, place = (own,) if group is None else group.steps, 0
            while place < len(steps):
                rest = None if group is None else group.after(place)
                ran = None if rest is None else _run_group(rest, live)
                if ran is not None:
                    live.put(ran.steps[-1], ran.value)
                    yield ran.steps[-1], ran.value, ran.overflows, ran.peaks
                    live.release(ran.read)
                    place += len(ran.steps)
                    continue
                yield from self._on_its_own(steps[place], x, live, fused, done)
                place += 1
                while place < len(steps) and steps[place].name in done:
                    place += 1

    def _on_its_own(
        self, own: Step, x: np.ndarray, live: LiveValues, fused: Mapping[str, Fusion], done: set[str]
    ) -> Iterator[tuple[Step, Value, dict[str, int], dict[str, int]]]:
        """One step by torch or Python, or with the step after it, which then is done too."""
        step, compute = own, self._kernels.get(own.name)
        if own.name in fused and isinstance(live[own.inputs[0]], Codes):
            step, compute = fused[own.name].step, fused[own.name].kernel
            done.add(step.name)
        value, outside = self._compute(step, x, live, compute)
        live.put(step, value)
        yield step, value, outside, {}
        live.release_inputs_of(step)

    def _compute(
        self, step: Step, x: np.ndarray, live: LiveValues, compute: Kernel | None
    ) -> tuple[Value, dict[str, int]]:
        """The codes of a step, and its overflows by site; compute: its kernel, where it has one."""
        if isinstance(step.instruction, Quantize):
            pixels = torch.from_numpy(np.ascontiguousarray(x, np.float32))
            short = self._short_input(pixels, step)
            if short is not None:
                return short, _by_site(step, 0, {})
            codes, outside = quantize_reals(pixels, step, "the input")
            return codes, _by_site(step, outside, {})
        inputs = live.inputs_of(step)
        result = _on_torch(step, compute, inputs)
        if result is None:
            return self._in_python(step, inputs)
        if isinstance(step.instruction, Bypass):
            codes, outside = quantize_reals(result.tensor, step, _place(step))
        else:
            codes, outside = finish(result, step, may_overwrite=live.may_overwrite(result.tensor, step))
        return codes, _by_site(step, outside, result.inner_overflows)

    def _short_input(self, pixels: torch.Tensor, step: Step) -> Codes | None:
        """The input in short words, where the library's groups read it."""
        if self._unit is None or step.name not in self._read_in_short_words:
            return None
        return short_codes(self._unit, pixels, step)

    def _outputs(self, live: LiveValues) -> tuple[np.ndarray, np.ndarray]:
        """The network's output in float64, where no zero is negative, and the same without any rounding."""
        output = self.program.by_name[self.program.output]
        value = live[output.name]
        try:
            reals = value.reals()
        except CarrierError as error:
            raise CarrierError(f"{_place(output)}: {error}") from None
        bits = value.fraction_bits
        if bits is None or (Carrier.FLOAT64.holds(value.bound) and bits <= _LAST_FLOAT64_BIT):
            return reals, reals
        return reals, value.integers().astype(object) * Fraction(2) ** -bits

    def _in_python(self, step: Step, inputs: tuple[Value, ...]) -> tuple[Value, dict[str, int]]:
        if step.name not in self._wide_kernels:
            rule = wide.wide_kernel[type(step.instruction)]
            self._wide_kernels[step.name] = rule(step.instruction, step, self._input_types(step))
        result = self._wide_kernels[step.name](tuple(wide.numbers_of(codes) for codes in inputs))
        codes, outside = wide.finish(result.numbers, step, rounded=not step.is_dyadic)
        return codes, _by_site(step, outside, result.inner_overflows)


def _run_group(group: Group, live: LiveValues) -> Ran | None:
    """What a group makes of the batch, or None where its inputs' codes are too long for it."""
    x = live[group.source]
    operands = [value for name in group.operands if isinstance(value := live[name], Codes)]
    return group.run(x, operands) if isinstance(x, Codes) and len(operands) == len(group.operands) else None


def _on_torch(step: Step, compute: Kernel | None, inputs: tuple[Value, ...]) -> Result | None:
    """The torch kernel's result, or None where no torch carrier is proven to hold its numbers."""
    if isinstance(step.instruction, Bypass):
        inputs = tuple(Codes(x.values(), None, 0, 0) for x in inputs)
    on_torch = tuple(codes.carried(step.name) for codes in inputs if isinstance(codes, Codes))
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


def prove(program: FixedNetwork, peaks: Mapping[str, int]) -> tuple[LayerProof, ...]:
    """The proof of every step as it is computed here: see `proof.prove`."""
    compiled = proofs(program)
    return tuple(
        replace(layer, strategy=compiled[layer.node].strategy, margin_bits=compiled[layer.node].margin_bits)
        if layer.node in compiled
        else layer
        for layer in proof.prove(program, peaks)
    )


def is_exact(program: FixedNetwork) -> bool:
    """Whether every value is a code, computed in integers: no FLOAT anywhere."""
    return not any(step.type.is_float or isinstance(step.instruction, Bypass) for step in program.steps)


def _place(step: Step) -> str:
    """The step as errors name it."""
    return step.name if step.site is None else f"site {step.site}"


def _by_site(step: Step, outside: int, inner: Mapping[str, int]) -> dict[str, int]:
    """The overflows of a step's quantizer and of those inside its instruction."""
    counts = {step.inner_site(role): count for role, count in inner.items()}
    return counts if step.site is None or step.quantizer is None else counts | {step.site: outside}
