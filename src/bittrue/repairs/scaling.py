"""Which operators pass a positive factor of a channel on, so that it can be moved from one layer's parameters to
another's."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bittrue.network import Network, Node, Operator, Parameter
from bittrue.operators import (
    Add,
    AveragePooling,
    BatchNormalization,
    Convolution,
    Dense,
    Flatten,
    GlobalAveragePooling,
    GlobalMaxPooling,
    Identity,
    MaxPooling,
    ReLU,
    ZeroPadding,
)

PASSES_ON: Mapping[type[Operator], Callable[[Any], bool]] = {
    Add: lambda operator: True,
    AveragePooling: lambda operator: True,
    Flatten: lambda operator: True,
    GlobalAveragePooling: lambda operator: True,
    GlobalMaxPooling: lambda operator: True,
    Identity: lambda operator: True,
    MaxPooling: lambda operator: True,
    ReLU: lambda operator: operator.max_value is None and operator.threshold == 0,
    ZeroPadding: lambda operator: True,
}
"""Whether f(s·x) = s·f(x) for every positive factor s of a channel, one and the same at all inputs."""


def passes_on(operator: Operator) -> bool:
    """Whether a channel's positive factor at the inputs is one at the output."""
    rule = PASSES_ON.get(type(operator))
    return rule is not None and rule(operator)


def _scaled(parameter: Parameter, factor: np.ndarray) -> Parameter:
    return Parameter(parameter.name, (parameter.value.astype(np.float64) * factor).astype(np.float32))


def _products(operator: Any, before: np.ndarray, after: np.ndarray) -> Operator:
    """Convolutions and dense layers: before: a factor an input channel, by which weights are divided; after: one an
    output channel."""
    weight = operator.weight.value
    groups = getattr(operator, "groups", 1)
    inputs, outputs = weight.shape[-2], weight.shape[-1]
    per_group = before.reshape(groups, inputs).T  # (inputs of a group, groups)
    factor = after / np.repeat(per_group, outputs // groups, axis=1)
    bias = None if operator.bias is None else _scaled(operator.bias, after)
    scaled: Operator = replace(operator, weight=_scaled(operator.weight, factor), bias=bias)
    return scaled


def _normalization(operator: BatchNormalization, before: np.ndarray, after: np.ndarray) -> Operator:
    ones = Parameter(operator.mean.name.replace(".mean", ".gamma"), np.ones(operator.mean.value.shape, np.float32))
    return replace(
        operator,
        gamma=_scaled(operator.gamma or ones, after / before),
        beta=None if operator.beta is None else _scaled(operator.beta, after),
        mean=_scaled(operator.mean, before),
    )


TAKES_UP: Mapping[type[Operator], Callable[[Any, np.ndarray, np.ndarray], Operator]] = {
    BatchNormalization: _normalization,
    Convolution: _products,
    Dense: _products,
}
"""(operator, before, after) → the operator that computes after·f(x) from before·x: factors of its inputs' and outputs'
channels."""


def absorber(network: Network, node: Node, inner: Callable[[str], bool]) -> Node | None:
    """The batch norm that takes up any positive factors of a node's output channels; None where there is none.

    inner: whether a node's output is passed on exactly, so that its size is nobody's concern.
    """
    name = node.name
    while inner(name) and len(network.consumers[name]) == 1:
        reader = network.by_name[network.consumers[name][0]]
        if isinstance(reader.operator, BatchNormalization):
            return reader
        if not passes_on(reader.operator) or len(reader.inputs) > 1 or reader.shape[-1] != node.shape[-1]:
            return None
        name = reader.name
    return None
