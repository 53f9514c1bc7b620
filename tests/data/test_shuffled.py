"""A random order by a seed: the same examples with their labels, whatever they are read from."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from bittrue.data import Dataset, as_dataset, load_dataset
from bittrue.data.shuffled import shuffled
from bittrue.errors import ChangedError, DataError

RANDOM = np.random.RandomState(6)
IMAGES = RANDOM.randint(0, 256, (30, 4, 5, 3)).astype(np.uint8)
LABELS = np.arange(30) % 6


def archive(folder: Path) -> Dataset:
    np.savez(folder / "x.npz", x=IMAGES, y=LABELS)
    return load_dataset(str(folder / "x.npz"))


def files(folder: Path) -> Dataset:
    np.save(folder / "x.npy", IMAGES)
    np.save(folder / "y.npy", LABELS)
    return load_dataset(f"{folder / 'x.npy'},{folder / 'y.npy'}")


def class_folders(folder: Path) -> Dataset:
    for number, (pixels, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / str(label) / f"{number:02}.png")
    return load_dataset(str(folder))


def table(folder: Path) -> Dataset:
    import pyarrow
    import pyarrow.parquet

    columns = {"x": pyarrow.array(IMAGES.tolist()), "y": LABELS}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "x.parquet", row_group_size=7)
    return load_dataset(str(folder / "x.parquet"))


def cifar10(folder: Path) -> Dataset:
    records = RANDOM.randint(0, 256, (30, 3073)).astype(np.uint8)
    records[:, 0] = LABELS
    records.tofile(folder / "test_batch.bin")
    return load_dataset(f"cifar10:{folder}")


SOURCES: dict[str, Callable[[Path], Dataset]] = {
    "archive": archive,
    "files": files,
    "class folders": class_folders,
    "table": table,
    "cifar10": cifar10,
    "memory": lambda folder: as_dataset(IMAGES, LABELS),
    "batches": lambda folder: as_dataset([(IMAGES[:16], LABELS[:16]), (IMAGES[16:], LABELS[16:])]),
    "digits": lambda folder: load_dataset("digits").take(30),
}


def contents(dataset: Dataset, size: int) -> tuple[np.ndarray, np.ndarray]:
    batches = list(dataset.batches(size))
    assert all(batch.y is not None for batch in batches)
    return np.concatenate([batch.x for batch in batches]), np.concatenate([batch.y for batch in batches])


@pytest.mark.parametrize("kind", SOURCES)
def test_examples_keep_their_labels(kind: str, tmp_path: Path) -> None:
    dataset = SOURCES[kind](tmp_path).skip(3)
    x, y = contents(dataset, 10)
    mixed = shuffled(dataset, 5)
    order = np.random.RandomState(5).permutation(27)
    for size in (1, 8, 27):
        found = contents(mixed, size)
        assert_array_equal(found[0], x[order])
        assert_array_equal(found[1], y[order])
    assert mixed.labels is not None
    assert_array_equal(mixed.labels, y[order])
    part = next(iter(mixed.batches(4, start=9, images=4)))
    assert_array_equal(part.x, x[order][9:13])


def test_the_order_is_pinned() -> None:
    """Results are kept under the seed, so that it means the same order for good."""
    assert list(np.random.RandomState(0).permutation(10)) == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]
    mixed = shuffled(as_dataset(IMAGES[:10], np.arange(10)), 0)
    assert mixed.labels is not None
    assert list(mixed.labels) == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]


def test_sizes_may_differ_before_a_resize(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(np.full((4 + number % 2, 5, 3), number, np.uint8)).save(tmp_path / "a" / f"{number}.png")
    dataset = load_dataset(str(tmp_path), resize="4x4")
    found = contents(shuffled(dataset, 1), 6)[0]
    assert found[:, 0, 0, 0].tolist() == np.random.RandomState(1).permutation(6).tolist()


def test_other_labels_come_with_their_examples(tmp_path: Path) -> None:
    masks = RANDOM.rand(30, 2).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=IMAGES, y=masks)
    mixed = shuffled(load_dataset(str(tmp_path / "x.npz")), 2)
    order = np.random.RandomState(2).permutation(30)
    found = [batch.targets for batch in mixed.batches(7)]
    assert_array_equal(np.concatenate(found), masks[order])


def test_an_error_names_the_image_as_the_data_do() -> None:
    x = np.ones((20, 3), np.float32)
    x[13, 1] = np.nan
    with pytest.raises(DataError, match="Image 13 of"):
        list(shuffled(as_dataset(x), 4).batches(20))


def test_a_change_is_noticed(tmp_path: Path) -> None:
    dataset = files(tmp_path)
    mixed = shuffled(dataset, 0)
    list(mixed.batches(30))
    state = os.stat(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", IMAGES + 1)
    os.utime(tmp_path / "x.npy", ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))
    with pytest.raises(ChangedError, match="changed while it was in use"):
        list(mixed.batches(30))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_has_its_range(seed: int) -> None:
    with pytest.raises(DataError, match="outside 0 to 4,294,967,295"):
        shuffled(as_dataset(IMAGES), seed)


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    dataset = archive(tmp_path)
    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(DataError, match="A copy of the examples can't be made"):
        shuffled(dataset, 0)
