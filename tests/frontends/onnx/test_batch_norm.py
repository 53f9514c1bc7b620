"""Batch norms as TensorFlow writes them, in an ONNX graph where nothing is folded."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bittrue.frontends.onnx.model import from_onnx
from bittrue.operators import BatchNormalization
from frontends.onnx_zoo import positive, random, relative_error

EPSILON = np.float32(1e-3)
CHANNELS = 3
Steps = Sequence[tuple[str, str, str]]

ROOT = [("Add", "variance epsilon", "shifted"), ("Sqrt", "shifted", "deviation"), ("Reciprocal", "deviation", "root")]
SCALE = [*ROOT, ("Mul", "root gamma", "scale")]


def ending(scale: str) -> Steps:
    """The steps after the scale is computed."""
    return [
        *(("Mul", f"x {scale}", "product"), ("Mul", f"mean {scale}", "shift")),
        *(("Sub", "beta shift", "offset"), ("Add", "product offset", "y")),
    ]


WHOLE = [*SCALE, *ending("scale")]
WITHOUT_GAMMA = [*ROOT, *ending("root")]
WITHOUT_BETA = [
    *(*SCALE, ("Mul", "x scale", "product"), ("Neg", "mean", "negated"), ("Mul", "negated scale", "offset")),
    ("Add", "product offset", "y"),
]


def graph(steps: Steps, shape: tuple[int, ...] = (4, 5, CHANNELS), **others: np.ndarray) -> onnx.ModelProto:
    """The steps (operator, inputs, output) from x, the file's channels last, to y."""
    tensors = {name: random(CHANNELS, seed=seed) for seed, name in enumerate(("gamma", "beta", "mean"))}
    tensors |= {"variance": positive(CHANNELS), "epsilon": np.array(EPSILON), **others}
    read = {name for _, inputs, _ in steps for name in inputs.split()}
    proto = helper.make_graph(
        [helper.make_node(operator, inputs.split(), [output], output) for operator, inputs, output in steps],
        "normalized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", *shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in tensors.items() if name in read],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(proto, opset_imports=opset, producer_name="tf2onnx", ir_version=10)


def swapped(steps: Steps) -> Steps:
    """The operands of sums and products in the other order."""
    return [
        (operator, " ".join(reversed(inputs.split())) if operator in ("Add", "Mul") else inputs, output)
        for operator, inputs, output in steps
    ]


@pytest.mark.parametrize(
    ("steps", "present"),
    [
        (WHOLE, ("gamma", "beta", "mean", "variance")),
        (swapped(WHOLE), ("gamma", "beta", "mean", "variance")),
        (WITHOUT_GAMMA, ("beta", "mean", "variance")),
        (swapped(WITHOUT_GAMMA), ("beta", "mean", "variance")),
        (WITHOUT_BETA, ("gamma", "mean", "variance")),
        (swapped(WITHOUT_BETA), ("gamma", "mean", "variance")),
    ],
)
@pytest.mark.parametrize("shape", [(4, 5, CHANNELS), (CHANNELS,)])
def test_a_batch_norm_is_found(steps: Steps, present: tuple[str, ...], shape: tuple[int, ...]) -> None:
    model = graph(steps, shape)
    network = from_onnx(model)
    [operator] = [node.operator for node in network.nodes[1:]]
    assert isinstance(operator, BatchNormalization)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = dict(operator.parameters())
    assert tuple(found) == present
    for role, parameter in found.items():
        np.testing.assert_array_equal(parameter.value, stored[role])
    assert operator.epsilon == float(EPSILON)
    assert relative_error(model, network) <= 1e-6


@pytest.mark.parametrize(
    ("steps", "others"),
    [
        ([*WHOLE[:-2], ("Sub", "shift beta", "offset"), WHOLE[-1]], {}),  # μ·s − β
        ([*WHOLE[:5], ("Mul", "mean root", "shift"), *WHOLE[6:]], {}),  # another scale for μ
        ([("Sub", *WHOLE[0][1:]), *WHOLE[1:]], {}),  # σ² − ε
        ([WHOLE[0], ("Exp", *WHOLE[1][1:]), *WHOLE[2:]], {}),
        (WHOLE, {"epsilon": np.full(CHANNELS, EPSILON)}),
        (WHOLE, {"gamma": np.float32([2.0])}),
        (WHOLE, {"beta": random(5, CHANNELS)}),
    ],
)
def test_what_looks_alike_is_none(steps: Steps, others: dict[str, np.ndarray]) -> None:
    model = graph(steps, **others)
    network = from_onnx(model)
    assert not any(isinstance(node.operator, BatchNormalization) for node in network.nodes)
    assert relative_error(model, network) <= 1e-6
