"""Chains of operators that exporters write for one function: SiLU, HardSwish, Mish, GELU in both forms, layer norm.

One function is rounded once, and a chain of five nodes five times, so it matters which of them hardware is told to
build. Chains are looked for among the drafts of nodes; those that nothing reads any more are left out in the end.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isclose, pi, sqrt

from bittrue.frontends.onnx_conversion import Draft
from bittrue.network import Operator, Parameter
from bittrue.operators import (
    GELU,
    Add,
    Clip,
    Divide,
    DivideConstant,
    Erf,
    HardSigmoid,
    HardSwish,
    LayerNormalization,
    Mish,
    Multiply,
    ReduceMean,
    ReLU,
    ScaleOffset,
    Sigmoid,
    SiLU,
    Softplus,
    Sqrt,
    Square,
    Subtract,
    Tanh,
)

FLOAT32_CLOSE = 1e-6
"""How near a stored float32 lies to the number that it stands for, relative to it."""

MOST_FACTORS = 8

Drafts = Sequence[Draft]


def recognise(drafts: Drafts) -> None:
    """Put one operator in the place of each chain's last node."""
    readers = Counter(source for draft in drafts for source in draft.inputs)
    for number, draft in enumerate(drafts):
        found = _function(drafts, number) or _normalized(drafts, number)
        if found is not None:
            draft.operator, draft.inputs = found[0], (found[1],)
        elif isinstance(draft.operator, ScaleOffset) and readers[draft.inputs[0]] == 1:
            _scale_normalized(drafts, number)


def _function(drafts: Drafts, number: int) -> tuple[Operator, int] | None:
    """The function that a product c·x·g(x) is, and x."""
    if not isinstance(drafts[number].operator, Multiply | ScaleOffset | DivideConstant):
        return None
    coefficient, factors = _product(drafts, number)
    if len(factors) != 2:
        return None
    for x, gate in (factors, factors[::-1]):
        for wanted, operator, is_gate in GATES:
            if _close(coefficient, wanted) and is_gate(drafts, gate, x):
                return operator, x
    return None


def _product(drafts: Drafts, number: int) -> tuple[float, list[int]]:
    """A value as a number times factors that are no products themselves."""
    coefficient, pending = 1.0, [number]
    factors: list[int] = []
    while pending and len(factors) + len(pending) <= MOST_FACTORS:
        place = pending.pop()
        draft, operator = drafts[place], drafts[place].operator
        scale = _scale(operator)
        if isinstance(operator, Multiply):
            pending += draft.inputs
        elif isinstance(operator, Square):
            pending += draft.inputs * 2
        elif scale is not None:
            coefficient *= scale
            pending += draft.inputs
        else:
            factors.append(place)
    return (coefficient, factors) if not pending else (1.0, [number])


def _scale(operator: Operator) -> float | None:
    """The one number that the operator multiplies by, if that is all that it does."""
    if isinstance(operator, ScaleOffset) and operator.offset is None:
        return _number(operator.scale)
    if isinstance(operator, DivideConstant):
        divisor = _number(operator.divisor)
        return 1 / divisor if divisor else None
    return None


def _number(parameter: Parameter | None) -> float | None:
    return float(parameter.value.reshape(())) if parameter is not None and parameter.value.size == 1 else None


def _close(number: float | None, wanted: float) -> bool:
    return number is not None and isclose(number, wanted, rel_tol=FLOAT32_CLOSE)


def _offset_of(drafts: Drafts, number: int, wanted: float) -> int | None:
    """u where the value is u + wanted."""
    operator = drafts[number].operator
    plain = isinstance(operator, ScaleOffset) and operator.scale is None and _close(_number(operator.offset), wanted)
    return drafts[number].inputs[0] if plain else None


def _argument(drafts: Drafts, number: int | None, *functions: type[Operator]) -> int | None:
    """u where the value is f(g(…u)) of these functions, the outermost first."""
    for function in functions:
        if number is None or type(drafts[number].operator) is not function:
            return None
        number = drafts[number].inputs[0]
    return number


def _is_sigmoid(drafts: Drafts, gate: int, x: int) -> bool:
    return _argument(drafts, gate, Sigmoid) == x


def _is_mish_gate(drafts: Drafts, gate: int, x: int) -> bool:
    return _argument(drafts, gate, Tanh, Softplus) == x


def _is_hard_sigmoid(drafts: Drafts, gate: int, x: int) -> bool:
    operator = drafts[gate].operator
    hard = isinstance(operator, HardSigmoid) and _close(float(operator.slope), 1 / 6) and operator.offset == 0.5
    return hard and drafts[gate].inputs[0] == x


