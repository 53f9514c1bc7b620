"""Pooling over windows of the spatial axes, and over all of them."""

from dataclasses import dataclass

from bittrue.network import Operator

Padding = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class MaxPooling(Operator):
    """Maximum over windows; padded positions take no part (B10). Fields: one entry a spatial axis."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding


@dataclass(frozen=True, eq=False)
class AveragePooling(Operator):
    """Mean over windows, divided by the number of positions inside the input (B10).

    count_include_pad: divide by the window's size instead, padding counted (ONNX and PyTorch can say so).
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    count_include_pad: bool = False


@dataclass(frozen=True, eq=False)
class GlobalMaxPooling(Operator):
    """Maximum over all spatial axes; keepdims leaves them with size 1."""

    keepdims: bool = False


@dataclass(frozen=True, eq=False)
class GlobalAveragePooling(Operator):
    """Mean over all spatial axes; keepdims leaves them with size 1."""

    keepdims: bool = False
