"""The digits network that comes with bittrue is what its training script makes, and it is good."""

import importlib.util
import io
import zipfile
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from bittrue.data import load_dataset
from bittrue.frontends import load
from bittrue.simulation.float_model import FloatModel

MODEL = Path(str(files("bittrue.cli"))) / "data" / "digits.keras"
SCRIPT = Path(__file__).parents[2] / "examples/digits/train.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # the script sets it, and it is put back
    specification = importlib.util.spec_from_file_location("train_digits", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_script_makes_this_network(script: ModuleType) -> None:
    assert load(script.network()).text == load(MODEL).text
    assert script.FILE == MODEL


def test_the_file_is_small_and_holds_no_optimizer() -> None:
    with zipfile.ZipFile(MODEL) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        assert "layers" in weights
        assert "optimizer" not in weights
    assert MODEL.stat().st_size < 150_000


def test_it_tells_digits_apart() -> None:
    network = load(MODEL)
    data = load_dataset("digits", split="test", shape=network.input.shape)
    batch = next(data.batches(data.images))
    predictions = np.asarray(FloatModel(network).run(batch.x)).argmax(axis=1)
    assert (predictions == batch.y).mean() >= 0.97
