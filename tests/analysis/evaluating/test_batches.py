"""How many images at a time, and which."""

from pathlib import Path

import pytest

from analysis.networks import chain, convolutional, random_images
from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size, reading
from bittrue.errors import DataError
from bittrue.operators import Input, ReLU


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((227, 227, 3), 16),
        ((55, 55, 96), 16),
        ((32, 32, 16), 128),
        ((6, 6, 1), 1024),
        ((4096, 4096, 3), 1),
        ((1024, 1024), 8),
        ((2**17,), 16),
        ((2**16,), 32),
        ((2**13,), 256),
    ],
)
def test_the_batch_follows_from_the_largest_activation(shape: tuple[int, ...], size: int) -> None:
    assert default_batch_size(chain("large", [("image", Input(shape)), ("relu", ReLU())])) == size


def test_more_images_than_there_are_means_all(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    assert chosen_images(network, dataset, None) is dataset
    assert chosen_images(network, dataset, 41).images == 40
    assert chosen_images(network, dataset, 7).images == 7


def test_a_batch_of_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="batch size 0"), reading(random_images(tmp_path), 0):
        pass
