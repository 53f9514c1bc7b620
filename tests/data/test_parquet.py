"""Parquet files as pyarrow and Hugging Face's datasets write them: the same examples as an archive's, streamed."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from bittrue.data import load_dataset
from bittrue.errors import ChangedError, DataError

RANDOM = np.random.RandomState(14)
X = RANDOM.randint(0, 256, (150, 4, 5, 3)).astype(np.uint8)
Y = RANDOM.randint(0, 6, 150)
FIRST = np.ascontiguousarray(X.transpose(0, 3, 1, 2))  # channels first


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def write(path: Path, group: int = 40, **columns: Any) -> Path:
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table, path, row_group_size=group)
    return path


def hugging_face(path: Path, x: NDArray[np.uint8], y: NDArray[np.int64]) -> Path:
    """As datasets' `to_parquet` writes an Image and a ClassLabel."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog"]
    note = {"info": {"features": {"img": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}}}
    images = [{"bytes": encoded(pixels), "path": None} for pixels in x]
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    table = pyarrow.table({"img": pyarrow.array(images, kind), "label": y})
    schema = table.schema.with_metadata({"huggingface": json.dumps(note)})
    pyarrow.parquet.write_table(table.cast(schema), path, row_group_size=40)
    return path


def flat() -> Any:
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(X.reshape(-1)), 60)


def nested() -> Any:
    return pyarrow.array(X.tolist(), pyarrow.list_(pyarrow.list_(pyarrow.list_(pyarrow.uint8()))))


COLUMNS = {
    "bytes": lambda: pyarrow.array([encoded(pixels) for pixels in X]),
    "large bytes": lambda: pyarrow.array([encoded(pixels) for pixels in X], pyarrow.large_binary()),
    "nested lists": nested,
    "tensors": lambda: pyarrow.FixedShapeTensorArray.from_numpy_ndarray(X),
}


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("group", [7, 1000])
def test_the_same_examples_as_an_archive(make: Any, group: int, tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "e.parquet", group, x=make(), y=Y), shape=(4, 5, 3))
    np.savez(tmp_path / "e.npz", x=X, y=Y)
    assert data.sha256 == load_dataset(tmp_path / "e.npz").sha256
    assert (data.name, data.images, data.splits, data.classes) == ("e.parquet", 150, ("test",), 6)
    assert_array_equal(data.labels, Y)
    for size in (1, 33, 64, 150):
        batches = list(data.batches(size, start=5, images=141))
        assert_array_equal(np.concatenate([batch.x for batch in batches]), X[5:146])
        assert {len(batch.x) for batch in batches[:-1]} <= {size}


def test_as_hugging_face_writes_them(tmp_path: Path) -> None:
    data = load_dataset(hugging_face(tmp_path / "e.parquet", X, Y))
    assert_array_equal(next(data.batches(150)).x, X)
    assert_array_equal(data.labels, Y)
    assert (data.classes, data.class_names[:2] if data.class_names else ()) == (7, ("airplane", "automobile"))


def test_vectors_and_targets(tmp_path: Path) -> None:
    masks = RANDOM.random_sample((150, 2, 3))
    data = load_dataset(write(tmp_path / "e.parquet", features=flat(), label=masks.tolist()))
    assert (data.shape, data.labels_are, data.target_shape) == ((60,), "targets", (2, 3))
    batch = next(data.batches(70, start=50))
    assert_array_equal(batch.x, X[50:120].reshape(70, 60))
    assert_array_equal(batch.targets, masks[50:120])
    one_hot = load_dataset(write(tmp_path / "o.parquet", x=flat(), y=np.eye(6)[Y].tolist()))
    assert_array_equal(one_hot.labels, Y)
    assert load_dataset(write(tmp_path / "n.parquet", x=flat())).labels_are == "none"


def test_channels_first(tmp_path: Path) -> None:
    path = write(tmp_path / "e.parquet", x=pyarrow.FixedShapeTensorArray.from_numpy_ndarray(FIRST), y=Y)
    assert_array_equal(next(load_dataset(path, layout="nchw").batches(150)).x, X)


def test_a_folder_has_splits_and_its_files_an_order(tmp_path: Path) -> None:
    hugging_face(tmp_path / "test-00001-of-00002.parquet", X[60:], Y[60:])
    hugging_face(tmp_path / "test-00000-of-00002.parquet", X[:60], Y[:60])
    hugging_face(tmp_path / "train-00000-of-00001.parquet", X[::-1], Y[::-1])
    data = load_dataset(tmp_path)
    assert (data.images, data.splits, data.name) == (150, ("test", "train"), tmp_path.name)
    assert_array_equal(np.concatenate([batch.x for batch in data.batches(64)]), X)
    assert_array_equal(next(data.batches(4, start=58)).x, X[58:62])
    assert_array_equal(load_dataset(tmp_path, split="train").labels, Y[::-1])
    with pytest.raises(DataError, match="no split 'val': write --split test or train"):
        load_dataset(tmp_path, split="val")


