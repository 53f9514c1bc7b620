"""Activations: the ReLU family, sigmoid, tanh, softmax."""

from dataclasses import dataclass

from bittrue.network import Operator


@dataclass(frozen=True, eq=False)
class ReLU(Operator):
    """max_value where x ≥ max_value; x where threshold ≤ x < max_value; negative_slope·(x − threshold) below (as in Keras).

    max_value: None for no upper bound. LeakyReLU is a negative_slope.
    """

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0


@dataclass(frozen=True, eq=False)
class Sigmoid(Operator):
    """1 / (1 + exp(−x))."""


@dataclass(frozen=True, eq=False)
class Tanh(Operator):
    """tanh x."""


@dataclass(frozen=True, eq=False)
class Softmax(Operator):
    """exp(x_i) / Σ exp(x_j) over the last axis."""
