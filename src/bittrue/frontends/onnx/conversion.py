"""The state of one conversion: what each of the file's values is, and the network's nodes so far.

A value of the file is a constant, or a network node's output with a layout that says where the file's axes lie in it.
Rules (`rules/`) ask for values in the arrangement that they need; a Transpose or a Reshape comes into being
only where a value lies otherwise.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from math import isinf, isnan, prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.fixed import FixedFormat, Quantizer, quantize
from bittrue.frontends.arrays.stored import exact_value
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.file import OnnxGraph
from bittrue.frontends.onnx.layout import Layout, NetworkAxes, reshapes_around, runs_kept_together
from bittrue.frontends.onnx.node import OnnxNode
from bittrue.frontends.onnx.tensors import MAXIMUM_VALUES
from bittrue.network import Network, NetworkBuilder, Operator, Parameter, format_shape, shape_of
from bittrue.operators import Flatten, Reshape, Transpose
from bittrue.plan import Spec
from bittrue.shapes import Padding, Shape

MAXIMUM_NODES = 5_000
"""No trained network has more; a description that does would fill any memory."""

LONGEST_ORIGIN = 500


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that no input changes. origin: the stored tensors that it was made from, the same text for two uses.

    quantizers: what the file rounds it with, one for all or one for each output channel.
    """

    value: np.ndarray
    origin: str | None = None
    stored: bool = False
    quantizers: tuple[Quantizer, ...] | None = None

    def __post_init__(self) -> None:
        """Raises: ModelError for what is no number."""
        if self.value.dtype.kind in "cOSU":
            raise ModelError("a constant of texts or complex numbers is not supported: export the model without it")

    def passed_on(self, value: np.ndarray, operation: str) -> "Constant":
        """The same values after an operation that hands them on."""
        origin = None if self.origin is None else f"{operation}({self.origin})"
        return replace(self, value=value, origin=origin if origin and len(origin) < LONGEST_ORIGIN else None)


@dataclass(frozen=True, eq=False)
class Tensor:
    """The output of draft `node`, laid out by `layout`.

    sole: nothing else reads that output. moved: the wanted name of the movement in the file that led here.
    """

    node: int
    layout: Layout
    sole: bool = True
    moved: str | None = None

    @property
    def shape(self) -> Shape:
        """The shape in the file."""
        return self.layout.shape

    def transposed(self, permutation: tuple[int, ...]) -> "Tensor":
        """The same value after the file permutes its axes."""
        return replace(self, layout=self.layout.transposed(permutation))


@dataclass(frozen=True, eq=False)
class Parts:
    """A sequence of tensors, which only `SequenceAt` reads."""

    tensors: tuple[Tensor, ...]


Value = Constant | Tensor | Parts


@dataclass(frozen=True)
class View:
    """Where a value of the file is in the Network: a node's output, laid out by `layout`."""

    node: str
    layout: Layout

    def place(self, value: np.ndarray) -> np.ndarray:
        """The file's value, its batch axis of 1 included, in the node's axes. Raises: ValueError for another shape."""
        return self.layout.constant(value).reshape(self.layout.network_shape)


@dataclass(frozen=True)
class Reading:
    """What a graph became: the Network, the formats that the file holds, by site, and where its values are.

    graph: as it is in the file. output: the value at which the Network ends: the graph's output, or what its ArgMax
    reads.
    """

    network: Network
    formats: Mapping[str, Spec]
    views: Mapping[str, View]
    graph: OnnxGraph
    output: str

    def last_views(self, names: Container[str] | None = None) -> Mapping[str, str]:
        """By each node the file's last value that it makes, in the nodes' order; earlier ones may lack a bias.

        names: those that are looked at, if not all.
        """
        last = {view.node: name for name, view in self.views.items() if names is None or name in names}
        return {node.name: last[node.name] for node in self.network.nodes if node.name in last}


@dataclass(eq=False)
class Draft:
    """A node of the network in the making; its name is chosen when all are known."""

    wanted: str
    operator: Operator
    inputs: tuple[int, ...]
    shape: Shape


