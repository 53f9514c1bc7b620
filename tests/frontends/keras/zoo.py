"""Small Keras models, one row a case: each layer that bittrue reads, and each of its arguments."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from keras.src.applications import convnext

Tensor = keras.KerasTensor
IMAGE = (9, 8, 4)
STEPS = (11, 4)


@dataclass(frozen=True)
class Case:
    """`build` makes the model; `operators` are the classes of its nodes after the input, in order.

    expected: the output in NumPy, where Keras's torch backend computes something else than Keras documents.
    """

    name: str
    build: Callable[[], keras.Model]
    operators: str
    expected: Callable[[np.ndarray], np.ndarray] | None = None


def sequential(*stack: layers.Layer, shape: tuple[int, ...] = IMAGE) -> Callable[[], keras.Model]:
    """A model of fresh copies of these layers, so that a case can be built more than once."""

    def build() -> keras.Model:
        copies = [type(layer).from_config(layer.get_config()) for layer in stack]
        return keras.Sequential([keras.Input(shape), *copies])

    return build


def functional(join: Callable[[Tensor], Tensor], shape: tuple[int, ...] = IMAGE) -> Callable[[], keras.Model]:
    """A model that applies `join` to its input."""

    def build() -> keras.Model:
        image = keras.Input(shape)
        return keras.Model(image, join(image))

    return build


def residual(x: Tensor) -> Tensor:
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="inner")(x)
    y = layers.Conv2D(4, 3, padding="same", name="outer")(y)
    return layers.ReLU()(layers.Add()([x, y, x]))


def branches(axis: int) -> Callable[[Tensor], Tensor]:
    def join(x: Tensor) -> Tensor:
        return layers.Concatenate(axis=axis)([layers.Conv2D(4, 1)(x), layers.ReLU()(x), x])

    return join


def two(layer: type[layers.Layer]) -> Callable[[Tensor], Tensor]:
    return lambda x: layer()([x, layers.Dense(4)(x)])


def squeezed(x: Tensor) -> Tensor:
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Multiply()([x, layers.Dense(4, activation="sigmoid")(pooled)])


GROUPS = "Reshape Transpose LayerNormalization Transpose Reshape ScaleOffset"
ATTENTION = (
    "Dense ScaleOffset Reshape Transpose Dense Reshape Transpose MatMul Softmax Dense Reshape Transpose MatMul "
    "Transpose Reshape Dense"
)


def attended(x: Tensor) -> Tensor:
    return layers.MultiHeadAttention(2, 3, value_dim=4, dropout=0.25)(x, x)


def adapted() -> keras.Model:
    """Its mean, variance and count are weights."""
    layer = layers.Normalization(name="scale")
    layer.adapt(np.random.default_rng(1).standard_normal((5, 9, 8, 4)).astype(np.float32) * 3 + 1)
    return keras.Sequential([keras.Input((9, 8, 4)), layer])


def causally_attended(x: Tensor) -> Tensor:
    return layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)


def attended_without_bias(x: Tensor) -> Tensor:
    return layers.MultiHeadAttention(3, 2, use_bias=False, output_shape=7)(x, x, x)


def cross_attended(x: Tensor) -> Tensor:
    other = layers.Cropping1D((1, 1))(x)
    return layers.MultiHeadAttention(2, 3)(x, layers.Dense(5)(other), other)


def shared(x: Tensor) -> Tensor:
    convolution = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")
    # The name that a second use of `conv` would get is the model's own here.
    return layers.ReLU(name="conv_2")(convolution(convolution(x)))


def shared_separable(x: Tensor) -> Tensor:
    convolution = layers.SeparableConv2D(4, 3, padding="same", name="conv")
    # The name that a part of `conv` would get is another layer's.
    return convolution(layers.DepthwiseConv2D(1, name="conv_depthwise")(convolution(x)))


def nested(x: Tensor) -> Tensor:
    inner_input = keras.Input(IMAGE)
    inner = keras.Model(inner_input, layers.Conv2D(4, 1, activation="tanh", name="mix")(inner_input), name="inner")
    block = keras.Sequential(
        [layers.Conv2D(4, 3, padding="same", name="conv"), inner, layers.ReLU(name="r")], name="block"
    )
    return block(block(x))


def nested_with_two_inputs(x: Tensor) -> Tensor:
    first, second = keras.Input(IMAGE), keras.Input(IMAGE)
    total = layers.Add()([first, layers.Conv2D(4, 1)(second)])
    pair = keras.Model([first, second], [total, layers.ReLU()(second)], name="pair")
    sums, rectified = pair([x, layers.ReLU()(x)])
    return layers.Concatenate()([rectified, sums])


def average_pooling_same(window: tuple[int, int], strides: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    """B10: the mean over the window's positions inside the image; an odd padding has its larger half at the end."""

    def pool(x: np.ndarray) -> np.ndarray:
        rows, columns = (_windows(*axis) for axis in zip(x.shape[1:3], window, strides, strict=True))
        means = [[x[:, row, column].mean(axis=(1, 2), dtype=np.float64) for column in columns] for row in rows]
        return np.moveaxis(np.array(means), 2, 0)

    return pool


