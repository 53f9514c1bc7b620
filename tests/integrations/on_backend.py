"""What `bittrue.keras.Quantize` computes on the backend that KERAS_BACKEND names, written to a file: a program of its
own, since a process has one backend.

    python on_backend.py OUT.npz
"""

import sys
import warnings
from pathlib import Path

import keras
import numpy as np

from bittrue.fixed import Quantizer

sys.path.insert(0, str(Path(__file__).parent))

from hostile import COUNT, QUANTIZERS, name_of, one_of_each_mode, values_for

import bittrue.keras

TRAINED = np.array([[0.3, 1.9, 5.0, -7.0]], np.float32)
"""Kernels of which the last two lie beyond the ends of `ap_fixed<4,2>`."""
TARGET = 1.0
FORMS = ("raw", "affine")


def layer(quantizer: Quantizer) -> bittrue.keras.Quantize:
    shape = quantizer.format
    return bittrue.keras.Quantize(
        shape.word_length, shape.fraction_bits, shape.signed, quantizer.rounding, quantizer.overflow
    )


def array(tensor: object) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(tensor))


def eager() -> dict[str, np.ndarray]:
    inputs = {quantizer.format: keras.ops.convert_to_tensor(values_for(quantizer.format)) for quantizer in QUANTIZERS}
    return {f"eager {name_of(each)}": array(layer(each)(inputs[each.format])) for each in QUANTIZERS}


def compiled(folder: Path) -> dict[str, np.ndarray]:
    """The same from one model, saved and loaded, in the graph that the backend compiles for `predict`."""
    chosen = list(one_of_each_mode())
    rows = {name_of(quantizer): values_for(quantizer.format)[:, None] for quantizer in chosen}
    inputs = {name: keras.Input((1,), name=name) for name in rows}
    outputs = {name_of(quantizer): layer(quantizer)(inputs[name_of(quantizer)]) for quantizer in chosen}
    keras.Model(inputs, outputs).save(folder / "quantizers.keras")
    model = keras.saving.load_model(folder / "quantizers.keras")
    found = model.predict(rows, batch_size=COUNT, verbose=0)
    return {f"compiled {name}": found[name][:, 0] for name in rows}


def trained() -> dict[str, np.ndarray]:
    """Kernels after one step of `fit` on (q(w) − 1)², averaged over eight outputs, under both kinds of gradient."""
    one = keras.Input((1,))
    kernels = [keras.layers.Dense(4, use_bias=False, name=name) for name in ("SATURATE", "WRAP")]
    outputs = [bittrue.keras.Quantize(4, 2, overflow=dense.name)(dense(one)) for dense in kernels]
    model = keras.Model(one, keras.layers.Concatenate()(outputs))
    for dense in kernels:
        dense.set_weights([TRAINED])
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
    loss = model.evaluate(np.ones((1, 1)), np.full((1, 8), TARGET), verbose=0)
    model.fit(np.ones((1, 1)), np.full((1, 8), TARGET), verbose=0)
    return {"loss": np.array(loss)} | {f"trained {dense.name}": dense.get_weights()[0] for dense in kernels}


def convolutional() -> tuple[keras.Model, np.ndarray]:
    """A small network with the same weights on every backend, and images for it."""
    random = np.random.default_rng(9)
    image = keras.Input((6, 6, 2), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.Flatten(name="flat")(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="top")(x), name="convolutional")
    model.set_weights([np.abs(random.normal(0, 1, weight.shape)) for weight in model.get_weights()])
    return model, random.normal(0, 1, (30, 6, 6, 2)).astype(np.float32)


def inserted() -> dict[str, np.ndarray]:
    model, x = convolutional()
    network = bittrue.load(model)
    found = {"float": model.predict(x, verbose=0), "network": np.array(network.hash)}
    for form in FORMS:
        plan = bittrue.uniform_plan(network, 14, 5, options=bittrue.PlanOptions(batch_norm=form))
        found |= {f"inserted {form}": bittrue.keras.insert(model, plan).predict(x, verbose=0)}
    return found | {"off": bittrue.keras.insert(model, plan, enabled=False).predict(x, verbose=0)}


def everything(folder: Path) -> dict[str, np.ndarray]:
    return eager() | compiled(folder) | trained() | inserted()


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the backends' own
    np.savez(sys.argv[1], **everything(Path(sys.argv[1]).parent))
