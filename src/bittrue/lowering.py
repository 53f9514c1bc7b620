"""Network + Plan → FixedNetwork: an engine and its tables; it names no operator.

An operator's rule in the `lower` table emits instructions and finishes with the exact result of the node; the engine
adds the quantizer of the node's output site. Where a site of the node, or one of its inputs, is FLOAT, the `bypass`
table gives the operator with its rounded parameters instead, to be computed in float32 (B5).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from bittrue import fixed
from bittrue.errors import CarrierError, FormatError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.fixed.arrays import quantize_array
from bittrue.fixed.dyadic import exact_codes, integer_array, narrow
from bittrue.fixed.format import LARGEST_WORD_LENGTH
from bittrue.fixed.surd import round_surd
from bittrue.network import Network, Node, Operator, Parameter
from bittrue.plan import Guard, Plan, PlanOptions, Site, Spec, Word, check_plan
from bittrue.program import Bounds, Bypass, CodeType, FixedNetwork, Instruction, Step
from bittrue.rules import RuleTable
from bittrue.shapes import Shape

Surd = tuple[Fraction, Fraction, Fraction]
"""(a, b, v) stands for the real number a + b/√v."""

lower: RuleTable[Callable[..., None]] = RuleTable("lower")
"""Rules `(operator, context) -> None`, which end with `context.finish`."""

bypass: RuleTable[Callable[..., Operator]] = RuleTable("bypass")
"""Rules `(operator, context) -> operator` with its parameters rounded as the plan says, for FLOAT."""


@dataclass(frozen=True, eq=False)
class ParameterCodes:
    """A parameter's codes in the parameter's shape: integers, or Python integers (the dtype object) where one exceeds
    62 bits. fraction_bits: one in all, or one an output channel."""

    codes: np.ndarray
    fraction_bits: tuple[int, ...]

    @property
    def values(self) -> np.ndarray:
        """What the codes stand for, as float64."""
        values: np.ndarray = np.ldexp(self.codes.astype(np.float64), -np.array(self.fraction_bits))
        return values


class LoweringContext:
    """What a rule sees of the program being made, for one node at a time."""

    def __init__(self, network: Network, plan: Plan) -> None:
        self._network = network
        self._plan = plan
        self._steps: list[Step] = []
        self._types: dict[str, CodeType] = {}
        self.parameters: dict[str, ParameterCodes] = {}
        self.parameter_overflows: dict[str, int] = {}
        self.seen: dict[str, CodeType] = {}
        self.node: Node = network.input
        self._emitted = 0

    @property
    def options(self) -> PlanOptions:
        return self._plan.options

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps)

    def begin(self, node: Node) -> None:
        self.node = node
        self._emitted = 0

    def takes_over(self, program: FixedNetwork) -> bool:
        """Whether the node's inputs have the types that they have in `program`; its steps are then taken from there."""
        if any(self._types[name] != program.by_name[name].type for name in self.node.inputs):
            return False
        for step in program.steps:
            if step.name.partition(".")[0] == self.node.name:
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
        spec = self._plan.sites[parameter.name]
        if spec is Word.EXACT:
            codes, fraction_bits = exact_codes(parameter.value)
            self.parameter_overflows[parameter.name] = 0
            return ParameterCodes(narrow(codes), (fraction_bits,))
        if isinstance(spec, Guard):
            spec = spec.quantizer
        if isinstance(spec, Word):
            raise PlanError(f"site {parameter.name}: {spec.value} can't be lowered to integers.")
        quantizers = (spec,) if isinstance(spec, Quantizer) else spec
        try:
            codes, overflows = quantize_array(parameter.value, quantizers)
        except (FormatError, CarrierError) as error:
            raise type(error)(f"site {parameter.name}: {error}") from None
        self.parameter_overflows[parameter.name] = overflows
        return ParameterCodes(codes, tuple(quantizer.format.fraction_bits for quantizer in quantizers))

    def derived(self, role: str, surds: Sequence[Surd]) -> ParameterCodes:
        """The codes of computed parameters, each correctly rounded from its real value (B7)."""
        quantizer = self.quantizer(role)
        rounded = [round_surd(*surd, quantizer.format.fraction_bits, quantizer.rounding) for surd in surds]
        site = f"{self.node.name}.{role}"
        self.parameter_overflows[site] = sum(fixed.overflows(code, quantizer) for code in rounded)
        codes = [fixed.overflow_code(code, quantizer) for code in rounded]
        return ParameterCodes(integer_array(codes), (quantizer.format.fraction_bits,))

    def derived_values(self, role: str, surds: Sequence[Surd]) -> np.ndarray:
        """Computed parameters as float32, for FLOAT computation: rounded by their site unless it is FLOAT itself."""
        if self.spec(role) is Word.FLOAT:
            return np.array([float(a) + float(b) / float(v) ** 0.5 for a, b, v in surds], np.float32)
        return self.derived(role, surds).values.astype(np.float32)

    def number(self, role: str, value: float) -> Fraction:
        """A single number (a bound, a slope), rounded by its site's quantizer; the exact number where it has none."""
        exact = Fraction(value)
        spec = self.spec(role)
        if isinstance(spec, Word):
            return exact
        quantizer = self.quantizer(role)
        code = fixed.round_to_code(exact, quantizer.format.fraction_bits, quantizer.rounding)
        site = f"{self.node.name}.{role}"
        self.parameter_overflows[site] = int(fixed.overflows(code, quantizer))
        return fixed.decode(fixed.overflow_code(code, quantizer), quantizer.format.fraction_bits)

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
        self._types[step.name] = self.seen.get(step.name, step.type)


