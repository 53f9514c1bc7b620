"""Keras's normalizations and its softmax."""

from collections.abc import Callable

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import shown
from bittrue.frontends.keras.use import COUNTER, Chain, Graph, LayerUse
from bittrue.frontends.keras.values import numbers
from bittrue.network import Operator, Parameter
from bittrue.operators import (
    BatchNormalization,
    Clip,
    Divide,
    LayerNormalization,
    Pointwise,
    ReduceMean,
    ReduceSum,
    Reshape,
    ScaleOffset,
    Softmax,
    Transpose,
)
from bittrue.program.functions import Sqrt, Square


def batch_normalization(use: LayerUse) -> Operator | Chain:
    settings = use.settings
    axis = settings.axis("axis", len(use.shape))
    channels = (use.shape[axis],)
    # With batch renormalization Keras stores three arrays more, which only training reads.
    training_only = {f"renorm {index}": channels for index in range(3 if settings.values.get("renorm") else 0)}
    role = _role(use, (axis,))
    parameters = use.parameters(
        {
            role("gamma"): use.parameter_shape("scale", *channels),
            role("beta"): use.parameter_shape("center", *channels),
            role("mean"): channels,
            role("variance"): channels,
            **training_only,
        }
    )
    operator = BatchNormalization(
        parameters.get(role("gamma")),
        parameters.get(role("beta")),
        parameters[role("mean")],
        parameters[role("variance")],
        settings.number("epsilon"),
    )
    return over_last_axes(use, (axis,), operator)


def layer_normalization(use: LayerUse) -> Operator | Chain:
    settings = use.settings
    axes = tuple(sorted(settings.axes("axis", len(use.shape))))
    if not axes or len(set(axes)) != len(axes):
        raise ModelError(f"axis is {shown(settings.values.get('axis'))}, expected different axes")
    if settings.values.get("rms_scaling"):
        raise ModelError(
            "rms_scaling divides by the variance and is not supported: write it with keras.ops, as "
            "in gamma * x / ops.sqrt(variance + epsilon)"
        )
    shape, role = tuple(use.shape[axis] for axis in axes), _role(use, axes)
    parameters = use.parameters(
        {role("gamma"): use.parameter_shape("scale", *shape), role("beta"): use.parameter_shape("center", *shape)}
    )
    gamma, beta = parameters.get(role("gamma")), parameters.get(role("beta"))
    return over_last_axes(use, axes, LayerNormalization(gamma, beta, settings.number("epsilon"), len(axes)))


