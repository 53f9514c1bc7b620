"""Keras's layers of products with weights: dense, and convolutions for one spatial axis or two."""

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.use import Chain, LayerUse, Rule
from bittrue.network import Operator, Parameter
from bittrue.operators import Convolution, ConvolutionTransposed, Dense


def dense(use: LayerUse) -> Operator:
    units = use.settings.integer("units")
    shapes = {"weight": (use.shape[-1], units), "bias": use.parameter_shape("use_bias", units)}
    parameters = use.parameters(shapes)
    return Dense(parameters["weight"], parameters.get("bias"))


def convolution(rank: int) -> Rule:
    def operator(use: LayerUse) -> Operator:
        settings, channels = use.settings, use.channels(rank)
        filters, groups = settings.integer("filters"), settings.integer("groups")
        if channels % groups or filters % groups:
            raise ModelError(f"{groups} groups divide neither {channels} input channels nor {filters} filters evenly")
        kernel = settings.integers("kernel_size", rank)
        shapes = {"weight": (*kernel, channels // groups, filters), "bias": use.parameter_shape("use_bias", filters)}
        parameters = use.parameters(shapes)
        return _sliding(use, kernel, parameters["weight"], parameters.get("bias"), groups)

    return operator


def depthwise(rank: int) -> Rule:
    def operator(use: LayerUse) -> Operator:
        settings, channels = use.settings, use.channels(rank)
        kernel, multiplier = settings.integers("kernel_size", rank), settings.integer("depth_multiplier")
        shapes = {
            "weight": (*kernel, channels, multiplier),
            "bias": use.parameter_shape("use_bias", channels * multiplier),
        }
        parameters = use.parameters(shapes)
        return _sliding(use, kernel, _by_channel(parameters["weight"]), parameters.get("bias"), channels)

    return operator


def separable(rank: int) -> Rule:
    def chain(use: LayerUse) -> Chain:
        settings, channels = use.settings, use.channels(rank)
        kernel, multiplier = settings.integers("kernel_size", rank), settings.integer("depth_multiplier")
        filters, ones = settings.integer("filters"), (1,) * rank
        shapes = {
            "depthwise.weight": (*kernel, channels, multiplier),
            "weight": (*ones, channels * multiplier, filters),
            "bias": use.parameter_shape("use_bias", filters),
        }
        parameters = use.parameters(shapes)
        depthwise = _sliding(use, kernel, _by_channel(parameters["depthwise.weight"]), None, channels)
        mixing = Convolution(parameters["weight"], parameters.get("bias"), ones, ((0, 0),) * rank, ones, 1)
        return Chain((("depthwise", depthwise),), mixing)

    return chain


def _by_channel(stored: Parameter) -> Parameter:
    """A depthwise weight (*kernel, in, multiplier) as that of a convolution with a group a channel."""
    *kernel, channels, multiplier = stored.value.shape
    return Parameter(stored.name, stored.value.reshape(*kernel, 1, channels * multiplier))


def _sliding(
    use: LayerUse, kernel: tuple[int, ...], weight: Parameter, bias: Parameter | None, groups: int
) -> Operator:
    strides = use.settings.integers("strides", len(kernel))
    dilation = use.settings.integers("dilation_rate", len(kernel))
    causal = ("causal",) if len(kernel) == 1 else ()
    return Convolution(weight, bias, strides, use.padding(kernel, strides, dilation, *causal), dilation, groups)


def transposed(rank: int) -> Rule:
    def operator(use: LayerUse) -> Operator:
        settings, channels = use.settings, use.channels(rank)
        kernel, filters = settings.integers("kernel_size", rank), settings.integer("filters")
        shapes = {"weight": (*kernel, filters, channels), "bias": use.parameter_shape("use_bias", filters)}
        parameters = use.parameters(shapes)
        stored = parameters["weight"]
        weight = Parameter(stored.name, np.ascontiguousarray(np.moveaxis(stored.value, -1, -2)))
        strides, dilation = settings.integers("strides", rank), settings.integers("dilation_rate", rank)
        given = settings.values.get("output_padding") is not None
        more = settings.integers("output_padding", rank, 0) if given else (None,) * rank
        same = settings.choice("padding", "valid", "same") == "same"
        ends = [_cropping(same, *axis) for axis in zip(kernel, strides, dilation, more, strict=True)]
        padding = tuple((before, max(after, 0)) for before, after in ends)
        beyond = tuple(max(-after, 0) for _, after in ends)
        return ConvolutionTransposed(weight, parameters.get("bias"), strides, padding, beyond, dilation, 1)

    return operator


def _cropping(same: bool, kernel: int, stride: int, dilation: int, output_padding: int | None) -> tuple[int, int]:
    """What Keras crops of a transposed convolution's full result (below 0: adds), before and after, on one axis.

    Source: keras.src.backend.common.backend_utils, whose JAX and torch backends agree on it.
    """
    reach = (kernel - 1) * dilation + 1
    if not same:
        return 0, -(max(stride - reach, 0) if output_padding is None else output_padding)
    # `same` without output_padding makes size · stride positions.
    total = stride + reach - 2 if output_padding is None else reach + reach % 2 - 2 + output_padding
    before = min(total - total // 2, reach - 1)
    return reach - 1 - before, reach - 1 - (total - before)
