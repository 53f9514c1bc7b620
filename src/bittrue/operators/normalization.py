"""Batch normalization."""

from dataclasses import dataclass

from bittrue.network import Operator, Parameter


@dataclass(frozen=True, eq=False)
class BatchNormalization(Operator):
    """gamma·(x − mean) / √(variance + epsilon) + beta for each channel of the last axis; gamma and beta may be absent (1, 0).

    epsilon: the stored number exactly (binary64 in Keras).
    """

    gamma: Parameter | None
    beta: Parameter | None
    mean: Parameter
    variance: Parameter
    epsilon: float
