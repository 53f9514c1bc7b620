"""ONNX's Resize and Upsample: images upsampled by whole factors."""

from fractions import Fraction

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.onnx.axes import Axes
from bittrue.frontends.onnx.conversion import NodeUse, Tensor, Value
from bittrue.frontends.onnx.rows import OnnxOperator, Table
from bittrue.frontends.onnx.rules.windows import channels_last, image_layout
from bittrue.network import format_shape
from bittrue.operators import UpsamplingBilinear, UpsamplingNearest
from bittrue.shapes import Shape

BY_MATRICES = "multiply height and width by constant matrices in its place (matmul), or resize outside of the network"


def _resize(use: NodeUse) -> Value:
    """Upsampling by whole factors; the places that a factor's copies come from decide whether it is `nearest`."""
    x = channels_last(use, use.tensor(0))
    factors = _factors(use, x.shape)
    by = "×".join(f"{float(factor):g}" for factor in factors)
    if max(factors[:2]) != 1 or any(factor < 1 or factor.denominator != 1 for factor in factors):
        raise ModelError(
            f"it resizes {format_shape(x.shape)} by {by}, and only an image's height and width can be upsampled, by "
            f"whole factors: {BY_MATRICES}"
        )
    whole = tuple(int(factor) for factor in factors[2:])
    mode = use.node.text("mode", "nearest")
    if use.node.op_type == "Upsample" or use.opset == 10:
        where, rounding = "asymmetric", "floor"
    else:
        where = use.node.text("coordinate_transformation_mode", "half_pixel")
        rounding = use.node.text("nearest_mode", "round_prefer_floor")
    bilinear = mode in ("linear", "bilinear") and len(whole) == 2
    if mode == "nearest" and _copies(whole, where, rounding):
        number = use.add(UpsamplingNearest(whole), x)
    elif bilinear and where in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        number = use.add(UpsamplingBilinear(whole, where == "align_corners"), x)
    else:
        how = f"{where} and {rounding}" if mode == "nearest" else where
        raise ModelError(
            f"it resizes {format_shape(x.shape)} by {by} in the mode {mode} with {how}, which is not supported: "
            f"{BY_MATRICES}"
        )
    return Tensor(number, image_layout(use.shape_of(number)))


def _factors(use: NodeUse, shape: Shape) -> tuple[Fraction, ...]:
    """By what each axis grows: stored scales, or sizes that stand in their place."""
    if use.node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ModelError("it keeps the aspect ratio of its sizes: export the model with scales")
    axes = use.node.integers("axes", ()) or tuple(range(len(shape)))
    places = [use.axis(axis, len(shape)) for axis in axes]
    scales = _scales(use)
    sizes = use.numbers(3) if not scales and use.has(3) else ()
    stated = scales or tuple(Fraction(size, shape[axis]) for size, axis in zip(sizes, places, strict=False))
    if not stated:
        raise ModelError("it holds neither scales nor sizes: export the model with scales")
    if len(stated) != len(places) or len(scales or sizes) != len(places):
        given = ", ".join(f"{number:g}" for number in (map(float, scales) if scales else sizes))
        raise ModelError(f"its {'scales' if scales else 'sizes'} ({given}) don't name every axis of its input")
    factors = dict(zip(places, stated, strict=True))
    return tuple(factors.get(axis, Fraction(1)) for axis in range(len(shape)))


def _scales(use: NodeUse) -> tuple[Fraction, ...]:
    """The stored scales; none where they are empty, which leaves the word to the sizes."""
    index = 1 if use.node.op_type == "Upsample" or use.opset == 10 else 2
    attribute = use.node.numbers("scales")
    if attribute is not None:
        stored = list(attribute)
    else:
        stored = use.constant(index).value.reshape(-1)[:16].tolist() if use.has(index) else []
    if not np.isfinite(stored).all():
        raise ModelError("its scales are no finite numbers: export the model again")
    return tuple(Fraction(float(scale)) for scale in stored)


def _copies(factors: tuple[int, ...], where: str, rounding: str) -> bool:
    """Whether `nearest` with these rules repeats each position: output i comes from ⌊i / factor⌋."""
    if where == "asymmetric":
        return rounding == "floor"
    # (i + ½) / factor − ½ lies within half a position of ⌊i / factor⌋, and never on a tie for odd and even factors.
    return where in ("half_pixel", "pytorch_half_pixel") and rounding in ("round_prefer_floor", "round_prefer_ceil")


OPERATORS: Table = {
    "Resize": OnnxOperator(_resize, axes=Axes.IMAGE),
    "Upsample": OnnxOperator(_resize, axes=Axes.IMAGE),
}
