"""The functions of one code, as the real numbers that they are (B8): a fraction where that is rational, else bounds.

That the other values are irrational follows from Lindemann and Weierstrass's theorem, except for erf and both forms of
GELU, where no rational value is known but at 0: a rounding that their bounds never decided would be an error.
"""

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any, TypeVar

from bittrue.definition.enclosure import LARGEST_EXPONENT, Real, exponential, offset_root
from bittrue.definition.interval import Interval, erf_of_root, exp, exp_of, irrational, log, log_of, pi
from bittrue.definition.meaning import Codes, Numbers, meaning
from bittrue.errors import BittrueError
from bittrue.fixed.reference import decode
from bittrue.program import Lookup, Step, functions
from bittrue.rules import RuleTable

FunctionMeaning = Callable[[Any, Step, Codes], list[Fraction | Real]]
"""(function, the step of its Lookup, the input's codes) → the function's value at each code."""

function_meaning: RuleTable[FunctionMeaning] = RuleTable("definition of functions")


@meaning.rule(Lookup)
def _(instruction: Lookup, step: Step, inputs: tuple[Codes, ...]) -> Numbers:
    (x,) = inputs
    return Numbers(x.shape, function_meaning[type(instruction.function)](instruction.function, step, x))


Value = Callable[[Any, Fraction], Fraction | Real]
"""(function, x) → its value; raises ValueError, which says what x lacks, where there is none."""

Rule = TypeVar("Rule", bound=Value)


def _value_of(*classes: type[functions.Function]) -> Callable[[Rule], Rule]:
    """Register the value of a function, which a Lookup evaluates once for each code."""

    def register(value: Rule) -> Rule:
        @function_meaning.rule(*classes)
        def _(function: functions.Function, step: Step, x: Codes) -> list[Fraction | Real]:
            try:
                values = {code: value(function, decode(code, x.binary_point)) for code in set(x.codes)}
            except ValueError as error:
                raise BittrueError(
                    f"Step '{step.name}' takes {error}; give its input a range in which such a number doesn't occur."
                ) from None
            return [values[code] for code in x.codes]

        return value

    return register


@_value_of(functions.Sigmoid)
def sigmoid(function: functions.Sigmoid, x: Fraction) -> Fraction | Real:
    """1 / (1 + exp(−x))."""
    return Fraction(1, 2) if x == 0 else irrational(lambda bits: _sigmoid(x, bits))


def _sigmoid(x: Fraction, bits: int) -> Interval:
    power = exp(-abs(x), bits)
    return (Interval(1 << bits, 1 << bits, bits) if x > 0 else power) / (power + 1)


@_value_of(functions.Tanh)
def tanh(function: functions.Tanh, x: Fraction) -> Fraction | Real:
    """(1 − exp(−2x)) / (1 + exp(−2x))."""

    def enclose(bits: int) -> Interval:
        power = exp(-2 * abs(x), bits)
        size = (1 - power) / (power + 1)
        return size if x > 0 else -size

    return Fraction(0) if x == 0 else irrational(enclose)


@_value_of(functions.Exp)
def _(function: functions.Exp, x: Fraction) -> Fraction | Real:
    if x > LARGEST_EXPONENT:
        raise ValueError(f"the exponential of a number above {LARGEST_EXPONENT}, which no word holds")
    return exponential(x)


@_value_of(functions.Log)
def _(function: functions.Log, x: Fraction) -> Fraction | Real:
    if x <= 0:
        raise ValueError(f"the logarithm of {'0' if x == 0 else 'a negative number'}")
    return Fraction(0) if x == 1 else irrational(lambda bits: log(x, bits))


@_value_of(functions.Sqrt)
def _(function: functions.Sqrt, x: Fraction) -> Fraction | Real:
    if x < 0:
        raise ValueError("the square root of a negative number")
    return offset_root(0, 0, x, negative=False)


@_value_of(functions.Reciprocal)
def _(function: functions.Reciprocal, x: Fraction) -> Fraction | Real:
    if x == 0:
        raise ValueError("the reciprocal of 0")
    return 1 / x


@_value_of(functions.Square)
def _(function: functions.Square, x: Fraction) -> Fraction | Real:
    return x * x


