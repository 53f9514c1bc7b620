"""A model in a JSON file with its weights in another is the network that the model object is."""

import json
from pathlib import Path

import keras
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.keras.model import from_keras
from frontends.keras.keras2_files import in_keras2_form, save_h5, save_keras2
from frontends.keras.zoo import functional, nested, randomise, residual, sequential


def written(model: keras.Model, folder: Path) -> Path:
    (folder / "model.json").write_text(model.to_json())
    model.save_weights(folder / "model.weights.h5")
    return folder / "model.json"


@pytest.mark.parametrize("join", [residual, nested])
def test_of_keras_3(join: object, tmp_path: Path) -> None:
    model = randomise(functional(join)())
    assert load(written(model, tmp_path), tmp_path / "model.weights.h5").hash == from_keras(model).hash
    assert load(tmp_path / "model.json", save_h5(model, tmp_path / "model.h5")).hash == from_keras(model).hash


@pytest.mark.parametrize("join", [residual, nested])
def test_of_keras_2(join: object, tmp_path: Path) -> None:
    model = randomise(functional(join)())
    description = in_keras2_form(json.loads(model.to_json())) | {"keras_version": "2.4.0", "backend": "tensorflow"}
    (tmp_path / "model.json").write_text(json.dumps(description))
    assert load(tmp_path / "model.json", save_keras2(model, tmp_path / "w.h5")).hash == from_keras(model).hash


def small(*names: str) -> keras.Model:
    return randomise(sequential(*(layers.Dense(3, name=name) for name in names), shape=(3,))())


def test_what_is_refused(tmp_path: Path) -> None:
    path = written(small("first", "second"), tmp_path)
    with pytest.raises(ModelError, match=r"model\.json: it describes a model without weights: .*--weights"):
        load(path)
    with pytest.raises(ModelError, match="there is no file with weights"):
        load(path, tmp_path / "absent.h5")
    for write in (save_h5, save_keras2):
        with pytest.raises(ModelError, match=r"w\.h5 holds weights of third, which is no layer of the model"):
            load(path, write(small("first", "second", "third"), tmp_path / "w.h5"))
        with pytest.raises(ModelError, match="holds no weights of layer second"):
            load(path, write(small("first"), tmp_path / "w.h5"))
    small("first", "second", "third").save_weights(tmp_path / "more.weights.h5")
    with pytest.raises(ModelError, match="holds weights of dense_2, which is no layer"):
        load(path, tmp_path / "more.weights.h5")
    path.write_text('{"bittrue": 1, "sites": {}}')
    with pytest.raises(ModelError, match=r"it describes no model of keras\.Model"):
        load(path, tmp_path / "w.h5")
    path.write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        load(path, tmp_path / "w.h5")
