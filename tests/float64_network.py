"""A Network in float64, operator by operator with plain loops, and how far rounded numbers can lead away from it.

Shares nothing with the operators' own rules but their fields. One image at a time, without the batch axis.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bittrue.network import Network, Node, Parameter
from bittrue.operators import (
    Absolute,
    AdaptiveAveragePooling,
    AdaptiveMaxPooling,
    Add,
    Average,
    AveragePooling,
    BatchNormalization,
    Broadcast,
    Clip,
    Concatenate,
    Convolution,
    ConvolutionTransposed,
    Dense,
    Divide,
    DivideConstant,
    Flatten,
    GlobalAveragePooling,
    GlobalMaxPooling,
    Identity,
    Input,
    LayerNormalization,
    LogSoftmax,
    MatMul,
    Maximum,
    MaxPooling,
    Minimum,
    Multiply,
    Pad,
    PReLU,
    ReduceMaximum,
    ReduceMean,
    ReduceMinimum,
    ReduceSum,
    ReLU,
    Reshape,
    ScaleOffset,
    Slice,
    Softmax,
    Subtract,
    Take,
    Transpose,
    UpsamplingBilinear,
    UpsamplingNearest,
    ZeroPadding,
)
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    Erf,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    Log,
    LogSigmoid,
    Mish,
    Reciprocal,
    Sigmoid,
    Sign,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Square,
    Tanh,
)

Array = np.ndarray


def evaluate(network: Network, image: Array) -> dict[str, Array]:
    """Every node's output."""
    values: dict[str, Array] = {}
    for node in network.nodes:
        inputs = [values[name] for name in node.inputs] or [image.astype(np.float64)]
        values[node.name] = VALUES[type(node.operator.written)](node.operator.written, *inputs)
    return values


def _number(parameter: Parameter | None, absent: float) -> Array:
    return np.array(absent) if parameter is None else parameter.value.astype(np.float64)


def _padded(x: Array, padding: tuple[tuple[int, int], ...], value: float = 0.0) -> Array:
    return np.pad(x, (*padding, (0, 0)), constant_values=value)


