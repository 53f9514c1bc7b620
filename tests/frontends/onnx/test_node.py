"""What ONNX says of an operator is held against each node: one sentence names the node, and the attribute or input."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, helper

from bittrue.errors import ModelError
from bittrue.frontends.onnx.model import from_onnx
from frontends.onnx_zoo import integers, model, positive, random, step

NODE = r"the ONNX model: node v0 \(\w+\): "

Edit = Callable[[onnx.NodeProto], None]


def as_text(node: onnx.NodeProto) -> None:
    node.attribute[0].CopyFrom(helper.make_attribute(node.attribute[0].name, "text"))


def without_a_type(node: onnx.NodeProto) -> None:
    node.attribute[0].type = AttributeProto.UNDEFINED


def renamed(node: onnx.NodeProto) -> None:
    node.attribute[0].name = "alfa"


def twice(node: onnx.NodeProto) -> None:
    node.attribute.append(node.attribute[0])


def without_attributes(node: onnx.NodeProto) -> None:
    del node.attribute[:]


def with_one_input(node: onnx.NodeProto) -> None:
    del node.input[1:]


def with_an_input_more(node: onnx.NodeProto) -> None:
    node.input.append("x")


def with_an_input_left_out(node: onnx.NodeProto) -> None:
    node.input[0] = ""


def with_an_output_more(node: onnx.NodeProto) -> None:
    node.output.append("more")


LEAKY, SLICE = step("LeakyRelu", "x", alpha=0.5), step("Slice", "x", integers(1), integers(3), integers(1))
CONCAT, NORM = step("Concat", "x", "x", axis=1), (positive(4), random(4), random(4), positive(4))


@pytest.mark.parametrize(
    ("made", "edit", "words"),
    [
        (LEAKY, as_text, "its attribute alpha is no number"),
        (LEAKY, without_a_type, "its attribute alpha is no number"),
        (LEAKY, renamed, "its attribute alfa is unknown in operator set 17"),
        (LEAKY, twice, "its attribute alpha stands there twice"),
        (LEAKY, with_an_input_more, "it has 2 inputs, expected 1"),
        (LEAKY, with_an_output_more, "it has 2 outputs, expected 1"),
        (step("LeakyRelu", "x", alpha=float("nan")), None, "its attribute alpha is no finite number"),
        (step("LeakyRelu", "x", alpha=float("-inf")), None, "its attribute alpha is no finite number"),
        (
            step("BatchNormalization", "x", *NORM, epsilon=float("inf")),
            None,
            "its attribute epsilon is no finite number",
        ),
        (CONCAT, as_text, "its attribute axis is no whole number"),
        (CONCAT, without_attributes, "its attribute axis is missing"),
        (CONCAT, with_an_input_left_out, "it has no input 0"),
        (SLICE, with_one_input, "it has 1 input, expected 3 to 5"),
        (step("Transpose", "x", perm=[0, 2, 1]), as_text, "its attribute perm is no list of whole numbers"),
        (step("Clip", "x", np.array(np.nan, np.float32)), None, "its input 1 is not a number"),
        (
            step("Clip", "x", np.array(np.inf, np.float32)),
            None,
            "it clips to at least inf, where float32 has no numbers.*",
        ),
        (
            step("Clip", "x", np.float32(0), np.array(-1e300)),
            None,
            r"it clips to at least 0, at most -1e\+300, where .*",
        ),
        (step("Pad", "x", integers(0, 0, 1, 0, 0, 0), np.array(np.inf, np.float32)), None, "its input 2 is infinite"),
        (step("Add", "x", np.full(4, "text", object)), None, "a constant of texts or complex numbers is not supported"),
    ],
)
def test_what_is_no_such_operator(made: object, edit: Edit | None, words: str) -> None:
    proto = model(("n", 4, 6), [made])
    if edit is not None:
        edit(proto.graph.node[0])
    with pytest.raises(ModelError, match=rf"{NODE}{words}(: .*)?\.$"):
        from_onnx(proto)


@pytest.mark.parametrize("made", [LEAKY, SLICE, CONCAT, step("Clip", "x", "", np.array(np.inf, np.float32))])
def test_what_is_one(made: object) -> None:
    assert from_onnx(model(("n", 4, 6), [made])).input.shape == (4, 6)
