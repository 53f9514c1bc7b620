"""Every ONNX operator that bittrue reads computes what onnxruntime computes, and leaves no stray nodes behind."""

import numpy as np
import pytest

from bittrue.errors import ModelError
from bittrue.frontends.onnx.model import from_onnx
from frontends.onnx_zoo import Step, integers, model, operators, positive, random, relative_error, step

# Both sides round to float32 at every step but may sum in another order: see test_yardstick.py.
TOLERANCE = 1e-5

IMAGE = ("n", 3, 6, 5)
ROW = ("n", 7)
SEQUENCE = ("n", 4, 6)


def conv(*inputs: object, kernel: int = 3, out: int = 4, **attributes: object) -> Step:
    return step("Conv", "last", random(out, 3, kernel, kernel), random(out), **attributes)


NORM = (positive(3, seed=2), random(3, seed=3), random(3, seed=4), positive(3, seed=5))

PIXEL_SHUFFLE = "ReLU Reshape Transpose Reshape"  # what moves values waits until something needs it

CASES: dict[str, tuple[tuple[int | str, ...], list[Step], str | None]] = {
    "conv": (IMAGE, [conv()], "Convolution"),
    "conv without bias": (IMAGE, [step("Conv", "last", random(4, 3, 2, 3))], "Convolution"),
    "conv pads": (IMAGE, [conv(pads=[0, 1, 2, 1], strides=[2, 1])], "Convolution"),
    "conv same": (IMAGE, [conv(auto_pad="SAME_UPPER", strides=[2, 2])], "Convolution"),
    "conv same lower": (IMAGE, [conv(auto_pad="SAME_LOWER", strides=[2, 2])], "Convolution"),
    "conv dilated": (IMAGE, [conv(dilations=[2, 2], pads=[2, 2, 2, 2])], "Convolution"),
    "depthwise": (IMAGE, [step("Conv", "last", random(6, 1, 3, 3), group=3)], "Convolution"),
    "grouped": (("n", 4, 5, 6), [step("Conv", "last", random(6, 2, 3, 3), group=2)], "Convolution"),
    "conv 1-D": (SEQUENCE, [step("Conv", "last", random(3, 4, 3), random(3))], "Convolution"),
    "transposed": (
        IMAGE,
        [step("ConvTranspose", "last", random(3, 4, 3, 2), random(4), strides=[2, 3], pads=[1, 0, 0, 1])],
        "ConvolutionTransposed",
    ),
    "transposed groups": (
        ("n", 4, 5, 6),
        [step("ConvTranspose", "last", random(4, 3, 3, 3), group=2, strides=[2, 2], output_padding=[1, 0])],
        "ConvolutionTransposed",
    ),
    "transposed same": (
        IMAGE,
        [step("ConvTranspose", "last", random(3, 4, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER")],
        "ConvolutionTransposed",
    ),
    "gemm": (ROW, [step("Gemm", "last", random(7, 5), random(5))], "Dense"),
    "gemm transposed": (ROW, [step("Gemm", "last", random(5, 7), random(5), transB=1, alpha=0.5, beta=2.0)], "Dense"),
    "matmul": (SEQUENCE, [step("MatMul", "last", random(6, 5))], "Dense"),
    "matmul and bias": (SEQUENCE, [step("MatMul", "last", random(6, 5)), step("Add", "last", random(5))], "Dense"),
    "matmul from the left": (SEQUENCE, [step("MatMul", random(5, 4), "last")], "Transpose Dense Transpose"),
    "flatten and gemm": (
        IMAGE,
        [conv(), step("Flatten", "last"), step("Gemm", "last", random(48, 5))],
        "Convolution Flatten Dense",
    ),
    "flatten alone": (IMAGE, [step("Flatten", "last")], "Transpose Flatten"),
    "batch norm": (IMAGE, [step("BatchNormalization", "last", *NORM, epsilon=0.01)], "BatchNormalization"),
    "batch norm of a row": (
        ("n", 3),
        [step("BatchNormalization", "last", *NORM)],
        "BatchNormalization",
    ),
    "max pool": (IMAGE, [step("MaxPool", "last", kernel_shape=[2, 3], pads=[1, 1, 0, 1])], "MaxPooling"),
    "max pool ceil": (
        ("n", 3, 10, 7),
        [step("MaxPool", "last", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)],
        "MaxPooling",
    ),
    "max pool dilated": (IMAGE, [step("MaxPool", "last", kernel_shape=[2, 2], dilations=[2, 2])], "MaxPooling"),
    "average pool": (
        IMAGE,
        [step("AveragePool", "last", kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        "AveragePooling",
    ),
    "average pool counts": (
        IMAGE,
        [step("AveragePool", "last", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)],
        "AveragePooling",
    ),
    "global average and gemm": (
        IMAGE,
        [step("GlobalAveragePool", "last"), step("Flatten", "last"), step("Gemm", "last", random(3, 5))],
        "GlobalAveragePooling Dense",
    ),
    "global max": (IMAGE, [step("GlobalMaxPool", "last")], "GlobalMaxPooling"),
    "squeeze and excite": (
        IMAGE,
        [
            step("GlobalAveragePool", "last"),
            step("Conv", "last", random(3, 3, 1, 1)),
            step("Sigmoid", "last"),
            step("Mul", "last", "x"),
        ],
        "GlobalAveragePooling Convolution Sigmoid Multiply",
    ),
    "squeeze and excite by dense layers": (
        IMAGE,
        [
            step("ReduceMean", "last", axes=[2, 3], keepdims=0),
            step("Gemm", "last", random(3, 3)),
            step("Reshape", "last", integers(0, 3, 1, 1)),
            step("Mul", "x", "last"),
        ],
        "GlobalAveragePooling Dense Multiply",
    ),
    "mean over channels": (
        IMAGE,
        [step("ReduceMean", "last", axes=[1]), step("Mul", "x", "last")],
        "ReduceMean Multiply",
    ),
    "sum over rows": (IMAGE, [conv(), step("ReduceSum", "last", integers(2), keepdims=0)], "Convolution ReduceSum"),
    "max over everything": (IMAGE, [step("ReduceMax", "last", axes=[1, 2, 3])], "ReduceMaximum"),
    "relu family": (
        IMAGE,
        [
            step("Relu", "last"),
            step("LeakyRelu", "last", alpha=0.25),
            step("Clip", "last", np.float32(0), np.float32(2)),
            step("Clip", "last", np.float32(-1), np.float32(1)),
            step("PRelu", "last", random(3, 1, 1)),
        ],
        "ReLU ReLU ReLU Clip PReLU",
    ),
    "smooth": (
        ROW,
        [
            step("Elu", "last", alpha=0.5),
            step("Selu", "last"),
            step("HardSigmoid", "last"),
            step("HardSwish", "last"),
            step("Softplus", "last"),
            step("Softsign", "last"),
            step("Tanh", "last"),
            step("Erf", "last"),
            step("Exp", "last"),
            step("Sqrt", "last"),
            step("Log", "last"),
            step("Abs", "last"),
            step("Sigmoid", "last"),
            step("Reciprocal", "last"),
        ],
        "ELU SELU HardSigmoid HardSwish Softplus Softsign Tanh Erf Exp Sqrt Log Absolute Sigmoid Reciprocal",
    ),
    "constants": (
        IMAGE,
        [
            step("Mul", "last", random(3, 1, 1)),
            step("Add", "last", random(1, 3, 1, 1)),
            step("Sub", np.float32(1), "last"),
            step("Sub", "last", random(6, 5)),
            step("Div", "last", positive(3, 1, 1)),
            step("Div", "last", np.float32(4)),
            step("Neg", "last"),
        ],
        "ScaleOffset ScaleOffset ScaleOffset DivideConstant ScaleOffset ScaleOffset",
    ),
    "of two values": (
        IMAGE,
        [
            step("Relu", "x", name="a"),
            step("Tanh", "x", name="b"),
            step("Sub", "a", "b", name="c"),
            step("Mul", "c", "b", name="d"),
            step("Max", "d", "a", name="e"),
            step("Min", "e", "b", name="f"),
            step("Sum", "f", "a", "c", name="g"),
            step("Mean", "g", "a"),
        ],
        "ReLU Tanh Subtract Multiply Maximum Minimum Add Average",
    ),
    "softmax": (ROW, [step("Softmax", "last")], "Softmax"),
    "softmax over channels": (IMAGE, [step("Softmax", "last", axis=1)], "Softmax"),
    "log softmax": (ROW, [step("LogSoftmax", "last")], "LogSoftmax"),
    "layer norm": (
        SEQUENCE,
        [step("LayerNormalization", "last", random(6), random(6), axis=-1)],
        "LayerNormalization",
    ),
    "concat of channels": (
        IMAGE,
        [step("Relu", "x", name="a"), conv(pads=[1, 1, 1, 1]), step("Concat", "a", "last", axis=1)],
        "ReLU Convolution Concatenate",
    ),
    "concat of rows": (IMAGE, [step("Relu", "x"), step("Concat", "x", "last", axis=2)], "ReLU Concatenate"),
    "slice": (
        IMAGE,
        [step("Slice", "last", integers(1, 0), integers(3, 1000), integers(1, 3), integers(1, 2))],
        "Slice",
    ),
    "slice backwards": (
        IMAGE,
        [step("Slice", "last", integers(-1), integers(-100), integers(2), integers(-1))],
        "Slice",
    ),
    "split": (
        ("n", 4, 6, 5),
        [step("Split", "x", axis=1, outputs=2, name="s"), step("Mul", "s", "s_2")],
        "Slice Slice Multiply",
    ),
    "gather": (IMAGE, [step("Gather", "last", np.int64(1), axis=1)], "Slice Reshape"),
    "shuffled channels": (
        ("n", 4, 3, 5),
        [
            step("Reshape", "last", integers(0, 2, 2, 3, 5)),
            step("Transpose", "last", perm=[0, 2, 1, 3, 4]),
            step("Reshape", "last", integers(0, -1, 3, 5)),
            step("Conv", "last", random(5, 4, 2, 2)),
        ],
        "Convolution",
    ),
    "zero padding": (IMAGE, [step("Pad", "last", integers(0, 0, 1, 2, 0, 0, 3, 0)), conv()], "ZeroPadding Convolution"),
    "edges around a maximum": (
        IMAGE,
        [
            step("Pad", "last", integers(0, 0, 0, 1, 0, 0, 1, 1), mode="edge"),
            step("MaxPool", "last", kernel_shape=[3, 3], strides=[2, 1]),
        ],
        "MaxPooling",
    ),
    "padding with a number": (
        IMAGE,
        [step("Pad", "last", integers(0, 0, 1, 2, 0, 0, 3, 0), np.float32(1.5))],
        "Pad",
    ),
    "padding of channels": (IMAGE, [step("Pad", "last", integers(0, 1, 0, 0, 0, 2, 0, 0))], "Pad"),
    "nearest": (
        IMAGE,
        [
            step(
                "Resize",
                "last",
                np.array([], np.float32),
                np.array([1, 1, 2, 3], np.float32),
                nearest_mode="floor",
                coordinate_transformation_mode="asymmetric",
            )
        ],
        "UpsamplingNearest",
    ),
    "nearest, half a pixel": (
        IMAGE,
        [step("Resize", "last", np.array([], np.float32), np.array([1, 1, 2, 3], np.float32))],
        "UpsamplingNearest",
    ),
    "nearest by repeating": (
        (1, *IMAGE[1:]),
        [
            conv(pads=[1, 1, 1, 1]),
            step("Unsqueeze", "last", integers(3)),
            step("Expand", "last", integers(1, 4, 6, 2, 5)),
            step("Reshape", "last", integers(1, 4, 12, 5)),
            step("Unsqueeze", "last", integers(4)),
            step("Tile", "last", integers(1, 1, 1, 1, 3)),
            step("Reshape", "last", integers(1, 4, 12, 15)),
            step("Conv", "last", random(2, 4, 1, 1)),
        ],
        "Convolution UpsamplingNearest Convolution",
    ),
    "repeated along another axis": (
        (1, *IMAGE[1:]),
        [
            conv(pads=[1, 1, 1, 1]),
            step("Unsqueeze", "last", integers(2)),
            step("Expand", "last", integers(1, 4, 2, 6, 5)),
            step("Reshape", "last", integers(1, 4, 12, 5)),
            step("Conv", "last", random(2, 4, 1, 1)),
        ],
        "Convolution Reshape Broadcast Transpose Reshape Convolution",
    ),
    "bilinear": (
        IMAGE,
        [step("Resize", "last", np.array([], np.float32), np.array([1, 1, 2, 3], np.float32), mode="linear")],
        "UpsamplingBilinear",
    ),
    "nearest by sizes": (
        (1, *IMAGE[1:]),
        [step("Resize", "last", "", "", integers(1, 3, 12, 15))],
        "UpsamplingNearest",
    ),
    "nearest by sizes, empty scales": (
        (1, *IMAGE[1:]),
        [step("Resize", "last", np.array([], np.float32), np.array([], np.float32), integers(1, 3, 6, 15))],
        "UpsamplingNearest",
    ),
    "bilinear, corners": (
        IMAGE,
        [
            step(
                *("Resize", "last", np.array([], np.float32), np.array([1, 1, 2, 3], np.float32)),
                mode="linear",
                coordinate_transformation_mode="align_corners",
            )
        ],
        "UpsamplingBilinear",
    ),
    "channels last": (
        ("n", 6, 5, 3),
        [
            step("Transpose", "last", perm=[0, 3, 1, 2]),
            conv(),
            step("Relu", "last"),
            step("Transpose", "last", perm=[0, 2, 3, 1]),
            step("Reshape", "last", integers(-1, 48)),
            step("MatMul", "last", random(48, 5)),
        ],
        "Convolution ReLU Flatten Dense",
    ),
    "an image at the end, channels last": (
        ("n", 6, 5, 3),
        [step("Transpose", "last", perm=[0, 3, 1, 2]), conv(), step("Transpose", "last", perm=[0, 2, 3, 1])],
        "Convolution",
    ),
    "dropped and cast": (
        ROW,
        [step("Dropout", "last"), step("Identity", "last"), step("Cast", "last", to=1), step("Relu", "last")],
        "ReLU",
    ),
    "squeezed": (
        ("n", 3, 6),
        [
            step("Unsqueeze", "last", integers(2)),
            step("Conv", "last", random(5, 3, 1, 3)),
            step("Squeeze", "last", integers(2)),
        ],
        "Convolution",
    ),
    "shapes computed": (
        IMAGE,
        [
            step("Shape", "x", name="s"),
            step("Gather", "s", np.int64(0), name="n0"),
            step("Unsqueeze", "n0", integers(0), name="n1"),
            step("Concat", "n1", integers(-1), axis=0, name="target"),
            step("Relu", "x"),
            step("GlobalMaxPool", "last"),
            step("Reshape", "last", "target"),
        ],
        "ReLU GlobalMaxPooling",
    ),
    "a constant before and behind": (
        (1, 4, 6),
        [step("Concat", random(1, 2, 6), "last", random(1, 1, 6), axis=1)],
        "ZeroPadding ScaleOffset",
    ),
    "a constant channel": ((1, 3, 6, 5), [step("Concat", "last", random(1, 2, 6, 5), axis=1)], "Pad ScaleOffset"),
    "a sum of many": (
        ROW,
        [
            step("Relu", "x", name="a"),
            step("Sum", "x", random(7), "a", random(7, seed=2), name="s"),
            step("Sum", "s"),
        ],
        "ReLU Add ScaleOffset ScaleOffset",
    ),
    "outputs that nothing reads": (
        IMAGE,
        [
            step("MaxPool", "last", kernel_shape=[2, 2], outputs=2),
            step("Dropout", "last", outputs=2),
            step("Split", "last", axis=1, outputs=3),
        ],
        "MaxPooling Slice",
    ),
    "depth to space": (
        ("n", 8, 3, 5),
        [step("DepthToSpace", "last", blocksize=2), step("Relu", "last")],
        PIXEL_SHUFFLE,
    ),
    "depth to space by columns": (
        ("n", 8, 3, 5),
        [step("DepthToSpace", "last", blocksize=2, mode="CRD"), step("Relu", "last")],
        PIXEL_SHUFFLE,
    ),
    "space to depth": (
        ("n", 2, 6, 4),
        [step("SpaceToDepth", "last", blocksize=2), step("Relu", "last")],
        PIXEL_SHUFFLE,
    ),
    "a sequence of parts": (
        SEQUENCE,
        [
            step("SplitToSequence", "x", integers(2, 3, 1), axis=2, name="s"),
            step("SequenceAt", "s", np.array(1, np.int64), name="second"),
        ],
        "Slice",
    ),
    "einsum of tensors": (
        SEQUENCE,
        [step("Relu", "x", name="r"), step("Einsum", "x", "r", equation="bij,bkj->bki")],
        "ReLU Transpose MatMul",
    ),
    "einsum with a weight": (SEQUENCE, [step("Einsum", "last", random(5, 6), equation="bij,kj->bik")], "Dense"),
    "einsum with a weight before": (SEQUENCE, [step("Einsum", random(5, 6), "last", equation="kj,bij->bik")], "Dense"),
    "einsum over two axes": (
        ("n", 3, 4, 2),
        [step("Einsum", "last", random(4, 2, 5), equation="b i j k, j k l -> b i l")],
        None,
    ),
    "einsum that moves": (SEQUENCE, [step("Einsum", "last", equation="bij->bji")], "Transpose"),
    "steps as an image of one row": (
        ("n", 9, 4),
        [
            step("Unsqueeze", "last", integers(1)),
            step("Transpose", "last", perm=[0, 3, 1, 2]),
            step("Conv", "last", random(5, 4, 1, 3), strides=[1, 2]),
            step("MaxPool", "last", kernel_shape=[1, 2]),
            step("Squeeze", "last", integers(2)),
            step("Add", "last", random(1, 5, 1)),
            step("Transpose", "last", perm=[0, 2, 1]),
            step("MatMul", "last", random(5, 3)),
        ],
        "Convolution MaxPooling ScaleOffset Dense",
    ),
    "an image of one row": (
        ("n", 3, 1, 5),
        [step("Conv", "last", random(4, 3, 1, 2)), step("AveragePool", "last", kernel_shape=[1, 2])],
        "Convolution AveragePooling",
    ),
    "einsum of heads": (
        SEQUENCE,
        [
            step("Einsum", "last", random(6, 2, 3), equation="abc,cde->abde"),
            step("Add", "last", random(2, 3)),
            step("Einsum", "last", random(2, 3, 5), equation="abcd,cde->abe"),
        ],
        "Dense Dense",
    ),
    "einsum of heads with each other": (
        (1, 4, 6),
        [
            step("Reshape", "x", integers(0, 4, 2, 3), name="heads"),
            step("Tanh", "heads", name="keys"),
            step("Einsum", "keys", "heads", equation="aecd,abcd->acbe"),
            step("Softmax", "last", axis=3),
            step("Einsum", "last", "heads", equation="acbe,aecd->abcd"),
            step("Reshape", "last", integers(0, 4, 6)),
        ],
        "Tanh Reshape Transpose Reshape Transpose MatMul Softmax MatMul Transpose Reshape",
    ),
    "places in any order": (SEQUENCE, [step("Gather", "last", integers(2, 0, -1, 2), axis=1)], "Take"),
    "a channel shuffle by places": (
        IMAGE,
        [conv(), step("Gather", "last", integers(0, 2, 1, 3), axis=1)],
        "Convolution Take Transpose",
    ),
    "instance norm": (
        IMAGE,
        [conv(), step("InstanceNormalization", "last", positive(4), random(4), epsilon=0.125), step("Relu", "last")],
        None,
    ),
    "instance norm of steps": (SEQUENCE, [step("InstanceNormalization", "last", positive(4), random(4))], None),
    **{
        name: (SEQUENCE, [step(name, "last", axes=[2], keepdims=keeps)], None)
        for name, keeps in {"ReduceL1": 0, "ReduceL2": 1, "ReduceSumSquare": 0}.items()
    },
    "products of values": (
        SEQUENCE,
        [step("Transpose", "x", perm=[0, 2, 1], name="t"), step("MatMul", "x", "t"), step("Softmax", "last")],
        "Transpose MatMul Softmax",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_matches_onnxruntime(name: str) -> None:
    shape, steps, wanted = CASES[name]
    proto = model(shape, steps)
    network = from_onnx(proto)
    assert wanted is None or operators(network) == wanted
    assert relative_error(proto, network) <= TOLERANCE


def resize(scales: list[float], **attributes: object) -> Step:
    return step("Resize", "last", "", np.array(scales, np.float32), name="r", **attributes)


@pytest.mark.parametrize(
    ("shape", "steps", "words"),
    [
        (
            ROW,
            [step("Dropout", "last", name="d", outputs=2), step("Cast", "d_2", to=1)],
            r"node d \(Dropout\): only its first 1 of 2 outputs are supported",
        ),
        (
            IMAGE,
            [resize([1, 1, 1.5, 1.5])],
            r"node r \(Resize\): it resizes 1×3×6×5 by 1×1×1.5×1.5, .*by whole factors",
        ),
        (IMAGE, [resize([1, 1, 0.5, 0.5])], r"node r \(Resize\): it resizes 1×3×6×5 by 1×1×0.5×0.5"),
        (IMAGE, [resize([1, 2, 1, 1])], r"node r \(Resize\): it resizes 1×3×6×5 by 1×2×1×1"),
        (IMAGE, [resize([2, 2])], r"node r \(Resize\): its scales \(2, 2\) don't name every axis"),
        (IMAGE, [resize([])], r"node r \(Resize\): it holds neither scales nor sizes"),
        (
            IMAGE,
            [step("Resize", "last", "", "", integers(1, 3, 9, 5), name="r")],
            r"node r \(Resize\): it resizes 1×3×6×5 by 1×1×1.5×1, .*by whole factors",
        ),
        (
            IMAGE,
            [step("Resize", "last", "", "", integers(9, 5), name="r")],
            r"node r \(Resize\): its sizes \(9, 5\) don't name every axis",
        ),
        (
            IMAGE,
            [resize([1, 1, 2, 2], mode="cubic")],
            r"node r \(Resize\): it resizes 1×3×6×5 by 1×1×2×2 in the mode cubic with half_pixel.*: multiply height",
        ),
        (
            IMAGE,
            [resize([1, 1, 2, 2], mode="linear", coordinate_transformation_mode="asymmetric")],
            r"in the mode linear with asymmetric, .*: multiply height",
        ),
        (
            SEQUENCE,
            [step("Einsum", "last", equation="bii->bi", name="e")],
            r"\(Einsum\): its equation 'bii->bi'",
        ),
        (SEQUENCE, [step("Einsum", "x", random(6, 2), equation="bij,jk->bk", name="e")], "is no product of two"),
        (("n", 6, 4, 4), [step("DepthToSpace", "last", blocksize=2, name="d")], "blocks of 2 doesn't fit 6 channels"),
        (
            SEQUENCE,
            [step("SplitToSequence", "x", integers(2, 4), axis=1, name="s"), step("Relu", "s", name="r")],
            "can't be split into",
        ),
        (
            SEQUENCE,
            [
                step("SplitToSequence", "x", integers(2, 2), axis=1, name="s"),
                step("SequenceAt", "s", np.array(2, np.int64)),
            ],
            "it reads place 2 of a sequence of 2",
        ),
        (
            SEQUENCE,
            [step("SplitToSequence", "x", integers(2, 2), axis=1, name="s"), step("SequenceLength", "s", name="r")],
            "SequenceLength",
        ),
        (
            IMAGE,
            [
                step("Pad", "last", integers(0, 0, 0, 1, 0, 0, 1, 1), mode="edge", name="p"),
                step("AveragePool", "last", kernel_shape=[3, 3]),
            ],
            r"node p \(Pad\): its mode 'edge' is not supported",
        ),
        (
            IMAGE,
            [
                step("Pad", "last", integers(0, 0, 0, 1, 0, 0, 2, 1), mode="edge"),
                step("MaxPool", "last", kernel_shape=[2, 3], name="m"),
            ],
            r"node m \(MaxPool\): its input's edges are repeated",
        ),
        (
            ("n", 3, 1, 6, 1),
            [step("Pad", "last", integers(0, 0, 1, 2, 0, 0, 0, 0, 2, 1), name="p")],
            r"node p \(Pad\): it pads several axes of size 1",
        ),
        (ROW, [step("CastLike", "last", integers(1), name="c")], r"node c \(CastLike\): it makes whole numbers"),
    ],
)
def test_refusals(shape: tuple[int | str, ...], steps: list[Step], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        from_onnx(model(shape, steps))
