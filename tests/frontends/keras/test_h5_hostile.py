"""An `.h5` file can't make bittrue run, fetch or allocate anything, and damage is never taken for a model."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends import load
from frontends.keras.keras2_files import save_h5, save_keras2
from frontends.keras.test_archive_hostile import damaged, hash_or_refusal
from frontends.keras.zoo import IMAGE, functional, randomise, sequential

Config = dict[str, Any]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    stack = [layers.Conv2D(5, 3, name="conv"), layers.Flatten(name="flat"), layers.Dense(2, name="dense")]
    return save_keras2(randomise(keras.Sequential([keras.Input(IMAGE), *stack], name="net")), tmp_path / "model.h5")


@pytest.mark.parametrize("seed", [3, 5])
def test_damage(saved: Path, seed: int) -> None:
    """A cut or a flipped bit: the same network (the bit said nothing), other numbers (HDF5 has no checksums by itself),
    or one sentence; and that soon."""
    whole = saved.read_bytes()
    start = time.monotonic()
    results = []
    for data in damaged(whole, seed):
        saved.write_bytes(data)
        results.append(hash_or_refusal(saved))
    refused = [result for result in results if not result.startswith("sha256:")]
    assert all(result.startswith(f"{saved}: ") and "\n" not in result for result in refused)
    assert len(refused) >= 20  # every cut at least
    assert time.monotonic() - start < 60


def edited(path: Path, edit: Callable[[h5py.Group], None]) -> Path:
    """`path` with an edit made to the group of its dense layer's arrays."""
    with h5py.File(path, "r+") as file:
        edit(file["model_weights/dense/net/dense"])
    return path


def replace_by_soft_link(group: h5py.Group) -> None:
    del group["kernel:0"]
    group["kernel:0"] = h5py.SoftLink("/model_weights/dense/net/dense/bias:0")


def replace_by_external_link(group: h5py.Group) -> None:
    del group["kernel:0"]
    group["kernel:0"] = h5py.ExternalLink("/etc/other.h5", "/data")


def replace_the_group_by_external_link(group: h5py.Group) -> None:
    parent = group.parent
    del parent["dense"]
    parent["dense"] = h5py.ExternalLink("/etc/other.h5", "/data")


def replace_by_external_data(group: h5py.Group) -> None:
    shape = group["kernel:0"].shape
    del group["kernel:0"]
    group.create_dataset("kernel:0", shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def replace_by_virtual_data(group: h5py.Group) -> None:
    shape = group["kernel:0"].shape
    del group["kernel:0"]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[...] = h5py.VirtualSource("/etc/other.h5", "data", shape)
    group.create_virtual_dataset("kernel:0", layout)


def replace_by_bomb(group: h5py.Group) -> None:
    del group["kernel:0"]
    group.create_dataset("kernel:0", (10**7, 10**7), "f4", chunks=(1000, 1000), compression="gzip")


def replace_by_nothing(group: h5py.Group) -> None:
    del group["kernel:0"]
    group["kernel:0"] = h5py.Empty("f4")


def replace_by_integers(group: h5py.Group) -> None:
    shape = group["kernel:0"].shape
    del group["kernel:0"]
    group["kernel:0"] = np.ones(shape, np.int8)


def replace_by_texts(group: h5py.Group) -> None:
    shape = group["kernel:0"].shape
    del group["kernel:0"]
    group.create_dataset("kernel:0", shape, h5py.string_dtype())


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (replace_by_soft_link, "holds no plain array dense/net/dense/kernel:0 for layer dense"),
        (replace_by_external_link, "holds no plain array"),
        (replace_the_group_by_external_link, "holds no plain array"),
        (replace_by_external_data, "holds no plain array"),
        (replace_by_virtual_data, "holds no plain array"),
        (replace_by_bomb, "declares 400,000,000,000,000 bytes"),
        (replace_by_nothing, "holds no plain array"),
        (replace_by_integers, "its weights are int8"),
        (replace_by_texts, "holds no plain array"),
    ],
)
def test_weights_that_are_not_what_they_should_be(saved: Path, edit: Callable[[h5py.Group], None], words: str) -> None:
    with pytest.raises(ModelError, match=rf"model\.h5: layer dense \(Dense\): .*({words})"):
        load(edited(saved, edit))


