"""Recurrent models as their refusal says to give them: built with unroll=True, and exported. Imported by `write.py`
alone."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

LAYERS = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}


def model(layer: type[keras.Layer], *, unroll: bool) -> keras.Model:
    return keras.Sequential([keras.Input((5, 4)), layer(3, unroll=unroll, name="state"), layers.Dense(2)])


def write_recurrent(folder: Path) -> None:
    """For each layer a `.keras` file as it was trained, the SavedModel, and inputs with the trained model's outputs."""
    folder.mkdir()
    random = np.random.default_rng(2)
    for name, layer in LAYERS.items():
        trained, unrolled = model(layer, unroll=False), model(layer, unroll=True)
        trained.set_weights([random.normal(0, 0.5, weight.shape) for weight in trained.weights])
        unrolled.set_weights(trained.get_weights())
        unrolled.export(folder / name, verbose=False)
        trained.save(folder / f"{name}.keras")
        x = random.normal(size=(4, 5, 4)).astype(np.float32)
        np.savez(folder / f"{name}.npz", x=x, outputs=trained.predict(x, verbose=0))
