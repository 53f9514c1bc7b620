"""`load` finds the front end for a file or an object, and imports no framework before it has to."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends import load
from frontends.keras_zoo import sequential


@pytest.fixture
def model() -> keras.Model:
    return sequential(layers.Dense(2), shape=(3,))()


def test_files_and_objects(model: keras.Model, tmp_path: Path) -> None:
    expected = load(model).hash
    for name in ("a.keras", "b.KERAS"):
        model.save(tmp_path / "saved.keras")
        (tmp_path / "saved.keras").rename(tmp_path / name)
        assert load(tmp_path / name).hash == expected
        assert load(str(tmp_path / name)).hash == expected


@pytest.mark.parametrize("source", ["model.txt", "model.zip", "model", Path("some/folder")])
def test_other_files(source: str | Path) -> None:
    with pytest.raises(ModelError, match=rf"^{source} is not a model that bittrue reads: give a \.keras file"):
        load(source)


def test_checkpoints_of_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "Weights.index").touch()
    for name in ("Weights", "Weights.index"):
        with pytest.raises(ModelError, match="is a TensorFlow checkpoint, which holds weights but no model"):
            load(tmp_path / name)


@pytest.mark.parametrize("source", [7, None, layers.Dense, [1, 2]])
def test_other_objects(source: object) -> None:
    with pytest.raises(ModelError, match="is not a model that bittrue reads"):
        load(source)


def test_a_layer_is_no_model() -> None:
    with pytest.raises(ModelError, match=r"the Keras model alone: its class Dense is not keras\.Model"):
        load(layers.Dense(2, name="alone"))


def test_no_framework_is_imported_with_the_module() -> None:
    frameworks = ("torch", "keras", "tensorflow", "h5py")
    code = f"import sys, bittrue.frontends; print([name for name in {frameworks} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
