"""A data set in three parts by a seed: what is measured on, what is chosen on, and what a claim is made on."""

from dataclasses import dataclass, replace

from bittrue.data.adapt import DataLike
from bittrue.data.adapt import dataset as as_dataset
from bittrue.data.dataset import Dataset
from bittrue.data.shuffled import shuffled
from bittrue.errors import DataError


@dataclass(frozen=True)
class Parts:
    """No example is in two of them, and all together are all."""

    calibration: Dataset
    selection: Dataset
    held_out: Dataset


def split_dataset(data: DataLike, *, calibration: int, held_out: int, seed: int = 0) -> Parts:
    """The examples of `data` (what `bittrue.dataset` takes) in the order that `seed` gives (see `shuffled`): the first
    `calibration` to measure ranges on, the last `held_out` for the claim, and those between to choose on.

    Whoever chooses on some images, the best of many rows, finds it better on these than it is. So a claim is made on
    others, once. The same data, numbers and seed give the same parts.

    Raises: DataError where a part would have no example, for a seed that is none, and where `data` can't be read.
    """
    dataset = as_dataset(data)
    selection = dataset.images - calibration - held_out
    if min(calibration, held_out, selection) < 1:
        raise DataError(
            f"{dataset.name} has {dataset.images:,} examples, which can't be {calibration:,} to calibrate on, "
            f"{held_out:,} held out, and some to choose on: give smaller numbers, each of them 1 or more."
        )
    mixed = shuffled(dataset, seed)
    parts = {
        "calibration": mixed.take(calibration),
        "selection": mixed.skip(calibration).take(selection),
        "held out": mixed.skip(calibration + selection),
    }
    return Parts(*(replace(part, name=f"{dataset.name} ({name}, seed {seed})") for name, part in parts.items()))
