"""`.h5` files of Keras 2 and 3 hold the network that the model object is."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.keras.model import from_keras
from bittrue.program.functions import HardSigmoid
from bittrue.simulation.float_model import FloatModel
from frontends.keras.keras2_files import save_h5, save_keras2, save_keras2_archive
from frontends.keras.test_yardstick import TOLERANCE, relative_error
from frontends.keras.zoo import CASES, IMAGE, Case, functional, nested, randomise, sequential

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_layer_in_both_forms(case: Case, tmp_path: Path) -> None:
    model = randomise(case.build())
    network = from_keras(model)
    assert load(save_h5(model, tmp_path / "keras3.h5")).hash == network.hash
    if case.name != "activation hard_sigmoid":  # another function of the same name in Keras 2
        assert load(save_keras2(model, tmp_path / "keras2.hdf5")).hash == network.hash
        assert load(save_keras2_archive(model, tmp_path / "keras2.keras")).hash == network.hash


@pytest.mark.parametrize("stack", [[layers.Activation("hard_sigmoid")], [layers.Dense(2, activation="hard_sigmoid")]])
def test_the_hard_sigmoid_of_keras_2(stack: list[layers.Layer], tmp_path: Path) -> None:
    """0.2·x + 0.5, between 0 and 1."""
    model = sequential(*stack, shape=(3,))()
    for path in (save_keras2(model, tmp_path / "keras2.h5"), save_keras2_archive(model, tmp_path / "keras2.keras")):
        operator = load(path).nodes[-1].operator
        assert isinstance(operator.written, HardSigmoid)
        assert (operator.written.slope, operator.written.offset) == (Fraction(1, 5), 0.5)


def small() -> keras.Model:
    stack = [layers.Conv2D(5, 3, name="conv"), layers.LeakyReLU(0.125), layers.Flatten(), layers.Dense(2, name="out")]
    return randomise(sequential(*stack)())


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """`path` with its configuration changed in place by `edit`, or replaced by what it returns."""
    with h5py.File(path, "r+") as file:
        description = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(edit(description) or description)
    return path


def layer(description: dict[str, Any], index: int) -> dict[str, Any]:
    return description["config"]["layers"][index]


def test_the_comparison_sees_one_weight(tmp_path: Path) -> None:
    path = save_keras2(small(), tmp_path / "model.h5")
    before = load(path).hash
    with h5py.File(path, "r+") as file:
        group = file["model_weights/out"]
        weight = group[group.attrs["weight_names"][0]]
        weight[0, 0] = np.nextafter(weight[0, 0], np.float32(np.inf))
    assert load(path).hash != before


def without_input_layer(description: dict[str, Any]) -> None:
    """TensorFlow 2.0: the first layer knows the input's shape."""
    shape = layer(description, 0)["config"]["batch_input_shape"]
    del description["config"]["layers"][0], description["config"]["build_input_shape"]
    layer(description, 0)["config"]["batch_input_shape"] = shape


def built_on_a_shape(description: dict[str, Any]) -> None:
    del description["config"]["layers"][0]


def list_of_layers(description: dict[str, Any]) -> dict[str, Any]:
    """Keras before 2.2.3."""
    without_input_layer(description)
    return {"class_name": "Sequential", "config": description["config"]["layers"]}