def _is_clipped_sum(drafts: Drafts, gate: int, x: int) -> bool:
    """min(max(x + 3, 0), 6)."""
    operator = drafts[gate].operator
    bounds = (operator.low, operator.high) if isinstance(operator, Clip) else None
    if isinstance(operator, ReLU) and operator.negative_slope == 0 == operator.threshold:
        bounds = (0.0, operator.max_value)
    return bounds == (0.0, 6.0) and _offset_of(drafts, drafts[gate].inputs[0], 3.0) == x


def _is_erf_gate(drafts: Drafts, gate: int, x: int) -> bool:
    """1 + erf(x/√2)."""
    argument = _argument(drafts, _offset_of(drafts, gate, 1.0), Erf)
    coefficient, factors = (0.0, []) if argument is None else _product(drafts, argument)
    return _close(coefficient, sqrt(0.5)) and factors == [x]


def _is_tanh_gate(drafts: Drafts, gate: int, x: int) -> bool:
    """1 + tanh(√(2/π)·(x + 0.044715·x³))."""
    argument = _argument(drafts, _offset_of(drafts, gate, 1.0), Tanh)
    coefficient, factors = (0.0, []) if argument is None else _product(drafts, argument)
    if not _close(coefficient, sqrt(2 / pi)) or len(factors) != 1 or type(drafts[factors[0]].operator) is not Add:
        return False
    terms = [term for term in drafts[factors[0]].inputs if term != x]
    cube, cubed = _product(drafts, terms[0]) if len(terms) == 1 else (0.0, [])
    return _close(cube, 0.044715) and cubed == [x, x, x]


GATES: tuple[tuple[float, Operator, Callable[[Drafts, int, int], bool]], ...] = (
    (1.0, SiLU(), _is_sigmoid),
    (1.0, Mish(), _is_mish_gate),
    (1.0, HardSwish(), _is_hard_sigmoid),
    (1 / 6, HardSwish(), _is_clipped_sum),
    (0.5, GELU(approximate=False), _is_erf_gate),
    (0.5, GELU(approximate=True), _is_tanh_gate),
)
"""c, f and what g must be, where f(x) = c·x·g(x)."""


def _normalized(drafts: Drafts, number: int) -> tuple[Operator, int] | None:
    """(x − mean)/√(mean of (x − mean)² + ε) over the last axis, and x."""
    draft = drafts[number]
    if not isinstance(draft.operator, Divide):
        return None
    difference, root = draft.inputs
    variance = _argument(drafts, root, Sqrt)
    source = drafts[difference]
    if variance is None or not isinstance(source.operator, Subtract) or not source.inputs:
        return None
    shifted = drafts[variance]
    if not isinstance(shifted.operator, ScaleOffset) or shifted.operator.scale is not None:
        return None
    epsilon = _number(shifted.operator.offset)
    squares = _mean_of(drafts, shifted.inputs[0])
    x, mean = source.inputs
    is_variance = squares is not None and _product(drafts, squares) == (1.0, [difference, difference])
    if epsilon is None or epsilon <= 0 or not is_variance or _mean_of(drafts, mean) != x:
        return None
    return LayerNormalization(None, None, epsilon), x


def _mean_of(drafts: Drafts, number: int) -> int | None:
    """u where the value is u's mean over its last axis."""
    operator, inputs = drafts[number].operator, drafts[number].inputs
    if not isinstance(operator, ReduceMean) or operator.axes != (len(drafts[inputs[0]].shape) - 1,):
        return None
    return inputs[0]


def _scale_normalized(drafts: Drafts, number: int) -> None:
    """A scale and an offset of each number after a layer normalization without its own are its gamma and its beta."""
    draft = drafts[number]
    source, operator = drafts[draft.inputs[0]], draft.operator
    if not isinstance(source.operator, LayerNormalization) or not isinstance(operator, ScaleOffset):
        return
    numbers = {"gamma": operator.scale, "beta": operator.offset}
    own = dict(source.operator.parameters())
    if own or any(
        parameter is not None and parameter.value.shape != draft.shape[-1:] for parameter in numbers.values()
    ):
        return
    gamma, beta = (
        None if parameter is None else Parameter(f"{number}.{role}", parameter.value)
        for role, parameter in numbers.items()
    )
    draft.operator, draft.inputs = replace(source.operator, gamma=gamma, beta=beta), source.inputs
