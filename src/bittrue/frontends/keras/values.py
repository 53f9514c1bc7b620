"""What Keras's layers of arithmetic between values and of movement mean, and of those that do nothing."""

from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import Settings, shown
from bittrue.frontends.keras.use import LayerUse, Rule
from bittrue.network import Operator, Parameter, format_shape
from bittrue.operators import (
    Broadcast,
    Concatenate,
    Flatten,
    Identity,
    Reshape,
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


def resizing(use: LayerUse) -> Operator:
    """By whole factors: to more positions as UpSampling2D does, to fewer by those at the centres."""
    spatial, settings = use.spatial(2), use.settings
    size = (settings.integer("height"), settings.integer("width"))
    kind = settings.choice("interpolation", "nearest", "bilinear")
    in_proportion = size[0] * spatial[1] == size[1] * spatial[0]
    if any(settings.values.get(f"{how}_to_aspect_ratio") for how in ("crop", "pad")) and not in_proportion:
        raise ModelError("cropping or padding to an aspect ratio is not supported: use Cropping2D or ZeroPadding2D")
    if size == spatial:
        return Identity()
    if all(new % old == 0 for new, old in zip(size, spatial, strict=True)):
        factors = (size[0] // spatial[0], size[1] // spatial[1])
        return UpsamplingNearest(factors) if kind == "nearest" else UpsamplingBilinear(factors, align_corners=False)
    steps = tuple(old // new for new, old in zip(size, spatial, strict=True))
    is_whole = all(old == new * step for new, old, step in zip(size, spatial, steps, strict=True))
    at_centres = kind == "nearest" or all(step % 2 for step in steps)
    if not is_whole or not at_centres or settings.values.get("antialias"):
        raise ModelError(
            f"from {format_shape(spatial)} to {format_shape(size)} it is no whole factor that is supported: resize the "
            "images before, as `--resize` does, or multiply each axis by a matrix, with Permute and Dense"
        )
    return Slice(tuple(step // 2 for step in steps), spatial, steps, (0, 1))


def layer_scale(use: LayerUse) -> Operator:
    """The factors of ConvNeXt, one a channel."""
    return ScaleOffset(use.parameters({"scale": use.shape[-1:]})["scale"], None)


def repeat_vector(use: LayerUse) -> Operator:
    if len(use.shape) != 1:
        raise ModelError(f"it needs a vector and reads {format_shape(use.shape)}")
    return Broadcast((use.settings.integer("n"), *use.shape))


def rescaling(use: LayerUse) -> Operator:
    """The numbers in float32, in which Keras computes."""
    constants = (numbers(use, role) for role in ("scale", "offset"))
    scale, offset = (
        Parameter(use.parameter_name(role), value) for role, value in zip(("scale", "offset"), constants, strict=True)
    )
    return ScaleOffset(scale, offset if offset.value.any() else None)


def numbers(use: LayerUse, role: str) -> np.ndarray:
    """One number, or one a channel."""
    value = use.settings.values.get(role)
    if isinstance(value, dict):  # an array, as Keras stores it
        value = Settings(value).mapping("config").get("value")
    listed = value if isinstance(value, list) else [value]
    if not listed or any(isinstance(number, bool) or not isinstance(number, int | float) for number in listed):
        raise ModelError(f"{role} is {shown(value)}, expected a number, or one a channel")
    return np.array(value, np.float32)


def concatenate(use: LayerUse) -> Operator:
    return Concatenate(use.settings.axis("axis", len(use.shape)))


def flatten(use: LayerUse) -> Operator:
    return Flatten()


def reshape(use: LayerUse) -> Operator:
    target = use.settings.shape("target_shape")
    values, known = prod(use.shape), prod(size for size in target if size is not None)
    if not target or target.count(None) > 1 or values % known or (None not in target and values != known):
        raise ModelError(f"{format_shape(use.shape)} can't be reshaped to {target}")
    return Reshape(tuple(values // known if size is None else size for size in target))


def random_crop(use: LayerUse) -> Operator:
    """At inference Keras resizes to the shorter side and crops the centre, which leaves an image of the size alone."""
    size = (use.settings.integer("height"), use.settings.integer("width"))
    if use.spatial(2) != size:
        raise ModelError(f"at inference it resizes {format_shape(use.shape)}: crop the images before")
    return Identity()


def nothing(use: LayerUse) -> Operator:
    """A layer that only training knows."""
    return Identity()