@pytest.mark.parametrize("edit", [without_input_layer, built_on_a_shape, list_of_layers])
def test_a_sequential_model_without_an_input_layer(edit: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    model = small()
    network = load(edited(save_keras2(model, tmp_path / "model.h5"), edit))
    expected = from_keras(model)
    name = network.input.name
    assert name == "conv_input"
    assert network.text == expected.text.replace(expected.input.name, name)


def test_a_layer_under_its_old_name_with_a_wrapped_axis(tmp_path: Path) -> None:
    model = randomise(sequential(layers.BatchNormalization())())

    def edit(description: dict[str, Any]) -> None:
        normalization = layer(description, 1)
        normalization["class_name"] = "BatchNormalizationV1"
        normalization["config"]["axis"] = {"class_name": "__tuple__", "items": [3]}
        normalization["config"]["dtype"] = None

    assert load(edited(save_keras2(model, tmp_path / "model.h5"), edit)).hash == from_keras(model).hash


def test_numbers_as_older_files_write_them(tmp_path: Path) -> None:
    """0 and 1 for false and true, whole numbers as 3.0, one number for all axes."""
    model = randomise(sequential(layers.Conv2D(5, 3, use_bias=False), layers.BatchNormalization(center=False))())

    def edit(description: dict[str, Any]) -> None:
        layer(description, 1)["config"].update(use_bias=0, filters=5.0, kernel_size=3, strides=1.0)
        layer(description, 2)["config"].update(scale=1, center=0)

    assert load(edited(save_keras2(model, tmp_path / "model.h5"), edit)).hash == from_keras(model).hash


def test_functions_of_tensorflow_between_layers() -> None:
    """Against the outputs of tf-keras, which wrote the file (make_functions.py)."""
    expected = np.load(FILES / "functions.npz")
    outputs = FloatModel(load(FILES / "functions.h5")).run(expected["x"])
    assert relative_error(outputs, expected["outputs"]) <= TOLERANCE


def test_models_called_from_0(tmp_path: Path) -> None:
    """A nested model that was made without an input of its own has no call before the first one."""
    model = randomise(functional(nested)())

    def edit(description: dict[str, Any]) -> None:
        for described in description["config"]["layers"]:
            for node in described["inbound_nodes"]:
                node[0][1] -= node[0][0] == "block"
        description["config"]["output_layers"][0][1] -= 1

    assert load(edited(save_keras2(model, tmp_path / "model.h5"), edit)).hash == from_keras(model).hash


def test_nested_layers_whose_arrays_cannot_be_told_apart(tmp_path: Path) -> None:
    path = save_h5(randomise(functional(nested)()), tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/block"]
        group.move("mix", "another")
        group.attrs["weight_names"] = [name.replace("mix", "another") for name in group.attrs["weight_names"]]
    with pytest.raises(
        ModelError, match=r"layer block_inner_mix \(Conv2D\).*which arrays of the model block are layer mix's"
    ):
        load(path)


def function(class_name: str, name: str = "math.multiply", **more: object) -> Callable[[dict[str, Any]], None]:
    def edit(description: dict[str, Any]) -> None:
        config = {"name": f"tf.{name}", "function": name}
        described: dict[str, Any] = {"class_name": class_name, "name": f"tf.{name}", "config": config}
        described["inbound_nodes"] = [["_CONSTANT_VALUE", -1, 2.0, {"y": ["conv", 0, 0], **more}]]
        description["config"]["layers"].insert(1, described)

    return edit


def call_with_mask(description: dict[str, Any]) -> None:
    layer(description, 1)["inbound_nodes"][0][0][3] = {"training": True}


def no_list(description: dict[str, Any]) -> None:
    layer(description, 1)["inbound_nodes"][0] = [[layer(description, 0)["name"], "0", 0]]


def python_activation(description: dict[str, Any]) -> None:
    layer(description, 1)["config"]["activation"] = "<lambda>"


def python_layer(description: dict[str, Any]) -> None:
    layer(description, 1)["class_name"] = "Lambda"


def registered_class(description: dict[str, Any]) -> None:
    layer(description, 1)["class_name"] = "mine>Conv2D"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            function("TFOpLambda", "math.cumsum"),
            r"layer 'tf\.math\.cumsum' \(TFOpLambda\): 'math\.cumsum' between layers is read from SavedModels",
        ),
        (
            function("TensorFlowOpLayer"),
            r"TensorFlowOpLayer\).*give the folder that model\.save\('folder'\) writes in TensorFlow",
        ),
        (function("TFOpLambda", rounding=3), "a TensorFlow function is called with rounding=3"),
        (function("SlicingOpLambda", "nn.local_response_normalization"), "between layers is read from SavedModels"),
        (call_with_mask, "layer conv is called with training=True"),
        (no_list, "a tensor's origin is"),
        (python_activation, "layer conv.*the activation '<lambda>' is not supported"),
        (python_layer, r"layer conv \(Lambda\): a Lambda holds Python code"),
        (registered_class, "the class mine>Conv2D is not supported"),
    ],
)
def test_what_is_refused(edit: Callable[[dict[str, Any]], None], words: str, tmp_path: Path) -> None:
    model = randomise(functional(layers.Conv2D(4, 1, name="conv"), IMAGE)())
    with pytest.raises(ModelError, match=rf"model\.h5: .*{words}"):
        load(edited(save_keras2(model, tmp_path / "model.h5"), edit))


def test_files_without_a_model(tmp_path: Path) -> None:
    model = small()
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        keras.src.legacy.saving.legacy_h5_format.save_weights_to_hdf5_group(file, model)
    for name in ("model.weights.h5", "old.h5"):
        with pytest.raises(ModelError, match=f"{name}: it holds weights at most, no model.*--weights"):
            load(tmp_path / name)
    with pytest.raises(ModelError, match=r"none\.h5: there is no such file"):
        load(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("keras_version", "1.2.2", "saved by Keras 1.2.2"),
        ("backend", "theano", "saved under theano, whose kernels are flipped"),
        ("model_config", "[]", "its model_config is damaged"),
        ("model_config", "{", "it is damaged or no part of a Keras file"),
    ],
)
def test_other_files(attribute: str, value: str, words: str, tmp_path: Path) -> None:
    path = save_keras2(small(), tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        file.attrs[attribute] = value
    with pytest.raises(ModelError, match=words):
        load(path)


def test_a_layer_in_a_wrapper_whose_arrays_bear_the_wrappers_name(tmp_path: Path) -> None:
    """As Keras 2 named them."""
    model = randomise(sequential(layers.TimeDistributed(layers.Conv1D(2, 3), name="every"), shape=(2, 5, 3))())
    path = save_keras2(model, tmp_path / "model.h5")
    with h5py.File(path, "r+") as file:
        group = file["model_weights/every"]
        for name, role in zip(list(group.attrs["weight_names"]), ("kernel", "bias"), strict=True):
            group.move(name, f"every/{role}:0")
        group.attrs["weight_names"] = [b"every/kernel:0", b"every/bias:0"]
    model.save(tmp_path / "model.keras")
    assert load(path).hash == load(tmp_path / "model.keras").hash
