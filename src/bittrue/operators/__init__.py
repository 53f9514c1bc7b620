"""The operators of a Network. Importing this package registers every operator's rules in the passes' tables."""

from bittrue.operators.activation import ReLU, Sigmoid, Softmax, Tanh
from bittrue.operators.adaptive import AdaptiveAveragePooling, AdaptiveMaxPooling
from bittrue.operators.arithmetic import Add
from bittrue.operators.convolution import Convolution, ConvolutionTransposed, Dense
from bittrue.operators.movement import Concatenate, Flatten, Identity, Input, Reshape, ZeroPadding
from bittrue.operators.normalization import BatchNormalization
from bittrue.operators.output_kind import ends_in_probabilities
from bittrue.operators.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from bittrue.operators.reduction import ReduceMaximum, ReduceMean, ReduceMinimum, ReduceSum

__all__ = [
    "AdaptiveAveragePooling",
    "AdaptiveMaxPooling",
    "Add",
    "AveragePooling",
    "BatchNormalization",
    "Concatenate",
    "Convolution",
    "ConvolutionTransposed",
    "Dense",
    "Flatten",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "Identity",
    "Input",
    "MaxPooling",
    "ReLU",
    "ReduceMaximum",
    "ReduceMean",
    "ReduceMinimum",
    "ReduceSum",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "ZeroPadding",
    "ends_in_probabilities",
]
