"""`load` finds the front end for a file or an object, and imports no framework before it has to."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
from keras import layers

from bittrue.errors import BittrueError, ModelError
from bittrue.frontends import load
from bittrue.frontends.doors import FILES, OBJECTS, READABLE, ClosedDoor
from bittrue.frontends.keras import model as keras_model
from frontends.keras.zoo import sequential


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
    with pytest.raises(ModelError, match=rf"^{source} is not a model that bittrue reads: give a \.keras, ") as caught:
        load(source)
    assert len(str(caught.value).split()) <= 40


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.tflite", "TensorFlow Lite, SavedModel folder"),
        ("x.npy", "no model, --data"),
        ("test.CSV", "no model, --data"),
        ("saved_model.pb", "give the folder"),
    ],
)
def test_files_that_are_something_else(name: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(name)
    assert all(word in str(caught.value) for word in (name, *words.split(", ")))
    assert len(str(caught.value).split()) <= 40


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


def imported(code: str, *names: str) -> list[str]:
    """Which of these modules a process has imported after `code`."""
    script = f"import sys\n{code}\nprint([name for name in {names} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found: list[str] = ast.literal_eval(result.stdout.splitlines()[-1])
    return found


def test_a_door_imports_what_its_own_models_need(model: keras.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model.keras")
    code = f"import bittrue; bittrue.load({str(tmp_path / 'model.keras')!r})"
    assert imported(code, "numpy", "h5py", "keras", "onnx", "onnxscript", "tensorflow", "torch.onnx") == ["numpy"]


def test_every_door_has_its_reader() -> None:
    doors = [door for door in (*FILES, *OBJECTS) if not isinstance(door, ClosedDoor)]
    for door in doors:
        module = importlib.import_module(f"bittrue.frontends.{door.read.module}")
        parameters = inspect.signature(getattr(module, door.read.function)).parameters
        assert set(door.accepts) <= set(parameters)
    assert all(door.called in READABLE for door in doors)


def test_a_file_that_is_replaced_while_it_is_read(
    model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the old model and half of the new one would be a network that nobody has trained."""
    path = tmp_path / "a.keras"
    model.save(path)
    read = keras_model.from_keras_with_formats

    def replaced(source: object, **arguments: Any) -> Any:
        found = read(source, **arguments)
        model.save(tmp_path / "b.keras")
        (tmp_path / "b.keras").rename(path)
        return found

    monkeypatch.setattr(keras_model, "from_keras_with_formats", replaced)
    with pytest.raises(BittrueError, match=r"a\.keras changed while it was read: run the command again"):
        load(path)


def test_a_network_is_what_was_read_whatever_becomes_of_the_file(model: keras.Model, tmp_path: Path) -> None:
    model.save(tmp_path / "a.keras")
    network = load(tmp_path / "a.keras")
    (tmp_path / "a.keras").write_bytes(b"")
    assert network.hash == load(model).hash
