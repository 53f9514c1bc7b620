"""What a refusal tells the user to do is done here, and gives the numbers of the model that was refused.

The remedies for quantizers, for layers of other packages and for recurrent ones are tried in `keras/test_quantized.py`
and `tensorflow/`, those for several inputs and outputs in `test_several.py`, and more of ONNX's in
`onnx/test_advice.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import torch
from keras import layers, ops
from onnx import helper
from torch.nn import functional as functional_of_torch

import bittrue
from bittrue.errors import ModelError
from bittrue.simulation.float_model import FloatModel
from frontends.onnx_zoo import Array, channels_last, expected, images, model, random, step

IMAGE = (6, 8, 4)


def as_keras(model: Any, x: Array) -> Array:
    return np.array(ops.convert_to_numpy(model(x, training=False)))


def by_bittrue(source: Any, x: Array, **arguments: Any) -> Array:
    return FloatModel(bittrue.load(source, **arguments)).run(x)


def assert_equal(got: Array, wanted: Array) -> None:
    assert got.shape == wanted.shape
    # float32 on both sides, summed in another order.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def functional(compute: Callable[[Any], Any], shape: tuple[int, ...] = IMAGE) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, compute(x))


def twin(build: Callable[[bool], Callable[[Any], Any]], shape: tuple[int, ...] = IMAGE) -> tuple[Any, Any]:
    """The model as it is refused and as it is mended, with the same weights in the same order."""
    keras.utils.set_random_seed(0)
    refused, mended = (functional(build(is_mended), shape) for is_mended in (False, True))
    if refused.get_weights() and mended.get_weights():
        mended.set_weights(refused.get_weights())
    return refused, mended


WEIGHTS, PLACES = random(4, 3), random(6, 8, 1)


def with_weights(shape: tuple[int, ...], dtype: Any = None) -> Any:
    return ops.convert_to_tensor(WEIGHTS, dtype)


def taking(*places: int) -> Any:
    """A layer that takes these places of its input's last axis."""
    matrix = np.eye(max(places) + 1, dtype=np.float32)[:, places]
    return layers.Dense(
        len(places), use_bias=False, kernel_initializer=lambda shape, dtype=None: ops.convert_to_tensor(matrix, dtype)
    )