def group_normalization(use: LayerUse) -> Operator | Chain:
    """A layer normalization of each group of channels, then a scale and an offset for each channel."""
    settings, rank = use.settings, len(use.shape)
    axis = settings.axis("axis", rank)
    channels = use.shape[axis]
    groups = channels if settings.values.get("groups") == -1 else settings.integer("groups")
    if channels % groups:
        raise ModelError(f"{groups} groups don't divide {channels} channels evenly")
    shapes = {
        "affine.scale": use.parameter_shape("scale", channels),
        "affine.offset": use.parameter_shape("center", channels),
    }
    parameters = use.parameters(shapes)
    moved = (*(place for place in range(rank) if place != axis), axis)
    spatial = tuple(use.shape[place] for place in moved[:-1])
    grouped = (rank - 1, *range(rank - 1), rank)
    steps: list[tuple[str, Operator]] = [
        ("moved", Transpose(moved)),
        ("split", Reshape((*spatial, groups, channels // groups))),
        ("groups", Transpose(grouped)),
        ("normalized", LayerNormalization(None, None, settings.number("epsilon"), rank)),
        ("joined", Transpose(_inverse(grouped))),
        ("channels", Reshape((*spatial, channels))),
    ]
    if parameters:
        scale, offset = parameters.get("affine.scale"), parameters.get("affine.offset")
        steps.append(("affine", ScaleOffset(scale, offset)))
    steps.append(("back", Transpose(_inverse(moved))))
    return _chain(steps)


def unit_normalization(use: LayerUse) -> Graph:
    """x/max(√Σx², 1e-12) over the axes."""
    axes = tuple(sorted(use.settings.axes("axis", len(use.shape))))
    parts: tuple[tuple[str, Operator, tuple[str | int, ...]], ...] = (
        ("square", Pointwise(Square()), (0,)),
        ("sum", ReduceSum(axes, True), ("square",)),
        ("root", Pointwise(Sqrt()), ("sum",)),
        ("norm", Clip(LEAST_NORM, None), ("root",)),
    )
    return Graph(parts, Divide(), (0, "norm"))


LEAST_NORM = 1e-12
"""What Keras's UnitNormalization divides by at least."""


def rms_normalization(use: LayerUse) -> Graph:
    """x/√(mean of x² + ε)·scale over the axes."""
    axes = tuple(sorted(use.settings.axes("axis", len(use.shape))))
    scale = use.parameters({"scale": tuple(use.shape[axis] for axis in axes)})["scale"]
    if axes != tuple(range(len(use.shape) - len(axes), len(use.shape))):
        raise ModelError("over other axes than the last ones it is not supported: put them last with Permute")
    epsilon = Parameter(use.parameter_name("shifted.offset"), np.array(use.settings.number("epsilon"), np.float32))
    parts: tuple[tuple[str, Operator, tuple[str | int, ...]], ...] = (
        ("square", Pointwise(Square()), (0,)),
        ("mean", ReduceMean(axes, True), ("square",)),
        ("shifted", ScaleOffset(None, epsilon), ("mean",)),
        ("root", Pointwise(Sqrt()), ("shifted",)),
        ("normalized", Divide(), (0, "root")),
    )
    return Graph(parts, ScaleOffset(scale, None))


def softmax(use: LayerUse) -> Operator | Chain:
    return over_last_axes(use, use.settings.axes("axis", len(use.shape)), Softmax())


def over_last_axes(use: LayerUse, axes: tuple[int, ...], operator: Operator) -> Operator | Chain:
    """The operator, which works over the last axes, over these axes of the input: they are put last, and back."""
    order = (*(axis for axis in range(len(use.shape)) if axis not in axes), *axes)
    return _chain([("moved", Transpose(order)), (NORMALIZED, operator), ("back", Transpose(_inverse(order)))])


NORMALIZED = "normalized"
"""The part of a layer that computes, where its axes are moved."""


def _role(use: LayerUse, axes: tuple[int, ...]) -> Callable[[str], str]:
    """What a parameter's role is called, where it may be that of a part."""
    are_last = axes == tuple(range(len(use.shape) - len(axes), len(use.shape)))
    return str if are_last else lambda role: f"{NORMALIZED}.{role}"


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(axis) for axis in range(len(order)))


def _chain(steps: list[tuple[str, Operator]]) -> Operator | Chain:
    """The steps that move anything, one after the other."""
    *parts, (_, last) = [
        (name, operator)
        for name, operator in steps
        if not isinstance(operator, Transpose) or operator.axes != tuple(range(len(operator.axes)))
    ]
    return Chain(tuple(parts), last) if parts else last


LEAST_DEVIATION = 1e-7
"""What Keras's Normalization divides by at least."""


def normalization(use: LayerUse) -> Operator | Chain:
    """(x − mean)/√variance, a batch normalization without gamma, beta and epsilon, of constants or adapted numbers."""
    settings, rank = use.settings, len(use.shape)
    if settings.values.get("invert"):
        raise ModelError(
            "invert=True is not supported: multiply by the deviation and add the mean, as in x * deviation + mean"
        )
    by_channel = settings.values.get("axis") not in (None, [])
    axes = settings.axes("axis", rank) if by_channel else (rank - 1,)
    if len(axes) > 1:
        raise ModelError(
            "normalization over several axes is not supported: subtract the mean and divide by the deviation, "
            "as in (x - mean) / deviation"
        )
    channels, role = use.shape[axes[0]], _role(use, axes)
    if settings.values.get("mean") is None:
        shape = (channels,) if by_channel else ()
        stored = use.parameters({role("mean"): shape, role("variance"): shape, COUNTER: ()})
        mean, variance = stored[role("mean")].value, stored[role("variance")].value
    else:
        mean, variance = numbers(use, "mean"), numbers(use, "variance")
    if any(value.size not in (1, channels) for value in (mean, variance)):
        raise ModelError(f"its mean holds {mean.size} numbers for {channels} channels")
    variance = np.maximum(variance, np.float32(LEAST_DEVIATION**2))
    mean, variance = (np.broadcast_to(value.reshape(-1), (channels,)).copy() for value in (mean, variance))
    names = use.parameter_name(role("mean")), use.parameter_name(role("variance"))
    operator = BatchNormalization(None, None, Parameter(names[0], mean), Parameter(names[1], variance), 0.0)
    return over_last_axes(use, axes, operator)
