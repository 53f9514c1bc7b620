"""From a data set to the batches that a network takes: does it fit, how many images at a time, read ahead."""

import contextlib
import math
from collections.abc import Iterator

from bittrue.data import Batch, DataLike, Dataset, as_dataset, prefetch
from bittrue.errors import DataError
from bittrue.network import Network

FAST_ACTIVATION = 2**24
LARGEST_ACTIVATION = 2**26
"""Bytes of the largest activation of a batch, on the widest carrier, float64: up to the first it is quickly computed
(docs/performance.md, "The batch"); up to the second ENOUGH images are taken, over which weights are read once."""

ENOUGH = 16
LARGEST_BATCH = 1024


def default_batch_size(network: Network) -> int:
    """A power of two up to 1,024 with which the largest activation stays within 16 MiB (ResNet-8: 128).

    Where that would be fewer than 16: 16, or as many as 64 MiB hold (AlexNet at 227×227: 16).
    """
    largest = 8 * max(math.prod(node.shape) for node in network.nodes)
    fitting = max(FAST_ACTIVATION // largest, min(ENOUGH, LARGEST_ACTIVATION // largest), 1)
    return min(1 << (fitting.bit_length() - 1), LARGEST_BATCH)


def chosen_images(network: Network, data: DataLike, images: int | None) -> Dataset:
    """The first `images` examples of `data` (None, or more than there are: all of them), which is what
    `bittrue.dataset` takes.

    Raises: DataError for fewer than one, where `data` can't be read, and where their shape is not the network's.
    """
    if images is not None and images < 1:
        raise DataError(f"{images} images were asked for: take at least one.")
    dataset = as_dataset(data, shape=network.input.shape)
    return dataset if images is None else dataset.take(min(images, dataset.images))


@contextlib.contextmanager
def reading(
    dataset: Dataset, batch_size: int, *, start: int = 0, images: int | None = None
) -> Iterator[Iterator[Batch]]:
    """The batches of some images, decoded and resized in a thread while the caller computes on the ones before."""
    batches = prefetch(dataset.batches(batch_size, start=start, images=images))
    with contextlib.closing(batches):  # type: ignore[type-var]  # a generator
        yield batches
