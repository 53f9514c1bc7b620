"""The layers of a network as hls4ml's ModelGraph takes them, in the making."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bittrue.errors import BittrueError, CarrierError
from bittrue.exports.hls4ml.precision import LARGEST_CODE, holding, require_header_takes, result_of, same_words
from bittrue.exports.job import Job
from bittrue.fixed import FixedFormat, Quantizer, to_ap_fixed
from bittrue.plan import Spec
from bittrue.program import Step
from bittrue.shapes import Shape

_RESERVED = (
    " and asm auto bool break case catch char class const continue default delete do double else enum explicit export "
    "extern false float for friend goto if inline input int long mutable namespace nnet new not operator or private "
    "protected public register return short signed sizeof static struct switch template this throw true try typedef "
    "typename union unsigned using virtual void volatile while xor "
)
"""Words that C++, or hls4ml's own code, keeps for itself."""


@dataclass(frozen=True)
class Tensor:
    """What a layer passes on: codes from `low` to `high` in the words of `quantizer`."""

    layer: str
    shape: Shape
    quantizer: Quantizer
    low: int
    high: int

    @property
    def format(self) -> FixedFormat:
        return self.quantizer.format

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of hls4ml.

    attributes: as its converters make them, arrays apart. arrays: weights as exact numbers. precision: ap_fixed
    notation by role. in_order: whether its accumulator rounds or overflows, so that the order of its sum counts.
    """

    name: str
    class_name: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    precision: Mapping[str, str]
    in_order: bool = False


@dataclass(eq=False)
class Graph:
    """layers: so far, inputs before their readers. tensors: what stands for each step's value. computed: by step, the
    layer that makes its codes. parallel_only: by layer, why hls4ml can't have it under io_stream. flattened: the layers
    that make a row of numbers of an image.
    """

    job: Job
    layers: list[Layer] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    computed: dict[str, str] = field(default_factory=dict)
    parallel_only: dict[str, str] = field(default_factory=dict)
    flattened: set[str] = field(default_factory=set)

    def sources(self, step: Step) -> tuple[Tensor, ...]:
        return tuple(self.tensors[name] for name in step.inputs)

    def spec_of(self, step: Step, role: str) -> Spec | None:
        return self.job.spec_of(f"{step.node}.{role}")

    def name(self, wanted: str) -> str:
        """A name that C++ takes; hls4ml's configuration tells no capitals from small letters, so no two differ in them
        alone."""
        text = re.sub(r"[^A-Za-z0-9_]", "_", wanted)
        if not re.match(r"[A-Za-z]", text) or f" {text} " in _RESERVED:
            text = f"layer_{text}"
        taken = {layer.name.lower() for layer in self.layers}
        place, chosen = 1, text
        while chosen.lower() in taken:
            place += 1
            chosen = f"{text}_{place}"
        return chosen

    def add(
        self,
        name: str,
        class_name: str,
        inputs: Sequence[Tensor],
        result: Tensor,
        attributes: Mapping[str, Any],
        *,
        arrays: Mapping[str, np.ndarray] | None = None,
        precision: Mapping[str, Quantizer] | None = None,
        in_order: bool = False,
    ) -> Tensor:
        """Add a layer under a name like `name`; `result`, with the layer's name put in."""
        chosen = self.name(name)
        written = {role: to_ap_fixed(quantizer) for role, quantizer in (precision or {}).items()}
        written["result"] = to_ap_fixed(result.quantizer)
        sources = tuple(tensor.layer for tensor in inputs)
        self.layers.append(Layer(chosen, class_name, sources, attributes, arrays or {}, written, in_order))
        return replace(result, layer=chosen)

    def compute(
        self,
        step: Step,
        class_name: str,
        inputs: Sequence[Tensor],
        exact: FixedFormat,
        attributes: Mapping[str, Any],
        **more: Any,
    ) -> None:
        """Add the layer that makes a step's codes, of exact numbers in words of `exact`."""
        wanted = result_of(step)
        require_header_takes(step, exact, wanted)
        self.finish(step, self.add(step.name, class_name, inputs, value_of(step), attributes, **more))

    def convert(self, step: Step, source: Tensor) -> None:
        """The source's codes as the step's: what a quantizer makes of them, where their words differ."""
        passed_on = step.quantizer is None and step.type.binary_point == source.format.fraction_bits
        if not passed_on and not same_words(source.quantizer, result_of(step)):
            require_header_takes(step, source.format, result_of(step))
            attributes = {"activation": "linear", "n_in": source.size}
            result = value_of(step, source.shape)
            self.finish(step, self.add(step.name, "Activation", [source], result, attributes))
            return
        self.tensors[step.name] = self.shaped(step, source)
        if source.shape == step.type.shape:
            self.computed[step.name] = source.layer

    def finish(self, step: Step, tensor: Tensor) -> None:
        """The tensor stands for the step's value."""
        self.computed[step.name] = tensor.layer
        self.tensors[step.name] = self.shaped(step, tensor)

    def shaped(self, step: Step, tensor: Tensor) -> Tensor:
        """The tensor in the step's shape."""
        if tensor.shape == step.type.shape:
            return tensor
        result = replace(tensor, shape=step.type.shape)
        attributes = {"target_shape": list(step.type.shape)}
        shaped = self.add(f"{step.name}_shape", "Reshape", [tensor], result, attributes)
        if len(shaped.shape) == 1 and tensor.shape[-1] != tensor.size:
            self.flattened.add(shaped.layer)
        return shaped


def value_of(step: Step, shape: Shape | None = None) -> Tensor:
    """A step's value, of no layer yet."""
    return Tensor("", shape or step.type.shape, result_of(step), step.type.low or 0, step.type.high or 0)


def numbers(codes: np.ndarray, fraction_bits: int, site: str) -> np.ndarray:
    """Codes as the exact numbers that they stand for, in binary64.

    Raises: CarrierError where binary64 doesn't hold them.
    """
    if max(abs(int(codes.min())), abs(int(codes.max()))) > LARGEST_CODE or abs(fraction_bits) > 1000:
        raise CarrierError(f"site {site}: hls4ml keeps weights in 53 bits, and its codes need more; give it fewer.")
    return np.ldexp(codes.astype(np.float64), -fraction_bits)


def words_of(codes: np.ndarray, fraction_bits: int, spec: Spec | None) -> Quantizer:
    """The words of constant codes: the plan's, where it gives one format for all of them, else the narrowest."""
    low, high = int(codes.min()), int(codes.max())
    narrowest = holding(low, high, fraction_bits)
    if not isinstance(spec, Quantizer) or spec.format.fraction_bits != fraction_bits:
        return narrowest
    holds = spec.format.min_code <= low and high <= spec.format.max_code
    return replace(narrowest, format=spec.format) if holds else narrowest


def refused(step: Step, what: str, remedy: str) -> BittrueError:
    """hls4ml can't have this step."""
    return BittrueError(f"node {step.node}: hls4ml {what}; {remedy}.")
