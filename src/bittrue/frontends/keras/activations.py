"""What Keras 3's activation functions mean, by the names that files give them, with their default arguments."""

from fractions import Fraction

from bittrue.network import Operator
from bittrue.operators import (
    ELU,
    GELU,
    SELU,
    Clip,
    Exp,
    HardSigmoid,
    HardSwish,
    Identity,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)

KERAS2_HARD_SIGMOID = "hard_sigmoid_of_keras_2"
"""The function that Keras 2 calls hard_sigmoid: 0.2·x + 0.5, between 0 and 1, where Keras 3's has 1/6."""

ACTIVATIONS: dict[str, Operator] = {
    "celu": ELU(),  # the same where alpha is 1
    "elu": ELU(),
    "exponential": Exp(),
    "gelu": GELU(approximate=False),
    "hard_sigmoid": HardSigmoid(),
    KERAS2_HARD_SIGMOID: HardSigmoid(Fraction(1, 5)),
    "hard_silu": HardSwish(),
    "hard_swish": HardSwish(),
    "hard_tanh": Clip(-1.0, 1.0),
    "leaky_relu": ReLU(negative_slope=0.2),  # the function's slope; the layer LeakyReLU has 0.3
    "linear": Identity(),
    "log_sigmoid": LogSigmoid(),
    "log_softmax": LogSoftmax(),
    "mish": Mish(),
    "relu": ReLU(),
    "relu6": ReLU(max_value=6.0),
    "selu": SELU(),
    "sigmoid": Sigmoid(),
    "silu": SiLU(),
    "softmax": Softmax(),
    "softplus": Softplus(),
    "softsign": Softsign(),
    "sparse_sigmoid": HardSigmoid(0.5, 0.5),
    "swish": SiLU(),
    "tanh": Tanh(),
}
