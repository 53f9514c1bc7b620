"""What bittrue doesn't read ends in one sentence that names the model, the layer and what to do."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends.keras.model import from_keras
from frontends.keras.zoo import functional, nested, randomise, sequential


def refusal(model: keras.Model | Path) -> str:
    """The sentence with which `model` is refused."""
    with pytest.raises(ModelError) as caught:
        from_keras(model)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", sentence), "one sentence"
    assert "\n" not in sentence
    assert len(sentence.split()) <= 42, "40 words, and the model's name"
    return sentence


class Doubled(layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class WithArguments(layers.Layer):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def call(self, x: Any) -> Any:
        return self.factor * x


class Undescribed(Doubled):
    def get_config(self) -> dict[str, Any]:
        raise RuntimeError("no time for this\nor that")


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="subclassed")
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def two_inputs() -> keras.Model:
    first, second = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    return keras.Model([first, second], layers.Add()([first, second]))


def two_outputs() -> keras.Model:
    image = keras.Input((4,))
    return keras.Model(image, [layers.Dense(1, name="up")(image), layers.Dense(2, name="down")(image)])


def channels_first() -> keras.Model:
    return keras.Sequential([keras.Input((4, 9, 8)), layers.MaxPooling2D(data_format="channels_first", name="pool")])


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, 3), np.float32))
    return model


def masked(x: Any) -> Any:
    mask = keras.ops.ones((1, 4, 4), dtype="bool")
    return layers.MultiHeadAttention(1, 2, name="mha")(x, x, attention_mask=mask)


REFUSALS: list[tuple[str, Callable[[], keras.Model], list[str]]] = [
    (
        "three axes",
        sequential(layers.Conv3D(3, 2, name="cube"), shape=(3, 3, 3, 1)),
        ["layer cube", "Conv3D", "use Conv2D,"],
    ),
    (
        "normalization",
        sequential(layers.Normalization(mean=0.5, variance=2.0, invert=True, name="scale")),
        ["layer scale", "Normalization", "invert=True", "not supported"],
    ),
    (
        "resizing",
        sequential(layers.Resizing(6, 6, name="smaller")),
        ["layer smaller", "from 9×8 to 6×6", "--resize", "Permute and Dense"],
    ),
    (
        "resizing to a ratio",
        sequential(layers.Resizing(3, 4, crop_to_aspect_ratio=True, name="cut")),
        ["layer cut", "aspect ratio", "Cropping2D"],
    ),
    (
        "softmax of rows as an activation",
        sequential(layers.Dense(3, activation=layers.Softmax(axis=1), name="d")),
        ["layer d", "Softmax takes several steps"],
    ),
    (
        "squares of rows",
        sequential(layers.RMSNormalization(axis=1, name="g")),
        ["layer g", "over other axes", "Permute"],
    ),
    (
        "normalization by position",
        sequential(layers.Normalization(axis=(1, 2), name="scale")),
        ["layer scale", "several axes", "subtract the mean and divide by the deviation"],
    ),
    (
        "recurrent",
        sequential(layers.LSTM(3, name="memory"), shape=(4, 6)),
        ["layer memory", "LSTM", "unroll=True", "SavedModel folder"],
    ),
    (
        "random crop",
        sequential(layers.RandomCrop(5, 5, name="crop")),
        ["layer crop", "resizes 9×8×4", "crop the images before"],
    ),
    (
        "dropout in training",
        functional(lambda x: layers.SpatialDropout2D(0.5, name="drop")(x, training=True)),
        ["layer drop", "training=True"],
    ),
    (
        "dot",
        functional(lambda x: layers.Dot(1, name="d")([x, x]), (6,)),
        ["layer d", "Dot", "use keras.ops.matmul"],
    ),
    ("attention mask", functional(masked, (4, 6)), ["layer mha", "attention_mask"]),
    (
        "attention over images",
        functional(lambda x: layers.MultiHeadAttention(1, 2, name="mha")(x, x)),
        ["layer mha", "positions×features", "9×8×4"],
    ),
    ("upsampling", sequential(layers.UpSampling2D(2, None, "bicubic", name="up")), ["layer up", "bicubic", "bilinear"]),
    (
        "product of three",
        functional(lambda x: layers.Multiply(name="m")([x, x, x])),
        ["layer m", "two inputs are needed"],
    ),
    ("author's layer", sequential(Doubled(name="twice")), ["layer twice", "Doubled", "not supported"]),
    ("unknown activation", sequential(layers.Conv2D(3, 1, activation="glu", name="c")), ["layer c", "glu", "relu6"]),
    (
        "unknown activation layer",
        sequential(layers.Activation("squareplus", name="e")),
        ["layer e", "squareplus", "leaky_relu"],
    ),
    (
        "activation class",
        functional(lambda x: layers.Conv2D(2, 1, activation=layers.PReLU())(x)),
        ["conv2d", "activation"],
    ),
    ("always there", functional(layers.AutoContrast(name="auto")), ["layer auto", "AutoContrast", "SavedModel folder"]),
    ("operation", functional(lambda x: keras.ops.sin(x)), ["layer sin", "Sin of keras.ops", "keras.layers"]),
    (
        "classes on the way",
        functional(lambda x: keras.ops.expand_dims(keras.ops.argmax(x, 1), 1), (6,)),
        ["Argmax of keras.ops", "keras.Model(model.inputs, layer.output)"],
    ),
    ("training", functional(lambda x: layers.BatchNormalization(name="bn")(x, training=True)), ["bn", "training=True"]),
    (
        "layer norm by 0",
        sequential(layers.LayerNormalization(epsilon=0.0, name="ln")),
        ["layer ln", "epsilon", "above 0"],
    ),
    ("channels first", channels_first, ["layer pool", "channels_first", "model.export"]),
    ("two inputs", two_inputs, ["2 inputs", "left, right", "keras.Model"]),
    ("two outputs", two_outputs, ["2 outputs", "up, down"]),
    ("open size", sequential(layers.ReLU(), shape=(None, None, 3)), ["input_layer", "(None, None, 3)", "keras.Input"]),
    ("subclassed", subclassed, ["Subclassed", "keras.Sequential", "copy the weights"]),
    ("no shape", lambda: keras.Sequential([layers.Dense(2)], name="loose"), ["loose", "keras.Input", "model.build"]),
    ("integers", sequential(layers.ReLU(dtype="int32", name="r")), ["layer r", "int32", "floating point"]),
]


@pytest.mark.parametrize(("build", "words"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_refused(build: Callable[[], keras.Model], words: list[str], tmp_path: Path) -> None:
    model = build()
    sentence = refusal(model)
    assert all(word in sentence for word in [model.name, *words]), sentence
    if build is not subclassed:  # Keras itself can't write it
        model.save(tmp_path / "refused.keras")
        sentence = refusal(tmp_path / "refused.keras")
        assert all(word in sentence for word in ["refused.keras", *words]), sentence


@pytest.mark.parametrize(
    ("module", "class_name", "words"),
    [
        ("qkeras.qlayers", "QBatchNormalization", "QKeras's, qonnx.converters.from_keras, --from-model"),
        ("keras.layers", "QConv2DBatchnorm", "QKeras's, keras.layers with these weights"),
        ("hgq.layers.softmax", "QSoftmax", "HGQ2's, QDense, QONNX, --from-model"),
        ("keras.layers", "HDense", "HGQ's, to_proxy_model(model)"),
        ("tensorflow_model_optimization.sparsity", "PruneLowMagnitude", "tfmot's, strip_pruning(model)"),
        ("tensorflow_model_optimization.clustering", "ClusterWeights", "tfmot's, strip_clustering(model)"),
        ("tensorflow_model_optimization.quantization", "QuantizeWrapperV2", "tfmot's, the float model"),
        ("tensorflow_model_optimization.quantization", "QuantizeLayer", "tfmot's, the float model"),
        ("keras.layers", "HashedCrossing", "keras.layers, SavedModel, model.export"),
        ("keras.layers", "CenterCrop", "keras.layers, SavedModel, model.export"),
        ("author.layers", "Swirl", "keras.layers, SavedModel, model.export"),
    ],
)
def test_layers_of_other_packages(module: str, class_name: str, words: str, saved: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1].update(module=module, class_name=class_name, registered_name=None)

    sentence = refusal(rewritten(saved, change))
    assert all(word in sentence for word in ("layer conv", class_name, *words.split(", "))), sentence


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize` method")
def test_quantized_weights() -> None:
    model = sequential(layers.Dense(3, name="d"), shape=(12,))()
    model.quantize("int8")
    sentence = refusal(model)
    assert "layer d" in sentence
    assert "QuantizedDTypePolicy" in sentence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite(value: float, tmp_path: Path) -> None:
    model = randomise(sequential(layers.Dense(3, name="d"), shape=(12,))())
    model.layers[0].bias.assign([0.0, value, 1.0])
    model.save(tmp_path / "broken.keras")
    for source, name in ((model, model.name), (tmp_path / "broken.keras", "broken.keras")):
        sentence = refusal(source)
        assert name in sentence
        assert "d.bias holds 1 NaN or infinite values" in sentence


def rewritten(path: Path, change: Callable[[dict[str, Any]], None], member: str = "config.json") -> Path:
    """`path` with a JSON member changed, every checksum right."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    value = json.loads(contents[member])
    change(value)
    contents[member] = json.dumps(value).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small network's file: a convolution, a pooling, a dense layer."""
    stack = [
        layers.Conv2D(5, 3, name="conv"),
        layers.MaxPooling2D(name="pool"),
        layers.Flatten(),
        layers.Dense(2, name="d"),
    ]
    randomise(sequential(*stack)()).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def setting(layer: int, **values: object) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["config"]["layers"][layer]["config"].update(values)


