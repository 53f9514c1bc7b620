"""QONNX's operators with the channels last give the network of ONNX's own between transposes."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.errors import ModelError
from bittrue.frontends import load_with_plan
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.onnx.rules.channels_last import DOMAIN
from frontends.onnx_quantized_zoo import QONNX, quant
from frontends.onnx_zoo import Step, model, positive, random, step

pytestmark = pytest.mark.filterwarnings("ignore:.* holds quantizers")

KERNEL = random(4, 3, 3, 3)
SCALES = np.array([1, 1, 2, 2], np.float32)
NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


def resize(scales: np.ndarray) -> Step:
    return step("Resize", "last", "", scales, name="up", **NEAREST)


STEPS = [
    quant("x", 5, 8, name="xq"),
    quant(KERNEL, np.array([5, 4, 5, 6]).reshape(4, 1, 1, 1), 4, name="w"),
    step("Transpose", "xq", perm=[0, 3, 1, 2]),
    step("Conv", "last", "w", name="conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]),
    step("BatchNormalization", "last", *(positive(4, seed=number) for number in range(4)), name="bn"),
    step("Relu", "last", name="relu"),
    quant("last", 4, 8, 0),
    step("MaxPool", "last", name="pool", kernel_shape=[2, 2], strides=[2, 2]),
    step("AveragePool", "last", name="mean", kernel_shape=[2, 1], strides=[2, 1]),
    resize(SCALES),
    step("Transpose", "last", perm=[0, 2, 3, 1]),
]
MOVED = ("Conv", "BatchNormalization", "MaxPool", "AveragePool", "Resize")


def channels_last_steps(scales: np.ndarray = SCALES) -> list[Step]:
    weight = np.ascontiguousarray(KERNEL.transpose(0, 2, 3, 1))
    steps = [
        replace(made, op_type=f"{DOMAIN}:{made.op_type}" if made.op_type in MOVED else made.op_type)
        for made in (*STEPS[:9], resize(scales))
        if made.op_type != "Transpose"
    ]
    steps[1] = quant(weight, np.array([5, 4, 5, 6]).reshape(4, 1, 1, 1), 4, name="w")
    steps[2] = replace(steps[2], inputs=("xq", "w"))
    return steps


@pytest.mark.parametrize("scales", [SCALES, SCALES[[0, 2, 3, 1]]], ids=["scales of channels first", "of channels last"])
def test_the_same_network_and_plan(scales: np.ndarray) -> None:
    wanted = load_with_plan(model(("n", 8, 6, 3), STEPS, domains=[QONNX]))
    found = load_with_plan(model(("n", 8, 6, 3), channels_last_steps(scales), domains=[QONNX, DOMAIN]))
    assert found[0].hash == wanted[0].hash
    assert found[1].hash == wanted[1].hash
    assert found[0].text == wanted[0].text


def test_another_order_of_the_weight_gives_another_network() -> None:
    """What the comparison rests on: the axes of the weight are moved, not only renamed."""
    steps = channels_last_steps()
    steps[1] = quant(np.ascontiguousarray(KERNEL.transpose(0, 3, 2, 1)), 5, 4, name="w")
    other = from_onnx(model(("n", 8, 6, 3), steps, domains=[QONNX, DOMAIN]))
    assert other.hash != from_onnx(model(("n", 8, 6, 3), STEPS, domains=[QONNX])).hash


@pytest.mark.parametrize("scales", [(1, 1, 2, 1), (2, 2, 2, 2), (1, 2, 2)])
def test_scales_of_no_known_order_are_refused(scales: tuple[int, ...]) -> None:
    steps = channels_last_steps(np.array(scales, np.float32))
    with pytest.raises(ModelError, match="its scales don't say which axis is the channels'"):
        from_onnx(model(("n", 8, 6, 3), steps, domains=[QONNX, DOMAIN]))