class Conversion:
    """Values by their names in the file, drafts of nodes by number, masks of softmaxes, and the values' batch axes."""

    def __init__(self, graph: OnnxGraph, names: dict[str, str], axes: Callable[[OnnxNode], Axes]) -> None:
        """axes: what each node's operator does to axes."""
        self.graph = graph
        self.axes = axes
        self.names = names
        self.values: dict[str, Value] = {}
        self.drafts: list[Draft] = []
        self.folded = 0
        self.masks: dict[str, np.ndarray] = {}
        self.batch: dict[str, int] = {}
        self.quantizers: dict[int, Quantizer] = {}
        self.formats: dict[str, Spec] = {}
        self.edges: dict[str, Padding] = {}
        """How often a value's edges are to be repeated around it, for maxima."""
        self.readers: defaultdict[str, list[OnnxNode]] = defaultdict(list)
        for node in graph.nodes:
            for source in node.inputs:
                self.readers[source].append(node)
        self.makers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._parameters: dict[tuple[object, ...], Parameter] = {}
        self._moved: dict[tuple[object, ...], int] = {}

    def value(self, name: str) -> Value:
        if name not in self.values:  # a stored tensor, read when it is first wanted
            self.values[name] = Constant(self.graph.constant(name), name, stored=True)
        return self.values[name]

    def add(self, wanted: str, operator: Operator, *inputs: int) -> int:
        """A new draft. Raises: ModelError where the shapes don't fit, or the network grows beyond all bounds."""
        shape = shape_of[type(operator)](operator, tuple(self.drafts[number].shape for number in inputs))
        if prod(shape) > MAXIMUM_VALUES:
            raise ModelError(f"{format_shape(shape)} is more than one image's values can be: export the model again")
        if len(self.drafts) >= MAXIMUM_NODES:
            raise ModelError(f"the model has more than {MAXIMUM_NODES:,} nodes: give it fewer layers")
        self.drafts.append(Draft(wanted, operator, inputs, shape))
        return len(self.drafts) - 1

    def parameter(self, role: str, constant: Constant, value: np.ndarray, key: object = None) -> Parameter:
        """A parameter for the next draft, or the last one's bias; one stored tensor used twice in the same way (`key`)
        is one parameter."""
        name = f"{len(self._parameters)}.{role}"
        shared = (constant.origin or name, role, value.shape, key)
        if shared not in self._parameters:
            quantizers = constant.quantizers
            if quantizers is not None and len(quantizers) > 1 and role != "weight":
                value, covering = on_grid(value, quantizers)
                quantizers = (covering,)
            if quantizers is not None:
                self.formats[name] = quantizers if len(quantizers) > 1 else quantizers[0]
            # A copy, which nothing else can change.
            self._parameters[shared] = Parameter(name, np.array(exact_value(value)))
        return self._parameters[shared]

    def arrange(self, tensor: Tensor, axes: NetworkAxes, wanted: str) -> Tensor:
        """The tensor with these network axes; free where it lies so already."""
        layout, node = tensor.layout, tensor.node
        order = tuple(atom for axis in axes for atom in axis)
        if layout.axes == axes:
            return tensor
        name = tensor.moved or wanted
        if layout.order != order:
            ways = (runs_kept_together((layout.order,), axes), runs_kept_together(layout.axes, (order,)))
            blocks = min(ways, key=lambda blocks: reshapes_around(layout, blocks, axes))
            node = self._reshape(node, layout.shape_of(blocks), f"{name}_split")
            places = {block[0]: place for place, block in enumerate(blocks)}
            permutation = tuple(places[atom] for atom in order if atom in places)
            node = self._movement(node, Transpose(permutation), permutation, name)
        node = self._reshape(node, layout.shape_of(axes), name)
        return replace(tensor, node=node, layout=replace(layout, axes=axes), sole=False)

    def _reshape(self, node: int, shape: Shape, wanted: str) -> int:
        if self.drafts[node].shape == shape:
            return node
        return self._movement(node, Flatten() if len(shape) == 1 else Reshape(shape), shape, wanted)

    def _movement(self, node: int, operator: Operator, argument: object, wanted: str) -> int:
        key = (node, type(operator), argument)
        if key not in self._moved:
            self._moved[key] = self.add(wanted, operator, node)
        return self._moved[key]

    def finish(self, output: Tensor) -> "Reading":
        """The Network, named: unused drafts left out, parameters named after the first node that has them."""
        needed = {0, output.node}
        for number in reversed(range(len(self.drafts))):
            if number in needed:
                needed.update(self.drafts[number].inputs)
        builder = NetworkBuilder(self.graph.name)
        names: dict[int, str] = {}
        renamed: dict[Parameter, Parameter] = {}
        for number in sorted(needed):
            draft = self.drafts[number]
            names[number] = builder.unique_name(_free_of_digits(draft.wanted))
            changes = {}
            for field in fields(draft.operator):
                value = getattr(draft.operator, field.name)
                if isinstance(value, Parameter):
                    role = value.name.partition(".")[2]
                    renamed.setdefault(value, Parameter(f"{names[number]}.{role}", value.value))
                    changes[field.name] = renamed[value]
            operator = replace(draft.operator, **changes) if changes else draft.operator
            builder.add(names[number], operator, *(names[source] for source in draft.inputs))
        formats: dict[str, Spec] = {
            f"{names[number]}.output": quantizer for number, quantizer in self.quantizers.items() if number in names
        }
        formats |= {new.name: self.formats[old.name] for old, new in renamed.items() if old.name in self.formats}
        views = {
            name: View(names[value.node], value.layout)
            for name, value in (*self.values.items(), (self.graph.output, output))
            if isinstance(value, Tensor) and value.node in names
        }
        return Reading(builder.finish(names[output.node]), formats, views, self.graph, self.graph.output)


