"""What each Keras layer means: a table from its class's name to the rule that makes its operator, or a chain of them.

A rule sees the layer's settings, the shapes that it reads (channels last, no batch axis) and its trained arrays.
The semantics are those of Keras 3.15's layers; there is no default rule.
"""

from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.activations import ACTIVATIONS
from bittrue.frontends.keras.attention import multi_head_attention
from bittrue.frontends.keras.config import Settings, is_from_keras, shown
from bittrue.frontends.keras.convolutions import convolution, depthwise, separable, transposed
from bittrue.frontends.keras.use import LayerUse, Rule
from bittrue.frontends.keras.values import (
    cropping,
    merging,
    normalization,
    permute,
    repeat_vector,
    rescaling,
    upsampling_1d,
    upsampling_2d,
    zero_padding,
)
from bittrue.network import Operator, Parameter, format_shape
from bittrue.operators import (
    AdaptiveAveragePooling,
    AdaptiveMaxPooling,
    Add,
    Average,
    AveragePooling,
    BatchNormalization,
    Concatenate,
    Dense,
    Flatten,
    GlobalAveragePooling,
    GlobalMaxPooling,
    Identity,
    LayerNormalization,
    Maximum,
    MaxPooling,
    Minimum,
    Multiply,
    Pointwise,
    PReLU,
    ReLU,
    Reshape,
    Softmax,
    Subtract,
)
from bittrue.program.functions import ELU
from bittrue.shapes import Shape


def _dense(use: LayerUse) -> Operator:
    units = use.settings.integer("units")
    shapes = {"weight": (use.shape[-1], units), "bias": use.parameter_shape("use_bias", units)}
    parameters = use.parameters(shapes)
    return Dense(parameters["weight"], parameters.get("bias"))


def _batch_normalization(use: LayerUse) -> Operator:
    settings = use.settings
    _refuse_other_axis(use, "batch normalization")
    channels = (use.shape[-1],)
    # With batch renormalization Keras stores three arrays more, which only training reads.
    training_only = {f"renorm {index}": channels for index in range(3 if settings.values.get("renorm") else 0)}
    parameters = use.parameters(
        {
            "gamma": use.parameter_shape("scale", *channels),
            "beta": use.parameter_shape("center", *channels),
            "mean": channels,
            "variance": channels,
            **training_only,
        }
    )
    return BatchNormalization(
        parameters.get("gamma"),
        parameters.get("beta"),
        parameters["mean"],
        parameters["variance"],
        settings.number("epsilon"),
    )


def _relu(use: LayerUse) -> Operator:
    settings = use.settings
    return ReLU(
        settings.optional_number("max_value"),
        settings.optional_number("negative_slope") or 0.0,
        settings.optional_number("threshold") or 0.0,
    )


def _leaky_relu(use: LayerUse) -> Operator:
    return ReLU(negative_slope=use.settings.number("negative_slope"))


def _elu(use: LayerUse) -> Operator:
    return Pointwise(ELU(use.settings.number("alpha")))


def _prelu(use: LayerUse) -> Operator:
    """The slopes of leading axes that share them are stored once; those shared further back are repeated."""
    axes, rank = use.settings.values.get("shared_axes") or [], len(use.shape)
    shared = use.settings.integers("shared_axes", len(axes)) if isinstance(axes, list) and axes else ()
    if not isinstance(axes, list) or any(axis > rank for axis in shared):
        raise ModelError(f"shared_axes is {shown(axes)}, expected axes from 1 to {rank}")
    stored_shape = tuple(1 if axis in shared else size for axis, size in enumerate(use.shape, start=1))
    slope = use.parameters({"slope": stored_shape})["slope"]
    first = next((index for index in range(rank) if index + 1 not in shared), None)
    if first is None:
        return PReLU(Parameter(slope.name, slope.value.reshape(1)))
    values = np.broadcast_to(slope.value.reshape(stored_shape[first:]), use.shape[first:]).copy()
    return PReLU(Parameter(slope.name, values))


def _layer_normalization(use: LayerUse) -> Operator:
    settings, rank = use.settings, len(use.shape)
    value = settings.values.get("axis")
    axes = sorted(
        Settings({"axis": axis}).axis("axis", rank) for axis in (value if isinstance(value, list) else [value])
    )
    if axes != list(range(rank - len(axes), rank)) or not axes:
        raise ModelError("layer normalization over other axes than the last ones is not supported: put them last")
    if settings.values.get("rms_scaling"):
        raise ModelError("rms_scaling divides by the variance and is not supported: train the layer without it")
    shape = use.shape[-len(axes) :]
    parameters = use.parameters(
        {"gamma": use.parameter_shape("scale", *shape), "beta": use.parameter_shape("center", *shape)}
    )
    epsilon = settings.number("epsilon")
    return LayerNormalization(parameters.get("gamma"), parameters.get("beta"), epsilon, len(axes))


def _softmax(use: LayerUse) -> Operator:
    _refuse_other_axis(use, "softmax")
    return Softmax()


def _pooling(operator: type[MaxPooling] | type[AveragePooling], rank: int) -> Rule:
    def pooling(use: LayerUse) -> Operator:
        window, strides = use.settings.integers("pool_size", rank), use.settings.integers("strides", rank)
        return operator(window, strides, use.padding(window, strides, (1,) * rank))

    return pooling


def _global_pooling(operator: type[GlobalMaxPooling] | type[GlobalAveragePooling], rank: int) -> Rule:
    def pooling(use: LayerUse) -> Operator:
        use.spatial(rank)
        return operator(use.settings.flag("keepdims"))

    return pooling


