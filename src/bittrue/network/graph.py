"""The network as trained: frozen nodes, edges and shapes, its text form and its hash.

Tensors are channels last everywhere ((height, width, channels) for images) and the batch axis is left out. Every
parameter has its output channel on the last axis. Nothing here knows which front end a network came from.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from bittrue.display import Column, Table, View
from bittrue.errors import ModelError
from bittrue.result import Result
from bittrue.shapes import Shape
from bittrue.wording import counted


@dataclass(frozen=True, eq=False)
class Parameter:
    """A trained array that hardware stores; layers that share it share its name (`conv1.weight`) and so its site."""

    name: str
    value: np.ndarray

    def __repr__(self) -> str:
        return f"{self.name}[{format_shape(self.value.shape)}]"


@dataclass(frozen=True, eq=False)
class Operator:
    """Base of all operators; the fields of a subclass are the operator's attributes and its parameters."""

    @property
    def written(self) -> Any:
        """The dataclass whose name and fields the text form writes, and the hash covers: the operator's own."""
        return self

    @property
    def name(self) -> str:
        """In texts and tables."""
        return type(self.written).__name__

    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Pairs (role, parameter), in the order of the fields."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Parameter):
                yield field.name, value

    @property
    def parameter_count(self) -> int:
        return sum(parameter.value.size for _, parameter in self.parameters())


@dataclass(frozen=True, eq=False)
class Node:
    """One operator in its place: `inputs` are names of earlier nodes, `shape` is the output's, without the batch axis.

    In its text, keyword-only attributes stand only where they differ from their default.
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    shape: Shape

    def __str__(self) -> str:
        written = self.operator.written
        attributes = [
            f"{field.name}={getattr(written, field.name)!r}"
            for field in fields(written)
            if getattr(written, field.name) is not (field.default if field.kw_only else None)
        ]
        arguments = ", ".join((*self.inputs, *attributes))
        return f"{self.name} = {self.operator.name}({arguments}) -> {format_shape(self.shape)}"


@dataclass(frozen=True)
class ArgMax:
    """What a model ends in behind the Network's output: along its last axis the place of the largest value, the first
    of equal ones, which names a class.

    It computes no number that hardware passes on, so it is left to the host. name: its node's in the model.
    keeps_axis: whether the model gives the place with an axis of size 1 where the values' was.
    """

    name: str
    keeps_axis: bool = False

    def classes(self, outputs: np.ndarray) -> np.ndarray:
        """Of outputs (…, values) the places (…), or (…, 1); NumPy documents that the first of several wins."""
        found: np.ndarray = outputs.argmax(-1, keepdims=self.keeps_axis)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Network(Result):
    """A trained network with one input (its first node) and one output.

    `nodes` are in an order in which each node comes after its inputs; names are unique. argmax: what names the classes
    of the output, where the model does so itself. No number depends on it, and neither does the hash: a plan for the
    model that ends before it is one for this.
    """

    name: str
    nodes: tuple[Node, ...]
    output: str
    argmax: ArgMax | None = None

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @property
    def input(self) -> Node:
        return self.nodes[0]

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """For each node the names of the nodes that read its output, once per reading."""
        readers: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                readers[name].append(node.name)
        return {name: tuple(found) for name, found in readers.items()}

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, each once however many layers share it."""
        return {parameter.name: parameter for node in self.nodes for _, parameter in node.operator.parameters()}

    @property
    def parameter_count(self) -> int:
        return sum(parameter.value.size for parameter in self.parameters.values())

    @cached_property
    def text(self) -> str:
        """The text form: a line a node, then the output."""
        return "\n".join([*(str(node) for node in self.nodes), f"return {self.output}"]) + "\n"

    @cached_property
    def hash(self) -> str:
        """`sha256:…` over the text form and every parameter's bytes."""
        digest = hashlib.sha256(self.text.encode())
        for name, parameter in self.parameters.items():
            value = np.ascontiguousarray(parameter.value)
            digest.update(f"{name}:{value.dtype.str}:{value.shape}".encode())
            digest.update(value.data)
        return f"sha256:{digest.hexdigest()}"

    @property
    def headline(self) -> str:
        """One line: the name, how large it is, and the shapes of its input and its output."""
        classes = "" if self.argmax is None else f", then {self.argmax.name} (ArgMax), on the host"
        return (
            f"Network {self.name}: {counted(len(self.nodes), 'node')}, {counted(self.parameter_count, 'parameter')}, "
            f"{format_shape(self.input.shape)} -> {format_shape(self.by_name[self.output].shape)}{classes}"
        )

    def view(self) -> View:
        rows = [
            (
                node.name,
                node.operator.name,
                ", ".join(node.inputs),
                format_shape(node.shape),
                f"{node.operator.parameter_count:,}",
            )
            for node in self.nodes
        ]
        columns = (Column("node"), Column("operator"), Column("reads"), Column("shape"))
        return (self.headline, Table((*columns, Column("parameters", number=True)), rows, "Operators"))

    def records(self) -> list[dict[str, Any]]:
        """A row a node."""
        return [
            {
                "name": node.name,
                "operator": node.operator.name,
                "inputs": list(node.inputs),
                "shape": list(node.shape),
                "parameters": node.operator.parameter_count,
            }
            for node in self.nodes
        ]

    def to_json(self) -> dict[str, Any]:
        """What `bittrue inspect --json` says of it, without the sites. The parameters' values stay in the model's file,
        from which `bittrue.load` reads the network again."""
        return {
            "bittrue": 1,
            "network": self.hash,
            "name": self.name,
            "text": self.text,
            "parameters": self.parameter_count,
            "nodes": self.records(),
            "output": self.output,
            "argmax": None if self.argmax is None else self.argmax.name,
        }


def format_shape(shape: Shape) -> str:
    """`55×55×96`; `scalar` for no axes at all."""
    return "×".join(str(size) for size in shape) or "scalar"


def check_parameters(network: Network, source: str) -> None:
    """Refuse NaN and infinity at the door (B4): `source` names the file or object that the parameters came from."""
    for parameter in network.parameters.values():
        finite = np.isfinite(parameter.value)
        if not finite.all():
            bad = int(parameter.value.size - np.count_nonzero(finite))
            raise ModelError(
                f"{source}: {parameter.name} holds {bad} NaN or infinite values out of {parameter.value.size}; "
                "train or export the model again so that every parameter is finite."
            )