def test_names_that_lead_out_of_the_layer(saved: Path) -> None:
    for name in ("../../conv/x", "/etc/passwd", "", ".", "a//b", "\0"):
        with h5py.File(saved, "r+") as file:
            file["model_weights/dense"].attrs["weight_names"] = np.array([name.encode() or b"", b"bias"], dtype="S20")
        with pytest.raises(ModelError, match=r"model\.h5: "):
            load(saved)


def configured(path: Path, edit: Callable[[Config], None]) -> Path:
    """`path` with its configuration edited; the attribute may be longer than an HDF5 header."""
    with h5py.File(path, "r+") as file:
        description = json.loads(file.attrs["model_config"])
        edit(description["config"])
        del file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(description)
    return path


def set_argument(layer: int, key: str, value: object) -> Callable[[Config], None]:
    def edit(config: Config) -> None:
        config["layers"][layer]["config"][key] = value

    return edit


def long(config: Config) -> None:
    relu = {"class_name": "ReLU", "config": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}}
    config["layers"] += [{**relu, "config": {**relu["config"], "name": f"r{number}"}} for number in range(6_000)]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (set_argument(1, "filters", 2**31 - 1), "its arguments ask for weights of"),
        (set_argument(1, "filters", 10**30), "filters is 10+, expected"),
        (set_argument(1, "kernel_size", [2**31 - 1, 2**31 - 1]), "."),
        (set_argument(1, "strides", [2**31 - 1, 1]), "."),
        (set_argument(1, "strides", [0, 0]), "strides is 0"),
        (set_argument(1, "groups", 0), "groups is 0"),
        (set_argument(0, "batch_input_shape", [None, 2**30, 2**30, 3]), "more than one image's values can be"),
        (set_argument(0, "batch_input_shape", [None, -3, 4, 3]), "batch_shape is -3"),
        (set_argument(0, "batch_input_shape", {"0": 1}), "batch_shape is"),
        (set_argument(3, "units", float("nan")), "units is nan"),
        (set_argument(3, "name", "conv"), "two layers of one model are named conv"),
        (set_argument(3, "name", ["dense"]), "a layer's name is"),
        (set_argument(3, "activation", {"class_name": ["x"], "config": 3}), "its activation is Python code"),
        (lambda config: config.update(layers=None), "layers is None"),
        (lambda config: config.update(layers=[3]), "a layer is 3"),
        (lambda config: config.update(layers=[]), "has no input shape"),
        (long, "more than 5,000 nodes"),
    ],
)
def test_configurations_that_are_absurd(saved: Path, edit: Callable[[Config], None], words: str) -> None:
    start = time.monotonic()
    with pytest.raises(ModelError, match=rf"model\.h5: .*{words}"):
        load(configured(saved, edit))
    assert time.monotonic() - start < 60


def test_a_circle(tmp_path: Path) -> None:
    def join(x: keras.KerasTensor) -> keras.KerasTensor:
        return layers.ReLU(name="second")(layers.ReLU(name="first")(x))

    def close(config: Config) -> None:
        config["layers"][1]["inbound_nodes"][0][0][0] = "second"

    path = save_keras2(functional(join)(), tmp_path / "model.h5")
    with pytest.raises(ModelError, match="read each other in a circle"):
        load(configured(path, close))


def test_models_that_multiply(tmp_path: Path) -> None:
    """Twenty models, each calling the one inside it twice, would be a million nodes."""
    model = sequential(layers.ReLU(name="inner"))()
    for level in range(20):
        image = keras.Input((9, 8, 4))
        model = keras.Model(image, model(model(image)), name=f"level{level}")
    path = save_h5(model, tmp_path / "model.h5")
    start = time.monotonic()
    with pytest.raises(ModelError, match="more than 5,000 nodes"):
        load(path)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("nesting", [1_000, 100_000])
def test_a_configuration_nested_too_deeply(saved: Path, nesting: int) -> None:
    with h5py.File(saved, "r+") as file:
        text = file.attrs["model_config"].replace('"filters": 5', '"filters": ' + "[" * nesting + "]" * nesting)
        del file.attrs["model_config"]
        file.attrs["model_config"] = text
    with pytest.raises(ModelError, match=r"model\.h5: "):
        load(saved)


def test_models_nested_too_deeply(saved: Path) -> None:
    def nest(config: Config) -> None:
        for _ in range(150):
            inner = {"class_name": "Sequential", "config": {"name": "m", "layers": config["layers"]}}
            config["layers"] = [config["layers"][0], inner]

    with pytest.raises(ModelError, match="nested too deeply|more than|damaged|holds no weights of layer m"):
        load(configured(saved, nest))
