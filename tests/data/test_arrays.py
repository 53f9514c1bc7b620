"""`.npy` files: one, a pair, a folder of them; and the names by which examples and labels are found."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bittrue.data import load_dataset
from bittrue.data.names import PAIRS, Pair, find_pairs
from bittrue.errors import DataError

RANDOM = np.random.RandomState(4)
X = RANDOM.randint(0, 256, (23, 4, 5, 3)).astype(np.uint8)
Y = RANDOM.randint(0, 6, 23)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    return tmp_path


@pytest.mark.parametrize("spec", ["{0}/x.npy,{0}/y.npy", "{0}"])
def test_a_pair_and_a_folder_are_as_the_archive(folder: Path, spec: str) -> None:
    data = load_dataset(spec.format(folder))
    for size in (1, 7, 23):
        assert_array_equal(np.concatenate([batch.x for batch in data.batches(size)]), X)
    assert_array_equal(next(data.batches(4, start=9)).x, X[9:13])
    assert_array_equal(data.labels, Y)
    np.savez(folder / "both.npz", x=X, y=Y)
    assert load_dataset(folder / "both.npz").sha256 == data.sha256


def test_examples_alone(folder: Path) -> None:
    data = load_dataset(folder / "x.npy")
    assert (data.name, data.labels_are, data.images) == ("x.npy", "none", 23)


def test_channels_first(folder: Path) -> None:
    np.save(folder / "x.npy", np.ascontiguousarray(X.transpose(0, 3, 1, 2)))
    for spec in (folder, folder / "x.npy"):
        data = load_dataset(spec, layout="nchw")
        assert data.shape == (4, 5, 3)
        assert_array_equal(next(data.batches(23)).x, X)


def test_a_name_with_a_comma_is_a_name(folder: Path) -> None:
    (folder / "x.npy").rename(folder / "a,b.npy")
    assert load_dataset(folder / "a,b.npy").images == 23


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("{0}/y.npy,{0}/y.npy,{0}/y.npy", "neither a file nor a folder here: write digits"),
        ("{0}/x.npy,{0}/none.npy", "neither a file nor a folder here: write digits"),
        ("{0}/x.npy,{0}/short.npy", "23 examples but 22 labels"),
        ("{0}/cut.npy", "cut.npy is damaged: its array has"),
        ("{0}/objects.npy", "its array as Python objects"),
        ("{0}/columns.npy", "Fortran order"),
    ],
)
def test_what_can_not_be_read(folder: Path, spec: str, part: str) -> None:
    np.save(folder / "short.npy", Y[:22])
    (folder / "cut.npy").write_bytes((folder / "x.npy").read_bytes()[:-1])
    np.save(folder / "objects.npy", np.array([{}] * 23, dtype=object))
    np.save(folder / "columns.npy", np.asfortranarray(X))
    with pytest.raises(DataError, match=part):
        load_dataset(spec.format(folder))


def test_fortran_order_as_the_refusal_advises(folder: Path) -> None:
    np.save(folder / "x.npy", np.asfortranarray(X))
    with pytest.raises(DataError, match=r"save it as numpy\.ascontiguousarray gives it"):
        load_dataset(folder)
    np.save(folder / "x.npy", np.ascontiguousarray(np.load(folder / "x.npy")))
    assert_array_equal(next(load_dataset(folder).batches(23)).x, X)


def test_keras_splits(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", x_train=X, y_train=Y, x_test=X[:9], y_test=Y[:9])
    test, train = (load_dataset(tmp_path / "mnist.npz", split=split) for split in ("test", "train"))
    assert (test.images, train.images, test.splits) == (9, 23, ("test", "train"))
    assert_array_equal(next(test.batches(9)).x, X[:9])
    assert_array_equal(train.labels, Y)
    with pytest.raises(DataError, match="no split 'val': write --split test or train"):
        load_dataset(tmp_path / "mnist.npz", split="val")
    for name in ("x_train", "y_train", "x_val"):
        np.save(tmp_path / f"{name}.npy", X if name[0] == "x" else Y)
    assert load_dataset(tmp_path, split="val").labels_are == "none"
    assert_array_equal(load_dataset(tmp_path, split="train").labels, Y)
    with pytest.raises(DataError, match="no split 'test': write --split train or val"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["y", "x"], {"test": ("x", "y")}),
        (["x", "other"], {"test": ("x", None)}),
        (["X_test", "y_test"], {"test": ("X_test", "y_test")}),
        (["X", "Y"], {"test": ("X", "Y")}),
        (["arr_0", "arr_1"], {"test": ("arr_0", "arr_1")}),
        (["image", "label"], {"test": ("image", "label")}),
        (["data", "target"], {"test": ("data", "target")}),
        (
            ["train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"],
            {split: (f"{split}_images", f"{split}_labels") for split in ("test", "train", "val")},
        ),
        (["x", "y", "x_test"], {"test": ("x", "y")}),
        (["y", "label"], {}),
        ([], {}),
    ],
)
def test_names(names: list[str], found: dict[str, tuple[str, str | None]]) -> None:
    assert find_pairs(names) == {split: Pair(*pair) for split, pair in found.items()}


def test_every_pair_is_found() -> None:
    for x, y in PAIRS:
        assert find_pairs([y, x]) == {"test": Pair(x, y)}