TWINS: dict[str, tuple[str, Callable[[bool], Callable[[Any], Any]]]] = {
    "Lambda": (
        "replace it by layers",
        lambda mended: layers.Rescaling(2.0, -0.5) if mended else layers.Lambda(lambda x: 2 * x - 0.5),
    ),
    "power": ("use 2, 0.5 or -1, or multiply", lambda mended: lambda x: x * x * x if mended else ops.power(x, 3)),
    "matrix": (
        "use a Dense layer without a bias",
        lambda mended: (
            layers.Dense(3, use_bias=False, kernel_initializer=with_weights)
            if mended
            else lambda x: ops.matmul(x, WEIGHTS)
        ),
    ),
    "initial": (
        "take keras.ops.maximum",
        lambda mended: lambda x: ops.maximum(ops.max(x, -1), 0.7) if mended else ops.max(x, -1, initial=0.7),
    ),
    "deviation": (
        "take the mean of the squares of what is left without the mean, and for the deviation its root",
        lambda mended: (
            lambda x: (
                ops.sqrt(ops.mean(ops.square(x - ops.mean(x, -1, keepdims=True)), -1)) if mended else ops.std(x, -1)
            )
        ),
    ),
    "comparison": (
        "write a choice by comparison with relu, leaky_relu, clip, maximum or minimum",
        lambda mended: (
            lambda x: ops.leaky_relu(x, 0.1) if mended else ops.where(ops.greater(x, 0.0), x, ops.multiply(x, 0.1))
        ),
    ),
    "log of a sum": (
        "write it as the log of the sum of exp",
        lambda mended: lambda x: ops.log(ops.sum(ops.exp(x), -1)) if mended else ops.logsumexp(x, -1),
    ),
    "product": (
        "multiply slices",
        lambda mended: lambda x: x[..., 0] * x[..., 1] * x[..., 2] * x[..., 3] if mended else ops.prod(x, -1),
    ),
    "stack": (
        "use keras.ops.concatenate, with expand_dims",
        lambda mended: lambda x: ops.concatenate([ops.expand_dims(x, 1)] * 2, 1) if mended else ops.stack([x, x], 1),
    ),
    "constant beside a number": (
        "keep the axes before it, as with keepdims=True",
        lambda mended: (
            lambda x: (
                ops.mean(layers.Flatten()(x), 1, keepdims=True) * 3.0
                if mended
                else ops.expand_dims(ops.mean(layers.Flatten()(x), 1) * 3.0, 1)
            )
        ),
    ),
    "maximum with several numbers": (
        r"write maximum\(x, c\) as relu\(x - c\) \+ c",
        lambda mended: (
            lambda x: ops.relu(x - WEIGHTS[:, 0]) + WEIGHTS[:, 0] if mended else ops.maximum(x, WEIGHTS[:, 0])
        ),
    ),
    "infinite bound": (
        "use finite numbers",
        lambda mended: lambda x: ops.minimum(x, 3e38 if mended else float("inf")),
    ),
    "reflected edges": (
        "concatenate slices of its edges",
        lambda mended: (
            lambda x: (
                ops.concatenate([x[:, 1:2], x, x[:, -2:-1]], 1)
                if mended
                else ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="reflect")
            )
        ),
    ),
    "mean by position": (
        r"subtract the mean and divide by the deviation, as in \(x - mean\) / deviation",
        lambda mended: (
            lambda x: (
                (x - PLACES) / ops.sqrt(ops.convert_to_tensor(abs(PLACES) + 1))
                if mended
                else layers.Normalization(axis=(1, 2), mean=PLACES[..., 0], variance=abs(PLACES[..., 0]) + 1)(x)
            )
        ),
    ),
    "resized by no whole factor": (
        "multiply each axis by a matrix, with Permute and Dense",
        lambda mended: (
            keras.Sequential(
                [
                    *(layers.Permute((2, 3, 1)), taking(0, 2, 3, 5)),
                    *(layers.Permute((3, 2, 1)), taking(0, 2, 3, 4, 6, 7), layers.Permute((1, 3, 2))),
                ]
            )
            if mended
            else layers.Resizing(4, 6, interpolation="nearest")
        ),
    ),
    "scaled by the variance": (
        r"write it with keras\.ops, as in gamma \* x / ops\.sqrt\(variance \+ epsilon\)",
        lambda mended: (
            lambda x: (
                x / ops.sqrt(ops.mean(ops.square(x - ops.mean(x, -1, keepdims=True)), -1, keepdims=True) + 1e-3)
                if mended
                else layers.LayerNormalization(rms_scaling=True)(x)
            )
        ),
    ),
    "cut to a ratio": (
        "use Cropping2D or ZeroPadding2D",
        lambda mended: (
            layers.Cropping2D(((0, 0), (1, 1))) if mended else layers.Resizing(6, 6, crop_to_aspect_ratio=True)
        ),
    ),
    "inverted normalization": (
        "multiply by the deviation and add the mean, as in",
        lambda mended: (
            lambda x: x * 1.5 + 0.25 if mended else layers.Normalization(mean=0.25, variance=2.25, invert=True)(x)
        ),
    ),
    "activation of several steps": (
        "put it behind as a layer of its own",
        lambda mended: (
            lambda x: (
                layers.Softmax(axis=1)(layers.Dense(3)(x))
                if mended
                else layers.Dense(3, activation=layers.Softmax(axis=1))(x)
            )
        ),
    ),
    "author's activation": (
        "use a function of keras.activations, or a layer behind it",
        lambda mended: layers.Dense(3, activation="silu" if mended else lambda x: x * ops.sigmoid(x)),
    ),
}


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
def test_a_remedy_for_a_keras_model(name: str) -> None:
    words, build = TWINS[name]
    refused, mended = twin(build)
    with pytest.raises(ModelError, match=words):
        bittrue.load(refused)
    x = random(3, *IMAGE)
    assert_equal(by_bittrue(mended, x), as_keras(refused, x))


@pytest.mark.filterwarnings("ignore")  # Keras's export has PyTorch's old exporter trace
def test_channels_first_comes_as_onnx(tmp_path: Path) -> None:
    """With a Flatten that knows nothing of it, too: other axes and the same weights would be another network."""
    keras.utils.set_random_seed(0)
    refused = keras.Sequential(
        [
            *(keras.Input((2, 6, 8)), layers.Conv2D(3, 3, data_format="channels_first")),
            *(layers.BatchNormalization(axis=1), layers.MaxPooling2D(data_format="channels_first")),
            *(layers.Flatten(), layers.Dense(4)),
        ]
    )
    with pytest.raises(ModelError, match=r"under KERAS_BACKEND=torch give what model\.export"):
        bittrue.load(refused)
    x = random(3, 2, 6, 8)
    wanted = as_keras(refused, x)
    refused.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    assert_equal(by_bittrue(tmp_path / "model.onnx", channels_last(x)), wanted)


