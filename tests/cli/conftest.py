"""The demo's model, small data, and the command line called inside this process."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bittrue.cli.app import app
from bittrue.cli.demo import bundled_model

Run = Callable[..., Result]
Doctor = Callable[..., Path]


def succeed(run: Run, *arguments: object) -> str:
    """What a command prints."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def succeed_in_json(run: Run, *arguments: object) -> Any:
    """The object that it prints."""
    return json.loads(succeed(run, *arguments, "--json"))


@pytest.fixture
def run() -> Run:
    """`run("inspect", model, …)`: the result, with `stdout` and `stderr` apart."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="bittrue")

    return call


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    path.write_bytes(bundled_model())
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """24 images of the digits as an .npz file in the form that the demo's model takes."""
    from bittrue.data import load_dataset

    batch = next(iter(load_dataset("digits").batches(24)))
    path = tmp_path / "images.npz"
    np.savez(path, x=batch.x, y=batch.y)
    return path


@pytest.fixture
def doctor(model: Path, tmp_path: Path) -> Doctor:
    """A copy of the model whose configuration, as text, or weights, as an HDF5 file, were changed."""

    def change(
        config: Callable[[str], str] = lambda text: text, weights: Callable[[h5py.File], None] = lambda file: None
    ) -> Path:
        path = tmp_path / "doctored.keras"
        with zipfile.ZipFile(model) as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                content = source.read(name)
                if name == "config.json":
                    content = config(content.decode()).encode()
                    json.loads(content)
                elif name == "model.weights.h5":
                    buffer = io.BytesIO(content)
                    with h5py.File(buffer, "r+") as file:
                        weights(file)
                    content = buffer.getvalue()
                target.writestr(name, content)
        return path

    return change
