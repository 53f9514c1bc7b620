"""What a rule sees of the program being made: the node's types, specs and parameters, and the steps that it emits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bittrue.errors import CarrierError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.fixed.format import LARGEST_WORD_LENGTH
from bittrue.lowering.parameters import (
    ParameterCodes,
    Surd,
    approximate_surds,
    round_number,
    round_parameter,
    round_surds,
)
from bittrue.network import Network, Node, Parameter
from bittrue.plan import Guard, Plan, PlanOptions, Spec, Word
from bittrue.program import Bounds, CodeType, FixedNetwork, Instruction, Step
from bittrue.shapes import Shape


class LoweringContext:
    """What a rule sees of the program being made, for one node at a time.

    parameters: codes that are known already. seen: types by which the readers of some steps go instead of the steps'
    own.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        parameters: Mapping[str, ParameterCodes] | None = None,
        seen: Mapping[str, CodeType] | None = None,
    ) -> None:
        self.network = network
        self._plan = plan
        self._steps: list[Step] = []
        self._types: dict[str, CodeType] = {}
        self.parameters = dict(parameters or {})
        self.parameter_overflows: dict[str, int] = {}
        self._seen = dict(seen or {})
        self.node: Node = network.input
        self._emitted = 0

    @property
    def options(self) -> PlanOptions:
        return self._plan.options

    def program(self) -> FixedNetwork:
        """The program of the steps so far."""
        network, steps = self.network, tuple(self._steps)
        return FixedNetwork(network.hash, self._plan.hash, steps, network.output, self.parameter_overflows)

    def begin(self, node: Node) -> None:
        self.node = node
        self._emitted = 0

    def go_on_under(self, plan: Plan) -> None:
        """Lower what comes under another plan."""
        self._plan = plan

    def takes_over(self, program: FixedNetwork) -> bool:
        """Whether the node's inputs have the types that they have in `program`; its steps are then taken from there."""
        if any(self._types[name] != program.by_name[name].type for name in self.node.inputs):
            return False
        for step in program.steps:
            if step.node == self.node.name:
                self._append(step)
        return True

    def type_of(self, name: str) -> CodeType:
        return self._types[name]

    @property
    def input_types(self) -> tuple[CodeType, ...]:
        return tuple(self._types[name] for name in self.node.inputs)

    def spec(self, role: str) -> Spec:
        return self._plan.sites[f"{self.node.name}.{role}"]

    def quantizer(self, role: str) -> Quantizer:
        """The quantizer of a site that must have one."""
        spec = self.spec(role)
        if isinstance(spec, Guard):
            return spec.quantizer
        if isinstance(spec, Quantizer):
            return spec
        raise PlanError(f"site {self.node.name}.{role}: it needs a format here, not {spec}.")

    def accumulator(self) -> Quantizer | None:
        """The quantizer of the node's accumulator; None where its sums are exact."""
        spec = self._plan.sites.get(f"{self.node.name}.accumulator")
        return spec if isinstance(spec, Quantizer) else None

    def part(self, role: str, exact_fraction_bits: int) -> Quantizer:
        """The quantizer of a number inside the node; EXACT keeps all of its `exact_fraction_bits`."""
        if self.spec(role) is Word.EXACT:
            return Quantizer(FixedFormat(True, 62, exact_fraction_bits), overflow=Overflow.UNBOUNDED)
        return self.quantizer(role)

    def uses_float(self) -> bool:
        """Whether FLOAT at one of the node's sites, or in one of its inputs, takes the node out of the integers."""
        if any(kind.is_float for kind in self.input_types):
            return True
        prefix = f"{self.node.name}."
        own = [spec for name, spec in self._plan.sites.items() if name.startswith(prefix)]
        shared = [self._plan.sites.get(parameter.name) for _, parameter in self.node.operator.parameters()]
        return any(spec is Word.FLOAT for spec in (*own, *shared))

    def parameter(self, parameter: Parameter) -> ParameterCodes:
        """The codes of a parameter under its site's spec; layers that share it get the same."""
        if parameter.name not in self.parameters:
            self.parameters[parameter.name] = self._round_parameter(parameter)
        return self.parameters[parameter.name]

    def rounded_parameter(self, parameter: Parameter) -> Parameter:
        """A parameter with the values that its codes stand for, as FLOAT computation uses them."""
        if self._plan.sites.get(parameter.name) in (Word.FLOAT, None):
            return parameter
        return replace(parameter, value=self.parameter(parameter).values.astype(np.float32))

    def _round_parameter(self, parameter: Parameter) -> ParameterCodes:
        return self._count(parameter.name, *round_parameter(parameter, self._plan.sites[parameter.name]))

    def _count(self, site: str, codes: ParameterCodes, overflows: int) -> ParameterCodes:
        self.parameter_overflows[site] = overflows
        return codes

    def derived(self, role: str, surds: Sequence[Surd]) -> ParameterCodes:
        """The codes of computed parameters, each correctly rounded from its real value (B7)."""
        name = f"{self.node.name}.{role}"
        if name not in self.parameters:
            self.parameters[name] = self._count(name, *round_surds(surds, self.quantizer(role)))
        return self.parameters[name]

    def derived_values(self, role: str, surds: Sequence[Surd]) -> np.ndarray:
        """Computed parameters as float32, for FLOAT computation: rounded by their site unless it is FLOAT itself."""
        if self.spec(role) is Word.FLOAT:
            return approximate_surds(surds)
        return self.derived(role, surds).values.astype(np.float32)

    def number(self, role: str, value: float) -> Fraction:
        """A single number (a bound, a slope), rounded by its site's quantizer; the exact number where it has none."""
        if isinstance(self.spec(role), Word):
            return Fraction(value)
        rounded, overflow = round_number(Fraction(value), self.quantizer(role))
        self.parameter_overflows[f"{self.node.name}.{role}"] = overflow
        return rounded

    def emit(
        self,
        instruction: Instruction,
        inputs: Sequence[str],
        fraction_bits: int,
        bounds: Bounds,
        shape: Shape | None = None,
    ) -> str:
        """Add a step in between, whose exact code is passed on; returns its name. bounds: on its value."""
        self._emitted += 1
        name = f"{self.node.name}.{self._emitted}"
        exact = self._code_type(shape or self.node.shape, fraction_bits, bounds)
        self._append(Step(name, None, instruction, tuple(inputs), exact, None, exact))
        return name

    def finish(
        self,
        instruction: Instruction,
        inputs: Sequence[str],
        fraction_bits: int | None,
        bounds: Bounds,
    ) -> None:
        """Add the node's last step, with the quantizer of its output site.

        fraction_bits: of the exact result, None where it is no dyadic number. bounds: on its value.
        """
        site = f"{self.node.name}.output"
        spec = self.spec("output")
        exact = self._code_type(self.node.shape, fraction_bits, bounds)
        if spec is Word.EXACT:
            if fraction_bits is None:
                raise PlanError(
                    f"site {site}: EXACT is impossible, as the result has no finite code; use GUARD, FLOAT or a format."
                )
            self._append(Step(self.node.name, site, instruction, tuple(inputs), exact, None, exact))
            return
        quantizer = self.quantizer("output")
        rounded = quantized_type(self.node.shape, quantizer, bounds)
        self._append(
            Step(self.node.name, site, instruction, tuple(inputs), exact, quantizer, rounded, isinstance(spec, Guard))
        )

    def finish_float(self, instruction: Instruction) -> None:
        """Add the node's step in float32; a quantizer of its output takes that float32 as an exact number."""
        site = f"{self.node.name}.output"
        spec = self.spec("output")
        exact = CodeType(self.node.shape, None)
        if isinstance(spec, Word):
            self._append(Step(self.node.name, site, instruction, self.node.inputs, exact, None, exact))
            return
        quantizer = self.quantizer("output")
        rounded = quantized_type(self.node.shape, quantizer, Bounds())
        guard = isinstance(spec, Guard)
        self._append(Step(self.node.name, site, instruction, self.node.inputs, exact, quantizer, rounded, guard))

    def _code_type(self, shape: Shape, fraction_bits: int | None, bounds: Bounds) -> CodeType:
        if fraction_bits is None:
            return CodeType(shape, None)
        kind = CodeType.within(shape, fraction_bits, bounds)
        widest = max(abs(kind.low or 0), abs(kind.high or 0))
        if widest >> LARGEST_WORD_LENGTH:
            raise CarrierError(
                f"site {self.node.name}.output: its exact result can need {widest.bit_length() + 1} bits, more than "
                f"the {LARGEST_WORD_LENGTH} that can be carried; give a site before it fewer bits."
            )
        return kind

    def _append(self, step: Step) -> None:
        self._steps.append(step)
        self._types[step.name] = self._seen.get(step.name, step.type)


def quantized_type(shape: Shape, quantizer: Quantizer, bounds: Bounds) -> CodeType:
    """The codes that a quantizer can make of values within `bounds`."""
    return CodeType.within(shape, quantizer.format.fraction_bits, bounds.quantized(quantizer))
