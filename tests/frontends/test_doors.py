"""One small network, trained once and saved through every door, is one Network: the same text up to names and bits."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bittrue
from bittrue.errors import ModelError
from bittrue.frontends.live import check_live
from bittrue.frontends.tensorflow.checkpoint import read_bundle
from bittrue.frontends.tensorflow.converted import reading_of_conversion
from bittrue.frontends.tensorflow.live import tensorflow_live
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.operators import BatchNormalization
from bittrue.plan import PlanOptions, study_plan
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import Simulator
from frontends.keras.keras2_files import save_h5, save_keras2
from frontends.small_model import build, digits, trained
from frontends.small_module import twin

HERE = Path(__file__).parent
ByTensorFlow = tuple[Path, dict[str, Any]]
FUNCTION = f"{HERE / 'small_model.py'}:build"


@pytest.fixture(scope="module")
def network() -> Network:
    return bittrue.load(trained())


def without_names(network: Network) -> str:
    """The text form with the nodes numbered in the place of their names."""
    numbers = {node.name: f"n{number}" for number, node in enumerate(network.nodes)}
    names = "|".join(sorted(map(re.escape, numbers), key=len, reverse=True))
    return re.sub(rf"\b({names})(?=[ ,).\n])", lambda found: numbers[found[1]], network.text)


def output_bits(network: Network, images: int = 4) -> np.ndarray:
    x, _ = digits("test")
    return Simulator(lower_network(network, study_plan(network, 6))).run(x[:images]).outputs


def assert_same(found: Network, expected: Network) -> None:
    assert without_names(found) == without_names(expected)
    np.testing.assert_array_equal(output_bits(found), output_bits(expected))


def test_the_small_network_has_learned(network: Network) -> None:
    """What the doors are compared by tells digits apart, in float and in the plan's bits."""
    x, classes = digits("test")
    assert np.mean(FloatModel(network).run(x).argmax(-1) == classes) > 0.9
    assert np.mean(output_bits(network, 100).argmax(-1) == classes[:100]) > 0.8


