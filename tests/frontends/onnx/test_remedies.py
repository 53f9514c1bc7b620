"""What a refusal of an ONNX model tells the user to do is done here, and gives the numbers of the model that was
refused, as onnxruntime computes them."""

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from bittrue.errors import ModelError
from bittrue.frontends.onnx.model import from_onnx
from bittrue.simulation.float_model import FloatModel
from frontends.onnx_zoo import Array, Step, channels_last, expected, integers, model, random, step


def run(proto: object, x: Array, output: str | None = None) -> Array:
    """What was read computes, one image after another."""
    network = from_onnx(proto, check=False, output=output)
    given = x if network.input.shape == x.shape[1:] else channels_last(x)
    return FloatModel(network).run(given)


def assert_equal(got: Array, wanted: Array) -> None:
    """Images may lie channels last."""
    if got.shape != wanted.shape:
        wanted = channels_last(wanted)
    assert got.shape == wanted.shape
    # float32 on both sides, summed in another order.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def refusal(proto: object, words: str) -> str:
    with pytest.raises(ModelError, match=words) as caught:
        from_onnx(proto)
    sentence = str(caught.value)
    assert len(sentence.split()) <= 43, f"40 words, and the model's name: {sentence}"
    return sentence


def rows(places: list[int]) -> Array:
    """The matrix that takes these rows."""
    return np.eye(max(places) + 1, dtype=np.float32)[places]


def bicubic(size: int) -> Array:
    """The matrix that resizes an axis by 2."""
    columns = torch.eye(size).reshape(1, size, size, 1)
    found: Array = functional.interpolate(columns, size=(2 * size, 1), mode="bicubic")[0, :, :, 0].T.numpy()
    return np.ascontiguousarray(found)


def flat_depth(weight: Array, depth: int) -> Array:
    """A 3-D convolution's weight as a 2-D one's over the channels of all depths, 0 where a window doesn't reach."""
    filters, channels, reach, *spatial = weight.shape
    steps = depth - reach + 1
    flat = np.zeros((filters, steps, channels, depth, *spatial), np.float32)
    for start in range(steps):
        flat[:, start, :, start : start + reach] = weight
    return flat.reshape(filters * steps, channels * depth, *spatial)


def along(axis: int, start: int, end: int, source: str, name: str | None = None) -> Step:
    return step("Slice", source, integers(start), integers(end), integers(axis), name=name)


def number(value: float) -> Array:
    return np.array([value], np.float32)


def last_conv(*steps: Step) -> list[Step]:
    """So that the output is an image."""
    return [*steps, step("Conv", "last", random(3, 4, 1, 1))]


@dataclass(frozen=True)
class Twin:
    """The words of the refusal, the input's shape, and the steps as they are refused and as they are mended."""

    words: str
    shape: tuple[int, ...]
    refused: list[Step]
    mended: list[Step]
    opset: int = 17


BY_MATRICES = r"multiply height and width by constant matrices in its place \(matmul\)"
BOUNDS, SOLID = random(6), random(3, 2, 2, 3, 3)
HEIGHT, WIDTH = rows([0, 0, 1, 2, 2, 3]), rows([0, 0, 1, 2, 2, 3, 4, 4, 5]).T

