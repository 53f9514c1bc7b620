"""Operations of `keras.ops` in a functional model compute what Keras computes; those on the batch axis are refused."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.keras.model import from_keras
from bittrue.simulation.float_model import FloatModel
from frontends.keras.test_yardstick import TOLERANCE, relative_error
from frontends.keras.zoo import Tensor, functional, images

CHANNELS = np.array([0.5, -1.25, 3.0, 0.1], np.float32)
Operation = Callable[[Tensor], Tensor]

COMPUTED: list[tuple[str, Operation, str]] = [
    ("x + x", lambda x: x + x, "Add"),
    ("x + 3", lambda x: x + 3.0, "ScaleOffset"),
    ("3 + x", lambda x: 3 + x, "ScaleOffset"),
    ("x - channels", lambda x: x - CHANNELS, "ScaleOffset"),
    ("1 - x", lambda x: 1.0 - x, "ScaleOffset"),
    ("-x", lambda x: -x, "ScaleOffset"),
    ("x * channels", lambda x: x * CHANNELS.reshape(1, 1, 1, 4), "ScaleOffset"),
    ("x * y", lambda x: x * ops.relu(x), "ReLU Multiply"),
    ("x / 6", lambda x: x / 6.0, "DivideConstant"),
    ("x / 4", lambda x: x / 4, "ScaleOffset"),
    ("x / y", lambda x: x / (ops.absolute(x) + 0.5), "Absolute ScaleOffset Divide"),
    ("2 / y", lambda x: 2.0 / (ops.square(x) + 1.0), "Square ScaleOffset Reciprocal ScaleOffset"),
    ("1 / y", lambda x: 1 / (abs(x) + 1.0), "Absolute ScaleOffset Reciprocal"),
    ("x ** 2", lambda x: x**2, "Square"),
    ("maximum", lambda x: ops.maximum(0.125, x), "Clip"),
    ("maximum of 0", lambda x: ops.maximum(x, 0), "ReLU"),
    ("minimum", lambda x: ops.minimum(x, 0.25), "Clip"),
    ("minimum of two", lambda x: ops.minimum(x, -x), "ScaleOffset Minimum"),
    ("clip", lambda x: ops.clip(x, -0.5, 0.25), "Clip"),
    ("mean", lambda x: ops.mean(x, axis=(1, 2)), "GlobalAveragePooling"),
    ("mean of channels", lambda x: ops.mean(x, axis=-1, keepdims=True), "ReduceMean"),
    ("max", lambda x: ops.max(x, axis=[1, 2], keepdims=True), "GlobalMaxPooling"),
    ("min", lambda x: ops.amin(x, axis=1), "ReduceMinimum"),
    ("sum", lambda x: ops.sum(x, axis=(2, 3)), "ReduceSum"),
    ("reshape", lambda x: ops.reshape(x, (-1, 9, 32)), "Reshape"),
    ("reshape to a row", lambda x: ops.reshape(x, (-1, 288)), "Flatten"),
    ("squeeze", lambda x: ops.squeeze(ops.mean(x, axis=1, keepdims=True), axis=1), "ReduceMean Reshape"),
    ("expand_dims", lambda x: ops.expand_dims(x, axis=-1), "Reshape"),
    ("transpose", lambda x: ops.transpose(x, (0, 2, 1, 3)), "Transpose"),
    ("swapaxes", lambda x: ops.swapaxes(x, 1, -1), "Transpose"),
    ("moveaxis", lambda x: ops.moveaxis(x, -1, 1), "Transpose"),
    ("concatenate", lambda x: ops.concatenate([x, ops.relu(x)], axis=-1), "ReLU Concatenate"),
    ("split", lambda x: ops.split(x, 2, axis=-1)[1], "Slice"),
    ("split at", lambda x: ops.split(x, [1, 3], axis=-1)[1], "Slice"),
    ("slices", lambda x: x[:, 1:-1, ::2], "Slice"),
    ("a place", lambda x: x[:, 3], "Slice Reshape"),
    ("the last channel", lambda x: x[..., -1], "Slice Reshape"),
    ("a new axis", lambda x: x[:, None, 2, :], "Slice"),
    ("nothing but a new axis", lambda x: x[..., None], "Reshape"),
    ("pad", lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), "ZeroPadding"),
    ("pad with a number", lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [1, 0]], constant_values=0.5), "Pad"),
    ("matmul", lambda x: ops.matmul(x, ops.transpose(x, (0, 1, 3, 2))), "Transpose MatMul"),
    ("gelu", ops.gelu, "GELU"),
    ("leaky_relu", lambda x: ops.leaky_relu(x, 0.125), "ReLU"),
    ("softmax", ops.softmax, "Softmax"),
    ("softmax of rows", lambda x: ops.softmax(x, axis=1), "Transpose Softmax Transpose"),
    ("tanh", ops.tanh, "Tanh"),
    ("max_pool", lambda x: ops.max_pool(x, 2), "MaxPooling"),
    ("average_pool", lambda x: ops.average_pool(x, (3, 2), strides=2), "AveragePooling"),
    (
        "MobileNetV3's gate",
        lambda x: layers.Multiply()([x, layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)]),
        "ScaleOffset ReLU ScaleOffset Multiply",
    ),
]


@pytest.mark.parametrize(("operation", "operators"), [row[1:] for row in COMPUTED], ids=[row[0] for row in COMPUTED])
def test_matches_keras(operation: Operation, operators: str, tmp_path: Path) -> None:
    model = functional(operation)()
    network = from_keras(model)
    found = [node.operator.name for node in network.nodes[1:]]
    assert " ".join(found) == operators
    x = images(model)
    assert relative_error(FloatModel(network).run(x), model.predict(x, verbose=0)) <= TOLERANCE
    model.save(tmp_path / "model.keras")
    assert load(tmp_path / "model.keras").hash == network.hash


def test_the_comparison_sees_another_constant() -> None:
    model, other = functional(lambda x: x * 0.3)(), functional(lambda x: x * 0.301)()
    x = images(model)
    assert relative_error(FloatModel(from_keras(other)).run(x), model.predict(x, verbose=0)) > TOLERANCE


REFUSED: list[tuple[str, Operation, str]] = [
    ("mean of all", lambda x: ops.mean(x), "(Mean): axis is None, which stands for the batch axis too"),
    ("sum over the batch", lambda x: ops.sum(x, axis=0), "(Sum): axis is 0, which is no axis of one image's 3"),
    ("an image", lambda x: x[0], "(GetItem): 0 takes images from a batch"),
    ("images", lambda x: x[1:, :], "takes images from a batch"),
    ("ranks", lambda x: x + x[:, 0], "(Add): it reads 9×8×4 and 8×4, of different ranks"),
    ("power", lambda x: x**2.5, "the power 2.5 is not supported: use 2, 0.5 or -1"),
    ("power of a number", lambda x: 2.0**x, "(Power): it raises to a power that is no number"),
    ("division by 0", lambda x: x / 0.0, "(TrueDivide): it divides by 0"),
    ("not a number", lambda x: x * float("nan"), "(Multiply): it computes with nan, which float32 doesn't hold"),
    ("transposed batch", lambda x: ops.transpose(x), "it moves the batch axis"),
    ("swapped batch", lambda x: ops.swapaxes(x, 0, 1), "axis1 is 0"),
    ("joined batch", lambda x: ops.concatenate([x, x], axis=0), "axis is 0, which is no axis of one image's 3"),
    ("padded batch", lambda x: ops.pad(x, 1), "which pads the batch axis"),
    ("reflection", lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect"), "mode is 'reflect'"),
    ("reshaped batch", lambda x: ops.reshape(x, (-1, 4)), "can't be reshaped to"),
    ("constant matrix", lambda x: ops.matmul(x, np.eye(4, dtype=np.float32)), "use a Dense layer without a bias"),
    ("maximum of channels", lambda x: ops.maximum(x, CHANNELS), "not one number"),
    ("unknown", lambda x: ops.flip(x, axis=1), "(Flip): the operation Flip of keras.ops is not supported"),
]


@pytest.mark.parametrize(("operation", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(operation: Operation, sentence: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_keras(functional(operation)())
    assert sentence in str(caught.value)


def test_an_operation_is_not_counted_among_the_layers_with_weights(tmp_path: Path) -> None:
    """A file numbers the layers of one class; an operation of the same name has no place there."""
    image = keras.Input((4,))
    x = layers.Dense(4, name="first")(image)
    x = layers.Dense(4, name="second")(x + image)
    model = keras.Model(image, x)
    model.save(tmp_path / "model.keras")
    assert load(tmp_path / "model.keras").hash == from_keras(model).hash
