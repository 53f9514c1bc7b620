"""A SavedModel can't make bittrue run anything, and damage is never taken for a model.

TensorFlow is at hand in another process only, which writes the models and reports what became of them
(hostile_saved_models.py); what is wrong with their weights is seen here.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bittrue
from bittrue.errors import ModelError
from bittrue.frontends.tensorflow import saved_model
from bittrue.frontends.tensorflow.converted import reading_of_conversion
from bittrue.simulation.float_model import FloatModel

Report = tuple[Path, dict[str, Any]]

REFUSED = {
    "writing": r"\(WriteFile\)",
    "nested": r"\(WriteFile\)",
    "as_control_input": r"\(WriteFile\)",
    "reading": r"\(ReadFile, StringLength\)",
    "calling_python": r"\(EagerPyFunc, EnsureShape\)",
    "looking_up": r"\(HashTableV2\)",
    "branching": r"\(If\)",
    "drawing": r"\(RandomStandardNormal\)",
    "named_as_an_operation": "its function Relu has the name of an operation",
    "calling_itself": r"its function \w+ calls itself",
    "doubling": r"it has [\d,]{20,} nodes, and bittrue takes 20,000",
    "of_gigabytes": "its constants are larger than any trained model's",
    "of_a_missing_function": "its graph calls the function nowhere, which it doesn't hold",
    "of_a_missing_node": "its graph reads nowhere, which it doesn't hold",
    "of_equal_names": "two things of one name",
    "without_restoring": "nothing says where the variable Variable is stored",
    "without_signature": "it has no signature",
    "without_graph": "holds 0 graphs for serving",
    "two_inputs": r"its signature has 2 inputs \(x, x_1\), and bittrue takes one",
    "two_outputs": r"it has 2 outputs \(output_0, output_1\), and bittrue takes one: choose it",
    "several": r"it has 2 signatures \(first, second\), none of them serving_default",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, by_tensorflow: Report) -> None:
    assert re.search(REFUSED[name], by_tensorflow[1]["hostile"][name])


def test_nothing_of_the_file_runs(by_tensorflow: Report) -> None:
    """Initializers and the function that restores variables are left alone, so that what they hide does nothing."""
    found = by_tensorflow[1]["hostile"]
    assert not found["marker"]
    assert found["plain"] == found["as_initializer"] == found["in_restoring"] == "converted"


def test_these_models_would_do_something(by_tensorflow: Report) -> None:
    """TensorFlow's own loader runs what two of them hide, and without the check none is refused for its operations."""
    found = by_tensorflow[1]["hostile"]
    assert found["as_initializer by TensorFlow"]
    assert found["in_restoring by TensorFlow"]
    assert found["unchecked"]["writing"] == found["unchecked"]["reading"] == "converted"
    assert not any("doesn't let near" in sentence for sentence in found["unchecked"].values())


def test_damage(by_tensorflow: Report) -> None:
    found = by_tensorflow[1]["hostile"]["damaged"]
    assert len(found) == 120
    assert sum("is damaged" in sentence for sentence in found) >= 40
    assert sum(sentence == "converted" for sentence in found) < 80  # flips in what the model doesn't need


@pytest.fixture
def plain(by_tensorflow: Report, tmp_path: Path) -> tuple[Path, Path]:
    """A SavedModel of one layer, and its graph converted."""
    folders = (tmp_path / "plain", tmp_path / "plain_converted")
    for folder in folders:
        shutil.copytree(by_tensorflow[0] / "hostile" / folder.name, folder)
    return folders


def drop(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        ("variables.index", drop, "its weights in variables/variables.index are missing"),
        ("variables.index", cut, r"variables\.index is damaged"),
        ("variables.data-00000-of-00001", drop, "variables.data-00000-of-00001 is missing"),
        ("variables.data-00000-of-00001", cut, "variables.data-00000-of-00001 is damaged where"),
        ("variables.data-00000-of-00001", flip, "variables.data-00000-of-00001 is damaged where"),
    ],
)
def test_damaged_weights(file: str, damage: Callable[[Path], None], words: str, plain: tuple[Path, Path]) -> None:
    folder, target = plain
    assert reading_of_conversion(folder, target).network.nodes[1].operator.weight.value.tolist() == [[1, 1]] * 3
    damage(folder / "variables" / file)
    with pytest.raises(ModelError, match=words):
        reading_of_conversion(folder, target)


@pytest.mark.parametrize(("output", "offset"), [("output_0", 1), ("output_1", 2)])
def test_an_output_is_chosen(by_tensorflow: Report, output: str, offset: int) -> None:
    folder = by_tensorflow[0] / "hostile"
    network = reading_of_conversion(folder / "two_outputs", folder / f"two_outputs_{output}").network
    x = np.array([[0.5, -1, 2]], np.float32)
    np.testing.assert_array_equal(FloatModel(network).run(x), x + offset)


def test_weights_of_another_model(plain: tuple[Path, Path], by_tensorflow: Report) -> None:
    folder, target = plain
    shutil.rmtree(folder / "variables")
    shutil.copytree(by_tensorflow[0] / "saved_models" / "module" / "variables", folder / "variables")
    with pytest.raises(ModelError, match="holds no kernel/"):
        reading_of_conversion(folder, target)
    [name] = json.loads((target / "result.json").read_text())["variables"]
    key = "weights/dense2_kernel/.ATTRIBUTES/VARIABLE_VALUE"
    (target / "result.json").write_text(json.dumps({"variables": {name: key}}))
    with pytest.raises(ModelError, match=rf"its variable {key} has another shape"):
        reading_of_conversion(folder, target)


def test_without_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else found(name))
    with pytest.raises(
        ModelError, match=rf"^{tmp_path}: a SavedModel is read with.*pip install 'bittrue\[tensorflow\]'"
    ):
        bittrue.load(tmp_path)


def test_a_process_that_ends_or_never_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found(name) or True)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    run = subprocess.run

    def instead(code: str) -> None:
        monkeypatch.setattr(subprocess, "run", lambda _, **options: run([sys.executable, "-c", code], **options))

    instead("import os; os.abort()")
    with pytest.raises(ModelError, match=rf"^{tmp_path}: TensorFlow broke off while it was read"):
        bittrue.load(tmp_path)
    monkeypatch.setattr(saved_model, "SECONDS", 0.2)
    instead("import time; time.sleep(60)")
    with pytest.raises(ModelError, match=r"didn't convert it in 0\.2 s"):
        bittrue.load(tmp_path)
    monkeypatch.setattr(saved_model, "MAXIMUM_BYTES", -1)
    with pytest.raises(ModelError, match=r"saved_model\.pb is larger than any network's"):
        bittrue.load(tmp_path)