def quantized_type(shape: Shape, quantizer: Quantizer, bounds: Bounds) -> CodeType:
    """The codes that a quantizer can make of values within `bounds`."""
    return CodeType.within(shape, quantizer.format.fraction_bits, bounds.quantized(quantizer))


def lower_network(network: Network, plan: Plan) -> FixedNetwork:
    """The FixedNetwork of a network under a plan.

    Raises PlanError for a plan that isn't the network's, CarrierError where an exact result would be too wide.
    """
    return lower_keeping(network, plan).program


@dataclass(frozen=True, eq=False)
class Lowered:
    """A program with what it was made from, so that neighbours of its plan are lowered at little cost."""

    network: Network
    plan: Plan
    program: FixedNetwork
    parameters: Mapping[str, ParameterCodes]


def lower_keeping(network: Network, plan: Plan) -> Lowered:
    """As `lower_network`, with what `lower_variant` needs; raises what that does."""
    context = _lower(network, plan, None)
    return Lowered(network, plan, _finished(context, network, plan), context.parameters)


def lower_variant(near: Lowered, plan: Plan) -> FixedNetwork:
    """The program under a plan of the same network and options that differs from `near`'s in a few sites.

    Steps whose sites and inputs' types are the same are `near`'s very own objects. Raises what `lower_network` does.
    """
    return _finished(_lower(near.network, plan, near), near.network, plan)


def lower_seen(near: Lowered, seen: Mapping[str, tuple[int, int]]) -> FixedNetwork:
    """`near`'s program, where each step knows what it can reach for inputs as large as those that were seen.

    seen: the least and the largest code of each step; they stand for the bounds of those that no format bounds.
    """
    bounded = {
        step.name: replace(step.type, low=seen[step.name][0], high=seen[step.name][1])
        for step in near.program.steps
        if step.name in seen and (step.type.low is None or step.type.high is None)
    }
    context = _lower(near.network, near.plan, near, bounded)
    steps = tuple(replace(step, type=bounded.get(step.name, step.type)) for step in context.steps)
    return replace(near.program, steps=steps)


def _lower(
    network: Network, plan: Plan, near: Lowered | None, seen: Mapping[str, CodeType] | None = None
) -> LoweringContext:
    found = check_plan(plan, network)
    context = LoweringContext(network, plan)
    context.seen.update(seen or {})
    known: set[str] = set()
    if near is not None and near.plan.options == plan.options:
        known = {name for name, spec in plan.sites.items() if near.plan.sites[name] == spec}
        context.parameters.update((name, codes) for name, codes in near.parameters.items() if name in known)
    for node in network.nodes:
        context.begin(node)
        own = _sites_of_node(node, found)
        if near is not None and seen is None and known.issuperset(own) and context.takes_over(near.program):
            overflows = near.program.parameter_overflows
            context.parameter_overflows.update((name, overflows[name]) for name in own if name in overflows)
        elif node.inputs and context.uses_float():
            context.finish_float(Bypass(bypass[type(node.operator)](node.operator, context)))
        else:
            lower[type(node.operator)](node.operator, context)
    return context


def _sites_of_node(node: Node, found: Mapping[str, Site]) -> list[str]:
    """The sites that a node's steps depend on, parameters that it shares with other nodes included."""
    shared = [parameter.name for _, parameter in node.operator.parameters() if parameter.name in found]
    return [*(name for name, site in found.items() if site.node == node.name), *shared]


def _finished(context: LoweringContext, network: Network, plan: Plan) -> FixedNetwork:
    return FixedNetwork(network.hash, plan.hash, context.steps, network.output, context.parameter_overflows)
