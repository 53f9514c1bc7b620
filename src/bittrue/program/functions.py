"""The functions of one code that a Lookup evaluates: real functions of the number that a code stands for (B8).

Each docstring lists where the value is rational; elsewhere bounds of growing precision decide its rounding.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True, eq=False)
class Function:
    """Base of the functions of one code that a Lookup evaluates. A field may differ by channel (the last axis)."""


@dataclass(frozen=True, eq=False)
class Sigmoid(Function):
    """1 / (1 + exp(−x)); rational only at 0."""


@dataclass(frozen=True, eq=False)
class Tanh(Function):
    """tanh x; rational only at 0."""


@dataclass(frozen=True, eq=False)
class Exp(Function):
    """exp x; rational only at 0. Numbers above 4096 are refused: no word holds their exponential."""


@dataclass(frozen=True, eq=False)
class Log(Function):
    """The natural logarithm of x > 0; rational only at 1. Other numbers have none: an error where one occurs."""


@dataclass(frozen=True, eq=False)
class Sqrt(Function):
    """√x for x ≥ 0: dyadic or irrational. Of a negative number: an error where one occurs."""


@dataclass(frozen=True, eq=False)
class Reciprocal(Function):
    """1/x: rational. Of 0: an error where it occurs."""


@dataclass(frozen=True, eq=False)
class Square(Function):
    """x²: rational."""


@dataclass(frozen=True, eq=False)
class Erf(Function):
    """2/√π · ∫₀ˣ exp(−t²) dt; 0 at 0. No other rational value is known, and none is proven impossible: a rounding that
    no precision decides would be an error."""


@dataclass(frozen=True, eq=False)
class ELU(Function):
    """scale·x where x ≥ 0, scale·alpha·(exp x − 1) below, which is rational only where scale·alpha = 0.

    scale > 0. With scale 1 the ELU; SELU has both. The numbers are exact.
    """

    alpha: Fraction
    scale: Fraction


@dataclass(frozen=True, eq=False)
class GELU(Function):
    """x/2·(1 + erf(x/√2)), or where `approximate` x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))); 0 at 0, and as with Erf no
    other rational value is known. 0.044715 is that decimal number exactly."""

    approximate: bool


@dataclass(frozen=True, eq=False)
class SiLU(Function):
    """x/(1 + exp(−x)); rational only at 0."""


@dataclass(frozen=True, eq=False)
class Mish(Function):
    """x·tanh(log(1 + exp x)); rational only at 0."""


@dataclass(frozen=True, eq=False)
class Softplus(Function):
    """log(1 + exp x); rational nowhere."""


@dataclass(frozen=True, eq=False)
class LogSigmoid(Function):
    """−log(1 + exp(−x)); rational nowhere."""


@dataclass(frozen=True, eq=False)
class Softsign(Function):
    """x/(1 + |x|): rational."""


@dataclass(frozen=True, eq=False)
class HardSigmoid(Function):
    """min(max(slope·x + offset, 0), 1): rational. slope, offset: exact numbers."""

    slope: Fraction
    offset: Fraction


@dataclass(frozen=True, eq=False)
class HardSwish(Function):
    """x·min(max(x + 3, 0), 6)/6: rational."""


@dataclass(frozen=True, eq=False)
class BatchNorm(Function):
    """gamma·(x − mean) / √(variance + epsilon) + beta per channel, of rounded parameters (B7, `raw`).

    Codes of shape (channels,) with their fraction bits; gamma and beta may be None (1 and 0). epsilon: the stored
    number, exactly.
    """

    gamma: np.ndarray | None
    gamma_fraction_bits: int
    beta: np.ndarray | None
    beta_fraction_bits: int
    mean: np.ndarray
    mean_fraction_bits: int
    variance: np.ndarray
    variance_fraction_bits: int
    epsilon: Fraction
