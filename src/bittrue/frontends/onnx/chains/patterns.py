"""Chains of operators that exporters write for one function: SiLU, HardSwish, Mish, GELU, PReLU, normalizations.

One function is rounded once, and a chain of five nodes five times, so it matters which of them hardware is told to
build. Chains are looked for among the drafts of nodes; those that nothing reads any more are left out in the end.
"""

from collections.abc import Callable
from fractions import Fraction
from math import pi, sqrt
from operator import mul

import numpy as np

from bittrue.frontends.forms import clipped
from bittrue.frontends.onnx.chains.chains import Chains, Found, close, number_of
from bittrue.frontends.onnx.chains.normalizations import batch_normalization, normalized, scaled_normalization
from bittrue.frontends.onnx.conversion import Conversion
from bittrue.network import Operator, Parameter
from bittrue.operators import (
    Absolute,
    Add,
    Average,
    Broadcast,
    Clip,
    Divide,
    DivideConstant,
    Multiply,
    Pointwise,
    PReLU,
    ReLU,
    Reshape,
    ScaleOffset,
    UpsamplingNearest,
)
from bittrue.program.functions import (
    GELU,
    Erf,
    Function,
    HardSigmoid,
    HardSwish,
    Log,
    LogSigmoid,
    Mish,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)
from bittrue.shapes import Shape


def recognise(conversion: Conversion) -> None:
    """Put one operator in the place of each chain's last node."""
    chains = Chains.of(conversion)
    for number, draft in enumerate(conversion.drafts):
        if number in chains.held:
            continue
        rules = RULES.get(type(draft.operator.written), ())
        found = next((found for rule in rules if (found := rule(chains, number))), None)
        if found is not None:
            draft.operator, draft.inputs = found


# c·x·g(x)


def _gated(chains: Chains, number: int) -> Found | None:
    """The function that a product c·x·g(x) is, of x."""
    coefficient, factors = chains.product(number, last=True)
    if len(factors) != 2:
        return None
    for x, gate in (factors, factors[::-1]):
        for wanted, operator, is_gate in GATES:
            if close(coefficient, wanted) and is_gate(chains, gate, x):
                return operator, (x,)
    return None


def _is_sigmoid(chains: Chains, gate: int, x: int) -> bool:
    return chains.argument(gate, Sigmoid) == x


def _is_mish_gate(chains: Chains, gate: int, x: int) -> bool:
    return chains.argument(gate, Tanh, Softplus) == x


def _is_hard_sigmoid(chains: Chains, gate: int, x: int) -> bool:
    operator = chains.operator(gate)
    function = operator.function if isinstance(operator, Pointwise) else None
    hard = isinstance(function, HardSigmoid) and close(float(function.slope), 1 / 6) and function.offset == 0.5
    return hard and chains.inputs(gate)[0] == x


def _is_clipped_sum(chains: Chains, gate: int, x: int) -> bool:
    return _clipped_sum(chains, gate) == x


def _clipped_sum(chains: Chains, number: int) -> int | None:
    """x where the value is min(max(x + 3, 0), 6)."""
    return chains.less(chains.inputs(number)[0], 3.0) if _bounds(chains.operator(number)) == (0.0, 6.0) else None


def _bounds(operator: Operator | None) -> tuple[float | None, float | None] | None:
    """Between what the operator clips, if that is all that it does."""
    if isinstance(operator, ReLU) and operator.negative_slope == 0 == operator.threshold:
        return 0.0, operator.max_value
    return (operator.low, operator.high) if isinstance(operator, Clip) else None


def _is_erf_gate(chains: Chains, gate: int, x: int) -> bool:
    """1 + erf(x/√2)."""
    return _is_erf_of(chains, chains.less(gate, 1.0), sqrt(0.5), x)


def _is_erfc_gate(chains: Chains, gate: int, x: int) -> bool:
    """1 − erf(−x/√2), the complement that TensorFlow computes."""
    operator = chains.operator(gate)
    if not isinstance(operator, ScaleOffset) or number_of(operator.scale) != -1.0 or number_of(operator.offset) != 1.0:
        return False
    return _is_erf_of(chains, chains.inputs(gate)[0], -sqrt(0.5), x)


