"""A model of HGQ2 whose words all differ, as HGQ2 saves it: `files/hgq2.keras`, and its outputs.

    KERAS_BACKEND=torch python tests/frontends/keras/make_hgq2.py

makes the files again (HGQ2 0.2.0, Keras 3.15).
"""

from pathlib import Path

import keras
import numpy as np
from hgq.layers import QConv2D, QDense
from hgq.quantizer import Quantizer, QuantizerConfig
from keras import layers

FILES = Path(__file__).parent / "files"
RANDOM = np.random.default_rng(5)


def words(kind: str, overflow: str, rounding: str, **arguments: object) -> QuantizerConfig:
    return QuantizerConfig(kind, "datalane", overflow_mode=overflow, round_mode=rounding, **arguments)


def product(layer: type, *arguments: object, words: QuantizerConfig, **named: object) -> keras.layers.Layer:
    weights = {
        f"{letter}q_conf": QuantizerConfig("kbi", place, overflow_mode="SAT_SYM", round_mode="RND")
        for letter, place in (("k", "weight"), ("b", "bias"))
    }
    return layer(*arguments, iq_conf=words, **weights, **named)


def model() -> keras.Model:
    image = keras.Input((6, 5, 2), name="image")
    by_channel = words("kif", "WRAP", "RND", homogeneous_axis=(0, 1, 2))
    x = product(QConv2D, 3, 3, activation="relu", name="conv", words=by_channel)(image)
    x = layers.Flatten(name="flat")(layers.MaxPooling2D((2, 1), name="pool")(x))
    x = product(QDense, 4, activation="relu", name="dense", words=words("kif", "WRAP", "RND"))(x)
    x = Quantizer(words("kif", "SAT", "TRN"), name="between")(x)
    x = product(QDense, 3, name="last", words=words("kbi", "SAT_SYM", "RND_CONV"), enable_ebops=False)(x)
    return keras.Model(image, x, name="hgq2")


def randomise(made: keras.Model) -> None:
    """Bits that are no whole numbers yet, as training leaves them, and some words of none."""
    spans = {"i": (0, 3), "f": (-1, 5), "b": (2, 8)}
    for weight in made.weights:
        role, shape = weight.path.rpartition("/")[2], weight.shape
        if role in spans:
            weight.assign(RANDOM.integers(*spans[role], shape) + RANDOM.uniform(-0.4, 0.4, shape))
        elif role == "k":
            weight.assign(np.ones(shape))
        elif role in ("kernel", "bias"):
            weight.assign(RANDOM.normal(size=shape) * 0.7)
    for quantizer, start in ((made.get_layer("dense").iq, 0), (made.get_layer("between"), 1)):
        bits = np.array(quantizer.quantizer._f.numpy())
        bits.reshape(-1)[start::4] = -9
        quantizer.quantizer._f.assign(bits)
        quantizer.quantizer._k.assign(np.zeros(bits.shape))


if __name__ == "__main__":
    made = model()
    randomise(made)
    images = np.round(RANDOM.normal(size=(40, 6, 5, 2)) * 64) / 32
    made.save(FILES / "hgq2.keras")
    np.savez(FILES / "hgq2.npz", x=images.astype(np.float32), outputs=made.predict(images, verbose=0))