def without(layer: int, key: str) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        del config["config"]["layers"][layer]["config"][key]

    return change


CHANGES: list[tuple[Callable[[dict[str, Any]], None], list[str]]] = [
    (setting(1, filters=6), ["layer conv", "3×3×4×6", "3×3×4×5"]),
    (setting(1, filters="many"), ["layer conv", "filters is 'many'"]),
    (setting(1, strides=[0, 1]), ["layer conv", "strides is 0"]),
    (setting(1, strides=[1]), ["layer conv", "strides is [1]", "list of 2"]),
    (setting(1, data_format="foo"), ["layer conv", "data_format is 'foo'", "expected channels_last"]),
    (setting(2, data_format=7), ["layer pool", "data_format is 7"]),
    (setting(1, padding="causal"), ["layer conv", "padding is 'causal'", "valid or same"]),
    (setting(1, groups=3), ["layer conv", "3 groups"]),
    (setting(1, kernel_size=[10**12, 3]), ["layer conv", "kernel_size is 1000000000000", "2147483647"]),
    (setting(1, kernel_size=[10**9, 3], padding="same"), ["layer conv", "1000000000×3×4×5"]),
    (setting(1, use_bias=None), ["layer conv", "use_bias is None"]),
    (setting(1, use_bias=False), ["layer conv", "3×3×4×5, 5 are stored"]),
    (without(1, "filters"), ["layer conv", "filters is missing"]),
    (setting(2, pool_size=[100, 100]), ["layer pool", "doesn't fit"]),
    (setting(2, pool_size=[10**9, 10**9], padding="same"), ["layer d", "60×2"]),
    (setting(4, units=10**12), ["layer d", "units is 1000000000000"]),
    (setting(4, units=10**9), ["layer d", "45×1000000000"]),
    (setting(0, batch_shape=[None, 10**9, 10**9, 4]), ["1000000000×1000000000×4"]),
    (setting(0, batch_shape=[None, -3, 8, 4]), ["input_layer", "-3"]),
    (setting(0, batch_shape=7), ["input_layer", "batch_shape is 7"]),
    (setting(0, batch_shape=[None]), ["input_layer", "leaves sizes open"]),
    (lambda config: config["config"].update(layers={}), ["layers is {}"]),
    (lambda config: config["config"]["layers"].append(7), ["a layer is 7"]),
    (lambda config: config["config"]["layers"].append(config["config"]["layers"][1]), ["two layers", "conv"]),
    (lambda config: config.update(config=None), ["configuration is damaged"]),
    (lambda config: config.update(module="numpy"), ["Python code"]),
    (lambda config: config["config"]["layers"][1].update(registered_name="mine>Conv2D"), ["conv", "not supported"]),
    (lambda config: config["config"]["layers"][1].update(module="os"), ["conv", "keras.layers", "not supported"]),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_a_configuration_that_makes_no_sense(
    saved: Path, change: Callable[[dict[str, Any]], None], words: list[str]
) -> None:
    sentence = refusal(rewritten(saved, change))
    assert all(word in sentence for word in ["model.keras", *words]), sentence


def test_layers_in_a_circle(tmp_path: Path) -> None:
    functional(lambda x: layers.ReLU(name="b")(layers.ReLU(name="a")(x)))().save(tmp_path / "circle.keras")

    def close(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["b", 0, 0]

    assert "in a circle" in refusal(rewritten(tmp_path / "circle.keras", close))

    def point_nowhere(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["nowhere", 0, 0]

    assert "nowhere" in refusal(rewritten(tmp_path / "circle.keras", point_nowhere))


def test_models_that_multiply(tmp_path: Path) -> None:
    """Thirty models, each calling the one inside twice: a small file that describes a billion layers."""
    block: keras.Model = keras.Sequential([keras.Input((2,)), layers.ReLU()])
    block.save(tmp_path / "many.keras")

    def multiply(config: dict[str, Any]) -> None:
        input_layer, inner = config["config"]["layers"]
        for level in range(30):
            tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["input", 0, 0]}}
            again = {"class_name": "__keras_tensor__", "config": {"keras_history": ["inner", 0, 0]}}
            start = {**input_layer, "name": "input", "inbound_nodes": []}
            twice = {**inner, "name": "inner", "inbound_nodes": [{"args": [tensor]}, {"args": [again]}]}
            graph = {
                "name": f"level{level}",
                "layers": [start, twice],
                "input_layers": ["input", 0, 0],
                "output_layers": ["inner", 1 + (level > 0), 0],
            }
            inner = {"class_name": "Functional", "module": "keras", "config": graph}
        config.update(inner)

    assert "more than 5,000 nodes" in refusal(rewritten(tmp_path / "many.keras", multiply))


def test_a_file_of_no_version(saved: Path) -> None:
    assert "no version of Keras" in refusal(rewritten(saved, lambda value: value.clear(), "metadata.json"))


def test_files_that_are_no_models(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "absent.keras")
    (tmp_path / "folder.keras").mkdir()
    assert "there is no such file" in refusal(tmp_path / "folder.keras")
    (tmp_path / "text.keras").write_text("a model, honestly\n")
    assert "damaged or no part of a Keras file" in refusal(tmp_path / "text.keras")
    (tmp_path / "empty.keras").write_bytes(b"")
    assert "damaged or no part of a Keras file" in refusal(tmp_path / "empty.keras")
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    assert "holds no config.json" in refusal(tmp_path / "zip.keras")


def test_a_layer_shared_between_nested_models_in_a_file(tmp_path: Path) -> None:
    dense, inner_input, image = layers.Dense(4, name="dense"), keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inner_input, dense(inner_input))
    keras.Model(image, dense(inner(image))).save(tmp_path / "shared.keras")
    assert "pass the model object" in refusal(tmp_path / "shared.keras")


