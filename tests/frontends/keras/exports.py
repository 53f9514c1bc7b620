"""Small Keras models for Keras's own ONNX export, and the files of its TensorFlow backend.

    KERAS_BACKEND=tensorflow python tests/frontends/keras/exports.py

makes those files again (tensorflow-cpu 2.20, tf2onnx 1.17), `onnx_files/tensorflow/*.onnx`; the numbers in them are
the same on every backend.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

FILES = Path(__file__).parents[1] / "onnx_files" / "tensorflow"

ACTIVATIONS = (
    *("relu6", "leaky_relu", "silu", "hard_silu", "hard_sigmoid", "hard_tanh", "gelu", "selu", "elu", "softplus"),
    *("softsign", "tanh", "sigmoid", "mish", "log_sigmoid", "log_softmax", "softmax"),
)


def activations() -> keras.Model:
    """A dense layer with each."""
    capped = (layers.ReLU(max_value=0.5), layers.PReLU())
    stack = [layers.Dense(6, activation=name) for name in ACTIVATIONS]
    return keras.Sequential([keras.Input((7,)), *(part for one in capped for part in (layers.Dense(6), one)), *stack])


def layer_norms() -> keras.Model:
    kinds = ({}, {"scale": False}, {"center": False}, {"scale": False, "center": False}, {"epsilon": 0.25})
    stack = [part for kind in kinds for part in (layers.Dense(6), layers.LayerNormalization(**kind))]
    return keras.Sequential([keras.Input((4, 5)), *stack])


def batch_norms() -> keras.Model:
    kinds = ({}, {"scale": False}, {"center": False}, {"scale": False, "center": False}, {"epsilon": 0.25})
    stack = [part for kind in kinds for part in (layers.ReLU(), layers.BatchNormalization(**kind))]
    return keras.Sequential([keras.Input((6, 5, 3)), layers.Conv2D(4, 1), *stack, layers.Conv2D(4, 1)])


def merges() -> keras.Model:
    image = keras.Input((6, 5, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(image)
    y = layers.Average()([layers.ReLU()(x), layers.Activation("tanh")(x)])
    z = layers.Average()([layers.Conv2D(4, 1)(y), x, y])
    z = layers.UpSampling2D((2, 3))(layers.Maximum()([y, layers.Subtract()([z, x])]))
    return keras.Model(image, layers.Conv2D(2, 1)(layers.Multiply()([z, layers.Conv2D(4, 1)(z)])))


def attention() -> keras.Model:
    steps = keras.Input((5, 6))
    return keras.Model(steps, layers.MultiHeadAttention(2, 3, value_dim=4, dropout=0.25)(steps, steps))


def models() -> dict[str, Callable[[], keras.Model]]:
    """By name, each with numbers of its own."""
    from frontends import small_model
    from frontends.keras.topologies import KERAS_TOPOLOGIES
    from frontends.keras.zoo import randomise

    own = (activations, layer_norms, batch_norms, merges, attention)
    built = {**KERAS_TOPOLOGIES, **{function.__name__: function for function in own}}
    return {
        **{name: lambda build=build: randomise(build()) for name, build in built.items()},
        "small": small_model.trained,
    }


def file_of(name: str) -> Path:
    return FILES / f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}.onnx"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    for name, build in models().items():
        keras.backend.clear_session()
        model = build()
        model(np.zeros((1, *model.input_shape[1:]), np.float32))
        model.export(file_of(name), format="onnx", verbose=False)
