"""The operators of a Network. Importing this package registers every operator's rules in the passes' tables."""

from bittrue.operators.activation import Absolute, Clip, LogSoftmax, PReLU, ReLU, Softmax
from bittrue.operators.adaptive import AdaptiveAveragePooling, AdaptiveMaxPooling
from bittrue.operators.arithmetic import Add
from bittrue.operators.convolution import Convolution, ConvolutionTransposed, Dense
from bittrue.operators.functions import (
    ELU,
    GELU,
    SELU,
    Erf,
    Exp,
    HardSigmoid,
    HardSwish,
    Log,
    LogSigmoid,
    Mish,
    Reciprocal,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Square,
    Tanh,
)
from bittrue.operators.layer_normalization import LayerNormalization
from bittrue.operators.movement import Concatenate, Flatten, Identity, Input, Reshape, ZeroPadding
from bittrue.operators.normalization import BatchNormalization
from bittrue.operators.output_kind import ends_in_probabilities
from bittrue.operators.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from bittrue.operators.reduction import ReduceMaximum, ReduceMean, ReduceMinimum, ReduceSum

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Absolute",
    "AdaptiveAveragePooling",
    "AdaptiveMaxPooling",
    "Add",
    "AveragePooling",
    "BatchNormalization",
    "Clip",
    "Concatenate",
    "Convolution",
    "ConvolutionTransposed",
    "Dense",
    "Erf",
    "Exp",
    "Flatten",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "Input",
    "LayerNormalization",
    "Log",
    "LogSigmoid",
    "LogSoftmax",
    "MaxPooling",
    "Mish",
    "PReLU",
    "ReLU",
    "Reciprocal",
    "ReduceMaximum",
    "ReduceMean",
    "ReduceMinimum",
    "ReduceSum",
    "Reshape",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Square",
    "Tanh",
    "ZeroPadding",
    "ends_in_probabilities",
]
