"""The operators of a Network, a file a family. Importing this package registers every operator's rules in the passes'
tables.

Beside the families: two passes that only operators have rules in, `float_value` and `output_kind`, and what families
share, `broadcasting` and `windows`.
"""

from bittrue.operators.activation import Absolute, Clip, PReLU, ReLU
from bittrue.operators.adaptive_pooling import AdaptiveAveragePooling, AdaptiveMaxPooling
from bittrue.operators.arithmetic import Add, Average, Divide, Maximum, Minimum, Multiply, Subtract
from bittrue.operators.batch_normalization import BatchNormalization
from bittrue.operators.constants import DivideConstant, ScaleOffset
from bittrue.operators.convolution import Convolution, ConvolutionTransposed, Dense
from bittrue.operators.functions import Pointwise
from bittrue.operators.input import Input
from bittrue.operators.layer_normalization import LayerNormalization
from bittrue.operators.matrix_product import MatMul
from bittrue.operators.movement import (
    Broadcast,
    Concatenate,
    Flatten,
    Identity,
    Pad,
    Reshape,
    Slice,
    Take,
    Transpose,
    ZeroPadding,
)
from bittrue.operators.output_kind import ends_in_probabilities
from bittrue.operators.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from bittrue.operators.reduction import ReduceMaximum, ReduceMean, ReduceMinimum, ReduceSum
from bittrue.operators.softmax import LogSoftmax, Mask, Softmax
from bittrue.operators.upsampling import UpsamplingBilinear, UpsamplingNearest

__all__ = [
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
    "Flatten",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "Identity",
    "Input",
    "LayerNormalization",
    "LogSoftmax",
    "Mask",
    "MatMul",
    "MaxPooling",
    "Maximum",
    "Minimum",
    "Multiply",
    "PReLU",
    "Pad",
    "Pointwise",
    "ReLU",
    "ReduceMaximum",
    "ReduceMean",
    "ReduceMinimum",
    "ReduceSum",
    "Reshape",
    "ScaleOffset",
    "Slice",
    "Softmax",
    "Subtract",
    "Take",
    "Transpose",
    "UpsamplingBilinear",
    "UpsamplingNearest",
    "ZeroPadding",
    "ends_in_probabilities",
]