def _windows(size: int, window: int, stride: int) -> list[slice]:
    positions = -(-size // stride)
    before = max((positions - 1) * stride + window - size, 0) // 2
    starts = [position * stride - before for position in range(positions)]
    return [slice(max(start, 0), min(start + window, size)) for start in starts]


def normalized_by_rows(x: np.ndarray) -> np.ndarray:
    """Keras's torch backend takes one axis for the last one."""
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float64)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-3)


def relu_of_threshold(x: np.ndarray) -> np.ndarray:
    """As Keras documents it; its code gives 0 where x equals the threshold."""
    return np.where(x >= 2.0, 2.0, np.where(x >= 0.5, x, 0.25 * (x - 0.5)))


def adapted_rows() -> keras.Model:
    layer = layers.Normalization(axis=1, name="scale")
    layer.adapt(np.random.default_rng(4).normal(1, 3, (20, 3, 5, 4)))
    return keras.Sequential([keras.Input((3, 5, 4)), layer])


def every_step(x: Tensor) -> Tensor:
    image = keras.Input(x.shape[2:])
    features = layers.Flatten()(layers.Conv2D(2, 3, name="inner")(image))
    return layers.TimeDistributed(keras.Model(image, layers.Dense(3, name="last")(features), name="step"))(x)


CASES = [
    Case("conv valid", sequential(layers.Conv2D(5, (3, 2))), "Convolution"),
    Case("conv same", sequential(layers.Conv2D(5, (3, 4), padding="same")), "Convolution"),
    Case("conv same strided", sequential(layers.Conv2D(5, 3, strides=2, padding="same")), "Convolution"),
    Case("conv same, strides above the kernel", sequential(layers.Conv2D(5, 2, (3, 4), "same")), "Convolution"),
    Case("conv strides", sequential(layers.Conv2D(5, 3, strides=(2, 1))), "Convolution"),
    Case("conv dilated", sequential(layers.Conv2D(5, 2, dilation_rate=(2, 3))), "Convolution"),
    Case("conv same dilated", sequential(layers.Conv2D(5, (2, 3), dilation_rate=2, padding="same")), "Convolution"),
    Case("conv groups", sequential(layers.Conv2D(6, 3, groups=2)), "Convolution"),
    Case("conv no bias", sequential(layers.Conv2D(5, 3, use_bias=False)), "Convolution"),
    Case("conv relu", sequential(layers.Conv2D(5, 3, activation="relu")), "Convolution ReLU"),
    Case(
        "conv layer activation", sequential(layers.Conv2D(5, 3, activation=layers.LeakyReLU(0.1))), "Convolution ReLU"
    ),
    Case("depthwise", sequential(layers.DepthwiseConv2D(3)), "Convolution"),
    Case("depthwise multiplier", sequential(layers.DepthwiseConv2D(3, depth_multiplier=3)), "Convolution"),
    Case(
        "depthwise same", sequential(layers.DepthwiseConv2D((2, 3), 2, "same", activation="relu6")), "Convolution ReLU"
    ),
    Case("depthwise dilated", sequential(layers.DepthwiseConv2D(2, dilation_rate=2, use_bias=False)), "Convolution"),
    Case("conv1d", sequential(layers.Conv1D(5, 3, 2, "same", activation="relu"), shape=STEPS), "Convolution ReLU"),
    Case(
        "conv1d dilated groups", sequential(layers.Conv1D(6, 2, dilation_rate=3, groups=2), shape=STEPS), "Convolution"
    ),
    Case(
        "conv1d causal", sequential(layers.Conv1D(5, 3, padding="causal", dilation_rate=2), shape=STEPS), "Convolution"
    ),
    Case(
        "depthwise 1d",
        sequential(layers.DepthwiseConv1D(3, 2, "same", depth_multiplier=2), shape=STEPS),
        "Convolution",
    ),
    Case(
        "separable",
        sequential(layers.SeparableConv2D(5, (3, 2), 2, "same", depth_multiplier=2, activation="relu")),
        "Convolution Convolution ReLU",
    ),
    Case("separable dilated", sequential(layers.SeparableConv2D(3, 2, dilation_rate=2)), "Convolution Convolution"),
    Case(
        "separable 1d",
        sequential(layers.SeparableConv1D(5, 3, 2, use_bias=False), shape=STEPS),
        "Convolution Convolution",
    ),
    Case("shared separable", functional(shared_separable), " ".join(["Convolution"] * 5)),
    *(
        Case(
            f"transposed {kernel} by {strides} {padding} {more}",
            sequential(layers.Conv2DTranspose(3, kernel, strides, padding, output_padding=more)),
            "ConvolutionTransposed",
        )
        for kernel, strides, padding, more in [
            (3, 1, "valid", None),
            ((3, 2), (2, 3), "valid", None),
            ((1, 2), (3, 2), "valid", (2, 1)),
            (3, 1, "same", None),
            ((3, 4), 2, "same", None),
            ((2, 5), (3, 2), "same", None),
            ((3, 4), (2, 3), "same", (1, 2)),
            ((1, 2), (3, 3), "same", None),
        ]
    ),
    Case(
        "transposed dilated",
        sequential(layers.Conv2DTranspose(3, (2, 3), 1, "same", dilation_rate=2, use_bias=False)),
        "ConvolutionTransposed",
    ),
    Case(
        "transposed 1d",
        sequential(layers.Conv1DTranspose(3, 4, 2, "same", activation="relu"), shape=STEPS),
        "ConvolutionTransposed ReLU",
    ),
    Case("dense", sequential(layers.Dense(7), shape=(12,)), "Dense"),
    Case(
        "dense no bias", sequential(layers.Dense(7, use_bias=False, activation="sigmoid"), shape=(12,)), "Dense Sigmoid"
    ),
    Case("dense over images", sequential(layers.Dense(7)), "Dense"),
    Case("dense softmax", sequential(layers.Dense(7, activation="softmax"), shape=(12,)), "Dense Softmax"),
    Case("batch norm", sequential(layers.BatchNormalization(epsilon=0.02)), "BatchNormalization"),
    Case("batch norm axis", sequential(layers.BatchNormalization(axis=3)), "BatchNormalization"),
    Case("batch norm bare", sequential(layers.BatchNormalization(center=False, scale=False)), "BatchNormalization"),
    Case("batch norm no gamma", sequential(layers.BatchNormalization(scale=False)), "BatchNormalization"),
    Case("batch norm no beta", sequential(layers.BatchNormalization(center=False)), "BatchNormalization"),
    Case("batch norm of vectors", sequential(layers.BatchNormalization(), shape=(12,)), "BatchNormalization"),
    Case("batch renorm", sequential(layers.BatchNormalization(renorm=True)), "BatchNormalization"),
    Case("relu", sequential(layers.ReLU()), "ReLU"),
    Case("relu capped", sequential(layers.ReLU(max_value=0.75)), "ReLU"),
    Case("relu sloped", sequential(layers.ReLU(negative_slope=0.3)), "ReLU"),
    Case("relu threshold", sequential(layers.ReLU(2.0, 0.25, 0.5)), "ReLU", relu_of_threshold),
    Case("leaky relu", sequential(layers.LeakyReLU()), "ReLU"),
    Case("leaky relu slope", sequential(layers.LeakyReLU(0.125)), "ReLU"),
    Case("elu", sequential(layers.ELU(0.75)), "ELU"),
    Case("dense elu", sequential(layers.Dense(7, activation=layers.ELU(0.5)), shape=(12,)), "Dense ELU"),
    Case("prelu", sequential(layers.PReLU()), "PReLU"),
    Case("prelu by channel", sequential(layers.PReLU(shared_axes=[1, 2])), "PReLU"),
    Case("prelu by row", sequential(layers.PReLU(shared_axes=[2, 3])), "PReLU"),
    Case("prelu by column", sequential(layers.PReLU(shared_axes=[1, 3])), "PReLU"),
    Case("prelu shared", sequential(layers.PReLU(shared_axes=[1, 2, 3])), "PReLU"),
    Case("prelu of vectors", sequential(layers.PReLU(), shape=(12,)), "PReLU"),
    Case("layer norm", sequential(layers.LayerNormalization(epsilon=0.02)), "LayerNormalization"),
    Case("layer norm axes", sequential(layers.LayerNormalization(axis=[2, 3], scale=False)), "LayerNormalization"),
    Case("layer norm of all", sequential(layers.LayerNormalization(axis=[1, 2, 3])), "LayerNormalization"),
    Case("layer norm bare", sequential(layers.LayerNormalization(center=False, scale=False)), "LayerNormalization"),
    Case(
        "batch norm by columns", sequential(layers.BatchNormalization(axis=2)), "Transpose BatchNormalization Transpose"
    ),
    Case(
        "layer norm by rows",
        sequential(layers.LayerNormalization(axis=1, center=False, scale=False)),
        "Transpose LayerNormalization Transpose",
        normalized_by_rows,
    ),
    Case(
        "layer norm of outer axes",
        sequential(layers.LayerNormalization(axis=[1, 3])),
        "Transpose LayerNormalization Transpose",
    ),
    Case("group norm", sequential(layers.GroupNormalization(2, epsilon=0.02)), GROUPS),
    Case("group norm of one group", sequential(layers.GroupNormalization(1)), GROUPS),
    Case("instance norm", sequential(layers.GroupNormalization(-1, scale=False)), GROUPS),
    Case(
        "group norm bare",
        sequential(layers.GroupNormalization(2, center=False, scale=False), shape=STEPS),
        GROUPS.replace(" ScaleOffset", ""),
    ),
    Case(
        "group norm of rows",
        sequential(layers.GroupNormalization(3, axis=1)),
        f"Transpose {GROUPS} Transpose",
    ),
    Case(
        "group norm of vectors",
        sequential(layers.GroupNormalization(3), shape=(12,)),
        "Reshape LayerNormalization Reshape ScaleOffset",
    ),
    Case("unit norm", sequential(layers.UnitNormalization()), "Square ReduceSum Sqrt Clip Divide"),
    Case("unit norm of images", sequential(layers.UnitNormalization([1, 2])), "Square ReduceSum Sqrt Clip Divide"),
    Case(
        "rms norm",
        sequential(layers.RMSNormalization(epsilon=0.02)),
        "Square ReduceMean ScaleOffset Sqrt Divide ScaleOffset",
    ),
    Case("layer scale", sequential(convnext.LayerScale(0.5, 4)), "ScaleOffset"),
    Case("stochastic depth at inference", sequential(convnext.StochasticDepth(0.5)), "Identity"),
    Case("softmax", sequential(layers.Softmax(), shape=(12,)), "Softmax"),
    Case("softmax by rows", sequential(layers.Softmax(axis=1)), "Transpose Softmax Transpose"),
    Case("softmax over images", sequential(layers.Softmax(axis=3)), "Softmax"),
    *(
        Case(f"activation {name}", sequential(layers.Activation(name)), operator)
        for name, operator in [
            ("relu", "ReLU"),
            ("relu6", "ReLU"),
            ("leaky_relu", "ReLU"),
            ("sigmoid", "Sigmoid"),
            ("tanh", "Tanh"),
            ("softmax", "Softmax"),
            ("linear", "Identity"),
            ("celu", "ELU"),
            ("elu", "ELU"),
            ("exponential", "Exp"),
            ("gelu", "GELU"),
            ("hard_sigmoid", "HardSigmoid"),
            ("hard_silu", "HardSwish"),
            ("hard_tanh", "Clip"),
            ("log_sigmoid", "LogSigmoid"),
            ("log_softmax", "LogSoftmax"),
            ("mish", "Mish"),
            ("selu", "SELU"),
            ("silu", "SiLU"),
            ("softplus", "Softplus"),
            ("softsign", "Softsign"),
            ("sparse_sigmoid", "HardSigmoid"),
        ]
    ),
    Case("max pooling", sequential(layers.MaxPooling2D()), "MaxPooling"),
    Case("max pooling overlapping", sequential(layers.MaxPooling2D(3, 2)), "MaxPooling"),
    Case("max pooling same", sequential(layers.MaxPooling2D((3, 2), (2, 1), "same")), "MaxPooling"),
    Case("average pooling", sequential(layers.AveragePooling2D((2, 3))), "AveragePooling"),
    Case("average pooling same", sequential(layers.AveragePooling2D(3, 1, "same")), "AveragePooling"),
    Case(
        "average pooling same, asymmetric",
        sequential(layers.AveragePooling2D((3, 2), (2, 3), "same")),
        "AveragePooling",
        average_pooling_same((3, 2), (2, 3)),
    ),
    Case(
        "average pooling same, even window",
        sequential(layers.AveragePooling2D(2, 1, "same")),
        "AveragePooling",
        average_pooling_same((2, 2), (1, 1)),
    ),
    Case("global average pooling", sequential(layers.GlobalAveragePooling2D()), "GlobalAveragePooling"),
    Case("global average keepdims", sequential(layers.GlobalAveragePooling2D(keepdims=True)), "GlobalAveragePooling"),
    Case("global max pooling", sequential(layers.GlobalMaxPooling2D()), "GlobalMaxPooling"),
    Case("global max keepdims", sequential(layers.GlobalMaxPooling2D(keepdims=True)), "GlobalMaxPooling"),
    Case("max pooling 1d", sequential(layers.MaxPooling1D(3, 2, "same"), shape=STEPS), "MaxPooling"),
    Case("average pooling 1d", sequential(layers.AveragePooling1D(2), shape=STEPS), "AveragePooling"),
    Case("global average 1d", sequential(layers.GlobalAveragePooling1D(), shape=STEPS), "GlobalAveragePooling"),
    Case("global max 1d", sequential(layers.GlobalMaxPooling1D(keepdims=True), shape=STEPS), "GlobalMaxPooling"),
    Case("adaptive average", sequential(layers.AdaptiveAveragePooling2D((4, 3))), "AdaptiveAveragePooling"),
    Case("adaptive max", sequential(layers.AdaptiveMaxPooling2D((3, 5))), "AdaptiveMaxPooling"),
    Case("adaptive average 1d", sequential(layers.AdaptiveAveragePooling1D(4), shape=STEPS), "AdaptiveAveragePooling"),
    Case("adaptive max 1d", sequential(layers.AdaptiveMaxPooling1D(3), shape=STEPS), "AdaptiveMaxPooling"),
    Case("flatten", sequential(layers.Flatten()), "Flatten"),
    Case("reshape", sequential(layers.Reshape((6, 12, 4))), "Reshape"),
    Case("reshape open", sequential(layers.Reshape((-1, 16))), "Reshape"),
    Case("zero padding", sequential(layers.ZeroPadding2D(1)), "ZeroPadding"),
    Case("zero padding asymmetric", sequential(layers.ZeroPadding2D(((0, 1), (2, 3)))), "ZeroPadding"),
    *(
        Case(f"{layer.name} at inference", sequential(layer, shape=(9, 8, 4)[-rank:]), "Identity")
        for rank, layer in [
            (3, layers.Dropout(0.5)),
            (2, layers.SpatialDropout1D(0.5)),
            (3, layers.SpatialDropout2D(0.5)),
            (3, layers.GaussianDropout(0.5)),
            (3, layers.GaussianNoise(0.5)),
            (1, layers.AlphaDropout(0.5)),
            (1, layers.ActivityRegularization(0.5)),
            (1, layers.Identity()),
            (3, layers.RandomFlip()),
            (3, layers.RandomRotation(0.25)),
            (3, layers.RandomTranslation(0.25, 0.25)),
            (3, layers.RandomContrast(0.25)),
            (3, layers.RandomCrop(9, 8)),
            (3, layers.MixUp()),
        ]
    ),
    Case(
        "dropout of volumes",
        sequential(layers.Reshape((9, 4, 2, 4)), layers.SpatialDropout3D(0.5), layers.Flatten()),
        "Reshape Identity Flatten",
    ),
    Case("residual", functional(residual), "Convolution ReLU Convolution Add ReLU"),
    Case("add, broadcast", functional(lambda x: layers.Add()([x, layers.Dense(1)(x)])), "Dense Add"),
    *(
        Case(f"{layer.__name__.lower()} of two", functional(two(layer)), f"Dense {layer.__name__}")
        for layer in (layers.Multiply, layers.Subtract, layers.Average, layers.Maximum, layers.Minimum)
    ),
    Case("average of three", functional(lambda x: layers.Average()([x, layers.ReLU()(x), x])), "ReLU Average"),
    Case("squeeze and excite", functional(squeezed), "GlobalAveragePooling Dense Sigmoid Multiply"),
    Case("permute", sequential(layers.Permute((3, 1, 2))), "Transpose"),
    Case("cropping", sequential(layers.Cropping2D(((1, 2), (0, 3)))), "Slice"),
    Case("cropping 1d", sequential(layers.Cropping1D((1, 2)), shape=(7, 3)), "Slice"),
    Case("zero padding 1d", sequential(layers.ZeroPadding1D((1, 2)), shape=(7, 3)), "ZeroPadding"),
    Case("upsampling 1d", sequential(layers.UpSampling1D(3), shape=(7, 3)), "UpsamplingNearest"),
    Case("upsampling", sequential(layers.UpSampling2D((2, 3))), "UpsamplingNearest"),
    Case(
        "upsampling bilinear", sequential(layers.UpSampling2D((2, 3), interpolation="bilinear")), "UpsamplingBilinear"
    ),
    Case("resizing to the same", sequential(layers.Resizing(9, 8)), "Identity"),
    Case("resizing up", sequential(layers.Resizing(18, 24)), "UpsamplingBilinear"),
    Case("resizing up to the nearest", sequential(layers.Resizing(18, 8, "nearest")), "UpsamplingNearest"),
    Case("resizing down", sequential(layers.Resizing(3, 8)), "Slice"),
    Case("resizing down to the nearest", sequential(layers.Resizing(9, 4, "nearest")), "Slice"),
    Case("repeat vector", sequential(layers.RepeatVector(3), shape=(5,)), "Broadcast"),
    Case("rescaling", sequential(layers.Rescaling(1 / 255, offset=-0.5)), "ScaleOffset"),
    Case("rescaling channels", sequential(layers.Rescaling([0.5, 0.25, 2.0, 1.0])), "ScaleOffset"),
    Case("normalization", adapted, "BatchNormalization"),
    Case(
        "normalization of rows",
        sequential(
            layers.Normalization(axis=1, mean=[0.5, -1.0, 2.0], variance=[2.0, 0.5, 1.5]),
            shape=(3, 5, 4),
        ),
        "Transpose BatchNormalization Transpose",
    ),
    Case("adapted normalization of rows", adapted_rows, "Transpose BatchNormalization Transpose"),
    Case(
        "normalization by numbers",
        sequential(layers.Normalization(mean=[0.5, -1.0, 2.0, 0.0], variance=[2.0, 0.25, 1.5, 0.0])),
        "BatchNormalization",
    ),
    Case("normalization by one", sequential(layers.Normalization(None, 0.5, 2.0)), "BatchNormalization"),
    Case("self-attention", functional(attended, (5, 6)), ATTENTION),
    Case("cross-attention", functional(cross_attended, (5, 6)), f"Slice Dense {ATTENTION}"),
    Case("causal self-attention", functional(causally_attended, (5, 6)), ATTENTION),
    Case("attention without bias", functional(attended_without_bias, (5, 6)), ATTENTION),
    Case("every step: dense", sequential(layers.TimeDistributed(layers.Dense(3, "relu")), shape=STEPS), "Dense ReLU"),
    Case(
        "every step: batch norm",
        sequential(layers.TimeDistributed(layers.BatchNormalization()), shape=STEPS),
        "BatchNormalization",
    ),
    Case(
        "every step: batch norm over rows",
        sequential(layers.TimeDistributed(layers.BatchNormalization(axis=1)), shape=(2, 3, 4)),
        " ".join(["Slice Reshape Transpose BatchNormalization Transpose Reshape"] * 2) + " Concatenate",
    ),
    Case(
        "every step: convolution",
        sequential(layers.TimeDistributed(layers.Conv2D(2, 3, activation="relu")), shape=(2, 5, 6, 3)),
        " ".join(["Slice Reshape Convolution ReLU Reshape"] * 2) + " Concatenate",
    ),
    Case(
        "every step: separable convolution",
        sequential(layers.TimeDistributed(layers.SeparableConv2D(2, 3)), shape=(2, 5, 6, 3)),
        " ".join(["Slice Reshape Convolution Convolution Reshape"] * 2) + " Concatenate",
    ),
    Case(
        "every step: a model",
        functional(every_step, (2, 6, 5, 3)),
        " ".join(["Slice Reshape Convolution Flatten Dense Reshape"] * 2) + " Concatenate",
    ),
    Case("concatenate channels", functional(branches(-1)), "Convolution ReLU Concatenate"),
    Case("concatenate rows", functional(branches(1)), "Convolution ReLU Concatenate"),
    Case("concatenate columns", functional(branches(-2)), "Convolution ReLU Concatenate"),
    Case("shared layer", functional(shared), "Convolution ReLU Convolution ReLU ReLU"),
    Case("nested", functional(nested), "Convolution Convolution Tanh ReLU Convolution Convolution Tanh ReLU"),
    Case("nested, two inputs", functional(nested_with_two_inputs), "ReLU Convolution Add ReLU Concatenate"),
    Case(
        "a small network",
        sequential(
            layers.Conv2D(6, 3, padding="same"),
            layers.ReLU(),
            layers.BatchNormalization(),
            layers.MaxPooling2D(3, 2),
            layers.Flatten(),
            layers.Dense(10, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5),
            layers.Softmax(),
        ),
        "Convolution ReLU BatchNormalization MaxPooling Flatten Dense ReLU Identity Dense Softmax",
    ),
]


def randomise(model: keras.Model) -> keras.Model:
    """Give each weight values that no initializer gives, the same ones each time; variances stay positive."""
    random = np.random.default_rng(7)
    for weight in model.weights:
        values = random.normal(0.0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values)
    return model


def images(model: keras.Model, count: int = 3) -> np.ndarray:
    """A batch for the model, on a grid of eighths, so that ties and thresholds are met."""
    random = np.random.default_rng(11)
    return (np.round(random.normal(0.0, 1.0, (count, *model.input_shape[1:])) * 8) / 8).astype(np.float32)