def _adaptive_pooling(operator: type[AdaptiveMaxPooling] | type[AdaptiveAveragePooling], rank: int) -> Rule:
    def pooling(use: LayerUse) -> Operator:
        use.spatial(rank)
        return operator(use.settings.integers("output_size", rank))

    return pooling


def _concatenate(use: LayerUse) -> Operator:
    return Concatenate(use.settings.axis("axis", len(use.shape)))


def _flatten(use: LayerUse) -> Operator:
    return Flatten()


def _reshape(use: LayerUse) -> Operator:
    target = use.settings.shape("target_shape")
    values, known = prod(use.shape), prod(size for size in target if size is not None)
    if not target or target.count(None) > 1 or values % known or (None not in target and values != known):
        raise ModelError(f"{format_shape(use.shape)} can't be reshaped to {target}")
    return Reshape(tuple(values // known if size is None else size for size in target))


def _dropout(use: LayerUse) -> Operator:
    return Identity()


def _activation(use: LayerUse) -> Operator:
    return activation(use.settings, use.shape)[1]


LAYERS: dict[str, Rule] = {
    "Activation": _activation,
    "Add": merging(Add()),
    "AdaptiveAveragePooling1D": _adaptive_pooling(AdaptiveAveragePooling, 1),
    "AdaptiveAveragePooling2D": _adaptive_pooling(AdaptiveAveragePooling, 2),
    "AdaptiveMaxPooling1D": _adaptive_pooling(AdaptiveMaxPooling, 1),
    "AdaptiveMaxPooling2D": _adaptive_pooling(AdaptiveMaxPooling, 2),
    "Average": merging(Average()),
    "AveragePooling1D": _pooling(AveragePooling, 1),
    "AveragePooling2D": _pooling(AveragePooling, 2),
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenate,
    "Conv1D": convolution(1),
    "Conv1DTranspose": transposed(1),
    "Conv2D": convolution(2),
    "Conv2DTranspose": transposed(2),
    "Cropping1D": cropping(1),
    "Cropping2D": cropping(2),
    "Dense": _dense,
    "DepthwiseConv1D": depthwise(1),
    "DepthwiseConv2D": depthwise(2),
    "Dropout": _dropout,
    "ELU": _elu,
    "Flatten": _flatten,
    "GlobalAveragePooling1D": _global_pooling(GlobalAveragePooling, 1),
    "GlobalAveragePooling2D": _global_pooling(GlobalAveragePooling, 2),
    "GlobalMaxPooling1D": _global_pooling(GlobalMaxPooling, 1),
    "GlobalMaxPooling2D": _global_pooling(GlobalMaxPooling, 2),
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": _leaky_relu,
    "MaxPooling1D": _pooling(MaxPooling, 1),
    "MaxPooling2D": _pooling(MaxPooling, 2),
    "Maximum": merging(Maximum()),
    "Minimum": merging(Minimum()),
    "MultiHeadAttention": multi_head_attention,
    "Multiply": merging(Multiply()),
    "Normalization": normalization,
    "PReLU": _prelu,
    "Permute": permute,
    "ReLU": _relu,
    "RepeatVector": repeat_vector,
    "Rescaling": rescaling,
    "Reshape": _reshape,
    "SeparableConv1D": separable(1),
    "SeparableConv2D": separable(2),
    "Softmax": _softmax,
    "Subtract": merging(Subtract()),
    "UpSampling1D": upsampling_1d,
    "UpSampling2D": upsampling_2d,
    "ZeroPadding1D": zero_padding(1),
    "ZeroPadding2D": zero_padding(2),
}

MERGING = (
    "Add",
    "Average",
    "Concatenate",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Subtract",
)
"""The layers that read several tensors; all others read one."""

WITH_CONSTANTS = ("Normalization", "Rescaling")
"""The layers whose parameters are numbers for which a layer of its own stands, not weights of the layer."""

WITH_ACTIVATION = (
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
)
"""The layers whose `activation` argument becomes a node of its own."""

ACTIVATION_LAYERS = {
    "ELU": ("elu", _elu),
    "LeakyReLU": ("leaky_relu", _leaky_relu),
    "ReLU": ("relu", _relu),
    "Softmax": ("softmax", _softmax),
}
"""Layers that may stand as another layer's `activation`, with the name that the node gets."""


def activation(settings: Settings, shape: Shape) -> tuple[str, Operator]:
    """The name and the operator of an `activation` argument, for a value of `shape`.

    Raises: ModelError for a function that bittrue doesn't know; one written in Python is never executed.
    """
    value = settings.values.get("activation")
    if value is None:
        return "linear", ACTIVATIONS["linear"]
    if isinstance(value, str) and value in ACTIVATIONS:
        return value, ACTIVATIONS[value]
    if not isinstance(value, dict):
        raise ModelError(f"the activation {shown(value)} is not supported: use one of {', '.join(ACTIVATIONS)}")
    class_name, module, config = value.get("class_name"), value.get("module"), value.get("config")
    layer = ACTIVATION_LAYERS.get(class_name) if isinstance(class_name, str) else None
    if layer is not None and isinstance(module, str) and is_from_keras(module) and isinstance(config, dict):
        name, rule = layer
        return name, rule(LayerUse(Settings(config), (shape,), lambda _: {}))
    raise ModelError(
        "its activation is Python code or a class of the author's, which bittrue neither executes nor translates: "
        f"use one of {', '.join(ACTIVATIONS)}"
    )


def _refuse_other_axis(use: LayerUse, what: str) -> None:
    """Softmax and batch normalization work over the last axis alone."""
    if use.settings.axis("axis", len(use.shape)) != len(use.shape) - 1:
        raise ModelError(f"{what} over another axis than the last is not supported: put the channels last")
