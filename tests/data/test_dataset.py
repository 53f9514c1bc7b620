"""Dataset: the hash, parts, labels; and load_dataset's choice of shape and source."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from bittrue.data import Dataset, dataset, load_dataset, prefetch
from bittrue.errors import DataError

RANDOM = np.random.RandomState(6)
IMAGES = RANDOM.randint(0, 256, (30, 4, 5, 3)).astype(np.uint8)
LABELS = RANDOM.randint(0, 6, 30)


def saved(path: Path, x: NDArray[np.generic] = IMAGES, y: NDArray[np.generic] | None = LABELS) -> str:
    np.savez(path, **({"x": x} if y is None else {"x": x, "y": y}))  # type: ignore[arg-type]
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load_dataset(saved(tmp_path / "x.npz"))


def test_hash_does_not_depend_on_reading(tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "other name.npz", y=LABELS.astype(np.uint8), x=IMAGES)
    same = load_dataset(str(tmp_path / "other name.npz"))
    assert same.sha256 == data.sha256
    for size in (1, 2000, 10**9):
        monkeypatch.setattr(dataset, "_HASH_CHUNK", size)
        assert load_dataset(data.source.where).sha256 == data.sha256
    assert data.sha256.startswith("sha256:")
    assert len(data.sha256) == 7 + 64


def test_hash_notices_everything(tmp_path: Path, data: Dataset) -> None:
    pixel, label = IMAGES.copy(), LABELS.copy()
    pixel[29, 3, 4, 2] ^= 1
    label[29] = (label[29] + 1) % 6
    swapped = IMAGES[[1, 0, *range(2, 30)]]
    path = tmp_path / "other.npz"
    others = [
        load_dataset(saved(path, pixel)).sha256,
        load_dataset(saved(path, IMAGES, label)).sha256,
        load_dataset(saved(path, IMAGES, None)).sha256,
        load_dataset(saved(path, swapped)).sha256,
        load_dataset(saved(path, IMAGES.reshape(30, 5, 4, 3))).sha256,
        load_dataset(saved(path, IMAGES.astype(np.uint16))).sha256,
        load_dataset(saved(path), scale=Fraction(1, 255)).sha256,
        load_dataset(saved(path), resize=(4, 6)).sha256,
        load_dataset(saved(path), mean=[0.5]).sha256,
        load_dataset(saved(path), std=[0.5]).sha256,
        data.take(29).sha256,
        data.skip(1).sha256,
    ]
    assert len({data.sha256, *others}) == len(others) + 1


def test_take_and_skip_are_parts(data: Dataset) -> None:
    head, tail = data.take(12), data.skip(12)
    assert (head.images, tail.images, tail.skip(8).images) == (12, 18, 10)
    assert_array_equal(next(head.batches(50)).x, IMAGES[:12])
    batches = list(tail.batches(7))
    assert [batch.start for batch in batches] == [0, 7, 14]
    assert_array_equal(np.concatenate([batch.x for batch in batches]), IMAGES[12:])
    assert_array_equal(np.concatenate([batch.y for batch in batches if batch.y is not None]), LABELS[12:])
    assert_array_equal(next(tail.skip(8).take(3).batches(3)).x, IMAGES[20:23])
    assert_array_equal(tail.labels, LABELS[12:])


def test_a_part_hashes_like_the_same_examples_alone(tmp_path: Path, data: Dataset) -> None:
    alone = load_dataset(saved(tmp_path / "part.npz", IMAGES[5:25], LABELS[5:25]))
    assert data.skip(5).take(20).sha256 == alone.sha256


def test_values_do_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    options = {"scale": Fraction(1, 255), "resize": (7, 3), "mean": [0.1, 0.2, 0.3], "std": [0.3]}
    data = load_dataset(saved(tmp_path / "x.npz"), **options)  # type: ignore[arg-type]
    whole = next(data.batches(30)).x
    for size in (1, 4, 29):
        assert_array_equal(np.concatenate([batch.x for batch in data.batches(size)]), whole)
    assert_array_equal(np.concatenate([batch.x for batch in prefetch(data.batches(4))]), whole)


def test_batches_belong_to_the_caller(data: Dataset) -> None:
    for batch in data.batches(8):
        assert batch.y is not None
        for array in (batch.x, batch.y):
            assert array.flags.c_contiguous
            assert array.flags.writeable
            array[...] = 0
    assert_array_equal(next(data.batches(30)).x, IMAGES)
    assert_array_equal(next(data.batches(30)).y, LABELS)
    assert data.labels is not None
    assert not data.labels.flags.writeable


@pytest.mark.parametrize(
    "ask",
    [
        lambda data: data.take(31),
        lambda data: data.take(0),
        lambda data: data.skip(30),
        lambda data: data.skip(-1),
        lambda data: data.batches(8, start=30),
        lambda data: data.batches(8, start=5, images=26),
        lambda data: data.batches(8, images=0),
        lambda data: data.take(5).batches(8, images=6),
    ],
)
def test_more_than_there_is(data: Dataset, ask: object) -> None:
    with pytest.raises(DataError, match=r"test split of x\.npz has (30|5) here"):
        ask(data)  # type: ignore[operator]


def test_batch_size(data: Dataset) -> None:
    with pytest.raises(DataError, match="batch size 0"):
        data.batches(0)


def test_labels_must_fit_the_network(data: Dataset) -> None:
    data.check_classes(6)
    first = int(np.flatnonzero(LABELS >= 3)[0])
    with pytest.raises(
        DataError, match=rf"labels image {first} as class {LABELS[first]}, but the network has 3 outputs"
    ):
        data.check_classes(3)


@pytest.mark.parametrize(
    ("x", "wanted", "shape"),
    [
        ((6, 8, 8), (8, 8, 1), (8, 8, 1)),
        ((6, 8, 8, 1), (8, 8), (8, 8)),
        ((6, 8, 8, 1), (64,), (64,)),
        ((6, 8, 8), (64,), (64,)),
        ((6, 4, 5, 3), (4, 5, 3), (4, 5, 3)),
        ((6, 4, 5, 3), (None, None, 3), (4, 5, 3)),
        ((6, 9), (9,), (9,)),
    ],
)
def test_shapes_that_fit(
    tmp_path: Path, x: tuple[int, ...], wanted: tuple[int | None, ...], shape: tuple[int, ...]
) -> None:
    values = RANDOM.random_sample(x).astype(np.float32)
    data = load_dataset(saved(tmp_path / "x.npz", values, None), shape=wanted)
    assert data.shape == shape
    assert_array_equal(next(data.batches(6)).x, values.reshape(6, *shape))


@pytest.mark.parametrize(
    ("x", "wanted", "part"),
    [
        ((6, 32, 32, 3), (227, 227, 3), "32×32×3 but the network wants 227×227×3: resize them with --resize 227x227"),
        ((6, 4, 5, 3), (5, 4, 3), "4×5×3"),
        ((6, 4, 5, 3), (60,), "give examples of that shape"),
        ((6, 4, 5, 3), (None, None, 1), "wants any×any×1: give images of 1 channel\\."),
        ((6, 4, 5), (4, 5, 3), "give images of 3 channels"),
        ((6, 3, 4, 5), (4, 5, 3), "--layout nchw"),
        ((6, 1, 8, 8), (8, 8, 1), "--layout nchw"),
        ((6, 7), (8,), "give examples of that shape"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path: Path, x: tuple[int, ...], wanted: tuple[int | None, ...], part: str) -> None:
    with pytest.raises(DataError, match=part):
        load_dataset(saved(tmp_path / "x.npz", np.zeros(x, np.float32), None), shape=wanted)


def test_a_grey_image_with_its_channel_in_the_middle_is_refused(tmp_path: Path) -> None:
    """Channels last, but read as if they came first: 8×1 images of 8 channels, which are the same number of values."""
    grey = saved(tmp_path / "x.npz", np.zeros((6, 8, 8, 1), np.float32), None)
    with pytest.raises(
        DataError, match="8×1×8 but the network wants 8×8×1: if their channels come last, read them with --layout nhwc"
    ):
        load_dataset(grey, layout="nchw", shape=(8, 8, 1))


def test_a_file_of_another_kind_is_called_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"")
    with pytest.raises(DataError, match="a file of a kind that isn't read: write digits"):
        load_dataset(tmp_path / "x.csv")


@pytest.mark.parametrize("spec", ["digit", "missing.npz", "nowhere/at/all", "", "mnist", "x.csv"])
def test_unknown_data_lists_what_is_known(spec: str) -> None:
    with pytest.raises(
        DataError,
        match=r"write digits, cifar10:DIR, FILE\.npz, x\.npy,y\.npy, FILE\.parquet, or a folder of class fold",
    ) as caught:
        load_dataset(spec)
    assert repr(spec) in str(caught.value)


def test_layout_and_split_where_they_have_no_meaning(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="channels last already"):
        load_dataset("digits", layout="nchw")
    with pytest.raises(DataError, match="no split 'train': write --split test"):
        load_dataset(saved(tmp_path / "x.npz"), split="train")
    with pytest.raises(DataError, match="nhwc or nchw"):
        load_dataset(saved(tmp_path / "x.npz"), layout="other")
    with pytest.raises(DataError, match="have no channels: leave --layout out"):
        load_dataset(saved(tmp_path / "x.npz", IMAGES[:, 0, 0]), layout="nchw")


def test_repr_shows_what_a_reader_wants(data: Dataset) -> None:
    assert "images=30, shape=(4, 5, 3), classes=6" in repr(data)
    assert "array" not in repr(data)


def test_import_is_light() -> None:
    """Neither torch nor scikit-learn nor Pillow is loaded before it is needed."""
    heavy = "torch", "sklearn", "scipy", "PIL", "keras"
    code = f"import sys, bittrue.data; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
