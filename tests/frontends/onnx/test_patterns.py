"""Chains that exporters write for one function become that function; chains that are nearly one stay as they are."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi, sqrt

import numpy as np
import onnx
import pytest

from bittrue.frontends import load_with_plan
from bittrue.frontends.onnx.model import from_onnx
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.operators import BatchNormalization, LayerNormalization
from bittrue.plan import study_plan, uniform_plan
from bittrue.simulation.simulator import Simulator
from frontends.onnx_zoo import Step, computed, model, operators, positive, random, relative_error, step
from simulation.comparison import check

TOLERANCE = 1e-5
ROW = ("n", 4, 6)
CHANNELS = 6


def number(value: float) -> np.ndarray:
    return np.float32(value)


def silu(_: float) -> list[Step]:
    return [step("Sigmoid", "x", name="s"), step("Mul", "x", "s")]


def silu_of_tensorflow(beta: float) -> list[Step]:
    return [step("Mul", "x", number(beta), name="b"), step("Sigmoid", "b", name="s"), step("Mul", "x", "s")]


def hard_swish(three: float) -> list[Step]:
    return [
        step("Add", "x", number(three), name="a"),
        step("Clip", "a", number(0), number(6), name="c"),
        step("Mul", "c", number(1 / 6), name="g"),
        step("Mul", "x", "g"),
    ]


def hard_sigmoid(sixth: float) -> list[Step]:
    return [
        step("Add", "x", number(3), name="a"),
        step("Relu", "a", name="r"),
        step("Min", "r", number(6), name="c"),
        step("Mul", "c", number(sixth)),
    ]


def gelu_by_erf(root: float) -> list[Step]:
    return [
        step("Div", "x", number(root), name="d"),
        step("Erf", "d", name="e"),
        step("Add", "e", number(1), name="g"),
        step("Mul", "x", "g", name="p"),
        step("Mul", "p", number(0.5)),
    ]


def gelu_by_tanh(cubic: float) -> list[Step]:
    return [
        step("Pow", "x", number(3), name="c"),
        step("Mul", "c", number(cubic), name="m"),
        step("Add", "x", "m", name="a"),
        step("Mul", "a", number(sqrt(2 / pi)), name="s"),
        step("Tanh", "s", name="t"),
        step("Add", "t", number(1), name="g"),
        step("Mul", "x", number(0.5), name="h"),
        step("Mul", "h", "g"),
    ]


def log_sigmoid(sign: float) -> list[Step]:
    return [step("Mul", "x", number(sign), name="m"), step("Softplus", "m", name="s"), step("Neg", "s")]


def softsign(one: float) -> list[Step]:
    return [step("Abs", "x", name="a"), step("Add", "a", number(one), name="d"), step("Div", "x", "d")]


def prelu(sign: float) -> list[Step]:
    return [
        step("Relu", "x", name="p"),
        step("Mul", "x", number(sign), name="m"),
        step("Relu", "m", name="n"),
        step("Mul", "n", random(4, CHANNELS), name="s"),
        step("Add", "s", "p"),
    ]


def average(third: float) -> list[Step]:
    return [
        step("Tanh", "x", name="t"),
        step("Relu", "x", name="r"),
        step("Add", "t", "r", name="a"),
        step("Add", "a", "x", name="b"),
        step("Mul", "b", number(third)),
    ]


def capped(high: float) -> list[Step]:
    return [step("Relu", "x", name="r"), step("Min", "r", number(high)), step("Max", "last", number(0))]


def layer_norm_by_division(sign: float) -> list[Step]:
    return [
        step("ReduceMean", "x", axes=[-1], name="mean"),
        step("Sub", "x", "mean", name="d"),
        step("Pow", "d", number(2), name="q"),
        step("ReduceMean", "q", axes=[-1], name="v"),
        step("Add", "v", number(sign * 0.01), name="e"),
        step("Sqrt", "e", name="r"),
        step("Div", "d", "r", name="n"),
        step("Mul", "n", random(CHANNELS, seed=2), name="g"),
        step("Add", "g", random(CHANNELS, seed=3)),
    ]


def layer_norm_of_tensorflow(sign: float, gamma: bool = True, beta: bool = True) -> list[Step]:
    """x·g + (beta − mean·g); the sign is that of the mean in the second term."""
    scale = step("Mul", "i", random(1, 1, CHANNELS, seed=2), name="g")
    offset = step("Add", "t", random(1, 1, CHANNELS, seed=3), name="b")
    return [
        step("ReduceMean", "x", axes=[2], name="mean"),
        step("Mul", "mean", number(sign), name="minus"),
        step("Sub", "x", "mean", name="d"),
        step("Mul", "d", "d", name="q"),
        step("ReduceMean", "q", axes=[2], name="v"),
        step("Add", "v", number(0.01), name="e"),
        step("Sqrt", "e", name="r"),
        step("Reciprocal", "r", name="i"),
        *([scale] if gamma else []),
        step("Mul", "x", "g" if gamma else "i", name="s"),
        step("Mul", "minus", "g" if gamma else "i", name="t"),
        *([offset] if beta else []),
        step("Add", "s", "b" if beta else "t"),
    ]


@dataclass(frozen=True)
class Chain:
    """`steps` of `right` are the one operator `name`; of `wrong` they are `split`."""

    steps: Callable[[float], list[Step]]
    name: str
    right: float
    wrong: float | None = None


CHAINS = {
    "SiLU": Chain(silu, "SiLU", 1),
    "SiLU with TensorFlow's beta": Chain(silu_of_tensorflow, "SiLU", 1, 1.0001),
    "hard swish": Chain(hard_swish, "HardSwish", 3, 2.999),
    "hard sigmoid": Chain(hard_sigmoid, "HardSigmoid", 1 / 6, 0.1666),
    "GELU by erf": Chain(gelu_by_erf, "GELU", sqrt(2), 1.4142),
    "GELU by tanh": Chain(gelu_by_tanh, "GELU", 0.044715, 0.0447),
    "log sigmoid": Chain(log_sigmoid, "LogSigmoid", -1, -1.001),
    "softsign": Chain(softsign, "Softsign", 1, 1.001),
    "PReLU": Chain(prelu, "PReLU", -1, -1.001),
    "average of three": Chain(average, "Average", 1 / 3, 0.3333),
    "layer norm": Chain(layer_norm_by_division, "LayerNormalization", 1),
    "layer norm of TensorFlow": Chain(layer_norm_of_tensorflow, "LayerNormalization", -1, -1.001),
    "without gamma": Chain(lambda sign: layer_norm_of_tensorflow(sign, gamma=False), "LayerNormalization", -1, -1.001),
    "without beta": Chain(lambda sign: layer_norm_of_tensorflow(sign, beta=False), "LayerNormalization", -1, -1.001),
    "bare": Chain(lambda sign: layer_norm_of_tensorflow(sign, False, False), "LayerNormalization", -1, -1.001),
    "capped ReLU": Chain(capped, "ReLU", 0.5),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_one_operator(name: str) -> None:
    chain = CHAINS[name]
    proto = model(ROW, chain.steps(chain.right))
    network = from_onnx(proto)
    wanted = {"Average": "Tanh ReLU Average"}.get(chain.name, chain.name)
    assert operators(network) == wanted
    assert relative_error(proto, network) <= TOLERANCE


@pytest.mark.parametrize("name", [name for name, chain in CHAINS.items() if chain.wrong is not None])
def test_a_chain_with_another_constant_is_not(name: str) -> None:
    """Nearly the function is another function."""
    chain = CHAINS[name]
    assert chain.wrong is not None
    proto = model(ROW, chain.steps(chain.wrong))
    network = from_onnx(proto)
    assert chain.name not in operators(network).split()
    assert relative_error(proto, network) <= TOLERANCE


def test_a_gelu_without_its_half_is_not_one() -> None:
    proto = model(ROW, gelu_by_erf(sqrt(2))[:-1])
    assert "GELU" not in operators(from_onnx(proto))
    assert relative_error(proto) <= TOLERANCE


# Erfc, which TensorFlow's GELU has and ONNX hasn't


def gelu_by_erfc(root: float) -> list[Step]:
    return [
        step("Mul", "x", number(0.5), name="h"),
        step("Neg", "x", name="m"),
        step("Mul", "m", number(root), name="a"),
        step("Erfc", "a", name="c"),
        step("Mul", "h", "c"),
    ]


def error_function(x: np.ndarray) -> np.ndarray:
    proto = model(("n", x.shape[1]), [step("Erf", "x")])
    return computed(from_onnx(proto), x)


@pytest.mark.parametrize(("root", "wanted"), [(sqrt(0.5), True), (0.7071, False)])
def test_gelu_by_the_complement(root: float, wanted: bool) -> None:
    network = from_onnx(model(("n", 7), gelu_by_erfc(root)))
    assert (operators(network) == "GELU") == wanted
    x = random(3, 7)
    want = 0.5 * x * (1 - error_function(-np.float32(root) * x))
    assert np.abs(computed(network, x) - want).max() <= TOLERANCE * np.abs(want).max()


# Batch norms with what they multiply by computed already


MEAN, QUOTIENT, BETA = random(1, 1, CHANNELS, seed=4), random(1, 1, CHANNELS, seed=5), random(1, 1, CHANNELS, seed=6)


def batch_norm(mean: np.ndarray = MEAN, quotient: np.ndarray = QUOTIENT, beta: np.ndarray | None = BETA) -> list[Step]:
    steps = [step("Sub", "x", mean, name="centred"), step("Mul", "centred", quotient, name="scaled")]
    return steps if beta is None else [*steps, step("Add", "scaled", beta, name="norm")]


def only_operator(network: Network) -> object:
    [_, node] = network.nodes
    return node.operator


@pytest.mark.parametrize("beta", [BETA, None])
def test_batch_norm(beta: np.ndarray | None) -> None:
    proto = model(ROW, batch_norm(beta=beta))
    network = from_onnx(proto)
    found = only_operator(network)
    assert isinstance(found, BatchNormalization)
    assert network.nodes[1].name == ("scaled" if beta is None else "norm")
    assert found.gamma is not None
    np.testing.assert_array_equal(found.gamma.value, QUOTIENT.reshape(-1))
    np.testing.assert_array_equal(found.mean.value, MEAN.reshape(-1))
    np.testing.assert_array_equal(found.variance.value, 1)
    assert found.epsilon == 0
    assert (found.beta is None) == (beta is None)
    assert relative_error(proto, network) <= TOLERANCE


def bits(proto: onnx.ModelProto, raw: bool = False) -> np.ndarray:
    network = from_onnx(proto)
    plan = study_plan(network, 7)
    plan = uniform_plan(network, 9, 5, options=replace(plan.options, batch_norm="raw")) if raw else plan
    program, x = lower_network(network, plan), random(5, 6, 5, 4)
    assert check(program, x[:1]) is None
    return Simulator(program).run(x).outputs


@pytest.mark.parametrize("raw", [False, True])
def test_a_batch_norm_has_the_bits_of_the_whole_one(raw: bool) -> None:
    """Where the deviation is 1 the quotient is gamma itself, and nothing else differs."""
    shape, gamma = ("n", 4, 6, 5), random(4, seed=7)
    parts = [random(4, seed=8), random(4, seed=9)]
    whole = [step("BatchNormalization", "x", gamma, parts[0], parts[1], np.full(4, 1, np.float32), epsilon=0.0)]
    mean, quotient, beta = (part.reshape(1, 4, 1, 1) for part in (parts[1], gamma, parts[0]))
    conv = step("Conv", "x", random(4, 4, 1, 1), name="conv")
    taken_apart = batch_norm(mean, quotient, beta)
    first = model(shape, [conv, replace(whole[0], inputs=("conv", *whole[0].inputs[1:]))])
    second = model(shape, [conv, replace(taken_apart[0], inputs=("conv", mean)), *taken_apart[1:]])
    assert operators(from_onnx(second)) == "Convolution BatchNormalization"
    np.testing.assert_array_equal(bits(first, raw), bits(second, raw))


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (batch_norm(random(1, 4, 6)), "ScaleOffset ScaleOffset"),
        (batch_norm(number(0.5), number(2.0), number(1.0)), "ScaleOffset ScaleOffset"),
        ([*batch_norm(), step("Add", "norm", "centred")], "ScaleOffset ScaleOffset Add"),
        (batch_norm(number(0.5)), "BatchNormalization"),
    ],
    ids=["not by channel", "one number", "read elsewhere", "one mean for all"],
)
def test_what_is_a_batch_norm(steps: list[Step], wanted: str) -> None:
    proto = model(ROW, steps)
    assert operators(from_onnx(proto)) == wanted
    assert relative_error(proto) <= TOLERANCE


# In files with quantizers


def rounded(name: str, fraction_bits: int = 5) -> list[Step]:
    """A value through a quantizer, as `name_q`."""
    scale, zero = number(2.0**-fraction_bits), np.int8(0)
    return [
        step("QuantizeLinear", name, scale, zero, name=f"{name}_c"),
        step("DequantizeLinear", f"{name}_c", scale, zero, name=f"{name}_q"),
    ]


def through(steps: list[Step], inner: str | None) -> list[Step]:
    """The chain between quantizers, and with one on the value `inner`."""
    result: list[Step] = rounded("x")
    for made in steps:
        names = {"x": "x_q", **({inner: f"{inner}_q"} if inner else {})}
        result.append(replace(made, inputs=tuple(names.get(i, i) if isinstance(i, str) else i for i in made.inputs)))
        if made.name == inner and inner is not None:
            result += rounded(inner)
    last = replace(result[-1], name="last")
    return [*result[:-1], last, *rounded("last", 3)]


INNER = {
    "SiLU": "s",
    "hard swish": "c",
    "hard sigmoid": "c",
    "GELU by erf": "e",
    "GELU by tanh": "t",
    "log sigmoid": "s",
    "softsign": "a",
    "PReLU": "p",
    "layer norm": "r",
    "layer norm of TensorFlow": "t",
    "without gamma": "mean",
}


@pytest.mark.parametrize("name", INNER)
def test_between_quantizers(name: str) -> None:
    chain = CHAINS[name]
    network, plan = load_with_plan(model(ROW, through(chain.steps(chain.right), None)))
    assert operators(network) == chain.name
    assert plan.sites[f"{network.nodes[1].name}.output"] == plan.sites["last.output"]


@pytest.mark.parametrize("name", INNER)
def test_a_quantizer_inside_leaves_a_chain_split(name: str) -> None:
    """The file rounds there, and one function wouldn't."""
    chain = CHAINS[name]
    proto = model(ROW, through(chain.steps(chain.right), INNER[name]))
    network, plan = load_with_plan(proto)
    assert chain.name not in operators(network).split()
    assert f"{INNER[name]}.output" in plan.sites


