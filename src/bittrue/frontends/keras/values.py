"""What Keras's layers of arithmetic between values and of movement mean."""

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import Settings, shown
from bittrue.frontends.keras.use import COUNTER, LayerUse, Rule
from bittrue.network import Operator, Parameter, format_shape
from bittrue.operators import (
    BatchNormalization,
    Broadcast,
    ScaleOffset,
    Slice,
    Transpose,
    UpsamplingBilinear,
    UpsamplingNearest,
    ZeroPadding,
)


def merging(operator: Operator) -> Rule:
    """A layer that computes one operator of all its inputs."""
    return lambda use: operator


def permute(use: LayerUse) -> Operator:
    axes = use.settings.integers("dims", len(use.shape))
    return Transpose(tuple(axis - 1 for axis in axes))


def cropping(rank: int) -> Rule:
    def crop(use: LayerUse) -> Operator:
        spatial = use.spatial(rank)
        pairs = _pairs(use.settings, "cropping", rank)
        ends = tuple(size - after for size, (_, after) in zip(spatial, pairs, strict=True))
        if any(before >= end for end, (before, _) in zip(ends, pairs, strict=True)):
            raise ModelError(f"cropping {pairs} leaves nothing of an input of {format_shape(use.shape)}")
        return Slice(tuple(before for before, _ in pairs), ends, (1,) * rank, tuple(range(rank)))

    return crop


def zero_padding(rank: int) -> Rule:
    def pad(use: LayerUse) -> Operator:
        use.spatial(rank)
        return ZeroPadding(_pairs(use.settings, "padding", rank))

    return pad


def _pairs(settings: Settings, key: str, rank: int) -> tuple[tuple[int, int], ...]:
    """(before, after) for each spatial axis; one axis has its pair without a list around it."""
    if rank == 1:
        before, after = settings.integers(key, 2, minimum=0)
        return ((before, after),)
    return settings.integer_pairs(key, rank)


def upsampling_1d(use: LayerUse) -> Operator:
    use.spatial(1)
    return UpsamplingNearest((use.settings.integer("size"),))


def upsampling_2d(use: LayerUse) -> Operator:
    """Bilinear interpolation reads at half-pixel centres, as Keras's resize does."""
    use.spatial(2)
    factors = use.settings.integers("size", 2)
    if use.settings.choice("interpolation", "nearest", "bilinear") == "nearest":
        return UpsamplingNearest(factors)
    return UpsamplingBilinear(factors, align_corners=False)


def repeat_vector(use: LayerUse) -> Operator:
    if len(use.shape) != 1:
        raise ModelError(f"it needs a vector and reads {format_shape(use.shape)}")
    return Broadcast((use.settings.integer("n"), *use.shape))


def rescaling(use: LayerUse) -> Operator:
    """The numbers in float32, in which Keras computes."""
    constants = (_numbers(use, role) for role in ("scale", "offset"))
    scale, offset = (
        Parameter(use.parameter_name(role), value) for role, value in zip(("scale", "offset"), constants, strict=True)
    )
    return ScaleOffset(scale, offset if offset.value.any() else None)


LEAST_DEVIATION = 1e-7
"""What Keras's Normalization divides by at least."""


def normalization(use: LayerUse) -> Operator:
    """(x − mean)/√variance, a batch normalization without gamma, beta and epsilon, of constants or adapted numbers."""
    settings, channels = use.settings, use.shape[-1]
    if settings.values.get("invert"):
        raise ModelError("invert=True is not supported: leave the layer out and multiply by the deviation afterwards")
    by_channel = settings.values.get("axis") not in (None, [])
    if by_channel and settings.axes("axis", len(use.shape)) != (len(use.shape) - 1,):
        raise ModelError("normalization over another axis than the last is not supported: put the channels last")
    if settings.values.get("mean") is None:
        shape = (channels,) if by_channel else ()
        stored = use.parameters({"mean": shape, "variance": shape, COUNTER: ()})
        mean, variance = stored["mean"].value, stored["variance"].value
    else:
        mean, variance = _numbers(use, "mean"), _numbers(use, "variance")
    if any(value.size not in (1, channels) for value in (mean, variance)):
        raise ModelError(f"its mean holds {mean.size} numbers for {channels} channels")
    variance = np.maximum(variance, np.float32(LEAST_DEVIATION**2))
    mean, variance = (np.broadcast_to(value.reshape(-1), (channels,)).copy() for value in (mean, variance))
    names = use.parameter_name("mean"), use.parameter_name("variance")
    return BatchNormalization(None, None, Parameter(names[0], mean), Parameter(names[1], variance), 0.0)


def _numbers(use: LayerUse, role: str) -> np.ndarray:
    """One number, or one a channel."""
    value = use.settings.values.get(role)
    if isinstance(value, dict):  # an array, as Keras stores it
        value = Settings(value).mapping("config").get("value")
    numbers = value if isinstance(value, list) else [value]
    if not numbers or any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise ModelError(f"{role} is {shown(value)}, expected a number, or one a channel")
    return np.array(value, np.float32)
