"""Sums of products with trained weights: convolutions and dense layers."""

from dataclasses import dataclass

from bittrue.network import Operator, Parameter

Padding = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Convolution(Operator):
    """Convolution of one or two spatial axes, grouped and depthwise ones included.

    weight: (*kernel, in_channels / groups, out_channels); group g computes output channels g·out/groups … (g+1)·out/groups − 1.
    strides, dilation: one a spatial axis. padding: (before, after) for each spatial axis, in zeros.
    """

    weight: Parameter
    bias: Parameter | None
    strides: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    groups: int


@dataclass(frozen=True, eq=False)
class Dense(Operator):
    """y = x·weight + bias over the last axis of an input of any rank; weight: (in, out)."""

    weight: Parameter
    bias: Parameter | None