def test_a_quantizer_inside_a_batch_norm() -> None:
    assert operators(from_onnx(model(ROW, through(batch_norm(), None)), told=lambda line: None)) == "BatchNormalization"
    assert (
        operators(from_onnx(model(ROW, through(batch_norm(), "centred")), told=lambda line: None))
        == "ScaleOffset ScaleOffset"
    )


# Values repeated along axes of size 1


def test_a_constant_larger_than_the_value() -> None:
    """As in an RMS norm, which stays general operators."""
    steps = [
        step("Mul", "x", "x", name="q"),
        step("ReduceMean", "q", axes=[-1], name="m"),
        step("Add", "m", number(0.01), name="e"),
        step("Sqrt", "e", name="r"),
        step("Reciprocal", "r", name="i"),
        step("Mul", "i", positive(CHANNELS), name="g"),
        step("Mul", "x", "g"),
    ]
    proto = model(ROW, steps)
    network = from_onnx(proto)
    assert operators(network) == ("Multiply ReduceMean ScaleOffset Sqrt Reciprocal Broadcast ScaleOffset Multiply")
    assert relative_error(proto, network) <= TOLERANCE


def test_the_last_axes_of_a_layer_norm() -> None:
    steps = layer_norm_by_division(1)
    wide = [replace(made, attributes={"axes": [-2, -1]} if made.op_type == "ReduceMean" else {}) for made in steps]
    wide[-2:] = [step("Mul", "n", random(4, 6, seed=2), name="g"), step("Add", "g", random(4, 6, seed=3))]
    proto = model(ROW, wide)
    network = from_onnx(proto)
    found = only_operator(network)
    assert isinstance(found, LayerNormalization)
    assert found.axes == 2
    assert relative_error(proto, network) <= TOLERANCE
