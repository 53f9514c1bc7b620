"""What Keras 3's activation functions mean, by the names that files give them, with their default arguments."""

from fractions import Fraction

from bittrue.network import Operator
from bittrue.operators import Clip, Identity, LogSoftmax, Pointwise, ReLU, Softmax
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
