"""What Keras 3's activation functions mean, by the names that files give them with their default arguments, and the
layers that are such functions."""

from fractions import Fraction

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import shown
from bittrue.frontends.keras.use import LayerUse
from bittrue.network import Operator, Parameter
from bittrue.operators import Clip, Identity, LogSoftmax, Pointwise, PReLU, ReLU, Softmax
from bittrue.program.functions import (
    ELU,
    GELU,
    SELU,
    Exp,
    HardSigmoid,
    HardSwish,
    LogSigmoid,
    Mish,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)

KERAS2_HARD_SIGMOID = "hard_sigmoid_of_keras_2"
"""The function that Keras 2 calls hard_sigmoid: 0.2·x + 0.5, between 0 and 1, where Keras 3's has 1/6."""

ACTIVATIONS: dict[str, Operator] = {
    "celu": Pointwise(ELU()),  # the same where alpha is 1
    "elu": Pointwise(ELU()),
    "exponential": Pointwise(Exp()),
    "gelu": Pointwise(GELU(approximate=False)),
    "hard_sigmoid": Pointwise(HardSigmoid()),
    KERAS2_HARD_SIGMOID: Pointwise(HardSigmoid(Fraction(1, 5))),
    "hard_silu": Pointwise(HardSwish()),
    "hard_swish": Pointwise(HardSwish()),
    "hard_tanh": Clip(-1.0, 1.0),
    "leaky_relu": ReLU(negative_slope=0.2),  # the function's slope; the layer LeakyReLU has 0.3
    "linear": Identity(),
    "log_sigmoid": Pointwise(LogSigmoid()),
    "log_softmax": LogSoftmax(),
    "mish": Pointwise(Mish()),
    "relu": ReLU(),
    "relu6": ReLU(max_value=6.0),
    "selu": Pointwise(SELU()),
    "sigmoid": Pointwise(Sigmoid()),
    "silu": Pointwise(SiLU()),
    "softmax": Softmax(),
    "softplus": Pointwise(Softplus()),
    "softsign": Pointwise(Softsign()),
    "sparse_sigmoid": Pointwise(HardSigmoid(0.5, 0.5)),
    "swish": Pointwise(SiLU()),
    "tanh": Pointwise(Tanh()),
}


def relu(use: LayerUse) -> Operator:
    settings = use.settings
    return ReLU(
        settings.optional_number("max_value"),
        settings.optional_number("negative_slope") or 0.0,
        settings.optional_number("threshold") or 0.0,
    )


def leaky_relu(use: LayerUse) -> Operator:
    return ReLU(negative_slope=use.settings.number("negative_slope"))


def elu(use: LayerUse) -> Operator:
    return Pointwise(ELU(use.settings.number("alpha")))


def prelu(use: LayerUse) -> Operator:
    """The slopes of leading axes that share them are stored once; those shared further back are repeated."""
    axes, rank = use.settings.values.get("shared_axes") or [], len(use.shape)
    shared = use.settings.integers("shared_axes", len(axes)) if isinstance(axes, list) and axes else ()
    if not isinstance(axes, list) or any(axis > rank for axis in shared):
        raise ModelError(f"shared_axes is {shown(axes)}, expected axes from 1 to {rank}")
    stored_shape = tuple(1 if axis in shared else size for axis, size in enumerate(use.shape, start=1))
    slope = use.parameters({"slope": stored_shape})["slope"]
    first = next((index for index in range(rank) if index + 1 not in shared), None)
    if first is None:
        return PReLU(Parameter(slope.name, slope.value.reshape(1)))
    values = np.broadcast_to(slope.value.reshape(stored_shape[first:]), use.shape[first:]).copy()
    return PReLU(Parameter(slope.name, values))
