"""From a data set to the batches that a network takes: does it fit, how many images at a time, read ahead."""

import contextlib
import math
from collections.abc import Iterator

from bittrue.data import Batch, Dataset, prefetch
from bittrue.errors import DataError
from bittrue.network import Network, format_shape

LARGEST_ACTIVATION = 2**26  # bytes of the largest activation of a batch, on the widest carrier
LARGEST_BATCH = 256


def default_batch_size(network: Network) -> int:
    """A power of two up to 256 with which the largest activation stays within 64 MiB (AlexNet at 227×227: 16)."""
    largest = 8 * max(math.prod(node.shape) for node in network.nodes)
    fitting = max(LARGEST_ACTIVATION // largest, 1)
    return min(1 << (fitting.bit_length() - 1), LARGEST_BATCH)


def chosen_images(network: Network, dataset: Dataset, images: int | None) -> Dataset:
    """The first `images` examples of a data set (None, or more than there are: all of them).

    Raises: DataError for fewer than one, and where their shape is not the one that the network takes.
    """
    if images is not None and images < 1:
        raise DataError(f"{images} images were asked for: take at least one.")
    wanted = network.input.shape
    if dataset.shape != wanted:
        remedy = f" --resize {wanted[0]}x{wanted[1]} makes them fit" if _can_resize(dataset.shape, wanted) else ""
        raise DataError(
            f"{dataset.name} gives examples of shape {format_shape(dataset.shape)}, but {network.name} takes "
            f"{format_shape(wanted)}:{remedy or ' use the data that the network was trained for'}."
        )
    return dataset if images is None else dataset.take(min(images, dataset.images))


def _can_resize(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) == 3 and shape[2] == wanted[2]


@contextlib.contextmanager
def reading(
    dataset: Dataset, batch_size: int, *, start: int = 0, images: int | None = None
) -> Iterator[Iterator[Batch]]:
    """The batches of some images, decoded and resized in a thread while the caller computes on the ones before."""
    batches = prefetch(dataset.batches(batch_size, start=start, images=images))
    with contextlib.closing(batches):  # type: ignore[type-var]  # a generator
        yield batches
