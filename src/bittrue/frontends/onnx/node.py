"""One node of an ONNX file, and the one reader of its attributes: their types, the finiteness of their numbers, and how
many inputs and outputs there are.

What ONNX itself says of an operator (`onnx.defs`) is held against the node before any rule sees it, so a rule may take
an attribute that it reads for one of the right type. Sentences don't name the node: whoever converts it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite, isnan
from typing import Any

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.tensors import decode
from bittrue.wording import counted

EXPORT_AGAIN = "export the model again"

KINDS = {
    "FLOAT": "number",
    "FLOATS": "list of numbers",
    "INT": "whole number",
    "INTS": "list of whole numbers",
    "STRING": "text",
    "TENSOR": "tensor",
}
"""What the types of attributes that rules read are called in sentences, by ONNX's names."""


@dataclass(frozen=True)
class Attribute:
    """kind: ONNX's name of the type that the file states. value: as Python holds it, a tensor as it is stored; None of
    subgraphs and others, which no rule reads."""

    kind: str
    value: Any


@dataclass(frozen=True)
class OnnxNode:
    """One node of the file; inputs and outputs that are left out are empty names."""

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"node {self.name or self.outputs[0]} ({self.op_type})"

    def has(self, name: str) -> bool:
        return name in self.attributes

    def integer(self, name: str, default: int) -> int:
        return int(self._read(name, "INT", default))

    def number(self, name: str, default: float) -> float:
        """A float attribute: the binary32 number that the file holds, which must be finite."""
        return float(self._finite(name, [self._read(name, "FLOAT", default)])[0])

    def bound(self, name: str) -> float | None:
        """A float attribute that may be infinite, as bounds are; None where there is none."""
        value = self._read(name, "FLOAT", None)
        if value is not None and isnan(value):
            raise ModelError(f"its attribute {name} is not a number: {EXPORT_AGAIN}")
        return None if value is None else float(value)

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """A list of finite numbers; None where there is none."""
        value = self._read(name, "FLOATS", None)
        return None if value is None else tuple(self._finite(name, value))

    def text(self, name: str, default: str) -> str:
        return str(self._read(name, "STRING", default))

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """A list of whole numbers."""
        return tuple(self._read(name, "INTS", default))

    def stated(self, name: str) -> tuple[int, ...] | None:
        """A list of whole numbers; None where there is none."""
        return self.integers(name, ()) if self.has(name) else None

    def array(self, name: str) -> np.ndarray | None:
        """A tensor attribute, in which anything may stand."""
        value = self._read(name, "TENSOR", None)
        return None if value is None else decode(value, None)

    def _read(self, name: str, kind: str, default: Any) -> Any:
        if name not in self.attributes:
            return default
        _refuse_kind(name, self.attributes[name], kind)
        return self.attributes[name].value

    def _finite(self, name: str, values: list[float]) -> list[float]:
        if not all(map(isfinite, values)):
            raise ModelError(f"its attribute {name} is no finite number: {EXPORT_AGAIN}")
        return values


def _refuse_kind(name: str, attribute: Attribute, kind: str) -> None:
    if attribute.kind != kind:
        raise ModelError(f"its attribute {name} is no {KINDS.get(kind, kind)}: {EXPORT_AGAIN}")


@dataclass(frozen=True)
class Schema:
    """What ONNX says of an operator: the least and the largest counts, and by attribute its type and whether it must
    be there. optional: the places of the inputs that can be left out."""

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    optional: frozenset[int]
    attributes: Mapping[str, tuple[str, bool]]


@lru_cache(maxsize=1024)
def schema(op_type: str, domain: str, opset: int) -> Schema | None:
    """ONNX's own description of an operator; None where it has none, as of the operators of other domains."""
    from onnx import defs

    try:
        found = defs.get_schema(op_type, opset, domain)
    except defs.SchemaError:
        return None
    optional = defs.OpSchema.FormalParameterOption.Optional
    return Schema(
        (found.min_input, found.max_input),
        (found.min_output, found.max_output),
        frozenset(place for place, parameter in enumerate(found.inputs) if parameter.option == optional),
        {
            name: (str(attribute.type).rpartition(".")[2], attribute.required)
            for name, attribute in found.attributes.items()
        },
    )


def check_node(node: OnnxNode, opset: int) -> None:
    """Raises: ModelError where the node isn't what ONNX says that its operator is."""
    wanted = schema(node.op_type, node.domain, opset)
    if wanted is None:
        return
    for what, given, (least, most) in (
        ("input", node.inputs, wanted.inputs),
        ("output", node.outputs, wanted.outputs),
    ):
        if not least <= len(given) <= most:
            raise ModelError(f"it has {counted(len(given), what)}, expected {_between(least, most)}: {EXPORT_AGAIN}")
    for place, name in enumerate(node.inputs):
        if not name and place not in wanted.optional:
            raise ModelError(f"it has no input {place}: {EXPORT_AGAIN}")
    for name, attribute in node.attributes.items():
        if name not in wanted.attributes:
            raise ModelError(f"its attribute {name} is unknown in operator set {opset}: {EXPORT_AGAIN}")
        _refuse_kind(name, attribute, wanted.attributes[name][0])
    for name, (_, required) in wanted.attributes.items():
        if required and name not in node.attributes:
            raise ModelError(f"its attribute {name} is missing: {EXPORT_AGAIN}")


def _between(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least} to {most}" if most < 1 << 16 else f"at least {least}"
