"""What works along the batch axis is refused, wherever the file has moved that axis to; what doesn't is read."""

from dataclasses import replace

import numpy as np
import pytest

from bittrue.errors import ModelError
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.onnx.rows import in_place
from bittrue.frontends.onnx.rules.operators import OPERATORS
from frontends.onnx_zoo import Step, integers, model, operators, random, relative_error, step

VALUE = ("n", 4, 6)
MIXES = r"it mixes the images of a batch \(axis 0\), and a network computes one: leave that axis out"

ALONG: dict[str, list[Step]] = {
    "concat": [step("Concat", "x", "x", axis=0)],
    "concat, from the end": [step("Concat", "x", "x", axis=-3)],
    "concat of a constant": [step("Concat", "x", random(1, 4, 6), axis=0)],
    "slice": [step("Slice", "x", integers(0), integers(1), integers(0))],
    "slice, from the end": [step("Slice", "x", integers(0), integers(1), integers(-3))],
    "slice, reversed": [step("Slice", "x", integers(-1), integers(-100), integers(0), integers(-1))],
    "gather": [step("Gather", "x", integers(0), axis=0)],
    "gather, from the end": [step("Gather", "x", integers(0), axis=-3)],
    "gather of one": [step("Gather", "x", np.array(0), axis=0)],
    "flatten": [step("Flatten", "x", axis=0)],
    "flatten, from the end": [step("Flatten", "x", axis=-3)],
    "pad": [step("Pad", "x", integers(1, 0, 0, 0, 0, 0))],
    "pad, from the end": [step("Pad", "x", integers(0, 1), np.array(0, np.float32), integers(-3))],
    "split": [step("Split", "x", integers(1), axis=0)],
    "split, from the end": [step("Split", "x", integers(1), axis=-3)],
    "softmax": [step("Softmax", "x", axis=0)],
    "log softmax": [step("LogSoftmax", "x", axis=-3)],
    "layer norm": [step("LayerNormalization", "x", random(1, 4, 6), axis=0)],
    "layer norm, from the end": [step("LayerNormalization", "x", random(1, 4, 6), axis=-3)],
    **{
        f"{kind} {words}": [step(kind, "x", **axes)]
        for kind in ("ReduceMean", "ReduceMax", "ReduceMin")
        for words, axes in {"first": {"axes": [0]}, "from the end": {"axes": [1, -3]}, "all": {}}.items()
    },
    "sum": [step("ReduceSum", "x", integers(0))],
    "sum, from the end": [step("ReduceSum", "x", integers(1, -3))],
    "sum of all": [step("ReduceSum", "x")],
    "transposed": [step("Transpose", "x", perm=[1, 0, 2]), step("Softmax", "last", axis=1)],
    "transposed twice": [
        step("Transpose", "x", perm=[1, 2, 0]),
        step("Relu", "last"),
        step("ReduceSum", "last", integers(2), keepdims=0),
    ],
    "behind a new axis": [step("Unsqueeze", "x", integers(0)), step("Softmax", "last", axis=1)],
    "with an axis less": [
        step("Transpose", "x", perm=[1, 0, 2]),
        step("ReduceMax", "last", axes=[0], keepdims=0),
        step("Concat", "last", "last", axis=0),
    ],
    "reshaped": [step("Reshape", "x", integers(0, 2, 2, 6)), step("Concat", "last", "last", axis=0)],
}

BESIDE: dict[str, list[Step]] = {
    "a new axis is another": [
        step("Unsqueeze", "x", integers(0)),
        step("Concat", "last", "last", axis=0),
        step("ReduceSum", "last", integers(0), keepdims=0),
    ],
    "the first axis after a transpose": [
        step("Transpose", "x", perm=[1, 0, 2]),
        step("Softmax", "last", axis=0),
        step("Transpose", "last", perm=[1, 0, 2]),
    ],
    "all of it": [step("Slice", "x", integers(0, 1), integers(2**63 - 1, 3), integers(0, 1))],
}


@pytest.mark.parametrize("name", ALONG)
def test_what_works_along_the_batch_is_refused(name: str) -> None:
    last = ALONG[name][-1]
    opset = 18 if last.op_type == "Pad" else 17  # from which on its axes are an input
    with pytest.raises(ModelError, match=rf"node \S+ \({last.op_type}\): {MIXES}"):
        from_onnx(model(VALUE, ALONG[name], opset=opset))


@pytest.mark.parametrize("name", BESIDE)
def test_what_works_beside_it_is_read(name: str) -> None:
    proto = model(VALUE, BESIDE[name])
    assert relative_error(proto, from_onnx(proto)) <= 1e-5


def test_a_batch_axis_that_is_not_followed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its rule a Transpose leaves the batch where it was, and the softmax would be read."""
    monkeypatch.setitem(OPERATORS, "Transpose", replace(OPERATORS["Transpose"], moved=in_place))
    assert "Softmax" in operators(from_onnx(model(VALUE, ALONG["transposed"])))


FOUR = (4, 4, 6)
"""As many images as each has rows."""

STATED: dict[str, list[Step]] = {
    "by its size": [step("Reshape", "x", integers(4, -1)), step("Gemm", "last", random(24, 3))],
    "by its size, in rows": [step("Reshape", "x", integers(4, 8, 3)), step("Softmax", "last", axis=2)],
    "by what is left": [step("Reshape", "x", integers(-1, 24)), step("Relu", "last")],
    "by its shape": [
        step("Shape", "x"),
        step("Gather", "last", integers(0)),
        step("Concat", "last", integers(-1), axis=0),
        step("Reshape", "x", "last"),
        step("Gemm", "last", random(24, 3)),
    ],
    "nowhere": [step("Softmax", "x", axis=-1), step("Flatten", "last")],
}

STATED_MIXED: dict[str, tuple[list[Step], str]] = {
    "along it": ([step("Softmax", "x", axis=0)], MIXES),
    "in another place": ([step("Reshape", "x", integers(6, 4, 4))], "its shape .* may mix the file's 4 images"),
    "behind a transpose": (
        [step("Transpose", "x", perm=[1, 0, 2]), step("Reshape", "last", integers(4, -1))],
        "its shape .* may mix the file's 4 images",
    ),
    "a number an image": ([step("Add", "x", random(4, 1, 1))], "a constant of 4×1×1 doesn't fit an input of 1×4×6"),
    "in one row": ([step("Flatten", "x", axis=0)], MIXES),
}


@pytest.mark.parametrize("name", STATED)
def test_a_stated_number_of_images_that_nothing_mixes(name: str) -> None:
    proto = model(FOUR, STATED[name])
    assert relative_error(proto, from_onnx(proto)) <= 1e-5


@pytest.mark.parametrize("name", STATED_MIXED)
def test_a_stated_number_of_images_that_are_mixed(name: str) -> None:
    steps, words = STATED_MIXED[name]
    with pytest.raises(ModelError, match=words):
        from_onnx(model(FOUR, steps))


def test_one_image_flattened_whole_has_a_row_of_its_own() -> None:
    proto = model((1, 4, 6), [step("Flatten", "x", axis=0), step("Gemm", "last", random(24, 3))])
    assert relative_error(proto, from_onnx(proto)) <= 1e-5