def _is_erf_of(chains: Chains, number: int | None, wanted: float, x: int) -> bool:
    argument = chains.argument(number, Erf)
    coefficient, factors = (0.0, []) if argument is None else chains.product(argument)
    return close(coefficient, wanted) and factors == [x]


def _is_tanh_gate(chains: Chains, gate: int, x: int) -> bool:
    """1 + tanh(√(2/π)·(x + 0.044715·x³))."""
    argument = chains.argument(chains.less(gate, 1.0), Tanh)
    coefficient, factors = (0.0, []) if argument is None else chains.product(argument)
    if not close(coefficient, sqrt(2 / pi)) or len(factors) != 1 or type(chains.operator(factors[0])) is not Add:
        return False
    terms = [term for term in chains.inputs(factors[0]) if term != x]
    cube, cubed = chains.product(terms[0]) if len(terms) == 1 else (0.0, [])
    return close(cube, 0.044715) and cubed == [x, x, x]


GATES: tuple[tuple[float, Operator, Callable[[Chains, int, int], bool]], ...] = (
    (1.0, Pointwise(SiLU()), _is_sigmoid),
    (1.0, Pointwise(Mish()), _is_mish_gate),
    (1.0, Pointwise(HardSwish()), _is_hard_sigmoid),
    (1 / 6, Pointwise(HardSwish()), _is_clipped_sum),
    (0.5, Pointwise(GELU(approximate=False)), _is_erf_gate),
    (0.5, Pointwise(GELU(approximate=False)), _is_erfc_gate),
    (0.5, Pointwise(GELU(approximate=True)), _is_tanh_gate),
)
"""c, f and what g must be, where f(x) = c·x·g(x)."""


# Other functions of one value


def _hard_sigmoid(chains: Chains, number: int) -> Found | None:
    """min(max(x + 3, 0), 6)/6."""
    coefficient, factors = chains.product(number, last=True)
    x = _clipped_sum(chains, factors[0]) if len(factors) == 1 and close(coefficient, 1 / 6) else None
    return None if x is None else (Pointwise(HardSigmoid(Fraction(1, 6), 0.5)), (x,))


def _log_sigmoid(chains: Chains, number: int) -> Found | None:
    """log(sigmoid(x)), or −softplus(−x)."""
    if isinstance(chains.drafts[number].operator.written, Log):
        x = chains.argument(chains.inputs(number)[0], Sigmoid)
        return None if x is None else (Pointwise(LogSigmoid()), (x,))
    coefficient, factors = chains.product(number, last=True)
    argument = chains.argument(factors[0], Softplus) if len(factors) == 1 and coefficient == -1.0 else None
    minus, inner = (0.0, []) if argument is None else chains.product(argument)
    return (Pointwise(LogSigmoid()), (inner[0],)) if minus == -1.0 and len(inner) == 1 else None


def _softsign(chains: Chains, number: int) -> Found | None:
    """x/(1 + |x|)."""
    x, divisor = chains.inputs(number)
    return (Pointwise(Softsign()), (x,)) if chains.argument(chains.less(divisor, 1.0), Absolute) == x else None


def _clip(chains: Chains, number: int) -> Found | None:
    """A clip of a clip where one of them is a bound on one side, and not the same again."""
    [source] = chains.inputs(number)
    outer, inner = _bounds(chains.drafts[number].operator), _bounds(chains.operator(source))
    if outer is None or inner is None or outer == inner or chains.readers[source] != 1 or None not in outer + inner:
        return None
    low, high = (_within(inner[end], outer, outer[end]) for end in (0, 1))
    return clipped(low, high), chains.inputs(source)


def _within(bound: float | None, within: tuple[float | None, float | None], open_end: float | None) -> float | None:
    low, high = within
    if bound is None:
        return open_end
    bound = bound if low is None else max(bound, low)
    return bound if high is None else min(bound, high)