def test_a_celu_whose_alpha_is_0_is_a_relu() -> None:
    """PyTorch's backend refuses it, and the others give NaN, so a small alpha stands for it."""
    with pytest.raises(ModelError, match="its alpha is 0: use relu"):
        bittrue.load(functional(lambda x: ops.celu(x, 0.0)))
    x = random(3, *IMAGE)
    assert_equal(by_bittrue(functional(ops.relu), x), as_keras(functional(lambda x: ops.celu(x, 1e-30)), x))


def test_ranks_are_made_equal() -> None:
    """Of one image: Keras aligns the last axes, and so a batch with rows, where the ranks differ."""
    refused = functional(lambda x: x + ops.max(x, 1))
    with pytest.raises(ModelError, match="of different ranks without the batch axis: reshape one of them"):
        bittrue.load(refused)
    x = random(1, *IMAGE)
    mended = functional(lambda x: x + ops.reshape(ops.max(x, 1), (-1, 1, 8, 4)))
    assert_equal(by_bittrue(mended, x), as_keras(refused, x))


def test_squares_of_rows_are_put_last() -> None:
    """PyTorch's backend doesn't compute them along another axis, so NumPy does."""
    turned = layers.Permute((3, 2, 1))
    mended = functional(lambda x: turned(layers.RMSNormalization()(turned(x))))
    with pytest.raises(ModelError, match="put them last with Permute"):
        bittrue.load(functional(layers.RMSNormalization(axis=1)))
    x = random(3, *IMAGE)
    assert_equal(by_bittrue(mended, x), x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-6))


def test_embeddings_are_looked_up_outside() -> None:
    table, head = layers.Embedding(7, 4), layers.Conv1D(3, 2)
    refused, mended = functional(lambda x: head(table(x)), (5,)), functional(head, (5, 4))
    with pytest.raises(ModelError, match="look the vectors up outside of the model"):
        bittrue.load(refused)
    x = np.random.default_rng(0).integers(0, 7, (3, 5))
    vectors = np.array(ops.convert_to_numpy(table(x)))
    assert_equal(by_bittrue(mended, vectors), as_keras(refused, x))


def test_images_are_cropped_before() -> None:
    crop, rest = layers.RandomCrop(5, 5), layers.Conv2D(2, 3)
    refused, mended = functional(lambda x: rest(crop(x))), functional(rest, (5, 5, 4))
    with pytest.raises(ModelError, match="at inference it resizes 6×8×4: crop the images before"):
        bittrue.load(refused)
    x = random(2, *IMAGE)
    cropped = np.array(ops.convert_to_numpy(crop(x, training=False)))
    assert_equal(by_bittrue(mended, cropped), as_keras(refused, x))


def test_spectral_normalization_leaves_normalized_weights() -> None:
    wrapped = layers.SpectralNormalization(layers.Dense(3))
    refused = functional(wrapped)
    wrapped(random(2, *IMAGE), training=True)
    with pytest.raises(ModelError, match="save the model with the layer inside of it"):
        bittrue.load(refused)
    x = random(2, *IMAGE)
    assert_equal(by_bittrue(functional(wrapped.layer), x), as_keras(refused, x))


def test_a_third_axis_among_the_channels() -> None:
    """A Conv3D is a Conv2D over the channels of all depths, whose weights are 0 where a window doesn't reach."""
    keras.utils.set_random_seed(0)
    solid = layers.Conv3D(3, (3, 3, 2), activation="relu")
    refused = functional(solid, (5, 6, 4, 2))
    with pytest.raises(ModelError, match="use Conv2D, with the third axis among the channels"):
        bittrue.load(refused)
    kernel, bias = (np.array(value) for value in solid.get_weights())
    flat = np.zeros((3, 3, 4 * 2, 3 * 3), np.float32)
    for depth in range(3):
        for reach in range(2):
            place = 2 * (depth + reach)
            flat[:, :, place : place + 2, 3 * depth : 3 * depth + 3] = kernel[:, :, reach]
    conv = layers.Conv2D(9, 3, activation="relu")
    mended = functional(lambda x: layers.Reshape((3, 4, 3, 3))(conv(layers.Reshape((5, 6, 8))(x))), (5, 6, 4, 2))
    conv.set_weights([flat, np.tile(bias, 3)])
    x = random(2, 5, 6, 4, 2)
    assert_equal(by_bittrue(mended, x), as_keras(refused, x))