@dataclass(frozen=True, eq=False)
class NodeUse:
    """One node of the file in its place: what a rule sees."""

    node: OnnxNode
    conversion: Conversion

    @property
    def opset(self) -> int:
        return self.conversion.graph.opset

    @property
    def name(self) -> str:
        return self.conversion.names[self.node.outputs[0]]

    def has(self, index: int) -> bool:
        return index < len(self.node.inputs) and self.node.inputs[index] != ""

    def value(self, index: int) -> Constant | Tensor:
        found = self._any_value(index)
        if isinstance(found, Parts):
            raise ModelError(f"its input {index} is a sequence, which only SequenceAt may read: export the model again")
        return found

    def parts(self, index: int) -> Parts:
        """Input `index`, which is a sequence."""
        found = self._any_value(index)
        if not isinstance(found, Parts):
            raise ModelError(f"its input {index} is no sequence: export the model again")
        return found

    def _any_value(self, index: int) -> Value:
        if not self.has(index):
            raise ModelError(f"it has no input {index}: export the model again")
        return self.conversion.value(self.node.inputs[index])

    def tensor(self, index: int) -> Tensor:
        """Input `index`, which depends on the network's input."""
        value = self.value(index)
        if isinstance(value, Constant):
            raise ModelError(
                f"its input {index} is a constant, and bittrue computes there with what depends on the image: "
                "export the model with constants folded"
            )
        if len(self.conversion.readers[self.node.inputs[index]]) > 1:
            return replace(value, sole=False)
        return value

    def constant(self, index: int) -> Constant:
        """Input `index`, which doesn't depend on the network's input."""
        value = self.value(index)
        if isinstance(value, Tensor):
            raise ModelError(
                f"its input {index} depends on the network's input, and hardware needs a trained constant there: "
                "export the model with constant weights"
            )
        return value

    def numbers(self, index: int) -> tuple[int, ...]:
        """Whole numbers in constant input `index`."""
        value = self.constant(index).value
        if value.dtype.kind not in "iu" or value.ndim > 1 or value.size > 64:
            raise ModelError(f"its input {index} is no list of whole numbers: export the model again")
        return tuple(int(number) for number in value.reshape(-1))

    def whole(self, index: int) -> int:
        """The one whole number in constant input `index`."""
        found = self.numbers(index)
        if len(found) != 1:
            raise ModelError(f"its input {index} holds {len(found)} numbers, expected one: export the model again")
        return found[0]

    def scalar(self, index: int) -> float:
        """The one number in constant input `index`, which must be finite."""
        value = self.bound(index)
        if isinf(value):
            raise ModelError(f"its input {index} is infinite: export the model again")
        return value

    def bound(self, index: int) -> float:
        """The one number in constant input `index`, which may be infinite."""
        value = self.constant(index).value
        if value.size != 1:
            raise ModelError(f"its input {index} holds {value.size} numbers, expected one: export the model again")
        number = float(value.reshape(()))
        if isnan(number):
            raise ModelError(f"its input {index} is not a number: export the model again")
        return number

    def axis(self, axis: int, rank: int) -> int:
        if not -rank <= axis < rank:
            raise ModelError(f"it works on axis {axis} of {rank}: export the model again")
        return axis % rank

    def arrange(self, tensor: Tensor, axes: NetworkAxes) -> Tensor:
        return self.conversion.arrange(tensor, axes, f"{self.name}_input")

    def in_file_order(self, tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
        """The tensor with the file's `axes`, one by one, as the network's; the others have size 1."""
        return self.arrange(tensor, tuple(tensor.layout.atoms(axis) for axis in axes))

    def add(self, operator: Operator, *inputs: Tensor) -> int:
        return self.conversion.add(self.name, operator, *(tensor.node for tensor in inputs))

    def apply(self, operator: Operator, tensor: Tensor) -> Tensor:
        """A node that computes each value by itself, wherever it lies."""
        return Tensor(self.add(operator, tensor), tensor.layout)

    def parameter(self, role: str, constant: Constant, value: np.ndarray, key: object = None) -> Parameter:
        return self.conversion.parameter(role, constant, value, key)

    def shape_of(self, number: int) -> Shape:
        return self.conversion.drafts[number].shape

    def operator_of(self, tensor: Tensor) -> Operator:
        return self.conversion.drafts[tensor.node].operator

    def replace_operator(self, tensor: Tensor, operator: Operator) -> None:
        """Put another operator in the place of the one that made `tensor`, which nothing else reads."""
        assert tensor.sole
        self.conversion.drafts[tensor.node].operator = operator


def on_grid(value: np.ndarray, quantizers: tuple[Quantizer, ...]) -> tuple[np.ndarray, Quantizer]:
    """Values with one quantizer for each place of the last axis, rounded, and one format that holds them all.

    Raises: ModelError where the last axis isn't the one with the quantizers.
    """
    if value.shape[-1] != len(quantizers) or value.size > 1 << 20:
        raise ModelError(f"its {len(quantizers)} scales are not those of its outputs, which is not supported: use one")
    rounded = [
        Fraction(quantize(Fraction(float(number)), quantizer)) / Fraction(2) ** quantizer.format.fraction_bits
        for row in value.reshape(-1, len(quantizers))
        for number, quantizer in zip(row, quantizers, strict=True)
    ]
    formats = [quantizer.format for quantizer in quantizers]
    fraction_bits = max(format.fraction_bits for format in formats)
    integer_bits = max(format.word_length - format.fraction_bits for format in formats)
    covering = FixedFormat(formats[0].signed, integer_bits + fraction_bits, fraction_bits)
    return np.array([float(number) for number in rounded]).reshape(value.shape), Quantizer(covering)


Rule = Callable[[NodeUse], Value | tuple[Value, ...]]
"""The outputs of a node, one where it has one."""


def _free_of_digits(name: str) -> str:
    """A name that doesn't start with a digit, as module paths of nn.Sequential do."""
    return f"layer_{name}" if name[:1].isdigit() else name or "node"
