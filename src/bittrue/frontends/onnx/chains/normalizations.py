"""Normalizations as exporters take them apart: layer norm by its mean and deviation, batch norm by its constants.

Keras's torch backend writes a batch norm as (x − μ)·q + β with q = γ/√(σ² + ε) computed by the exporter: what the file
holds is a batch norm of gamma q, variance 1 and epsilon 0, the same function (B7). TensorFlow writes a layer norm as
x·g + (β − μ·g) with g = γ/√(σ² + ε) of the numbers themselves.
"""

from dataclasses import dataclass

import numpy as np

from bittrue.frontends.onnx.chains.chains import Chains, Found, number_of
from bittrue.network import Parameter
from bittrue.operators import Add, BatchNormalization, Divide, LayerNormalization, ReduceMean, ScaleOffset, Subtract
from bittrue.program.functions import Reciprocal, Sqrt


@dataclass(frozen=True)
class Moments:
    """x's mean over its last `axes` axes, x − mean, and the epsilon that its variance has in a root."""

    x: int
    mean: int
    difference: int
    axes: int
    epsilon: float


def normalized(chains: Chains, number: int) -> Found | None:
    """A layer normalization whose last node this is."""
    operator = chains.drafts[number].operator
    if isinstance(operator, Divide):
        return _by_division(chains, number)
    return _by_terms(chains, number) if isinstance(operator, Add) else None


def _by_division(chains: Chains, number: int) -> Found | None:
    """(x − mean)/√(mean of (x − mean)² + ε)."""
    difference, root = chains.inputs(number)
    moments = _moments(chains, root)
    if moments is None or moments.difference != difference:
        return None
    return LayerNormalization(None, None, moments.epsilon, moments.axes), (moments.x,)


def _by_terms(chains: Chains, number: int) -> Found | None:
    """x·g + (beta − mean·g), where g is gamma/√(mean of (x − mean)² + ε)."""
    terms = chains.inputs(number)
    if len(terms) != 2:
        return None
    for scaled, shift in (terms, terms[::-1]):
        one, factors = chains.product(scaled)
        if one != 1.0 or len(factors) != 2:
            continue
        for x, gate in (factors, factors[::-1]):
            gamma, moments = _gate(chains, gate)
            if moments is None or moments.x != x:
                continue
            beta, minus, others = _shift(chains, shift)
            shape = chains.shape(number)[-moments.axes :]
            fits = all(each is None or each.value.shape == shape for each in (gamma, beta))
            if fits and minus == -1.0 and sorted(others) == sorted((moments.mean, gate)):
                operator = LayerNormalization(
                    _in_the_role("gamma", gamma, number),
                    _in_the_role("beta", beta, number),
                    moments.epsilon,
                    moments.axes,
                )
                return operator, (x,)
    return None


def _gate(chains: Chains, number: int) -> tuple[Parameter | None, Moments | None]:
    """gamma and x where the value is gamma/√(variance of x + ε)."""
    operator, gamma = chains.operator(number), None
    if isinstance(operator, ScaleOffset) and operator.offset is None:
        gamma, number = operator.scale, chains.unspread(chains.inputs(number)[0])
    root = chains.argument(number, Reciprocal)
    return gamma, None if root is None else _moments(chains, root)


def _shift(chains: Chains, number: int) -> tuple[Parameter | None, float, list[int]]:
    """beta, c and the factors where the value is beta + c·(the factors)."""
    operator = chains.operator(number)
    if not isinstance(operator, ScaleOffset) or operator.offset is None:
        return None, *chains.product(number)
    own = 1.0 if operator.scale is None else number_of(operator.scale)
    coefficient, factors = chains.product(chains.unspread(chains.inputs(number)[0]))
    return operator.offset, coefficient * (own or 0.0), factors


def _moments(chains: Chains, root: int) -> Moments | None:
    """What the value is the deviation of: √(mean of (x − mean)² + ε)."""
    shifted = chains.argument(root, Sqrt)
    operator = None if shifted is None else chains.operator(shifted)
    if shifted is None or not isinstance(operator, ScaleOffset) or operator.scale is not None:
        return None
    epsilon = number_of(operator.offset)
    squares, axes = _mean_of(chains, chains.inputs(shifted)[0])
    if epsilon is None or epsilon <= 0 or squares is None:
        return None
    one, factors = chains.product(squares)
    if one != 1.0 or len(factors) != 2 or factors[0] != factors[1]:
        return None
    [difference, _] = factors
    if type(chains.operator(difference)) is not Subtract:
        return None
    x, mean = chains.inputs(difference)
    return Moments(x, mean, difference, axes, epsilon) if _mean_of(chains, mean) == (x, axes) else None


def _mean_of(chains: Chains, number: int) -> tuple[int | None, int]:
    """u and how many where the value is u's mean over so many of its last axes."""
    operator, inputs = chains.operator(number), chains.inputs(number)
    if not isinstance(operator, ReduceMean):
        return None, 0
    rank, count = len(chains.shape(inputs[0])), len(operator.axes)
    return (inputs[0], count) if operator.axes == tuple(range(rank - count, rank)) else (None, 0)


def scaled_normalization(chains: Chains, number: int) -> Found | None:
    """A scale and an offset of each number behind a layer normalization without its own: its gamma and its beta."""
    operator, [source] = chains.drafts[number].operator, chains.inputs(number)
    normalization = chains.operator(source)
    if not isinstance(operator, ScaleOffset) or not isinstance(normalization, LayerNormalization):
        return None
    fit = all(each.value.shape == chains.shape(number)[-normalization.axes :] for _, each in operator.parameters())
    if chains.readers[source] != 1 or dict(normalization.parameters()) or not fit:
        return None
    gamma, beta = _in_the_role("gamma", operator.scale, number), _in_the_role("beta", operator.offset, number)
    return LayerNormalization(gamma, beta, normalization.epsilon, normalization.axes), chains.inputs(source)


def batch_normalization(chains: Chains, number: int) -> Found | None:
    """(x − mean)·q + beta with constants for each channel; q is stored, and what it was made of is not."""
    operator, [source] = chains.drafts[number].operator, chains.inputs(number)
    centred = chains.operator(source)
    if not isinstance(operator, ScaleOffset) or not isinstance(centred, ScaleOffset):
        return None
    if operator.scale is None or centred.scale is not None or centred.offset is None or chains.readers[source] != 1:
        return None
    channels = chains.shape(number)[-1:]
    sizes = {each.value.shape for each in (operator.scale, operator.offset, centred.offset) if each is not None}
    if not channels or channels not in sizes or not sizes <= {channels, (1,)}:
        return None

    def spread(role: str, value: np.ndarray) -> Parameter:
        return Parameter(f"{number}.{role}", np.array(np.broadcast_to(value, channels)))

    found = BatchNormalization(
        spread("gamma", operator.scale.value),
        None if operator.offset is None else spread("beta", operator.offset.value),
        spread("mean", -centred.offset.value),
        spread("variance", np.ones(1, np.float32)),
        0.0,
    )
    return found, chains.inputs(source)


def _in_the_role(role: str, parameter: Parameter | None, number: int) -> Parameter | None:
    return None if parameter is None else Parameter(f"{number}.{role}", parameter.value)
