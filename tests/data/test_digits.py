"""The digits: scikit-learn's, in a split that is the same everywhere and for good."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bittrue.data import digits, load_dataset
from bittrue.errors import DataError


def test_splits_are_disjoint_complete_and_balanced() -> None:
    test, train = load_dataset("digits"), load_dataset("digits", split="train")
    assert (test.images, train.images, test.shape, test.classes) == (500, 1297, (8, 8, 1), 10)
    assert test.splits == train.splits == ("test", "train")
    assert_array_equal(np.bincount(test.labels), [50] * 10)  # type: ignore[arg-type]


def test_they_are_scikit_learns() -> None:
    load_digits = pytest.importorskip("sklearn.datasets", reason="scikit-learn has them, too").load_digits
    original = load_digits()
    raw = [next(load_dataset("digits", split=split, scale=Fraction(1)).batches(2000)) for split in ("test", "train")]
    pairs = [(x.tobytes(), int(y)) for batch in raw for x, y in zip(batch.x, batch.y, strict=True)]  # type: ignore[arg-type]
    expected = [(x.astype(np.float32).tobytes(), int(y)) for x, y in zip(original.images, original.target, strict=True)]
    assert sorted(pairs) == sorted(expected)


def test_the_file_says_whose_they_are() -> None:
    with np.load(Path(digits.__file__).with_name(digits.FILE)) as found:
        assert "10.24432/C50P49" in str(found["source"])
        assert "CC BY 4.0" in str(found["licence"])


def test_default_scale_is_a_sixteenth() -> None:
    scaled, raw = load_dataset("digits"), load_dataset("digits", scale=Fraction(1))
    assert scaled.preprocessing.scale == Fraction(1, 16)
    values = next(scaled.batches(500)).x
    assert (values.min(), values.max()) == (0, 1)
    assert_array_equal(values * 16, next(raw.batches(500)).x)


def test_the_split_is_pinned() -> None:
    """Another version of NumPy must not move an image from one split to the other."""
    assert load_dataset("digits").sha256 == "sha256:9ad30147f67a3fd473f16bdf8b06cfdf5358d994eee140ba516d8eec42db501e"
    assert (
        load_dataset("digits", split="train").sha256
        == "sha256:58ca1de837927d25e4ba12ef7eafcbb7a42fb83656e3b488c14188ba4723f3da"
    )


def test_another_split() -> None:
    with pytest.raises(DataError, match="digits has no split 'validation': write --split test or train"):
        load_dataset("digits", split="validation")
