"""bittrue.dataset: the same examples, however a person holds them, give the same batches; and no order but one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

import bittrue
from analysis.networks import convolutional, random_images
from bittrue.data import Dataset
from bittrue.errors import ChangedError, DataError

RANDOM = np.random.RandomState(12)
X = RANDOM.randint(0, 256, (23, 4, 5, 3)).astype(np.uint8)
Y = RANDOM.randint(0, 6, 23)
Y[7] = 5
FIRST = np.ascontiguousarray(X.transpose(0, 3, 1, 2))  # channels first, as PyTorch has them
X_FIRST = torch.from_numpy(FIRST)


def tensorflow() -> Any:
    """TensorFlow, for the tests that hold something of it; the others do without."""
    return pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


class Items(TorchDataset[Any]):
    """Single examples by number, as torchvision gives them."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        return X_FIRST[index], int(Y[index])


class Pictures(Items):
    def __getitem__(self, index: int) -> Any:
        return Image.fromarray(X[index]), int(Y[index])


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(X_FIRST[i], int(Y[i])) for i in range(len(X))])


class KerasBatches(keras.utils.PyDataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return X[6 * index : 6 * index + 6], np.eye(6)[Y[6 * index : 6 * index + 6]]


class SizedIterable:
    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[Any]:
        return ({"image": X[i : i + 8], "label": Y[i : i + 8]} for i in range(0, 23, 8))


def table(columns: dict[str, Any], names: list[str]) -> Any:
    """Stands in for a data set of Hugging Face's, whose package the tests do without; its class has the same name."""

    class Table:
        def __init__(self) -> None:
            self.column_names = list(columns)
            self.features = {"label": SimpleNamespace(names=names)}

        def __len__(self) -> int:
            return len(columns["label"])

        def __getitem__(self, rows: slice) -> dict[str, Any]:
            return {name: column[rows] for name, column in columns.items()}

    Table.__module__, Table.__qualname__ = "datasets.arrow_dataset", "Dataset"
    return Table()


def splits_of_tables(**splits: Any) -> Any:
    class Splits(dict[str, Any]):
        pass

    Splits.__module__, Splits.__qualname__ = "datasets.dataset_dict", "DatasetDict"
    return Splits(splits)


NAMES = list("abcdef")
TABLE = {"img": [Image.fromarray(x) for x in X], "label": Y.tolist()}

HELD: dict[str, Callable[[], Any]] = {
    "pair": lambda: (X, Y),
    "one-hot": lambda: (X, np.eye(6)[Y]),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "mapping": lambda: {"x": X, "y": Y},
    "Keras's names": lambda: {"x_train": X[:3], "y_train": Y[:3], "x_test": X, "y_test": Y},
    "tensors": lambda: (X_FIRST, torch.from_numpy(Y)),
    "a tensor with a gradient": lambda: (X_FIRST.float().requires_grad_(), torch.from_numpy(Y)),
    "TensorFlow's tensors": lambda: (tensorflow().constant(X), tensorflow().constant(Y)),
    "TensorDataset": lambda: TensorDataset(X_FIRST, torch.from_numpy(Y)),
    "torch Dataset": Items,
    "pictures": Pictures,
    "torch IterableDataset": Stream,
    "DataLoader": lambda: DataLoader(Items(), batch_size=6),
    "DataLoader of a stream": lambda: DataLoader(Stream(), batch_size=5),
    "tf.data": lambda: tensorflow().data.Dataset.from_tensor_slices((X, Y)).batch(9),
    "tf.data, not batched": lambda: tensorflow().data.Dataset.from_tensor_slices((X, Y)),
    "tf.data of dictionaries": lambda: tensorflow().data.Dataset.from_tensor_slices({"image": X, "label": Y}).batch(4),
    "tf.data in one fixed order": lambda: (
        tensorflow().data.Dataset.from_tensor_slices((X, Y)).take(23).cache().batch(2)
    ),
    "PyDataset": KerasBatches,
    "list of batches": lambda: [(X[:8], Y[:8]), (X[8:20], Y[8:20]), (X[20:], Y[20:])],
    "list of dictionaries": lambda: [{"x": X[:8], "y": Y[:8]}, {"x": X[8:], "y": Y[8:]}],
    "sized iterable": SizedIterable,
    "Hugging Face": lambda: table(TABLE, NAMES),
    "Hugging Face, splits": lambda: splits_of_tables(train=None, test=table(TABLE, NAMES)),
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_the_same_batches(held: Callable[[], Any]) -> None:
    data = bittrue.dataset(held(), scale=1 / 255)
    assert isinstance(data, Dataset)
    assert (data.images, data.shape, data.classes, data.name) == (23, (4, 5, 3), 6, "the data")
    assert_array_equal(data.labels, Y)
    expected = X.astype(np.float32) / np.float32(255)
    for size in (1, 7, 23, 100):
        batches = list(data.batches(size))
        assert [batch.start for batch in batches] == list(range(0, 23, size))
        assert_array_equal(np.concatenate([batch.x for batch in batches]), expected)
        assert_array_equal(np.concatenate([batch.y for batch in batches if batch.y is not None]), Y)
    assert_array_equal(next(data.batches(7, start=9)).x, expected[9:16])
    assert_array_equal(next(data.skip(5).take(11).batches(20)).x, expected[5:16])


def test_arrays_hash_like_their_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X, y=Y)
    assert bittrue.dataset(X, Y).sha256 == bittrue.load_dataset(tmp_path / "x.npz").sha256
    assert bittrue.dataset(tmp_path / "x.npz").sha256 == bittrue.dataset((X, Y)).sha256
    np.savez(tmp_path / "first.npz", x=FIRST, y=Y)
    first = bittrue.load_dataset(tmp_path / "first.npz", layout="nchw").sha256
    for held in (bittrue.dataset(X_FIRST, Y), bittrue.dataset(FIRST, Y, layout="nchw"), bittrue.dataset(Items())):
        assert held.sha256 == first


def test_layouts() -> None:
    assert bittrue.dataset(FIRST).shape == (3, 4, 5)
    assert bittrue.dataset(FIRST, layout="nchw").shape == (4, 5, 3)
    assert bittrue.dataset(X_FIRST).shape == (4, 5, 3)
    assert bittrue.dataset(torch.from_numpy(X), layout="nhwc").shape == (4, 5, 3)
    assert bittrue.dataset(X_FIRST.flatten(1)).shape == (60,)
    with pytest.raises(DataError, match="channels come first, read them with --layout nchw"):
        bittrue.dataset(FIRST, shape=(4, 5, 3))
    with pytest.raises(DataError, match="channels come last, read them with --layout nhwc"):
        bittrue.dataset(torch.from_numpy(X), shape=(4, 5, 3))
    with pytest.raises(DataError, match="have no channels: leave the layout nchw out"):
        bittrue.dataset(X[0, 0], layout="nchw")


@pytest.mark.parametrize("sizes", [(7,), (7, 5), (2, 7, 5)])
def test_channels_first_of_any_number_of_axes(sizes: tuple[int, ...], tmp_path: Path) -> None:
    last = RANDOM.randint(0, 256, (9, *sizes, 3)).astype(np.uint8)
    first = np.ascontiguousarray(np.moveaxis(last, -1, 1))
    np.save(tmp_path / "x.npy", first)
    for held in (first, torch.from_numpy(first), [first[:4], first[4:]], tmp_path / "x.npy"):
        data = bittrue.dataset([(part,) for part in held] if isinstance(held, list) else held, layout="nchw")
        assert data.shape == (*sizes, 3)
        assert_array_equal(next(data.batches(9)).x, last)
    with pytest.raises(DataError, match="channels come first, read them with --layout nchw"):
        bittrue.dataset(first, shape=(*sizes, 3))


def test_the_order_of_an_array_in_memory_is_no_matter() -> None:
    assert bittrue.dataset(np.asfortranarray(X), Y).sha256 == bittrue.dataset(X, Y).sha256


def test_without_labels_and_with_targets() -> None:
    for held in (X, [(X[:9],), (X[9:],)], DataLoader(TensorDataset(X_FIRST))):
        assert bittrue.dataset(held).labels_are == "none"
    masks = X[..., 0]
    for held in ((X, masks), [(X[:9], masks[:9]), (X[9:], masks[9:])]):
        data = bittrue.dataset(held)
        assert (data.labels_are, data.target_shape) == ("targets", (4, 5))
        assert_array_equal(next(data.batches(23)).targets, masks)


def test_a_data_frame() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": [1.5, 2.5], "b": [3.0, 4.0], "label": [0, 1]})
    data = bittrue.dataset(frame[["a", "b"]], frame["label"])
    assert_array_equal(next(data.batches(2)).x, [[1.5, 3.0], [2.5, 4.0]])
    assert_array_equal(data.labels, [0, 1])


def test_names_of_classes_and_splits() -> None:
    data = bittrue.dataset(splits_of_tables(test=table(TABLE, [*NAMES, "g"]), train=None), name="letters")
    assert (data.name, data.class_names, data.classes) == ("letters", (*NAMES, "g"), 7)
    assert data.splits == ("test", "train")
    with pytest.raises(DataError, match="no split 'dev': write --split test or train"):
        bittrue.dataset(splits_of_tables(test=None, train=None), split="dev")
    assert bittrue.dataset({"x_train": X[:3], "x_test": X}, split="train").images == 3


def test_pictures_of_several_sizes() -> None:
    sizes = [Image.fromarray(X[0]), Image.fromarray(X[1]).resize((9, 7))]
    held = table({"image": sizes, "label": [0, 1]}, ["a", "b"])
    with pytest.raises(DataError, match=r"of shape \(7, 9, 3\) after one of \(4, 5, 3\)"):
        bittrue.dataset(held)
    data = bittrue.dataset(held, resize=(4, 5))
    assert_array_equal(next(data.batches(2)).x[0], X[0])
    assert next(data.batches(2)).x.shape == (2, 4, 5, 3)


def shuffled_tensorflow() -> Any:
    return tensorflow().data.Dataset.from_tensor_slices((X, Y)).shuffle(23, seed=1).batch(5)


SHUFFLED = {
    "DataLoader": lambda: DataLoader(Items(), batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(3)),
    "tf.data": shuffled_tensorflow,
    "random changes": lambda: DataLoader(RandomChanges(), batch_size=5),
}


class RandomChanges(Items):
    def __getitem__(self, index: int) -> Any:
        return X_FIRST[index] + torch.rand(3, 4, 5), int(Y[index])


@pytest.mark.parametrize("held", SHUFFLED.values(), ids=SHUFFLED)
@pytest.mark.parametrize("start", [0, 6])
def test_another_order_in_another_pass_is_refused(held: Callable[[], Any], start: int) -> None:
    """Labels are those of the first pass, so no example of another may be taken for it."""
    data = bittrue.dataset(held())
    with pytest.raises(ChangedError, match="another one than before. Make it without shuffling"):
        list(data.batches(8, start=start))


def test_arrays_that_are_written_to() -> None:
    x = X.copy()
    data = bittrue.dataset(x, Y)
    before = data.sha256
    assert_array_equal(next(data.batches(23)).x, X)
    x[17, 0, 0, 0] ^= 1
    with pytest.raises(ChangedError, match="example 17 is another one than before"):
        list(data.batches(5))
    x[17, 0, 0, 0] ^= 1
    assert len(list(data.batches(5))) == 5
    assert data.sha256 == before


def test_a_loader_that_ends_earlier() -> None:
    held = [(X[:8], Y[:8]), (X[8:], Y[8:])]
    data = bittrue.dataset(held)
    held.pop()
    with pytest.raises(ChangedError, match="ended after 8 examples, of 23 before"):
        list(data.batches(5))


class Endless:
    def __getitem__(self, index: int) -> Any:
        return X[:2], Y[:2]


@pytest.mark.parametrize(
    ("held", "part"),
    [
        (lambda: ((X, Y) for _ in range(3)), "is a generator, which is no array"),
        (
            lambda: tensorflow().data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat(),
            "repeats without end: leave .repeat",
        ),
        (Endless, "is a Endless, which"),
        (lambda: 7, "is a int, which"),
        (lambda: (X, Y, Y), "a tuple of 3: give a pair"),
        (lambda: [(X, Y, Y)], "gives 3 things at a time: give pairs"),
        (lambda: [((X, X), Y)], "gives 2 inputs, and bittrue feeds networks of one input, so join them"),
        (lambda: [({"left": X, "right": X}, Y)], "gives 2 inputs"),
        (lambda: {"left": X, "right": X, "y": Y}, "no examples under a known name, but left, right, y: call them x"),
        (lambda: [{"left": X, "y": Y}], "but left, y: rename a column to x"),
        (lambda: np.array(["a"]), "values of type <U1"),
        (lambda: np.array([None, 1]), "values of type object"),
        (lambda: [[1, 2], [3]], "which is no array of numbers"),
        (lambda: torch.zeros(2, 3, dtype=torch.bfloat16), "which is no array of numbers"),
        (lambda: np.float32(3), "single number"),
        (lambda: [(X[0, 0, 0, 0], Y[0])], "single numbers, not batches"),
        (lambda: [(X, Y[:9])], "23 examples with 9 labels"),
        (lambda: [(X, Y), (X,)], "some examples with labels and some without"),
        (lambda: [(X,), (X, Y)], "some examples with labels and some without"),
        (lambda: [(X, Y), (X, np.eye(6)[Y])], "labels of several shapes"),
        (lambda: [(X, Y), (X[:, :3], Y)], "after one of"),
        (lambda: (X, Y[:9]), "23 examples but 9 labels"),
        (lambda: X[:0], "holds no examples"),
        (list, "holds no examples"),
        (lambda: DataLoader(TensorDataset(X_FIRST[:0], X_FIRST[:0])), "holds no examples"),
    ],
)
def test_what_can_not_be_read(held: Callable[[], Any], part: str) -> None:
    with pytest.raises(DataError, match=part) as caught:
        bittrue.dataset(held())
    assert len(str(caught.value).split()) <= 40


def test_what_can_be_read_only_once() -> None:
    class Once(SizedIterable):
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            raise StopIteration

    with pytest.raises(DataError, match=r"read only once: give a list of its batches, list\(…\)"):
        bittrue.dataset(Once())
    assert bittrue.dataset(list(SizedIterable())).images == 23  # the remedy


def test_a_dataset_is_prepared_already(tmp_path: Path) -> None:
    data = bittrue.dataset(X[..., 0], Y)
    assert bittrue.dataset(data) is data
    assert bittrue.dataset(data, shape=(4, 5)) is data
    assert bittrue.dataset(data, shape=(4, 5, 1)).shape == (4, 5, 1)
    with pytest.raises(DataError, match="the network wants 7×7×1"):
        bittrue.dataset(data, shape=(7, 7, 1))
    with pytest.raises(DataError, match="a Dataset already"):
        bittrue.dataset(data, scale=2)
    with pytest.raises(DataError, match="labels of .* must be in it too"):
        bittrue.dataset(tmp_path / "x.npy", Y)


def test_every_function_takes_what_people_hold(tmp_path: Path) -> None:
    """Each gives what it gives for the file of the same examples."""
    network, file = convolutional(), random_images(tmp_path)
    (batch,) = file.batches(file.images)
    assert batch.y is not None
    plan = bittrue.study_plan(network, 4)
    rows = [bittrue.SweepRow("F=4", plan)]
    arrays = (batch.x, batch.y)
    loader = DataLoader(
        TensorDataset(torch.from_numpy(batch.x.transpose(0, 3, 1, 2)), torch.from_numpy(batch.y)), batch_size=7
    )
    expected = bittrue.simulate(network, plan, file)
    for held in (arrays, loader, Path(file.source.where), file.source.where):
        assert bittrue.simulate(network, plan, held).correct == expected.correct
        assert bittrue.sweep(network, held, rows).rows[1].correct == expected.correct
    assert bittrue.verify(network, plan, arrays, images=1).mismatches == 0
    assert bittrue.measure_ranges(network, arrays).sites == bittrue.measure_ranges(network, file).sites
    calibration, rest = bittrue.calibration_images(arrays, 10)
    assert (calibration.images, rest.images) == (10, file.images - 10)
    assert bittrue.trace(network, plan, arrays, images=4).images == 4
    assert bittrue.accumulator_widths(network, plan, arrays) is not None
