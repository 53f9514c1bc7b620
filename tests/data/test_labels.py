"""Labels that are no classes are kept as they are, and stop only what needs classes."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from bittrue.data import Dataset, load_dataset
from bittrue.errors import DataError

RANDOM = np.random.RandomState(8)
X = RANDOM.randint(0, 256, (23, 4, 5, 1)).astype(np.uint8)
CLASSES = RANDOM.randint(0, 5, 23)
CLASSES[7] = 5

TARGETS = {
    "negative": (np.where(CLASSES == 5, -1, CLASSES), "labels image 7 with -1"),
    "fractions": (CLASSES + 0.5, "labels image 0 with "),
    "not a number": (np.where(CLASSES == 5, np.nan, CLASSES), "labels image 7 with nan"),
    "twos": (np.eye(6)[CLASSES] * 2, "labels image 0 with \\["),
    "several ones": (np.ones((23, 6), np.uint8), "labels image 0 with \\[1, 1, 1, 1, 1, 1\\]"),
    "probabilities": (np.full((23, 2), 0.5), "labels image 0 with \\[0.5, 0.5\\]"),
    "many numbers": (np.zeros((23, 1000)), "labels image 0 with \\[0., 0., 0., ..., 0., 0., 0.\\]"),
    "masks": (RANDOM.randint(0, 3, (23, 4, 5)).astype(np.uint8), "has labels of shape \\(4, 5\\)"),
}


def saved(folder: Path, y: NDArray[np.generic] | None) -> Dataset:
    np.savez(folder / "x.npz", **({"x": X} if y is None else {"x": X, "y": y}))  # type: ignore[arg-type]
    return load_dataset(folder / "x.npz")


@pytest.mark.parametrize(("y", "why"), TARGETS.values(), ids=TARGETS)
def test_targets_are_kept_as_they_are(tmp_path: Path, y: NDArray[np.generic], why: str) -> None:
    data = saved(tmp_path, y)
    assert (data.labels_are, data.labels, data.classes, data.target_shape) == ("targets", None, None, y.shape[1:])
    for size in (1, 5, 23):
        batches = list(data.batches(size))
        assert all(batch.y is None for batch in batches)
        found = np.concatenate([batch.targets for batch in batches if batch.targets is not None])
        assert_array_equal(found, y)
        assert found.dtype == y.dtype
    (part,) = data.skip(4).take(9).batches(9)
    assert_array_equal(part.targets, y[4:13])
    with pytest.raises(DataError, match=rf"x\.npz {why}.*accuracy needs a class .*--metric mse"):
        data.check_classes(6)


def test_classes_and_no_labels(tmp_path: Path) -> None:
    data = saved(tmp_path, CLASSES)
    assert (data.labels_are, data.target_shape) == ("classes", None)
    assert next(data.batches(4)).targets is None
    assert saved(tmp_path, None).labels_are == "none"


def test_the_hash_is_of_the_targets_too(tmp_path: Path) -> None:
    masks, _ = TARGETS["masks"]
    other = masks.copy()
    other[22, 3, 4] ^= 1
    several = [masks, other, masks.astype(np.int16), masks.reshape(23, 5, 4), CLASSES, None]
    hashes = [saved(tmp_path, y).sha256 for y in several]  # type: ignore[arg-type]
    assert len(set(hashes)) == len(several)
    assert saved(tmp_path, masks).sha256 == hashes[0]
    part = saved(tmp_path, masks).skip(3).sha256
    np.savez(tmp_path / "part.npz", x=X[3:], y=masks[3:])
    assert load_dataset(tmp_path / "part.npz").sha256 == part


def test_the_number_of_labels_is_checked_before_any_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="23 examples but 22 labels"):
        saved(tmp_path, TARGETS["masks"][0][:22])
