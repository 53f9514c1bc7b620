"""What a search measures on, chooses on, and claims on: three parts of the data of which none sees another's images."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.data import DataLike, Dataset
from bittrue.data.shuffled import shuffled
from bittrue.data.split import split_dataset
from bittrue.errors import DataError
from bittrue.network import Network

CALIBRATION = 512
_BATCH = 256


@dataclass(frozen=True)
class SearchParts:
    """calibration: for ranges, sensitivities and repairs, without labels. selection: plans are chosen on it. held_out:
    for the claim alone."""

    calibration: Dataset
    selection: Dataset
    held_out: Dataset


def search_parts(
    network: Network,
    dataset: DataLike,
    *,
    calibration: DataLike | None = None,
    calibrate: int | None = None,
    held_out: int | None = None,
    images: int | None = None,
    seed: int = 0,
) -> SearchParts:
    """The parts, drawn by `seed` from the first `images` examples of `dataset` (None: all).

    calibration: other data to measure on, of which the first `calibrate` examples are taken. calibrate: None for 512,
    or a quarter where `dataset` is to give them and is small. held_out: None for half of what is left.

    Raises: DataError where a part would be empty, and where an image of the held-out part is in another one, too.
    """
    chosen = chosen_images(network, dataset, images)
    if calibration is None:
        wanted = min(CALIBRATION, chosen.images // 4) if calibrate is None else calibrate
        kept = (chosen.images - wanted) // 2 if held_out is None else held_out
        split = split_dataset(chosen, calibration=wanted, held_out=kept, seed=seed)
        parts = SearchParts(split.calibration, split.selection, split.held_out)
    else:
        others = chosen_images(network, calibration, CALIBRATION if calibrate is None else calibrate)
        kept = chosen.images // 2 if held_out is None else held_out
        if not 0 < kept < chosen.images:
            raise DataError(
                f"{chosen.name} has {chosen.images:,} examples, which can't be {kept:,} held out and some to choose "
                "on: give a smaller number, 1 or more."
            )
        mixed = shuffled(chosen, seed)
        parts = SearchParts(others, mixed.take(chosen.images - kept), mixed.skip(chosen.images - kept))
    _check_apart(parts)
    return parts


def _check_apart(parts: SearchParts) -> None:
    """Raise DataError where an image that the claim is made on was seen before, byte by byte the same."""
    held_out = set(_hashes(parts.held_out))
    for called, part in (("to calibrate on", parts.calibration), ("to choose on", parts.selection)):
        copies = sum(image in held_out for image in _hashes(part))
        if copies:
            raise DataError(
                f"{copies:,} of the {part.images:,} images {called} are among the held-out ones of "
                f"{parts.held_out.name}, too: leave the copies out of the data, or calibrate on others."
            )


def _hashes(images: Dataset) -> Iterator[bytes]:
    for batch in images.batches(_BATCH):
        for image in batch.x:
            yield hashlib.sha256(image.tobytes()).digest()
