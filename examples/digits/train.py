"""Train the network that `bittrue demo` ships: an AlexNet in miniature on its 8×8 digits.

    python examples/digits/train.py [FILE.keras]

Like its large model it puts batch normalization after the ReLU. It learns on the training split that `bittrue.data`
gives and never sees the test split before the last line that it prints. One thread, a fixed seed and a fixed order of
images: the same machine makes the same weights.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported, which reads it once

import keras
import numpy as np
import torch
from keras import layers
from numpy.typing import NDArray

from bittrue.data import load_dataset

FILE = Path(__file__).parents[2] / "src/bittrue/cli/data/digits.keras"
SEED = 0
EPOCHS = 60
BATCH = 32
WEIGHT_DECAY = 5e-4  # AlexNet's


def network() -> keras.Model:
    """8×8×1 in, ten probabilities out; 4 convolutions, each followed by ReLU and batch norm, and 2 dense layers."""

    def block(index: int, filters: int, size: int) -> list[layers.Layer]:
        return [
            layers.Conv2D(filters, size, padding="same", name=f"conv{index}"),
            layers.ReLU(name=f"relu{index}"),
            layers.BatchNormalization(name=f"bn{index}"),
        ]

    return keras.Sequential(
        [
            layers.Input((8, 8, 1), name="image"),
            *block(1, 16, 3),
            layers.MaxPooling2D(2, name="pool1"),
            *block(2, 32, 3),
            layers.MaxPooling2D(2, name="pool2"),
            *block(3, 32, 3),
            *block(4, 32, 1),
            layers.Flatten(name="flatten"),
            layers.Dense(32, name="dense5"),
            layers.ReLU(name="relu5"),
            layers.Dropout(0.5, name="dropout5"),
            layers.Dense(10, name="dense6"),
            layers.Softmax(name="softmax"),
        ],
        name="digits",
    )


def split(name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (N, 8, 8, 1) and classes (N,) of the split `name`."""
    data = load_dataset("digits", split=name)
    batches = list(data.batches(data.images))
    return np.concatenate([batch.x for batch in batches]), np.concatenate([batch.y for batch in batches])


def train() -> keras.Model:
    torch.set_num_threads(1)
    keras.utils.set_random_seed(SEED)
    model = network()
    images, classes = split("train")
    steps = -(-len(images) // BATCH) * EPOCHS
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(2e-3, steps), weight_decay=WEIGHT_DECAY
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(images, classes, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def without_optimizer(model: keras.Model) -> keras.Model:
    """The same network; a file would otherwise hold the optimizer's state too, twice the size of the weights."""
    bare = network()
    bare.set_weights(model.get_weights())
    return bare


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    model = train()
    for name in ("train", "test"):
        loss, accuracy = model.evaluate(*split(name), batch_size=BATCH, verbose=0)
        print(f"{name}: accuracy {accuracy:.4f}, loss {loss:.4f}")
    file.parent.mkdir(parents=True, exist_ok=True)
    without_optimizer(model).save(file)


if __name__ == "__main__":
    main()
