"""The nodes of a network in ONNX, in the making: tensors by name, and what is known of the numbers in them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.job import Job
from bittrue.plan import Spec
from bittrue.program import Bounds, Step
from bittrue.shapes import Shape

FLOAT32 = 1 << 24
"""Whole numbers up to here, of either sign, are float32 numbers."""

FLOAT64 = 1 << 53
"""The same of float64."""

STOP = "stop before it with --until"


@dataclass(frozen=True)
class Value:
    """A tensor that holds codes · 2^(−fraction_bits), codes between `low` and `high`.

    shape: the network's, channels last. first: whether the tensor has its channels first. double: whether it is
    float64.
    """

    tensor: str
    shape: Shape
    fraction_bits: int
    low: int
    high: int
    first: bool
    double: bool = False

    @property
    def reach(self) -> int:
        """The largest code, the sign left out."""
        return max(-self.low, self.high)

    def aligned(self, fraction_bits: int) -> int:
        """The reach in units of finer `fraction_bits`."""
        return self.reach << fraction_bits - self.fraction_bits


@dataclass(frozen=True)
class Exact:
    """A step's exact result before its quantizer.

    bounds: what the numbers lie between; no ends where nothing bounds them. reach: the largest number in units of its
    last bit, and None where it has no last bit (a quotient, an image).
    """

    tensor: str
    first: bool
    double: bool
    bounds: Bounds
    reach: int | None


@dataclass(frozen=True)
class Tensor:
    """shape: in the file, the batch axis left out. batched: whether it has one."""

    name: str
    shape: Shape
    dtype: str
    batched: bool


@dataclass(frozen=True)
class Node:
    """A node of the file."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    output: str
    domain: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Site:
    """A site whose codes · 2^(−fraction_bits) stand in a tensor of the file."""

    name: str
    value: Value


@dataclass(frozen=True)
class Dialect:
    """How a kind of file writes what it rounds.

    title: in sentences. carries_float64: whether its quantizers take numbers in float64. only_proven: whether a sum
    that isn't proven to be exact is refused; else it is noted. quantized: the value that a quantizer makes of an exact
    result. constant: the tensor of constant codes.
    """

    title: str
    carries_float64: bool
    only_proven: bool
    quantized: "Callable[[Graph, Step, Exact], Value]"
    constant: "Callable[[Graph, Constant], str]"


@dataclass(frozen=True)
class Constant:
    """Codes of a step's constant, with one number of fraction bits for all or one for each place on the last axis.

    arranged: puts an array of the codes' shape into the file's order of axes. channel_axis: where that takes the last
    axis. sums_fraction_bits: of a bias, those of the products that it is added to, by output channel.
    """

    step: Step
    role: str
    codes: np.ndarray
    fraction_bits: tuple[int, ...]
    arranged: Callable[[np.ndarray], np.ndarray]
    channel_axis: int
    sums_fraction_bits: tuple[int, ...] | None = None

    @property
    def site(self) -> str:
        return f"{self.step.node}.{self.role}"

    def by_channel(self, numbers: Sequence[float]) -> np.ndarray:
        """Numbers, one for all or one for each place on the last axis, as an array that the file broadcasts."""
        if len(numbers) == 1:
            return np.array(numbers[0])
        return self.arranged(np.array(numbers).reshape((1,) * (self.codes.ndim - 1) + (-1,)))