@_value_of(functions.Erf)
def _(function: functions.Erf, x: Fraction) -> Fraction | Real:
    def enclose(bits: int) -> Interval:
        size = erf_of_root(x * x, bits)
        return size if x > 0 else -size

    return Fraction(0) if x == 0 else irrational(enclose)


@_value_of(functions.ELU)
def _(function: functions.ELU, x: Fraction) -> Fraction | Real:
    return _elu(Fraction(function.alpha), Fraction(1), x)


@_value_of(functions.SELU)
def _(function: functions.SELU, x: Fraction) -> Fraction | Real:
    return _elu(Fraction(function.alpha), Fraction(function.scale), x)


def _elu(alpha: Fraction, scale: Fraction, x: Fraction) -> Fraction | Real:
    if x >= 0:
        return scale * x
    factor = scale * alpha
    return Fraction(0) if factor == 0 else irrational(lambda bits: (exp(x, bits) - 1) * factor, factor)


@_value_of(functions.GELU)
def _(function: functions.GELU, x: Fraction) -> Fraction | Real:
    """x times the share of the normal distribution below x, or times the sigmoid of 2·√(2/π)·(x + 0.044715·x³)."""

    def below(bits: int) -> Interval:
        share = erf_of_root(x * x / 2, bits)
        return (share + 1 if x > 0 else 1 - share) / 2

    def below_approximately(bits: int) -> Interval:
        argument = 2 * abs(x) + Fraction(44715, 500000) * abs(x) ** 3
        power = Interval(0, 1, bits)  # where exp(−√(2/π)·argument) < 2^(−bits)
        if argument < bits:
            exact = bits + ceil(argument).bit_length() + 2
            root = (Interval.around(2, exact) / pi(exact)).root()
            power = exp_of(-(root * argument))
            spare = exact - bits
            power = Interval(power.low >> spare, -(-power.high >> spare), bits)
        return (Interval(1 << bits, 1 << bits, bits) if x > 0 else power) / (power + 1)

    share = below_approximately if function.approximate else below
    return Fraction(0) if x == 0 else irrational(lambda bits: share(bits) * x, x)


@_value_of(functions.SiLU)
def _(function: functions.SiLU, x: Fraction) -> Fraction | Real:
    return Fraction(0) if x == 0 else irrational(lambda bits: _sigmoid(x, bits) * x, x)


@_value_of(functions.Mish)
def _(function: functions.Mish, x: Fraction) -> Fraction | Real:
    """tanh(log(1 + n)) = (n² + 2n) / (n² + 2n + 2) with n = exp x; above and below divided by n² where x > 0."""

    def enclose(bits: int) -> Interval:
        power = exp(-abs(x), bits)
        part = power * 2 + 1 if x > 0 else power * power + power * 2
        rest = power * power * 2 if x > 0 else Interval(2 << bits, 2 << bits, bits)
        # 1 − rest / (part + rest), which stays below 1.
        return (1 - rest / (part + rest)) * x

    return Fraction(0) if x == 0 else irrational(enclose, x)


@_value_of(functions.Softplus)
def _(function: functions.Softplus, x: Fraction) -> Fraction | Real:
    return irrational(lambda bits: _softplus(x, bits))


@_value_of(functions.LogSigmoid)
def _(function: functions.LogSigmoid, x: Fraction) -> Fraction | Real:
    return irrational(lambda bits: -_softplus(-x, bits))


def _softplus(x: Fraction, bits: int) -> Interval:
    return log_of(exp(-abs(x), bits) + 1) + max(x, Fraction(0))


@_value_of(functions.Softsign)
def _(function: functions.Softsign, x: Fraction) -> Fraction | Real:
    return x / (1 + abs(x))


@_value_of(functions.Sign)
def _(function: functions.Sign, x: Fraction) -> Fraction | Real:
    return Fraction((x > 0) - (x < 0))


@_value_of(functions.HardSigmoid)
def _(function: functions.HardSigmoid, x: Fraction) -> Fraction | Real:
    return min(max(Fraction(function.slope) * x + Fraction(function.offset), Fraction(0)), Fraction(1))


@_value_of(functions.HardSwish)
def _(function: functions.HardSwish, x: Fraction) -> Fraction | Real:
    return x * min(max(x + 3, Fraction(0)), Fraction(6)) / 6
