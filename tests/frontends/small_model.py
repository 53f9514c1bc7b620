"""A small network, built by a function that takes no arguments: what `file.py:function` names."""

import keras
import numpy as np
from keras import layers


def build() -> keras.Model:
    """Not trained: its weights come from a file."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(image)
    x = layers.BatchNormalization(name="norm1")(x)
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
    random = np.random.default_rng(7)
    for weight in model.weights:
        values = random.normal(0.0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values)
    return model