def test_files_of_keras(network: Network, tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    save_h5(model, tmp_path / "keras3.h5")
    save_keras2(model, tmp_path / "keras2.h5")
    for name in ("model.keras", "keras3.h5", "keras2.h5"):
        assert_same(bittrue.load(tmp_path / name), network)
    for name in ("model.weights.h5", "keras3.h5", "keras2.h5"):
        assert_same(bittrue.load(FUNCTION, tmp_path / name), network)
        assert_same(bittrue.load(build(), tmp_path / name), network)


def test_doors_of_pytorch_and_onnx(network: Network, tmp_path: Path) -> None:
    """Layouts, the order of a flattened image and the names differ; the Network doesn't."""
    module, example = twin(trained()), torch.zeros(1, 3, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters warn of each other, and of what they miss
        torch.export.save(torch.export.export(module, (example,)), tmp_path / "module.pt2")
        torch.onnx.export(
            *(module, (example,), str(tmp_path / "old.onnx")),
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # else the batch norm is folded into the convolution
            do_constant_folding=False,
            opset_version=15,
        )
        new = torch.onnx.export(module, (example,), dynamo=True, optimize=False, verbose=False)
        assert new is not None
        new.save(tmp_path / "new.onnx")
    files = ("module.pt2", "old.onnx", "new.onnx")
    sources = [(module, example), f"{HERE / 'small_module.py'}:build", *(tmp_path / name for name in files)]
    for source in sources:
        assert_same(bittrue.load(source), network)


def quotient(network: Network) -> np.ndarray:
    """gamma/√(variance + epsilon) of the only batch norm, in float64."""
    [found] = [node.operator for node in network.nodes if isinstance(node.operator, BatchNormalization)]
    assert found.gamma is not None
    return found.gamma.value / np.sqrt(found.variance.value.astype(np.float64) + found.epsilon)


def test_onnx_by_keras(network: Network, tmp_path: Path) -> None:
    """The torch backend stores a batch norm's quotient, rounded to float32, and all else as it was trained."""
    model = trained()
    x = np.random.default_rng(5).uniform(-1, 1, (4, 8, 8, 3)).astype(np.float32)
    want = model.predict(x, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.export(tmp_path / "keras.onnx", format="onnx", verbose=False)
    found = bittrue.load(tmp_path / "keras.onnx")
    shown = [re.sub(r" *epsilon.*", "", line) for line in without_names(network).splitlines()]
    assert [re.sub(r" *epsilon.*", "", line) for line in without_names(found).splitlines()] == shown
    assert np.abs(FloatModel(found).run(x) - want).max() <= 1e-5 * np.abs(want).max()
    # The file holds the quotient as one float32, the network its two parts: a last bit lies between them.
    np.testing.assert_allclose(quotient(found), quotient(network), rtol=2**-23)
    np.testing.assert_array_equal(output_bits(found), output_bits(network))


def test_the_comparison_sees_other_numbers_and_other_operators(network: Network) -> None:
    model = trained()
    kernel = model.get_layer("conv1").weights[0]
    kernel.assign(kernel.numpy() * 1.5)
    assert without_names(bittrue.load(model)) == without_names(network)
    assert not np.array_equal(output_bits(bittrue.load(model)), output_bits(network))
    model.get_layer("norm1").epsilon = 0.5
    assert without_names(bittrue.load(model)) != without_names(network)


def test_a_model_object_under_tensorflow(by_tensorflow: ByTensorFlow, network: Network) -> None:
    assert by_tensorflow[1]["hash"] == network.hash


@pytest.mark.parametrize("name", ["Weights", "Weights.index", "named", "named/Weights"])
def test_a_checkpoint(name: str, by_tensorflow: ByTensorFlow, network: Network) -> None:
    lines: list[str] = []
    assert_same(bittrue.load(FUNCTION, by_tensorflow[0] / name, told=lines.append), network)
    assert len(lines) == 12
    if name == "Weights":
        assert lines[6] == "layer_with_weights-2/depthwise_kernel (3×3×4×1) became depthwise kernel"


@pytest.mark.parametrize("name", ["keras3", "module", "keras2"])
def test_a_saved_model(name: str, by_tensorflow: ByTensorFlow, network: Network) -> None:
    """A batch norm keeps its four parameters, as Keras writes it and fused."""
    folder = by_tensorflow[0] / "saved_models"
    reading = reading_of_conversion(folder / name, folder / f"{name}_converted")
    assert_same(reading.network, network)
    check_live(reading.network, tensorflow_live(reading, folder / f"{name}_converted"), name, None)


def test_a_saved_model_of_many_parts(by_tensorflow: ByTensorFlow) -> None:
    """Steps, attention, layer norm, GELU, batch norms without gamma or beta: the same operators in another order."""
    folder = by_tensorflow[0] / "saved_models"
    expected = bittrue.load(folder / "parts.keras")
    reading = reading_of_conversion(folder / "parts", folder / "parts_converted")
    found = reading.network
    check_live(found, tensorflow_live(reading, folder / "parts_converted"), "parts", None)
    kinds = [sorted(node.operator.name for node in network.nodes) for network in (found, expected)]
    assert kinds[0] == kinds[1]
    x = np.random.default_rng(2).uniform(-1, 1, (4, 8, 4)).astype(np.float32)
    want = FloatModel(expected).run(x)
    assert np.abs(FloatModel(found).run(x) - want).max() <= 1e-5 * np.abs(want).max()


def test_onnx_by_tf2onnx(by_tensorflow: ByTensorFlow, network: Network) -> None:
    """It folds a batch norm into a scale and an offset: the same bits, where a plan has these two for its sites."""
    found = bittrue.load(by_tensorflow[0] / "saved_models" / "folded.onnx")
    kinds = [node.operator.name for node in found.nodes]
    expected = [node.operator.name for node in network.nodes]
    assert kinds == [kind.replace("BatchNormalization", "ScaleOffset") for kind in expected]
    x, _ = digits("test")
    options = PlanOptions(batch_norm="affine", rounding_points="every-node")
    bits = [
        Simulator(lower_network(each, study_plan(each, 6, options=options))).run(x[:20]).outputs
        for each in (found, network)
    ]
    np.testing.assert_array_equal(*bits)


def test_a_saved_model_by_its_folder(by_tensorflow: ByTensorFlow, network: Network) -> None:
    """In a process of its own, and with the layers' names."""
    found = bittrue.load(by_tensorflow[0] / "saved_models" / "keras3")
    assert_same(found, network)
    assert found.name == "keras3"
    assert {"image", "conv1_1", "norm1_1", "relu1_1", "depthwise_1", "pool_1", "dense1_1"} <= {
        node.name for node in found.nodes
    }


def test_a_checkpoint_of_another_model(by_tensorflow: ByTensorFlow) -> None:
    with pytest.raises(ModelError, match="holds 2 variables that no layer.*layer_with_weights-4/kernel"):
        bittrue.load(f"{HERE / 'other_models.py'}:shorter", by_tensorflow[0] / "Weights")
    with pytest.raises(ModelError, match=r"no variables layer_with_weights-5 for layer more"):
        bittrue.load(f"{HERE / 'other_models.py'}:longer", by_tensorflow[0] / "Weights")
    with pytest.raises(ModelError, match=r"layer dense2's kernel \(10×12\) could take 0"):
        bittrue.load(f"{HERE / 'other_models.py'}:wider", by_tensorflow[0] / "Weights")
    with pytest.raises(ModelError, match=r"layer another could take 0 groups"):
        bittrue.load(f"{HERE / 'other_models.py'}:renamed", by_tensorflow[0] / "named")


def test_large_and_half_precision_variables(by_tensorflow: ByTensorFlow) -> None:
    """A checksum over more bytes than are folded one by one, and float16."""
    entries = read_bundle(by_tensorflow[0] / "large")
    arrays = {key.partition("/")[0]: entry.array(key).read() for key, entry in entries.items() if entry.dtype != 7}
    assert arrays["values"].shape == (3, 4099)
    assert arrays["half"].tolist() == [1.5]


@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
def test_damaged_checkpoints(suffix: str, by_tensorflow: ByTensorFlow, network: Network, tmp_path: Path) -> None:
    for path in by_tensorflow[0].glob("Weights.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / f"Weights.{suffix}"
    whole, model = damaged.read_bytes(), build()
    random = np.random.default_rng(3)
    results = []
    for trial in range(40):
        data = bytearray(whole)
        if trial < 15:
            del data[random.integers(len(data)) :]
        else:
            data[random.integers(len(data))] ^= 1 << random.integers(8)
        damaged.write_bytes(data)
        try:
            results.append(bittrue.load(model, tmp_path / "Weights").hash)
        except ModelError as error:
            results.append("refused" if str(error).startswith("the Keras model small: ") else str(error))
    assert set(results) <= {"refused", network.hash}  # the object graph, which isn't read, may be damaged unseen
    assert results.count("refused") >= 20
    damaged.unlink()
    with pytest.raises(ModelError, match=r"there is no file with weights|Weights\.data-00000-of-00001 is missing"):
        bittrue.load(model, tmp_path / "Weights")