def test_a_subclassed_model_is_built_again() -> None:
    class Author(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = layers.Dense(5, "relu"), layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    refused, x = Author(), random(3, 4)
    wanted = as_keras(refused, x)
    with pytest.raises(ModelError, match="build the model from layers in one of these two ways and copy the weights"):
        bittrue.load(refused)
    mended = keras.Sequential([keras.Input((4,)), layers.Dense(5, "relu"), layers.Dense(2)])
    mended.set_weights(refused.get_weights())
    assert_equal(by_bittrue(mended, x), wanted)


class Cut(torch.nn.Module):
    def __init__(self, strided: bool) -> None:
        super().__init__()
        self.strided = strided

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (torch.as_strided(x, (1, 3, 2, 2), (48, 16, 4, 1)) if self.strided else x[:, :, :2, :2]).relu()


@pytest.mark.parametrize("permuted", [False, True])
def test_slices_in_the_place_of_strides(permuted: bool) -> None:
    x = torch.from_numpy(random(1, 3, 4, 4))
    example = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) if permuted else x
    with pytest.raises(ModelError, match="take them with slices"):
        bittrue.load(Cut(True), example_input=example)
    assert_equal(
        by_bittrue(Cut(False), channels_last(x.numpy()), example_input=example), channels_last(Cut(True)(x).numpy())
    )


def test_an_old_operator_set_is_converted() -> None:
    old = model((1, 3, 4), [step("Relu", "x")], opset=5)
    with pytest.raises(ModelError, match=r"convert it with onnx\.version_converter"):
        bittrue.load(old)
    x = images(old)
    assert_equal(by_bittrue(onnx.version_converter.convert_version(old, 13), x), np.maximum(x, 0))


def test_functions_of_a_file_are_inlined() -> None:
    plain = model((1, 3, 4), [step("Relu", "x"), step("Exp", "last")])
    function = helper.make_function("here", "Both", ["x"], ["y"], list(plain.graph.node), [helper.make_opsetid("", 17)])
    function.node[0].input[0], function.node[-1].output[0] = "x", "y"
    graph = helper.make_graph(
        [helper.make_node("Both", ["x"], ["v1"], domain="here")], "g", plain.graph.input, plain.graph.output
    )
    proto = helper.make_model(
        graph, functions=[function], opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("here", 1)]
    )
    with pytest.raises(ModelError, match=r"inline them with onnx\.inliner\.inline_local_functions"):
        bittrue.load(proto)
    from onnx.inliner import inline_local_functions

    x = images(plain)
    assert_equal(by_bittrue(inline_local_functions(proto), x), expected(plain, x))


def test_resizing_in_a_functional_model_is_read(tmp_path: Path) -> None:
    """Keras writes down `training=True` there, too."""
    whole = functional(lambda x: layers.Resizing(12, 8)(x))
    whole.save(tmp_path / "model.keras")
    x = random(2, *IMAGE)
    for source in (whole, tmp_path / "model.keras"):
        assert_equal(by_bittrue(source, x), whole.predict(x, verbose=0))


@pytest.mark.parametrize("layer", [layers.RandomFlip(), layers.RandomRotation(0.2), layers.RandomCrop(6, 8)])
def test_augmentation_in_a_functional_model_does_nothing(layer: Any, tmp_path: Path) -> None:
    """Keras writes down `training=True`, the default of its call, which prediction overrules."""
    whole, told = functional(lambda x: layers.Conv2D(2, 3)(layer(x))), list[str]()
    whole.save(tmp_path / "model.keras")
    x = random(2, *IMAGE)
    for source in (whole, tmp_path / "model.keras"):
        assert_equal(by_bittrue(source, x, told=told.append), whole.predict(x, verbose=0))
    assert all("changes images in training alone" in line for line in told)


class Padded(torch.nn.Module):
    """One row and one column on every side."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.mode != "slices":
            return functional_of_torch.pad(x, (1, 1, 1, 1), mode=self.mode).relu()
        x = torch.cat([x[:, :, 1:2], x, x[:, :, -2:-1]], 2)
        return torch.cat([x[..., 1:2], x, x[..., -2:-1]], 3).relu()


def test_slices_in_the_place_of_reflected_edges() -> None:
    x = torch.from_numpy(random(1, 3, 4, 5))
    with pytest.raises(ModelError, match="its mode 'reflect' is not supported: concatenate slices of its edges"):
        bittrue.load(Padded("reflect"), example_input=x)
    found = by_bittrue(Padded("slices"), channels_last(x.numpy()), example_input=x)
    assert_equal(found, channels_last(Padded("reflect")(x).numpy()))
