"""Handwritten digits that come with bittrue: 1,797 images of 8×8 grey pixels 0…16, ten classes.

Source: UCI's Optical Recognition of Handwritten Digits, test set (Alpaydin and Kaynak, 1998,
https://doi.org/10.24432/C50P49), under CC BY 4.0, as uint8 and in the order of scikit-learn's copy. `digits.npz` holds
pixels (1797, 8, 8), classes (1797,), source and licence.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from bittrue.data.source import Raw, Source, split_error

FILE = "digits.npz"
SPLITS = ("test", "train")
SCALE = Fraction(1, 16)  # unless the user gives another: pixels run from 0 to 16
TEST_IMAGES_PER_CLASS = 50
_SHUFFLE_SEED = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class DigitsSource(Source):
    """The digits of one split, uint8 (images, 8, 8, 1)."""

    pixels: NDArray[np.uint8]

    @property
    def any_order(self) -> bool:
        return True

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        for first in range(start, stop, size):
            yield self.pixels[first : min(first + size, stop)]


def digits_source(split: str) -> DigitsSource:
    """The digits' `test` split (500 images, 50 a class) or `train` split (the other 1,297).

    All images are shuffled once (NumPy's RandomState(0), whose stream is frozen for good); the first 50 of each class
    in that order are the test split. Both splits keep the shuffled order. Raises DataError for another split.
    """
    if split not in SPLITS:
        raise split_error("digits", split, SPLITS)
    with np.load(io.BytesIO((files("bittrue.data") / FILE).read_bytes())) as digits:
        pixels, labels = digits["pixels"], digits["classes"].astype(np.int64)
    order = np.random.RandomState(_SHUFFLE_SEED).permutation(len(labels))
    pixels, labels = pixels[order], labels[order]
    is_test = np.zeros(len(order), bool)
    for label in range(10):
        is_test[np.flatnonzero(labels == label)[:TEST_IMAGES_PER_CLASS]] = True
    chosen = is_test if split == "test" else ~is_test
    return DigitsSource(
        where="digits",
        splits=SPLITS,
        images=int(chosen.sum()),
        shape=(8, 8, 1),
        labels=labels[chosen],
        classes=10,
        class_names=tuple("0123456789"),
        pixels=pixels[chosen][..., None],
    )
