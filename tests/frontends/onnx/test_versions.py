"""What changed between ONNX's operator sets, read in each; and chains that older exporters write for one operator."""

from math import pi, sqrt

import numpy as np
import pytest

from bittrue.frontends.onnx.model import from_onnx
from frontends.onnx_zoo import Step, integers, model, operators, positive, random, relative_error, step

TOLERANCE = 1e-5
IMAGE = ("n", 3, 6, 5)
ROW = ("n", 7)
SEQUENCE = ("n", 4, 6)
HALF, ONE = np.float32(0.5), np.float32(1)

CHANGED: dict[str, tuple[int, tuple[int | str, ...], list[Step], str]] = {
    "clip with attributes": (9, ROW, [step("Clip", "last", min=0.0, max=1.5)], "ReLU"),
    "clip with inputs": (13, ROW, [step("Clip", "last", np.float32(-1), np.float32(1.5))], "Clip"),
    "squeeze by attribute": (
        *(11, ("n", 1, 7), [step("Squeeze", "last", axes=[1]), step("Relu", "last")], "ReLU Flatten"),
    ),
    "squeeze by input": (13, ("n", 1, 7), [step("Squeeze", "last", integers(1)), step("Relu", "last")], "ReLU Flatten"),
    "slice by attributes": (9, IMAGE, [step("Slice", "last", starts=[1], ends=[4], axes=[2])], "Slice"),
    "pad by attributes": (9, IMAGE, [step("Pad", "last", pads=[0, 0, 1, 0, 0, 0, 0, 2])], "ZeroPadding"),
    "dropout with a ratio": (9, ROW, [step("Dropout", "last", ratio=0.5), step("Relu", "last")], "ReLU"),
    "upsample": (
        9,
        IMAGE,
        [step("Upsample", "last", np.array([1, 1, 2, 3], np.float32), mode="nearest")],
        "UpsamplingNearest",
    ),
    "resize without a region": (
        *(10, IMAGE, [step("Resize", "last", np.array([1, 1, 2, 2], np.float32))], "UpsamplingNearest"),
    ),
    "mean by input": (18, IMAGE, [step("ReduceMean", "last", integers(2, 3), keepdims=0)], "GlobalAveragePooling"),
    "sum by attribute": (11, SEQUENCE, [step("ReduceSum", "last", axes=[2], keepdims=0)], "ReduceSum"),
    "softmax over what follows": (11, ("n", 2, 3), [step("Softmax", "last", axis=1)], "Flatten Softmax Reshape"),
    "split by attribute": (
        *(11, ROW, [step("Split", "x", axis=1, split=[3, 4], outputs=2, name="s"), step("Relu", "s_2")], "Slice ReLU"),
    ),
    "group norm": (
        21,
        ("n", 4, 5, 6),
        [step("GroupNormalization", "last", positive(4), random(4), num_groups=2)],
        "Reshape Transpose Reshape LayerNormalization ScaleOffset Reshape Transpose Reshape",
    ),
    "batch norm of set 7": (
        7,
        IMAGE,
        [step("BatchNormalization", "last", positive(3), random(3), random(3), positive(3), spatial=1)],
        "BatchNormalization",
    ),
    "upsample of set 7": (
        *(7, IMAGE, [step("Upsample", "last", scales=[1.0, 1.0, 2.0, 3.0], mode="nearest")], "UpsamplingNearest"),
    ),
    "batch norm": (
        *(9, IMAGE, [step("BatchNormalization", "last", positive(3), random(3), random(3), positive(3))]),
        "BatchNormalization",
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_operator_sets(name: str) -> None:
    opset, shape, steps, wanted = CHANGED[name]
    proto = model(shape, steps, opset=opset)
    network = from_onnx(proto)
    assert operators(network) == wanted
    assert relative_error(proto, network) <= TOLERANCE


SIXTH: dict[str, tuple[tuple[int | str, ...], Step, Step]] = {
    "a sum at an axis": (
        IMAGE,
        step("Add", "last", random(3), axis=1, broadcast=1),
        step("Add", "last", random(3).reshape(3, 1, 1)),
    ),
    "a product at two axes": (
        IMAGE,
        step("Mul", "last", random(3, 6), axis=1, broadcast=1),
        step("Mul", "last", random(3, 6).reshape(3, 6, 1)),
    ),
    "a slope a channel": (
        IMAGE,
        step("PRelu", "last", positive(3)),
        step("PRelu", "last", positive(3).reshape(3, 1, 1)),
    ),
    "batch norm": (
        IMAGE,
        step("BatchNormalization", "last", positive(3), random(3), random(3), positive(3), is_test=1),
        step("BatchNormalization", "last", positive(3), random(3), random(3), positive(3)),
    ),
}
"""By name: a step of operator set 6, which onnxruntime doesn't run, and the same step of today's."""


@pytest.mark.parametrize("name", SIXTH)
def test_operator_set_6(name: str) -> None:
    shape, sixth, today = SIXTH[name]
    relu = step("Relu", "x")
    assert from_onnx(model(shape, [relu, sixth], opset=6)).hash == from_onnx(model(shape, [relu, today])).hash


CHAINS: dict[str, tuple[tuple[int | str, ...], list[Step], str]] = {
    "SiLU": (ROW, [step("Sigmoid", "x"), step("Mul", "x", "last")], "SiLU"),
    "Mish": (ROW, [step("Softplus", "x"), step("Tanh", "last"), step("Mul", "x", "last")], "Mish"),
    "HardSwish by hard sigmoid": (
        ROW,
        [step("HardSigmoid", "x", alpha=1 / 6, beta=0.5), step("Mul", "x", "last")],
        "HardSwish",
    ),
    "HardSwish by clip": (
        ROW,
        [
            step("Add", "x", np.float32(3)),
            step("Clip", "last", np.float32(0), np.float32(6)),
            step("Mul", "x", "last"),
            step("Div", "last", np.float32(6)),
        ],
        "HardSwish",
    ),
    "GELU": (
        ROW,
        [
            step("Div", "x", np.float32(sqrt(2))),
            step("Erf", "last"),
            step("Add", "last", ONE),
            step("Mul", "x", "last"),
            step("Mul", "last", HALF),
        ],
        "GELU",
    ),
    "GELU by tanh": (
        ROW,
        [
            step("Pow", "x", np.float32(3)),
            step("Mul", "last", np.float32(0.044715)),
            step("Add", "x", "last"),
            step("Mul", "last", np.float32(sqrt(2 / pi))),
            step("Tanh", "last"),
            step("Add", "last", ONE, name="gate"),
            step("Mul", "x", HALF),
            step("Mul", "last", "gate"),
        ],
        "GELU",
    ),
    "layer norm": (
        SEQUENCE,
        [
            step("ReduceMean", "x", axes=[-1]),
            step("Sub", "x", "last", name="difference"),
            step("Pow", "last", np.float32(2)),
            step("ReduceMean", "last", axes=[-1]),
            step("Add", "last", np.float32(1e-5)),
            step("Sqrt", "last"),
            step("Div", "difference", "last"),
            step("Mul", "last", random(6)),
            step("Add", "last", random(6, seed=2)),
        ],
        "LayerNormalization",
    ),
    "no GELU": (
        ROW,
        [
            step("Div", "x", np.float32(1.5)),
            step("Erf", "last"),
            step("Add", "last", ONE),
            step("Mul", "x", "last"),
            step("Mul", "last", HALF),
        ],
        "DivideConstant Erf ScaleOffset Multiply ScaleOffset",
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name: str) -> None:
    shape, steps, wanted = CHAINS[name]
    proto = model(shape, steps)
    network = from_onnx(proto)
    assert operators(network) == wanted
    assert relative_error(proto, network) <= TOLERANCE