def _prelu(chains: Chains, number: int) -> Found | None:
    """relu(x) − slope·relu(−x)."""
    terms = chains.inputs(number)
    for positive, negative in (terms, terms[::-1]) if len(terms) == 2 else ():
        x = _of_relu(chains, positive)
        scale = chains.operator(negative)
        if x is None or not isinstance(scale, ScaleOffset) or scale.scale is None or scale.offset is not None:
            continue
        mirrored = _of_relu(chains, chains.inputs(negative)[0])
        if mirrored is not None and chains.product(mirrored) == (-1.0, [x]):
            slope = -scale.scale.value
            spread = np.broadcast_to(slope, slope.shape if slope.size == 1 else chains.shape(number)[-slope.ndim :])
            return PReLU(Parameter(f"{number}.slope", np.array(spread))), (x,)
    return None


def _of_relu(chains: Chains, number: int) -> int | None:
    return chains.inputs(number)[0] if _bounds(chains.operator(number)) == (0.0, None) else None


def _average(chains: Chains, number: int) -> Found | None:
    """(a + b + …)/n of n values."""
    coefficient, factors = chains.product(number, last=True)
    terms = list(factors)
    while len(terms) < round(1 / coefficient if coefficient > 0 else 0):
        places = [place for place, term in enumerate(terms) if _is_sum(chains, term)]
        if not places:
            return None
        terms[places[0] : places[0] + 1] = chains.inputs(terms[places[0]])
    return (Average(), tuple(terms)) if len(terms) > 1 == len(factors) and close(coefficient, 1 / len(terms)) else None


def _is_sum(chains: Chains, number: int) -> bool:
    return isinstance(chains.operator(number), Add) and chains.readers[number] == 1


def _upsampling(chains: Chains, number: int) -> Found | None:
    """Each position repeated: a new axis behind its own, broadcast, and both made one."""
    shape = chains.shape(number)
    source, factors = _repeated(chains, chains.inputs(number)[0], shape)
    if source is None or len(shape) not in (2, 3) or set(factors) == {1} or factors[-1] != 1:
        return None
    before = chains.operator(source)
    if isinstance(before, UpsamplingNearest) and all(1 in pair for pair in zip(before.factors, factors, strict=False)):
        factors = (*map(mul, before.factors, factors), 1)  # rows first, and now columns
        [source] = chains.inputs(source)
    return UpsamplingNearest(factors[:-1]), (source,)


def _repeated(chains: Chains, number: int, shape: Shape) -> tuple[int | None, tuple[int, ...]]:
    """The value whose positions are repeated, and how often along each axis, where the value seen in another shape is
    that."""
    while isinstance(chains.operator(number), Reshape):
        [number] = chains.inputs(number)
    if chains.shape(number) == shape:
        return number, (1,) * len(shape)
    if not isinstance(chains.operator(number), Broadcast):
        return None, ()
    [before], wide = chains.inputs(number), chains.shape(number)
    narrow = chains.shape(before)
    grown = [axis for axis, size in enumerate(wide) if len(narrow) != len(wide) or narrow[axis] != size]
    if len(grown) != 1 or grown[0] == 0 or narrow[grown[0]] != 1:
        return None, ()
    [axis] = grown
    if (*wide[: axis - 1], wide[axis - 1] * wide[axis], *wide[axis + 1 :]) != shape:
        return None, ()
    source, factors = _repeated(chains, before, (*wide[:axis], *wide[axis + 1 :]))
    return source, (*factors[: axis - 1], factors[axis - 1] * wide[axis], *factors[axis:]) if source is not None else ()


Rule = Callable[[Chains, int], Found | None]

RULES: dict[type[Operator | Function], tuple[Rule, ...]] = {
    Add: (normalized, _prelu),
    Clip: (_clip,),
    Divide: (normalized, _softsign),
    DivideConstant: (_gated, _hard_sigmoid, _average),
    Log: (_log_sigmoid,),
    Multiply: (_gated,),
    ReLU: (_clip,),
    Reshape: (_upsampling,),
    ScaleOffset: (
        *(_gated, _hard_sigmoid, _log_sigmoid, _average),
        *(scaled_normalization, batch_normalization),
    ),
}
"""The chains that a node of the class, or of the function of that class, can end."""
