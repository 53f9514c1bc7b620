"""Three parts of a data set by a seed: none overlap, and nothing is left out."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bittrue.data import Dataset, as_dataset
from bittrue.data.split import split_dataset
from bittrue.errors import DataError

X = np.arange(30, dtype=np.float32)[:, None]


def numbers(part: Dataset) -> list[int]:
    (batch,) = part.batches(30)
    assert batch.y is not None
    assert_array_equal(batch.x[:, 0], batch.y)  # each with its label
    return [int(value) for value in batch.y]


def test_no_example_is_in_two_parts() -> None:
    dataset = as_dataset(X, np.arange(30), name="numbers")
    parts = split_dataset(dataset, calibration=5, held_out=12, seed=3)
    found = [numbers(part) for part in (parts.calibration, parts.selection, parts.held_out)]
    assert [len(part) for part in found] == [5, 13, 12]
    together = [number for part in found for number in part]
    assert sorted(together) == list(range(30))
    assert together == list(np.random.RandomState(3).permutation(30))
    names = [part.name for part in (parts.calibration, parts.selection, parts.held_out)]
    assert names == ["numbers (calibration, seed 3)", "numbers (selection, seed 3)", "numbers (held out, seed 3)"]
    hashes = {part.sha256 for part in (parts.calibration, parts.selection, parts.held_out)}
    assert len(hashes) == 3
    again = split_dataset((X, np.arange(30)), calibration=5, held_out=12, seed=3)
    assert again.held_out.sha256 == parts.held_out.sha256
    assert split_dataset(dataset, calibration=5, held_out=12, seed=4).held_out.sha256 not in hashes


@pytest.mark.parametrize(("calibration", "held_out"), [(10, 20), (0, 5), (5, 0), (40, 1), (-1, 3)])
def test_no_part_is_empty(calibration: int, held_out: int) -> None:
    with pytest.raises(DataError, match="has 30 examples, which can't be"):
        split_dataset(X, calibration=calibration, held_out=held_out)
