"""A small network, built by a function that takes no arguments: what `file.py:function` names.

    KERAS_BACKEND=torch python tests/frontends/small_model.py

trains it once on the bundled digits, a fixed seed and one thread, and writes the numbers that `trained` reads.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bittrue.data import load_dataset

FILE = Path(__file__).with_suffix(".npz")
EPSILON = 2.0**-10
"""One that float32 holds, as PyTorch and ONNX store it."""


def build() -> keras.Model:
    """Not trained: its weights come from a file."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(image)
    x = layers.BatchNormalization(epsilon=EPSILON, name="norm1")(x)
    x = layers.ReLU(name="relu1")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(10, name="dense1")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.Dense(10, name="dense2")(x)
    return keras.Model(image, layers.Softmax(name="softmax")(x), name="small")


def trained() -> keras.Model:
    """The same numbers each time, on every backend."""
    model = build()
    with np.load(FILE) as arrays:
        for weight in model.weights:
            weight.assign(arrays[weight.path])
    return model


def digits(split: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (N, 8, 8, 3), each digit beside its mirror image and its transpose, and classes (N,)."""
    data = load_dataset("digits", split=split)
    batch = next(data.batches(data.images))
    return np.concatenate([batch.x, batch.x[:, :, ::-1], batch.x.transpose(0, 2, 1, 3)], axis=3), batch.y


def train() -> keras.Model:
    keras.utils.set_random_seed(7)
    model = build()
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(*digits("train"), batch_size=32, epochs=20, verbose=0)
    return model


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    np.savez(FILE, **{weight.path: np.array(weight.numpy()) for weight in train().weights})