@dataclass(eq=False)
class Graph:
    """nodes: so far, inputs before their readers. values: what stands for each step's value. unproven: by site, why
    floating point isn't proven to hold its exact numbers. off_grid: biases that a fused operator rounds.
    """

    job: Job
    dialect: Dialect
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    unproven: dict[str, str] = field(default_factory=dict)
    off_grid: list[str] = field(default_factory=list)
    _made: dict[tuple[str, str], Value] = field(default_factory=dict)

    @property
    def image(self) -> str:
        """The file's input."""
        return self.job.program.steps[0].name

    def sources(self, step: Step) -> tuple[Value, ...]:
        return tuple(self.values[name] for name in step.inputs)

    def spec_of(self, step: Step, role: str) -> Spec | None:
        return self.job.spec_of(f"{step.node}.{role}")

    def trained(self, site: str) -> np.ndarray | None:
        """The trained numbers of a parameter's site; None where it is no parameter of the network."""
        found = self.job.parameter(site)
        return None if found is None else found.value

    def add(
        self,
        operator: str,
        name: str,
        inputs: Sequence[str],
        output: str,
        shape: Shape,
        dtype: str = "float32",
        *,
        batched: bool = True,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node that makes the tensor `output`, of `shape` in the file; returns the tensor's name.

        batched: whether it differs between images, and so has a batch axis before its shape.
        """
        taken = {node.name for node in self.nodes}
        wanted = re.sub(r"[^A-Za-z0-9_]", "_", name)
        chosen, place = wanted, 1
        while chosen in taken:
            place += 1
            chosen = f"{wanted}_{place}"
        self.tensors[output] = Tensor(output, shape, dtype, batched)
        self.nodes.append(Node(operator, chosen, tuple(inputs), output, domain, attributes))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        """A stored tensor of this name; returns it."""
        self.constants[name] = array
        return name

    def number(self, name: str, number: float, double: bool) -> str:
        """A stored number in the type of what it meets."""
        return self.constant(name, np.array(number, np.float64 if double else np.float32))

    def compute(
        self,
        step: Step,
        operator: str,
        inputs: Sequence[str],
        *,
        first: bool,
        double: bool,
        reach: int | None,
        bounds: Bounds | None = None,
        shape: Shape | None = None,
        **attributes: Any,
    ) -> None:
        """Add the node that makes a step's exact result, and its quantizer. bounds: the exact type's, unless given;
        shape: the network's shape of the node's result, where it isn't the step's."""
        made = shape or step.type.shape
        output = (step.site or step.name) if step.quantizer is None else f"{step.name}.exact"
        if made != step.type.shape:
            output = f"{step.name}.unshaped"
        self.add(operator, step.name, inputs, output, in_file(made, first), dtype_of(double), **attributes)
        self.finish(step, Exact(output, first, double, bounds or step.exact.bounds, reach), made)

    def finish(self, step: Step, exact: Exact, shape: Shape) -> None:
        """The tensor of an exact result, which has this shape of the network, stands for the step's value, once it is
        quantized."""
        if shape != step.type.shape:
            exact = replace(exact, tensor=self._reshaped(step, exact, shape), first=False)
        if step.quantizer is None:
            kind = step.type
            codes = (kind.binary_point, kind.low or 0, kind.high or 0)
            value = Value(exact.tensor, kind.shape, *codes, exact.first, exact.double)
        else:
            value = self.dialect.quantized(self, step, exact)
        self.values[step.name] = value
        if step.site is not None:
            self.sites.append(Site(step.site, value))

    def pass_on(self, step: Step, x: Value) -> None:
        """The source's numbers as the step's exact result."""
        self.finish(step, Exact(x.tensor, x.first, x.double, step.exact.bounds, x.reach), x.shape)

    def _reshaped(self, step: Step, exact: Exact, shape: Shape) -> str:
        last = self.channels_last(Value(exact.tensor, shape, 0, 0, 0, exact.first, exact.double)).tensor
        output = (step.site or step.name) if step.quantizer is None else f"{step.name}.shaped"
        sizes = self.constant(f"{step.name}.shape", np.array((0, *step.type.shape), np.int64))
        if len(step.type.shape) == 1:
            return self.add("Flatten", step.name, [last], output, step.type.shape, dtype_of(exact.double), axis=1)
        return self.add("Reshape", step.name, [last, sizes], output, step.type.shape, dtype_of(exact.double))

    def channels_first(self, x: Value) -> Value:
        """The value with its channels first."""
        rank = len(x.shape)
        if x.first or rank < 2:
            return x
        return self._turned(x, "channels_first", (0, rank, *range(1, rank)), first=True)

    def channels_last(self, x: Value) -> Value:
        """The value with its channels last."""
        return self._turned(x, "channels_last", (0, *range(2, len(x.shape) + 1), 1), first=False) if x.first else x

    def _turned(self, x: Value, what: str, order: tuple[int, ...], *, first: bool) -> Value:
        if (x.tensor, what) not in self._made:
            name, shape = f"{x.tensor}.{what}", in_file(x.shape, first)
            self.add("Transpose", name, [x.tensor], name, shape, dtype_of(x.double), perm=list(order))
            self._made[x.tensor, what] = replace(x, tensor=name, first=first)
        return self._made[x.tensor, what]

    def in_one_layout(self, operands: Sequence[Value]) -> list[Value]:
        """All of them channels first where all are, else channels last: so what is channels first was made from an
        image, by nodes from which a reader knows that."""
        turn = self.channels_first if all(operand.first for operand in operands) else self.channels_last
        return [turn(operand) for operand in operands]

    def as_float64(self, x: Value) -> Value:
        if x.double:
            return x
        if (x.tensor, "float64") not in self._made:
            name = f"{x.tensor}.float64"
            self.add("Cast", name, [x.tensor], name, in_file(x.shape, x.first), "float64", to="float64")
            self._made[x.tensor, "float64"] = replace(x, tensor=name, double=True)
        return self._made[x.tensor, "float64"]

    def constant_in(self, double: bool, tensor: str, shape: Shape) -> str:
        """A constant in the type of what it meets."""
        name = f"{tensor}.float64"
        if not double or name in self.tensors:
            return name if double else tensor
        return self.add("Cast", name, [tensor], name, shape, "float64", batched=False, to="float64")

    def carrier(self, step: Step, operands: Sequence[Value], reach: int, *, float64: bool) -> bool:
        """Whether a step is computed in float64, so that no number on its way exceeds what its type holds: `reach` is
        the largest in units of the last bit. float64: whether onnxruntime computes the operator in it.

        Raises: BittrueError where neither type is proven to hold all of them, and the dialect wants it proven.
        """
        operand_double = any(operand.double for operand in operands)
        if reach <= FLOAT32 and not operand_double:
            return False
        if self.dialect.carries_float64 and float64 and reach <= FLOAT64:
            return True
        bits, holds = reach.bit_length(), 53 if float64 and self.dialect.carries_float64 else 24
        reason = f"its exact numbers reach {bits} bits, and floating point is proven to hold {holds} there"
        if self.dialect.only_proven or operand_double:
            raise refused(
                self, step, f"computes it in floating point: {reason}", "give it, or the sites before it, fewer bits"
            )
        self.unproven[step.site or step.name] = reason
        return False


def in_file(shape: Shape, first: bool) -> Shape:
    """A network's shape as the file has it."""
    return (shape[-1], *shape[:-1]) if first else shape


def dtype_of(double: bool) -> str:
    return "float64" if double else "float32"


def refused(graph: Graph, step: Step, what: str, remedy: str) -> BittrueError:
    """The file can't have this step. An --until in the remedy gets the node before it."""
    source = step
    while source.inputs and source.node == step.node:
        source = graph.job.program.by_name[source.inputs[0]]
    named = remedy.replace("--until", f"--until {source.name}")
    return BittrueError(f"node {step.node}: {graph.dialect.title} {what}; {named}.")
