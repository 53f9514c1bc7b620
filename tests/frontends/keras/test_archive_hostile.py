"""A `.keras` file can't make bittrue run, fetch or allocate anything, and damage is never taken for a model."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.keras.archive import WEIGHTS
from frontends.keras.zoo import randomise, sequential


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    stack = [layers.Conv2D(5, 3, name="conv"), layers.Flatten(), layers.Dense(2, name="dense")]
    randomise(sequential(*stack)()).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def marking(marker: Path) -> Callable[[object], object]:
    """A function that leaves `marker` behind wherever it runs, without anything of this module."""
    source = marker.with_suffix(".py")  # Keras looks for the function's source as it writes it
    source.write_text(f"f = lambda x: (__import__('pathlib').Path({str(marker)!r}).touch(), x)[1]\n")
    namespace: dict[str, Callable[[object], object]] = {}
    exec(compile(source.read_text(), source, "exec"), namespace)
    return namespace["f"]


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_lambda_is_never_executed(tmp_path: Path) -> None:
    marker, path = tmp_path / "executed", tmp_path / "lambda.keras"
    code = marking(marker)
    model = keras.Sequential([keras.Input((3,)), layers.Lambda(code, output_shape=(3,), name="custom")])
    model.save(path)
    marker.unlink(missing_ok=True)

    with pytest.raises(
        ModelError, match=r"lambda\.keras: layer custom \(Lambda\).*never executes.*replace it by layers"
    ):
        load(path)
    assert not marker.exists()

    # The canary: the file does hold code that runs where it is trusted.
    keras.saving.load_model(path, safe_mode=False)(np.zeros((1, 3), np.float32))
    assert marker.exists()


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_an_activation_in_python_is_never_executed(tmp_path: Path) -> None:
    marker, path = tmp_path / "executed", tmp_path / "activation.keras"
    keras.Sequential([keras.Input((3,)), layers.Dense(2, activation=marking(marker), name="dense")]).save(path)
    marker.unlink(missing_ok=True)
    with pytest.raises(ModelError, match="layer dense.*Python code.*neither executes"):
        load(path)
    assert not marker.exists()


def test_a_file_is_read_without_keras(saved: Path) -> None:
    """What isn't imported can't be talked into running anything."""
    code = f"import sys; from bittrue.frontends import load; load({str(saved)!r}); print('keras' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def damaged(whole: bytes, seed: int) -> Iterator[bytes]:
    """Twenty copies cut at random, then forty with one bit flipped."""
    random = np.random.default_rng(seed)
    for trial in range(60):
        data = bytearray(whole)
        if trial < 20:
            del data[random.integers(len(data)) :]
        else:
            data[random.integers(len(data))] ^= 1 << random.integers(8)
        yield bytes(data)


def hash_or_refusal(path: Path) -> str:
    """The network's hash, or the sentence with which the file is refused; anything else escapes."""
    try:
        return load(path).hash
    except ModelError as error:
        return str(error)


def test_damage(saved: Path) -> None:
    """A cut or a flipped bit: the same network (the bit said nothing), or one sentence."""
    whole, hash_of_whole = saved.read_bytes(), load(saved).hash
    results = []
    for data in damaged(whole, seed=3):
        saved.write_bytes(data)
        results.append(hash_or_refusal(saved))
    refused = [result for result in results if result != hash_of_whole]
    assert all(result.startswith(f"{saved}: ") for result in refused)
    assert len(refused) >= 50


def with_weights(path: Path, weights: bytes) -> Path:
    """`path` with another weights member, every checksum right."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()} | {WEIGHTS: weights}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def edited(path: Path, edit: Callable[[h5py.Group], None]) -> Path:
    """`path` with an edit made to the group of its dense layer's arrays."""
    with zipfile.ZipFile(path) as archive:
        buffer = io.BytesIO(archive.read(WEIGHTS))
    with h5py.File(buffer, "r+") as file:
        edit(file["layers/dense/vars"])
    return with_weights(path, buffer.getvalue())


def test_damage_under_right_checksums(saved: Path) -> None:
    """Who damages the weights and mends the checksums gets other numbers or a sentence, and nothing else."""
    with zipfile.ZipFile(saved) as archive:
        whole = archive.read(WEIGHTS)
    results = [hash_or_refusal(with_weights(saved, data)) for data in damaged(whole, seed=5)]
    refused = [result for result in results if not result.startswith("sha256:")]
    assert all(result.startswith(f"{saved}: ") for result in refused)
    assert len(refused) >= 20


def replace_by_link(group: h5py.Group) -> None:
    del group["0"]
    group["0"] = h5py.ExternalLink("/etc/other.h5", "/data")


def replace_by_external_data(group: h5py.Group) -> None:
    shape = group["0"].shape
    del group["0"]
    group.create_dataset("0", shape, "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def replace_by_bomb(group: h5py.Group) -> None:
    del group["0"]
    group.create_dataset("0", (10**7, 10**7), "f4", chunks=(1000, 1000), compression="gzip")


def replace_by_integers(group: h5py.Group) -> None:
    shape = group["0"].shape
    del group["0"]
    group["0"] = np.ones(shape, np.int8)


def replace_by_group(group: h5py.Group) -> None:
    del group["0"]
    group.create_group("0")


def drop_array(group: h5py.Group) -> None:
    del group["1"]


def rename(group: h5py.Group) -> None:
    group.attrs["name"] = "another"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (replace_by_link, "holds no plain array 0 for layer dense"),
        (replace_by_external_data, "holds no plain array 0 for layer dense"),
        (replace_by_bomb, "declares 400,000,000,000,000 bytes"),
        (replace_by_integers, "its weights are int8"),
        (replace_by_group, "holds no plain array 0 for layer dense"),
        (drop_array, "are stored"),
        (rename, "holds weights of another in the place of layer dense's"),
    ],
)
def test_weights_that_are_not_what_they_should_be(saved: Path, edit: Callable[[h5py.Group], None], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        load(edited(saved, edit))


def test_a_member_that_unpacks_to_gigabytes(saved: Path) -> None:
    with pytest.raises(ModelError, match="claims to unpack to 67,108,864 bytes"):
        load(with_weights(saved, bytes(1 << 26)))


@pytest.mark.parametrize("nesting", [1_000, 100_000])
def test_a_configuration_nested_too_deeply(saved: Path, nesting: int) -> None:
    with zipfile.ZipFile(saved) as archive:
        config, metadata = json.loads(archive.read("config.json")), archive.read("metadata.json")
        weights = archive.read(WEIGHTS)
    config["config"]["layers"][1]["config"]["filters"] = "FILTERS"
    text = json.dumps(config).replace('"FILTERS"', "[" * nesting + "]" * nesting)
    with zipfile.ZipFile(saved, "w") as archive:
        for name, data in (("config.json", text), ("metadata.json", metadata), (WEIGHTS, weights)):
            archive.writestr(name, data)
    with pytest.raises(ModelError, match=r"model\.keras"):
        load(saved)