TWINS = {
    "comparison": Twin(
        "write a choice by comparison with Relu, LeakyRelu, Clip, Max or Min",
        (1, 6),
        [
            step("Mul", "x", number(0.1), name="a"),
            step("Greater", "x", number(0), name="g"),
            step("Where", "g", "x", "a"),
        ],
        [step("LeakyRelu", "x", alpha=0.1)],
    ),
    "comparison of a band": Twin(
        "write a choice by comparison with Relu, LeakyRelu, Clip, Max or Min",
        (1, 6),
        [
            *(step("Abs", "x"), step("Less", "last", number(0.5), name="near"), step("Sign", "x")),
            *(step("Mul", "last", number(0.5)), step("Sub", "x", "last", name="less")),
            step("Where", "near", number(0), "less"),
        ],
        [step("Clip", "x", np.float32(-0.5), np.float32(0.5)), step("Sub", "x", "last")],
    ),
    "running sums": Twin(
        "constant triangular matrix",
        (1, 3, 4),
        [step("CumSum", "x", np.array(2, np.int64))],
        [step("MatMul", "x", np.triu(np.ones((4, 4), np.float32)))],
    ),
    "log of a sum": Twin(
        "the Log of the ReduceSum of the Exp",
        (1, 3, 4),
        [step("ReduceLogSumExp", "x", axes=[2])],
        [step("Exp", "x"), step("ReduceSum", "last", integers(2)), step("Log", "last")],
    ),
    "product along an axis": Twin(
        "multiply slices",
        (1, 3, 2),
        [step("ReduceProd", "x", axes=[2])],
        [along(2, 0, 1, "x", "a"), along(2, 1, 2, "x"), step("Mul", "a", "last")],
    ),
    "nearest by three halves": Twin(
        BY_MATRICES,
        (1, 4, 4, 6),
        last_conv(
            step(
                *("Resize", "x", "", np.array([1, 1, 1.5, 1.5], np.float32)),
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ),
        last_conv(step("MatMul", HEIGHT, "x"), step("MatMul", "last", np.ascontiguousarray(WIDTH))),
    ),
    "bicubic": Twin(
        BY_MATRICES,
        (1, 4, 4, 6),
        last_conv(
            step(
                *("Resize", "x", "", np.array([1, 1, 2, 2], np.float32)),
                coordinate_transformation_mode="pytorch_half_pixel",
                mode="cubic",
                cubic_coeff_a=-0.75,
            )
        ),
        last_conv(step("MatMul", bicubic(4), "x"), step("MatMul", "last", np.ascontiguousarray(bicubic(6).T))),
    ),
    "maximum with several numbers": Twin(
        r"write Max\(x, c\) as Relu\(x - c\) \+ c",
        (1, 3, 6),
        [step("Max", "x", BOUNDS)],
        [step("Sub", "x", BOUNDS), step("Relu", "last"), step("Add", "last", BOUNDS)],
    ),
    "fourth power": Twin(
        "use 2, 3, 0.5 or -1, or multiply",
        (1, 6),
        [step("Pow", "x", number(4))],
        [step("Mul", "x", "x"), step("Mul", "last", "last")],
    ),
    "repeated": Twin(
        "concatenate it with itself",
        (1, 6),
        [step("Tile", "x", integers(1, 2))],
        [step("Concat", "x", "x", axis=1)],
    ),
    "all axes": Twin(
        "leave that axis out",
        (1, 3, 4),
        [step("ReduceMean", "x", axes=[0, 1, 2])],
        [step("ReduceMean", "x", axes=[1, 2])],
    ),
    "diagonals": Twin(
        "use matmul and sums",
        (1, 4, 4),
        [step("Einsum", "x", equation="bii->bi")],
        [step("Mul", "x", np.eye(4, dtype=np.float32)), step("ReduceSum", "last", integers(2), keepdims=0)],
    ),
    "wrapped edges": Twin(
        "concatenate slices of its edges",
        (1, 3, 5),
        [step("Pad", "x", integers(0, 0, 1, 0, 0, 1), mode="wrap")],
        [along(2, 4, 5, "x", "end"), along(2, 0, 1, "x", "start"), step("Concat", "end", "x", "start", axis=2)],
        opset=19,
    ),
    "axes of size 1": Twin(
        "pads several axes of size 1 of 1×1×1×2×2, which is not supported: pad one",
        (1, 1, 1, 2, 2),
        [step("Pad", "x", integers(0, 1, 2, 0, 0, 0, 0, 0, 0, 0)), step("Flatten", "last")],
        [
            step("Pad", "x", integers(0, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
            *(step("Pad", "last", integers(0, 0, 2, 0, 0, 0, 0, 0, 0, 0)), step("Flatten", "last")),
        ],
    ),
    "places of several axes": Twin(
        "take them with slices",
        (1, 4, 3),
        [step("Gather", "x", np.array([[0, 1], [2, 3]]), axis=1), step("Flatten", "last")],
        [step("Flatten", "x")],
    ),
    "a convolution over three axes": Twin(
        "use one or two spatial axes, with a third among the channels",
        (1, 240),
        [
            *(step("Reshape", "x", integers(1, 2, 4, 5, 6)), step("Conv", "last", SOLID)),
            step("Flatten", "last"),
        ],
        [
            *(step("Reshape", "x", integers(1, 8, 5, 6)), step("Conv", "last", flat_depth(SOLID, 4))),
            step("Flatten", "last"),
        ],
    ),
    "a pool over three axes": Twin(
        "reshape it to one; over a third axis pool afterwards",
        (1, 240),
        [
            *(step("Reshape", "x", integers(1, 2, 5, 4, 6)), step("MaxPool", "last", kernel_shape=[5, 2, 3])),
            step("Flatten", "last"),
        ],
        [
            *(step("Reshape", "x", integers(1, 10, 4, 6)), step("MaxPool", "last", kernel_shape=[2, 3])),
            *(step("Reshape", "last", integers(1, 2, 5, 12)), step("ReduceMax", "last", axes=[2])),
            step("Flatten", "last"),
        ],
    ),
    "single places of an axis": Twin(
        "use unbind or slices",
        (1, 3, 4),
        [step("SplitToSequence", "x", axis=2, keepdims=0), step("SequenceAt", "last", np.array(1, np.int64))],
        [along(2, 1, 2, "x"), step("Squeeze", "last", integers(2))],
    ),
    "several values and a constant": Twin(
        "concatenate the values first",
        (1, 2, 3),
        [step("Relu", "x", name="r"), step("Concat", "x", "r", random(1, 2, 3), axis=1)],
        [
            *(step("Relu", "x", name="r"), step("Concat", "x", "r", axis=1)),
            step("Concat", "last", random(1, 2, 3), axis=1),
        ],
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_remedy_for_an_onnx_model(name: str) -> None:
    twin = TWINS[name]
    refused, mended = (model(twin.shape, steps, opset=twin.opset) for steps in (twin.refused, twin.mended))
    refusal(refused, twin.words)
    x = random(*twin.shape)
    assert_equal(run(mended, x), expected(refused, x))


def test_a_swish_with_alpha_is_written_out() -> None:
    """onnxruntime doesn't have it yet."""
    refusal(model((1, 6), [step("Swish", "x", alpha=0.5)], opset=24), r"write x \* Sigmoid\(alpha \* x\)")
    mended = [step("Mul", "x", number(0.5)), step("Sigmoid", "last"), step("Mul", "x", "last")]
    x = random(1, 6)
    assert_equal(run(model((1, 6), mended), x), x / (1 + np.exp(-0.5 * x)))


def test_a_network_ends_at_a_value_on_the_way() -> None:
    """With `--output`, where the host does the rest: classes, whole numbers."""
    x, before = random(1, 6), step("Gemm", "x", random(6, 4), name="logits")
    top = model((1, 6), [before, step("TopK", "last", integers(1), outputs=2)])
    top.graph.output[0].name = "v1_2"
    top.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    refusal(top, "for which an .onnx file takes --output NAME: classes are taken from these")
    np.testing.assert_array_equal(run(top, x, "logits").argmax(1, keepdims=True), expected(top, x))
    least = model((1, 6), [before, step("ArgMin", "last", axis=1)])
    least.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    refusal(least, "end the network with the ArgMax of the negated values")
    mended = model((1, 6), [before, step("Neg", "last"), step("ArgMax", "last", axis=1)])
    np.testing.assert_array_equal(run(mended, x), expected(least, x))
    codes = model((1, 6), [before, step("Cast", "last", to=6), step("Cast", "last", to=1)])
    refusal(codes, "end the network before it, for which an .onnx file takes --output NAME")
    np.testing.assert_array_equal(np.trunc(run(codes, x, "logits")), expected(codes, x))


def test_images_of_a_declared_batch_stay_apart() -> None:
    whole = model((2, 3, 4), [step("Reshape", "x", integers(3, 2, 4)), step("Reshape", "last", integers(2, 12))])
    refusal(whole, "export the model for one image, or with an open batch axis")
    x = random(2, 3, 4)
    one = model((1, 3, 4), [step("Reshape", "x", integers(1, 12))])
    assert_equal(run(one, x), expected(whole, x))
