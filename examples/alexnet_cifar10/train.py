"""Train the study's AlexNet on CIFAR-10 and save it as a .keras file.

    python examples/alexnet_cifar10/train.py cifar10:DIR --out alexnet.keras [--epochs 20] [--images N]

DIR holds CIFAR-10 in its official binary or python form. Images are divided by 255 and resized bilinearly to 227×227,
as bittrue reads them. A GPU is advisable: an epoch is 50,000 images through 0.8 G multiply-adds forward and about
twice that backward.
"""

import argparse
import os
from fractions import Fraction

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from model import alexnet

from bittrue.data import Dataset, load_dataset


class Batches(keras.utils.PyDataset):
    """A streamed split as Keras wants it, shuffled by whole batches and mirrored at random, both by seed."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int) -> None:
        super().__init__()
        self._dataset, self._batch_size = dataset, batch_size
        self._random = np.random.default_rng(seed)
        self._order = self._random.permutation(len(self))

    def __len__(self) -> int:
        return -(-self._dataset.images // self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        start = int(self._order[index]) * self._batch_size
        images = min(self._batch_size, self._dataset.images - start)
        batch = next(iter(self._dataset.batches(images, start=start, images=images)))
        mirrored = self._random.random(len(batch.x)) < 0.5
        x = np.where(mirrored[:, None, None, None], batch.x[:, :, ::-1], batch.x)
        return x, batch.y

    def on_epoch_end(self) -> None:
        self._order = self._random.permutation(len(self))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out", required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--images", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    dataset = load_dataset(arguments.data, split="train", scale=Fraction(1, 255), resize=(227, 227))
    if arguments.images is not None:
        dataset = dataset.take(arguments.images)
    batches = Batches(dataset, arguments.batch_size, arguments.seed)
    steps = arguments.epochs * len(batches)
    model = alexnet()
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-4, steps)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=arguments.epochs)
    model.save(arguments.out)


if __name__ == "__main__":
    main()
