"""Recurrent layers: refused in `.keras` files, and read in the way that the refusal names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.simulation.float_model import FloatModel


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_unrolled_by_keras(name: str, by_tensorflow: tuple[Path, dict[str, Any]]) -> None:
    folder = by_tensorflow[0] / "recurrent"
    with pytest.raises(ModelError, match=rf"layer state \({name}\): .* unroll=True, .* model\.export\('folder'\)"):
        load(folder / f"{name}.keras")
    stored = np.load(folder / f"{name}.npz")
    outputs = FloatModel(load(folder / name)).run(stored["x"])
    assert np.abs(outputs - stored["outputs"]).max() < 1e-5 * np.abs(stored["outputs"]).max()
