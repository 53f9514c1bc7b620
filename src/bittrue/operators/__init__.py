"""The operators of a Network. Importing this package registers every operator's rules in the passes' tables."""

from bittrue.operators.activation import Absolute, Clip, PReLU, ReLU
from bittrue.operators.adaptive import AdaptiveAveragePooling, AdaptiveMaxPooling
from bittrue.operators.addressing import Broadcast, Slice, Take, Transpose, UpsamplingNearest
from bittrue.operators.arithmetic import Add, Average, Divide, Maximum, Minimum, Multiply, Subtract
from bittrue.operators.constants import DivideConstant, ScaleOffset
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
from bittrue.operators.matrix_product import MatMul
from bittrue.operators.movement import Concatenate, Flatten, Identity, Input, Pad, Reshape, ZeroPadding
from bittrue.operators.normalization import BatchNormalization
from bittrue.operators.output_kind import ends_in_probabilities
from bittrue.operators.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from bittrue.operators.reduction import ReduceMaximum, ReduceMean, ReduceMinimum, ReduceSum
from bittrue.operators.softmax import LogSoftmax, Mask, Softmax
from bittrue.operators.upsampling import UpsamplingBilinear

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Absolute",
    "AdaptiveAveragePooling",
    "AdaptiveMaxPooling",
    "Add",
    "Average",
    "AveragePooling",
    "BatchNormalization",
    "Broadcast",
    "Clip",
    "Concatenate",
    "Convolution",
    "ConvolutionTransposed",
    "Dense",
    "Divide",
    "DivideConstant",
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
    "Mask",
    "MatMul",
    "MaxPooling",
    "Maximum",
    "Minimum",
    "Mish",
    "Multiply",
    "PReLU",
    "Pad",
    "ReLU",
    "Reciprocal",
    "ReduceMaximum",
    "ReduceMean",
    "ReduceMinimum",
    "ReduceSum",
    "Reshape",
    "ScaleOffset",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Square",
    "Subtract",
    "Take",
    "Tanh",
    "Transpose",
    "UpsamplingBilinear",
    "UpsamplingNearest",
    "ZeroPadding",
    "ends_in_probabilities",
]
