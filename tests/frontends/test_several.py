"""Models of several inputs or outputs: each way that a refusal names is gone, and computes the same."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import torch
from keras import layers

import bittrue as bt
from bittrue.errors import ModelError
from bittrue.frontends.torch.quiet import quiet
from bittrue.simulation.float_model import FloatModel

IMAGES = np.random.default_rng(0).integers(-8, 8, (5, 8, 8, 3)).astype(np.float32)


def keras_model() -> keras.Model:
    a, b = keras.Input((8, 8, 1), name="a"), keras.Input((8, 8, 2), name="b")
    both = layers.Add()([layers.MaxPooling2D(2, name="pool")(a), layers.AveragePooling2D(2, name="mean")(b)])
    return keras.Model([a, b], [layers.ReLU(name="first")(both), layers.MaxPooling2D(2, name="second")(both)])


class Both(torch.nn.Module):
    """Two inputs, two outputs."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        both = torch.nn.functional.max_pool2d(a, 2) + torch.nn.functional.avg_pool2d(b, 2)
        return torch.relu(both), both


class Around(torch.nn.Module):
    """A module that slices one tensor for another, and returns all that it returns or the first."""

    def __init__(self, model: torch.nn.Module, *, is_whole: bool = False) -> None:
        super().__init__()
        self.model, self.is_whole = model, is_whole

    def forward(self, x: torch.Tensor) -> Any:
        found = self.model(x[:, :1], x[:, 1:])
        return found if self.is_whole else found[0]


def check(network: bt.Network, expected: Any) -> None:
    np.testing.assert_array_equal(FloatModel(network).run(IMAGES), expected)


def test_keras_inputs_are_packed_and_an_output_is_chosen(tmp_path: Path) -> None:
    model = keras_model()
    with pytest.raises(ModelError, match=r"2 inputs \(a, b\) and bittrue takes one: pack them .* data alike\.$"):
        bt.load(model)
    x = keras.Input((8, 8, 3))
    packed = keras.Model(x, model([x[..., :1], x[..., 1:]]))
    with pytest.raises(ModelError, match=r"2 outputs .* keras\.Model\(model\.inputs, model\.outputs\[0\]\)"):
        bt.load(packed)
    keras.Model(packed.inputs, packed.outputs[0]).save(tmp_path / "part.keras")
    first = model([IMAGES[..., :1], IMAGES[..., 1:]])[0]
    check(bt.load(tmp_path / "part.keras"), keras.ops.convert_to_numpy(first))


def test_a_pytorch_module_is_wrapped() -> None:
    images = torch.tensor(np.moveaxis(IMAGES, -1, 1))
    with pytest.raises(ModelError, match="2 example inputs were given, and bittrue takes one: wrap it in a module"):
        bt.load(Both(), example_input=(images[:, :1], images[:, 1:]))
    with pytest.raises(ModelError, match="1 input and 2 outputs, .* module whose forward returns the one"):
        bt.load(Around(Both(), is_whole=True), example_input=images)
    network = bt.load(Around(Both()), example_input=images)
    check(network, np.moveaxis(Around(Both())(images).numpy(), 1, -1))


def test_an_output_of_a_file_is_chosen(tmp_path: Path) -> None:
    images = torch.tensor(np.moveaxis(IMAGES, -1, 1))
    whole = str(tmp_path / "model.onnx")
    names = {"input_names": ["x"], "output_names": ["first", "second"]}
    model = Around(Both(), is_whole=True).eval()
    with quiet():
        torch.onnx.export(model, (images[:1],), whole, dynamo=True, verbose=False, **names)
    with pytest.raises(ModelError, match=r"2 outputs \(first, second\), .* takes one: choose it, as in --output first"):
        bt.load(whole)
    with pytest.raises(ModelError, match="no output 'third': choose with --output one of first, second"):
        bt.load(whole, output="third")
    for name, expected in zip(("first", "second"), model(images), strict=True):
        for source in (whole, onnx.load(whole)):
            check(bt.load(source, output=name), np.moveaxis(expected.detach().numpy(), 1, -1))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_an_output_of_a_keras_file_is_chosen(tmp_path: Path, suffix: str) -> None:
    model = keras_model()
    x = keras.Input((8, 8, 3))
    whole, path = keras.Model(x, model([x[..., :1], x[..., 1:]])), tmp_path / f"whole{suffix}"
    inner = keras.Input((8, 8, 3), name="inner")
    pooled = layers.MaxPooling2D(2, name="pool")(inner)
    both = keras.Model(inner, [layers.ReLU(name="first")(pooled), layers.AveragePooling2D(2, name="second")(pooled)])
    both.save(path)
    with pytest.raises(ModelError, match=r"2 outputs \(first, second\), .* as in --output first"):
        bt.load(path)
    for name, expected in zip(("first", "second"), both(IMAGES), strict=True):
        network = bt.load(path, output=name)
        assert network.output == name
        check(network, keras.ops.convert_to_numpy(expected))
    with pytest.raises(ModelError, match="leave --output out: of a model of several make one"):
        bt.load(both, output="first")
    whole.save(tmp_path / "nested.keras")
    with pytest.raises(ModelError, match=r"2 outputs \((\w+):0, \1:1\)"):
        bt.load(tmp_path / "nested.keras")
