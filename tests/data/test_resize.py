"""Rule B11: the resize has the bits of scalar float32 arithmetic, operation by operation."""

from math import ceil, floor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from bittrue.data import resize
from bittrue.data.resize import resize_bilinear

Sites = tuple[int, int, np.float32]


def site(position: int, source: int, target: int) -> Sites:
    one_step = np.float32(source) / np.float32(target)
    src = np.float32(np.float32(np.float32(position) + np.float32(0.5)) * one_step) - np.float32(0.5)
    lerp = np.float32(src - np.float32(floor(src)))
    return max(floor(src), 0), min(ceil(src), source - 1), lerp


def scalar_resize(image: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The definition, one np.float32 scalar at a time."""
    source_height, source_width, channels = image.shape
    result = np.empty((height, width, channels), np.float32)
    for i in range(height):
        y0, y1, ly = site(i, source_height, height)
        for j in range(width):
            x0, x1, lx = site(j, source_width, width)
            for c in range(channels):
                tl, tr, bl, br = image[y0, x0, c], image[y0, x1, c], image[y1, x0, c], image[y1, x1, c]
                top = tl + (tr - tl) * lx
                bottom = bl + (br - bl) * lx
                value = top + (bottom - top) * ly
                assert type(value) is np.float32
                result[i, j, c] = value
    return result


SIZES = [
    ((32, 32), (227, 227), 1),
    ((227, 227), (32, 32), 1),
    ((1, 1), (5, 5), 3),
    ((5, 5), (1, 1), 3),
    ((7, 13), (11, 4), 3),
    ((13, 7), (13, 20), 2),
    ((9, 6), (27, 6), 2),
    ((2, 3), (64, 48), 1),
]


@pytest.mark.parametrize(("source", "target", "channels"), SIZES)
def test_bits_equal_the_scalar_definition(source: tuple[int, int], target: tuple[int, int], channels: int) -> None:
    pixels = np.random.RandomState(1).randint(0, 256, (2, *source, channels)).astype(np.float32) / np.float32(255)
    expected = np.stack([scalar_resize(image, *target) for image in pixels])
    assert_array_equal(resize_bilinear(pixels, *target), expected)


def test_another_association_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Canary: positions in float64, as torch's and Pillow's resizes have them, give other bits."""

    def exact_taps(source: int, target: int) -> resize.Taps:
        position = (np.arange(target) + 0.5) * source / target - 0.5
        low = np.floor(position)
        return resize.Taps(
            np.maximum(low, 0).astype(np.intp),
            np.minimum(np.ceil(position), source - 1).astype(np.intp),
            (position - low).astype(np.float32),
        )

    pixels = np.random.RandomState(1).random_sample((1, 32, 32, 1)).astype(np.float32)
    expected = resize_bilinear(pixels, 227, 227)
    monkeypatch.setattr(resize, "taps", exact_taps)
    assert (resize_bilinear(pixels, 227, 227) != expected).any()


def test_known_values() -> None:
    """Worked by hand: 1×2 to 1×4 reads at −0.25, 0.25, 0.75, 1.25; the ends repeat."""
    row = np.array([0, 1], np.float32).reshape(1, 1, 2, 1)
    assert resize_bilinear(row, 1, 4).ravel().tolist() == [0, 0.25, 0.75, 1]


def test_same_size_is_the_same_image() -> None:
    pixels = np.random.RandomState(2).random_sample((2, 4, 5, 3)).astype(np.float32)
    assert resize_bilinear(pixels, 4, 5) is pixels
