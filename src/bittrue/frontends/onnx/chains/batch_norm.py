"""Batch normalization as TensorFlow's `nn.batch_normalization` writes it: x·s + (β − μ·s), with s = γ/√(σ² + ε).

s and β − μ·s are computed from stored tensors alone. Folded into numbers they would be a scale and an offset, each with
a rounding that no one trained; here the four tensors are found again.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from bittrue.frontends.onnx.conversion import Constant, NodeUse, Tensor
from bittrue.frontends.onnx.rules.products import normalized


def batch_normalization(use: NodeUse) -> Tensor | None:
    """The output of the sum `use`, if it is the last node of a batch normalization of the last axis; else None."""
    for scaled, offset in _pairs(use, use.node.outputs[0], "Add"):
        for source, scale in _pairs(use, scaled, "Mul"):
            x = use.conversion.value(source)
            if not isinstance(x, Tensor) or len(x.shape) < 2:
                continue
            if any(isinstance(use.conversion.value(name), Tensor) for name in (scale, offset)):
                continue
            for (gamma, variance, epsilon), (beta, mean) in product(_scales(use, scale), _offsets(use, offset, scale)):
                parts = (gamma, beta, mean, variance)
                if all(part is None or part.value.shape == x.shape[-1:] for part in parts):
                    return normalized(use, x, len(x.shape) - 1, gamma, beta, mean, variance, epsilon)
    return None


def _scales(use: NodeUse, scale: str) -> Iterator[tuple[Constant | None, Constant, float]]:
    """γ (None for 1), σ² and ε where `scale` is γ/√(σ² + ε)."""
    factors: list[tuple[str | None, str]] = [(None, scale)]
    factors += _pairs(use, scale, "Mul")
    for gamma, root in factors:
        for left, right in _pairs(use, _argument(use, _argument(use, root, "Reciprocal"), "Sqrt"), "Add"):
            epsilon = _constant(use, right).value
            if epsilon.size == 1 and np.isfinite(epsilon).all():
                found = None if gamma is None else _constant(use, gamma)
                yield found, _constant(use, left), float(np.float32(epsilon.reshape(())))


def _offsets(use: NodeUse, offset: str, scale: str) -> Iterator[tuple[Constant | None, Constant]]:
    """β (None for 0) and μ where `offset` is β − μ·s, or (−μ)·s."""
    for negated, other in _pairs(use, offset, "Mul"):
        mean = _argument(use, negated, "Neg")
        if other == scale and mean is not None:
            yield None, _constant(use, mean)
    for beta, shift in _pairs(use, offset, "Sub")[:1]:
        for mean, other in _pairs(use, shift, "Mul"):
            if other == scale:
                yield _constant(use, beta), _constant(use, mean)


def _pairs(use: NodeUse, name: str | None, operator: str) -> list[tuple[str, str]]:
    """The two inputs of the node that makes `name`, in both orders; none if it is no such node."""
    inputs = _inputs(use, name, operator)
    return [(inputs[0], inputs[1]), (inputs[1], inputs[0])] if len(inputs) == 2 else []


def _argument(use: NodeUse, name: str | None, operator: str) -> str | None:
    """The one input of the node that makes `name`; None if it is no such node."""
    inputs = _inputs(use, name, operator)
    return inputs[0] if len(inputs) == 1 else None


def _inputs(use: NodeUse, name: str | None, operator: str) -> tuple[str, ...]:
    node = use.conversion.makers.get(name or "")
    return node.inputs if node is not None and node.op_type == operator and not node.domain and all(node.inputs) else ()


def _constant(use: NodeUse, name: str) -> Constant:
    value = use.conversion.value(name)
    assert isinstance(value, Constant)  # a constant is computed from nothing else
    return value