def _positions(size: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((n - r) // s + 1 for n, r, s in zip(size, reach, strides, strict=True))


def _convolution(operator: Convolution, x: Array) -> Array:
    weight = operator.weight.value.astype(np.float64)
    *kernel, per_group, channels = weight.shape
    padded = _padded(x, operator.padding)
    reach = tuple(step * (size - 1) + 1 for size, step in zip(kernel, operator.dilation, strict=True))
    positions = _positions(padded.shape[:-1], reach, operator.strides)
    y = np.zeros((*positions, channels))
    outputs = channels // operator.groups
    for position in np.ndindex(*positions):
        start = np.multiply(position, operator.strides)
        for tap in np.ndindex(*kernel):
            place = tuple((start + np.multiply(tap, operator.dilation)).tolist())
            for channel in range(channels):
                first = channel // outputs * per_group
                y[position][channel] += padded[place][first : first + per_group] @ weight[tap][:, channel]
    y += _number(operator.bias, 0)
    return y


def _convolution_transposed(operator: ConvolutionTransposed, x: Array) -> Array:
    """Each input adds its products to the full result, of which a part is left."""
    weight = operator.weight.value.astype(np.float64)
    *kernel, per_group, channels = weight.shape
    outputs = channels // operator.groups
    axes = zip(x.shape, kernel, operator.strides, operator.dilation, operator.output_padding, strict=False)
    full = np.zeros((*((n - 1) * s + d * (k - 1) + 1 + more for n, k, s, d, more in axes), channels))
    for position in np.ndindex(x.shape[:-1]):
        for tap in np.ndindex(*kernel):
            place = tuple((np.multiply(position, operator.strides) + np.multiply(tap, operator.dilation)).tolist())
            for channel in range(channels):
                first = channel // outputs * per_group
                full[place][channel] += x[position][first : first + per_group] @ weight[tap][:, channel]
    ends = zip(operator.padding, full.shape, strict=False)
    y: Array = full[tuple(slice(before, size - after) for (before, after), size in ends)] + _number(operator.bias, 0)
    return y


def pooled_windows(operator: MaxPooling | AveragePooling, x: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Each output position, and its window's positions in the input and in the padding that the model states, with NaN
    for padding, (positions in the window, channels)."""
    dilation = operator.dilation or (1,) * len(operator.window)
    padded = _padded(x, operator.padding, np.nan)
    starts = []
    axes = zip(x.shape, padded.shape, operator.window, operator.strides, operator.padding, dilation, strict=False)
    for size, whole, reach, stride, (before, _), step in axes:
        span = step * (reach - 1) + 1
        last = size + before - 1 if operator.ceil_mode else whole - span
        needed = whole - span + stride - 1 if operator.ceil_mode else last
        starts.append([start for start in range(0, last + 1, stride) if start <= needed])
    for position in np.ndindex(*map(len, starts)):
        corner = [places[index] for places, index in zip(starts, position, strict=True)]
        reads = [
            [p for p in range(start, start + step * reach, step) if p < whole]
            for start, reach, step, whole in zip(corner, operator.window, dilation, padded.shape, strict=False)
        ]
        yield position, padded[np.ix_(*reads)].reshape(-1, x.shape[-1])


def _pooled(operator: MaxPooling | AveragePooling, x: Array, reduce: Callable[[Array], Array]) -> Array:
    found = {position: reduce(window) for position, window in pooled_windows(operator, x)}
    return np.array(list(found.values())).reshape(*(np.array(list(found)).max(axis=0) + 1), x.shape[-1])


def _average(operator: AveragePooling, x: Array) -> Array:
    if operator.divisor is not None:
        return _pooled(operator, x, lambda window: np.nansum(window, axis=0) / operator.divisor)
    if operator.count_include_pad:
        return _pooled(operator, x, lambda window: np.nan_to_num(window).mean(axis=0))
    return _pooled(operator, x, lambda window: np.nanmean(window, axis=0))


def _adaptive(reduce: Callable[..., Array]) -> Callable[[Any, Array], Array]:
    def pool(operator: AdaptiveAveragePooling | AdaptiveMaxPooling, x: Array) -> Array:
        y = np.zeros((*operator.output_size, x.shape[-1]))
        for position in np.ndindex(*operator.output_size):
            axes = zip(position, x.shape, operator.output_size, strict=False)
            place = tuple(slice(int(np.floor(i * n / m)), int(np.ceil((i + 1) * n / m))) for i, n, m in axes)
            y[position] = reduce(x[place].reshape(-1, x.shape[-1]), axis=0)
        return y

    return pool


def _reduced(reduce: Callable[..., Array]) -> Callable[[Any, Array], Array]:
    return lambda operator, x: np.asarray(reduce(x, axis=operator.axes, keepdims=operator.keepdims))


def _global(reduce: Callable[..., Array]) -> Callable[[Any, Array], Array]:
    return lambda operator, x: reduce(x, axis=tuple(range(x.ndim - 1)), keepdims=operator.keepdims)


def _batch_normalization(operator: BatchNormalization, x: Array) -> Array:
    deviation = np.sqrt(_number(operator.variance, 1) + operator.epsilon)
    y: Array = _number(operator.gamma, 1) * (x - _number(operator.mean, 0)) / deviation + _number(operator.beta, 0)
    return y


def _relu(operator: ReLU, x: Array) -> Array:
    y = np.where(x >= operator.threshold, x, operator.negative_slope * (x - operator.threshold))
    return y if operator.max_value is None else np.minimum(y, operator.max_value)


def _softmax(operator: Softmax | LogSoftmax, x: Array) -> Array:
    if isinstance(operator, Softmax) and operator.mask is not None:
        x = np.where(operator.mask.positions, x, -np.inf)
    powers: Array = np.exp(x - x.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def _layer_normalization(operator: LayerNormalization, x: Array) -> Array:
    axes = tuple(range(x.ndim - operator.axes, x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=axes, keepdims=True) + operator.epsilon)
    y: Array = _number(operator.gamma, 1) * centred / deviation + _number(operator.beta, 0)
    return y


def _elu(x: Array, alpha: float, scale: float) -> Array:
    return np.where(x >= 0, scale * x, scale * alpha * np.expm1(np.minimum(x, 0)))


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[float])(x)


def _gelu(operator: GELU, x: Array) -> Array:
    if operator.approximate:
        return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + _erf(x / np.sqrt(2)))


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, 0)


def _slice(operator: Slice, x: Array) -> Array:
    places: list[slice] = [slice(None)] * x.ndim
    for axis, *ends in zip(operator.axes, operator.starts, operator.ends, operator.steps, strict=True):
        places[axis] = slice(*ends)
    return x[tuple(places)]


def _bilinear(operator: UpsamplingBilinear, x: Array) -> Array:
    for axis, factor in enumerate(operator.factors):
        size = x.shape[axis]
        places = np.linspace(0, size - 1, size * factor)
        if not operator.align_corners:
            places = (np.arange(size * factor) + 0.5) / factor - 0.5
        x = np.apply_along_axis(lambda row, at=places: np.interp(at, np.arange(len(row)), row), axis, x)
    return x


VALUES: dict[type, Callable[..., Array]] = {
    AdaptiveAveragePooling: _adaptive(np.mean),
    AdaptiveMaxPooling: _adaptive(np.max),
    Absolute: lambda operator, x: np.abs(x),
    Add: lambda operator, *inputs: sum(inputs[1:], inputs[0]),
    Average: lambda operator, *inputs: sum(inputs[1:], inputs[0]) / len(inputs),
    AveragePooling: _average,
    BatchNormalization: _batch_normalization,
    Clip: lambda operator, x: np.clip(
        x, -np.inf if operator.low is None else operator.low, np.inf if operator.high is None else operator.high
    ),
    Broadcast: lambda operator, x: np.broadcast_to(x, operator.shape),
    Concatenate: lambda operator, *inputs: np.concatenate(inputs, operator.axis),
    Convolution: _convolution,
    ConvolutionTransposed: _convolution_transposed,
    Dense: lambda operator, x: x @ operator.weight.value.astype(np.float64) + _number(operator.bias, 0),
    ELU: lambda operator, x: _elu(x, operator.alpha, 1.0),
    Erf: lambda operator, x: _erf(x),
    Exp: lambda operator, x: np.exp(x),
    Divide: lambda operator, x, d: x / d,
    DivideConstant: lambda operator, x: x / operator.divisor.value.astype(np.float64),
    Flatten: lambda operator, x: x.ravel(),
    GELU: _gelu,
    GlobalAveragePooling: _global(np.mean),
    GlobalMaxPooling: _global(np.max),
    HardSigmoid: lambda operator, x: np.clip(float(operator.slope) * x + float(operator.offset), 0, 1),
    HardSwish: lambda operator, x: x * np.clip(x + 3, 0, 6) / 6,
    Identity: lambda operator, x: x,
    Input: lambda operator, x: x,
    LayerNormalization: _layer_normalization,
    Log: lambda operator, x: np.log(x),
    LogSigmoid: lambda operator, x: -_softplus(-x),
    LogSoftmax: lambda operator, x: np.log(_softmax(operator, x)),
    MatMul: lambda operator, x, w: np.einsum("...mk,...kn->...mn", x, w),
    MaxPooling: lambda operator, x: _pooled(operator, x, lambda window: np.nanmax(window, axis=0)),
    ReduceMaximum: _reduced(np.max),
    ReduceMean: _reduced(np.mean),
    ReduceMinimum: _reduced(np.min),
    ReduceSum: _reduced(np.sum),
    Mish: lambda operator, x: x * np.tanh(_softplus(x)),
    PReLU: lambda operator, x: np.where(x >= 0, x, x * _number(operator.slope, 0)),
    Reciprocal: lambda operator, x: 1 / x,
    ReLU: _relu,
    Reshape: lambda operator, x: x.reshape(operator.shape),
    SELU: lambda operator, x: _elu(x, operator.alpha, operator.scale),
    SiLU: lambda operator, x: x / (1 + np.exp(-x)),
    Maximum: lambda operator, *inputs: np.max(np.broadcast_arrays(*inputs), axis=0),
    Minimum: lambda operator, *inputs: np.min(np.broadcast_arrays(*inputs), axis=0),
    Multiply: lambda operator, x, w: x * w,
    Pad: lambda operator, x: np.pad(x, operator.padding, constant_values=operator.value),
    ScaleOffset: lambda operator, x: _number(operator.scale, 1) * x + _number(operator.offset, 0),
    Sigmoid: lambda operator, x: 1 / (1 + np.exp(-x)),
    Slice: _slice,
    Softmax: _softmax,
    Softplus: lambda operator, x: _softplus(x),
    Sign: lambda operator, x: np.sign(x),
    Softsign: lambda operator, x: x / (1 + np.abs(x)),
    Sqrt: lambda operator, x: np.sqrt(x),
    Square: lambda operator, x: x**2,
    Subtract: lambda operator, x, w: x - w,
    Tanh: lambda operator, x: np.tanh(x),
    Take: lambda operator, x: x.take(operator.indices, operator.axis),
    Transpose: lambda operator, x: x.transpose(operator.axes),
    UpsamplingBilinear: _bilinear,
    UpsamplingNearest: lambda operator, x: np.kron(x, np.ones((*operator.factors, 1))),
    ZeroPadding: lambda operator, x: _padded(x, operator.padding),
}


def error_bounds(network: Network, values: dict[str, Array], unit: float) -> dict[str, float]:
    """By node: what no number of its output can be off by, where every site's number is off by at most `unit`.

    values: from `evaluate`. From the largest slope of each function, first order and second; `unit` far below 1.
    """
    errors: dict[str, float] = {}
    for node in network.nodes:
        sources = [errors[name] for name in node.inputs]
        largest = max([float(np.abs(values[name]).max()) for name in node.inputs], default=0.0)
        errors[node.name] = _bound(node, values, max(sources, default=0.0), sum(sources), largest, unit)
    return errors


def _bound(node: Node, values: dict[str, Array], error: float, total: float, largest: float, unit: float) -> float:
    """error, total: the largest error of an input, and the sum of all. largest: the largest absolute input."""
    match node.operator.written:
        case Convolution(weight=weight) | ConvolutionTransposed(weight=weight) | Dense(weight=weight):
            columns = np.abs(weight.value.reshape(-1, weight.value.shape[-1]).astype(np.float64))
            return float(columns.sum(axis=0).max()) * error + len(columns) * (largest + error) * unit + 2 * unit
        case BatchNormalization() as norm:
            return _norm_bound(norm, error, largest, unit)
        case ReLU() as relu:
            source = values[node.inputs[0]]
            if relu.threshold != 0:  # a jump, which no bound on slopes covers
                assert np.abs(source - relu.threshold).min() > error + unit
            slope = max(1.0, abs(relu.negative_slope)) + unit
            return slope * (error + unit) + (largest + abs(relu.threshold) + error) * unit + 2 * unit
        case Softmax():
            # The table form: the difference is off by d, each exponential by e, their sum (≥ 1) by s, its inverse by r.
            d = 2 * error + unit
            e = d + unit
            s = node.shape[-1] * e + unit
            r = s / (1 - s) + unit
            return e + r + e * r + unit
        case Sigmoid():
            return error / 4 + unit
        case Clip():  # the bound's own error, and the output's
            return max(error, unit) + unit
        case PReLU(slope=slope):
            factor = max(1.0, float(np.abs(slope.value).max())) + unit
            return factor * error + (largest + error) * unit + unit
        case LayerNormalization() as norm:
            return _layer_norm_bound(norm, values[node.inputs[0]], error, unit)
        case ELU(alpha=alpha):
            return max(1.0, alpha) * error + unit
        case SELU(alpha=alpha, scale=scale):
            return max(1.0, alpha) * scale * error + unit
        case Exp() | Log() | Sqrt() | Reciprocal() | Square():
            return _steepest(node.operator.written, values[node.inputs[0]], error) * error + unit
        case Erf() | GELU() | SiLU() | Mish() | HardSwish():  # 2/√π, 1.13, 1.1, 1.09, 1.5
            return 1.5 * error + unit
        case LogSoftmax():
            return 2 * error + unit
        case Add() | Subtract():
            return total + unit
        case ReduceSum():
            return values[node.inputs[0]].size // values[node.name].size * (error + unit)
        case Multiply() | MatMul():
            products = values[node.inputs[0]].shape[-1] if isinstance(node.operator, MatMul) else 1
            return float(products * (2 * largest * error + error**2 + largest * unit) + unit)
        case ScaleOffset() as affine:
            scale = float(np.abs(_number(affine.scale, 1)).max()) + unit
            return scale * error + (largest + error) * unit + 2 * unit
        case UpsamplingBilinear(factors=factors):  # two neighbours an axis, whose weights may be off
            return error + ((1 + 2 * unit) ** len(factors) - 1) * (largest + error) + unit
        case Divide():
            smallest = float(np.abs(values[node.inputs[1]]).min()) - error
            return (error + largest / smallest * error) / smallest + unit
        case DivideConstant(divisor=divisor):
            smallest = float(np.abs(divisor.value).min()) - unit
            return (error + largest / smallest * unit) / smallest + unit
        case _:  # means, maxima, tanh, movement: no slope above 1
            return error + unit


def _steepest(function: Function, source: Array, error: float) -> float:
    """The largest slope between numbers that are off by `error`."""
    low, high = float(np.abs(source).min()) - error, float(np.abs(source).max()) + error
    match function:
        case Exp():
            return math.exp(float(source.max()) + error)
        case Square():
            return 2 * high
        case Sqrt():
            return 0.5 * low**-0.5
        case Log():
            return 1 / low
        case _:
            return low**-2


def _layer_norm_bound(norm: LayerNormalization, x: Array, error: float, unit: float) -> float:
    """The deviation changes by no more than the numbers' distances from their mean do: by 2·error at most."""
    count = int(np.prod(x.shape[-norm.axes :]))
    centred = x.reshape(-1, count) - x.reshape(-1, count).mean(axis=1, keepdims=True)
    deviation = float(np.sqrt((centred**2).mean(axis=1) + norm.epsilon).min())
    gamma = float(np.abs(_number(norm.gamma, 1)).max()) + unit
    ratio = count**0.5
    return gamma * (1 + ratio) * 2 * error / (deviation - 2 * error) + ratio * unit + 2 * unit


def _norm_bound(norm: BatchNormalization, error: float, largest: float, unit: float) -> float:
    """Of the raw form and of the affine one."""
    radicand = float(norm.variance.value.min()) + norm.epsilon - unit
    gamma = float(np.abs(_number(norm.gamma, 1)).max()) + unit
    centred = largest + error + float(np.abs(norm.mean.value).max()) + unit
    inverse: float = radicand**-0.5
    of_variance = gamma * centred * inverse / radicand / 2 * unit
    raw = gamma * inverse * (error + unit) + centred * inverse * unit + of_variance + 2 * unit
    affine = gamma * inverse * error + (largest + error) * unit + 2 * unit
    return max(raw, affine)