def test_an_authors_layer_without_a_name() -> None:
    sentence = refusal(keras.Sequential([keras.Input((3,)), WithArguments(2.0)]))
    assert "layer WithArguments (WithArguments)" in sentence
    assert "not supported" in sentence


def test_a_layer_that_keras_cannot_describe() -> None:
    model = keras.Sequential([keras.Input((3,)), Undescribed()], name="undescribed")
    assert "the Keras model undescribed: Keras can't describe one of its layers (" in refusal(model)


def leaves(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document, inner ones included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, (*path, key))


JUNK = [None, True, -1, 0, 7, 10**9, 10**400, 0.5, 1e300, "", "relu", "conv", [], [[]], [1, 2], {}, {"config": {}}]


def test_junk_anywhere_in_a_configuration(tmp_path: Path) -> None:
    """Every value of a configuration, replaced by every kind of junk in turn: a network or a sentence, nothing else."""
    path = tmp_path / "model.keras"
    model = functional(lambda x: layers.Dense(2, activation=layers.ReLU())(layers.Flatten()(nested(x))))()
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    random = np.random.default_rng(1)
    places = [place for place in leaves(config) if place]
    outcomes = []
    for place in random.permutation(np.array(places, object))[:200]:
        junk = JUNK[random.integers(len(JUNK))]

        def change(value: dict[str, Any], place: tuple[Any, ...] = place, junk: object = junk) -> None:
            *parents, last = place
            for key in parents:
                value = value[key]
            value[last] = junk

        try:
            outcomes.append(from_keras(rewritten(path, change)))
        except ModelError as error:
            outcomes.append(str(error))
        rewritten(path, lambda value: (value.clear(), value.update(config)))
    assert sum(isinstance(outcome, str) for outcome in outcomes) >= 50