def test_images_of_several_sizes_are_resized(tmp_path: Path) -> None:
    images = [encoded(X[0]), encoded(X[1][:3])]
    path = write(tmp_path / "e.parquet", image=pyarrow.array(images), label=[0, 1])
    assert next(load_dataset(path, resize=(4, 5)).batches(2)).x.shape == (2, 4, 5, 3)
    with pytest.raises(DataError, match=r"Image 1 of .*e\.parquet has the shape \(3, 5, 3\).*--resize HxW"):
        list(load_dataset(path).batches(2))


def test_a_file_that_is_replaced_is_noticed(tmp_path: Path) -> None:
    data = load_dataset(hugging_face(tmp_path / "e.parquet", X, Y))
    batches = data.batches(10)
    next(batches)
    hugging_face(tmp_path / "other", X[::-1], Y)
    os.replace(tmp_path / "other", tmp_path / "e.parquet")
    with pytest.raises(ChangedError, match=r"e\.parquet changed while it was in use: start again"):
        next(data.batches(10))


CASES: dict[str, tuple[Any, str]] = {
    "no such column": (lambda: {"a": flat()}, "no examples under a known name, but a: rename a column to x"),
    "a name": (lambda: {"x": flat(), "y": ["cat"] * 150}, "column y, is of type string: give integers"),
    "a gap": (
        lambda: {"x": flat(), "y": [None, *Y[1:].tolist()]},
        "column y, has rows without a value: leave them out",
    ),
    "no lists": (lambda: {"x": pyarrow.array([[1, 2]] * 149 + [[1]])}, "holds lists of several lengths"),
    "other lists": (lambda: {"x": pyarrow.array([[1, 2]] * 64 + [[1]] * 86)}, "of shape (1,) after one of (2,)"),
    "a list that is missing": (lambda: {"x": pyarrow.array([[1, 2]] * 149 + [None])}, "has rows without a value"),
    "a path": (
        lambda: {"image": pyarrow.array([{"bytes": None, "path": "a.png"}] * 150)},
        "no bytes, only the path of a file: embed the images",
    ),
    "no image": (lambda: {"image": pyarrow.array([b"abc"] * 150)}, "image 0 of"),
    "dates": (lambda: {"x": pyarrow.array([[1]] * 150, pyarrow.list_(pyarrow.date32()))}, "is of type date32"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence(case: str, tmp_path: Path) -> None:
    make, part = CASES[case]
    path = write(tmp_path / "e.parquet", **make())
    with pytest.raises(DataError) as caught:
        list(load_dataset(path).batches(150))
    assert part in str(caught.value)
    assert "e.parquet" in str(caught.value)


def test_other_refusals(tmp_path: Path) -> None:
    path = hugging_face(tmp_path / "e.parquet", X, Y)
    with pytest.raises(DataError, match="images, whose channels come last: leave --layout out"):
        load_dataset(path, layout="nchw")
    with pytest.raises(DataError, match="no split 'train'"):
        load_dataset(path, split="train")
    with pytest.raises(DataError, match="holds no examples"):
        load_dataset(write(tmp_path / "n.parquet", x=pyarrow.array([], pyarrow.list_(pyarrow.uint8()))))
    write(tmp_path / "z.parquet", x=flat())
    with pytest.raises(DataError, match=r"z\.parquet has other columns than .*e\.parquet: keep them apart"):
        (tmp_path / "n.parquet").unlink()
        load_dataset(tmp_path)
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"cut\.parquet can't be read as a Parquet file .*: it is damaged"):
        load_dataset(tmp_path / "cut.parquet")


def test_a_flipped_bit_where_pages_have_checksums(tmp_path: Path) -> None:
    """Without them, as most files are, only the formats inside can tell."""
    path = tmp_path / "e.parquet"
    plain = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pyarrow.parquet.write_table(pyarrow.table({"x": flat()}), path, **plain)
    whole = path.read_bytes()
    place = whole.index(X[70].astype("<i4").tobytes())
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(DataError, match=r"e\.parquet can't be read as a Parquet file .*CRC"):
        list(load_dataset(path).batches(150))


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "e.parquet", x=flat())
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"not installed: run `pip install 'bittrue\[parquet\]'`"):
        load_dataset(path)
