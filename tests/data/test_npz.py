"""`.npz` files: streamed rows, labels in every usual form, and no pickle."""

import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from bittrue.data import load_dataset
from bittrue.errors import DataError

RANDOM = np.random.RandomState(3)
IMAGES = RANDOM.randint(0, 256, (23, 4, 5, 3)).astype(np.uint8)
LABELS = RANDOM.randint(0, 6, 23)
LABELS[7] = 5


def save(path: Path, **arrays: object) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def stacked(spec: str, batch_size: int = 8, **options: object) -> NDArray[np.float32]:
    return np.concatenate([batch.x for batch in load_dataset(spec, **options).batches(batch_size)])  # type: ignore[arg-type]


@pytest.mark.parametrize("save_array", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("batch_size", [1, 7, 23, 100])
def test_values_and_labels(tmp_path: Path, save_array: object, batch_size: int) -> None:
    save_array(tmp_path / "x.npz", x=IMAGES, y=LABELS)  # type: ignore[operator]
    data = load_dataset(str(tmp_path / "x.npz"))
    batches = list(data.batches(batch_size))
    assert [batch.start for batch in batches] == list(range(0, 23, batch_size))
    assert_array_equal(np.concatenate([batch.x for batch in batches]), IMAGES.astype(np.float32))
    assert_array_equal(np.concatenate([batch.y for batch in batches if batch.y is not None]), LABELS)
    assert (data.name, data.images, data.shape, data.classes, data.splits) == ("x.npz", 23, (4, 5, 3), 6, ("test",))


@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "i8", "<f2", ">f4", "f8"])
def test_types_become_float32(tmp_path: Path, dtype: str) -> None:
    x = (RANDOM.random_sample((5, 3)) * 100).astype(dtype)
    assert_array_equal(stacked(save(tmp_path / "x.npz", x=x)), x.astype(np.float32))


def test_channels_first(tmp_path: Path) -> None:
    spec = save(tmp_path / "x.npz", x=np.ascontiguousarray(IMAGES.transpose(0, 3, 1, 2)))
    assert load_dataset(spec, layout="nchw").shape == (4, 5, 3)
    assert_array_equal(stacked(spec, layout="nchw"), IMAGES.astype(np.float32))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("start", "images"), [(0, 5), (9, 6), (22, 1), (3, 20)])
def test_parts(tmp_path: Path, compressed: bool, start: int, images: int) -> None:
    (np.savez_compressed if compressed else np.savez)(tmp_path / "x.npz", x=IMAGES, y=LABELS)
    data = load_dataset(str(tmp_path / "x.npz"))
    got = list(data.batches(4, start=start, images=images))
    assert_array_equal(np.concatenate([batch.x for batch in got]), IMAGES[start : start + images])
    assert got[0].start == start


@pytest.mark.parametrize(
    "y",
    [
        LABELS.astype(np.uint8),
        LABELS[:, None],
        LABELS.astype(np.float32),
        np.eye(6)[LABELS],
        np.eye(6, dtype=bool)[LABELS],
        np.eye(6, dtype=np.int32)[LABELS],
    ],
    ids=["uint8", "column", "float", "one-hot float", "one-hot bool", "one-hot int"],
)
def test_label_forms(tmp_path: Path, y: NDArray[np.generic]) -> None:
    data = load_dataset(save(tmp_path / "x.npz", x=IMAGES, y=y))
    assert data.labels is not None
    assert data.labels.dtype == np.int64
    assert_array_equal(data.labels, LABELS)
    assert data.classes == 6


def test_one_hot_tells_classes_that_do_not_occur(tmp_path: Path) -> None:
    assert load_dataset(save(tmp_path / "x.npz", x=IMAGES, y=np.eye(9)[LABELS])).classes == 9


def test_without_labels(tmp_path: Path) -> None:
    data = load_dataset(save(tmp_path / "x.npz", x=IMAGES))
    assert (data.labels, data.classes) == (None, None)
    assert all(batch.y is None for batch in data.batches(10))
    with pytest.raises(DataError, match="has no labels"):
        data.check_classes(10)


@pytest.mark.parametrize("save_array", [np.savez, np.savez_compressed])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, save_array: object) -> None:
    """32 MB of rows pass through in well under 4 MB."""
    x = np.zeros((8000, 1024), np.float32)
    save_array(tmp_path / "x.npz", x=x, y=np.zeros(8000, np.int64))  # type: ignore[operator]
    del x
    tracemalloc.start()
    try:
        data = load_dataset(str(tmp_path / "x.npz"))
        assert sum(len(batch.x) for batch in data.batches(64)) == 8000
        assert data.sha256.startswith("sha256:")
        assert next(data.batches(64, start=7000)).start == 7000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = np.array([Bomb()] * 23, dtype=object)
    spec = save(tmp_path / "hostile.npz", **({"x": IMAGES} | {name: hostile}))
    with pytest.raises(DataError, match=rf"hostile\.npz holds {name} as Python objects"):
        load_dataset(spec)
    assert not (tmp_path / "exploded").exists()
    with zipfile.ZipFile(spec) as archive:  # canary: the bomb is live
        content = archive.read(f"{name}.npy")
    pickle.loads(content[content.index(b"\n") + 1 :])
    assert (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"pictures": IMAGES}, "no examples under a known name, but pictures: save it as numpy.savez"),
        ({}, "but nothing: save it as"),
        ({f"array{number}": LABELS for number in range(1000)}, "array0, array1, .{50,70}…: save it as"),
        ({"x": IMAGES, "y": LABELS[:-1]}, "23 examples but 22 labels"),
        ({"x": IMAGES[:0]}, "holds no examples"),
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "holds no examples"),
        ({"x": IMAGES[:, :0]}, "holds no examples"),
        ({"x": np.float32(1)}, "must count the examples"),
        ({"x": IMAGES * 1j}, "real floating-point numbers"),
        ({"x": np.array(["a"])}, "real floating-point numbers"),
        ({"x": np.zeros(3, [("a", "f4")])}, "real floating-point numbers"),
        ({"x": np.zeros((4, 3)).T}, "Fortran order"),
        ({"x": IMAGES, "y": np.ones((23, 0))}, "which are none: leave them out"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, object], part: str) -> None:
    spec = save(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=part) as caught:
        load_dataset(spec)
    assert "bad.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("resize", [None, (1, 1)])
def test_no_value_that_is_not_finite_gets_in(tmp_path: Path, value: float, resize: tuple[int, int] | None) -> None:
    """A resize to 1×1 reads only the middle of the image; the corner is looked at all the same."""
    x = IMAGES.astype(np.float32)
    x[17, 0, 0, 1] = value
    data = load_dataset(save(tmp_path / "x.npz", x=x), resize=resize)
    for batch_size in (1, 5, 23):
        with pytest.raises(DataError, match=rf"Image 17 of .*x\.npz holds {value} at \(0, 0, 1\)"):
            list(data.batches(batch_size))
    with pytest.raises(DataError, match="Image 17 of"):
        list(data.skip(10).batches(4))
    assert len(list(data.take(17).batches(17))) == 1


def test_a_value_beyond_float32_does_not_get_in(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Image 1 of .* becomes, .* inf"):
        stacked(save(tmp_path / "x.npz", x=np.array([[1.0], [1e300]])))
    with pytest.raises(DataError, match="Image 0 of .* becomes, .* inf"):
        stacked(save(tmp_path / "x.npz", x=np.array([[1e38]], np.float32)), std=(1e-5,))


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    whole = Path(save(tmp_path / "x.npz", x=IMAGES, y=LABELS)).read_bytes()
    cut = tmp_path / "cut.npz"
    for length in range(0, len(whole), 61):
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.npz can't be read"):
            stacked(str(cut))


@pytest.mark.parametrize("compressed", [False, True])
def test_flipped_bytes_are_noticed_in_a_full_pass(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "x.npz"
    (np.savez_compressed if compressed else np.savez)(path, x=IMAGES)
    whole = path.read_bytes()
    for place in range(200, len(whole) - 150, 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"x\.npz"):
            stacked(str(path))


def test_a_header_that_lies_about_the_shape(tmp_path: Path) -> None:
    whole = Path(save(tmp_path / "x.npz", x=IMAGES))
    with zipfile.ZipFile(whole) as archive:
        content = archive.read("x.npy")
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("x.npy", content.replace(b"(23, 4", b"(99, 4"))
    with pytest.raises(DataError, match="damaged: x has 1,380 bytes where its shape .* asks for 5,940"):
        load_dataset(str(whole))


def test_no_npz_at_all(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match=r"text\.npz can't be read as an \.npz file"):
        load_dataset(str(tmp_path / "text.npz"))
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("x.npy", b"not an array")
    with pytest.raises(DataError, match=r"odd\.npz can't be read as an \.npz file"):
        load_dataset(str(tmp_path / "odd.npz"))
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as archive:
        archive.writestr("x", b"no suffix")
    with pytest.raises(DataError, match="but nothing: save it as"):
        load_dataset(str(tmp_path / "odd.npz"))


def test_a_row_of_labels_that_fills_the_memory(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1, 2)), y=np.zeros((1, 2**24 + 1), bool))
    with pytest.raises(DataError, match="more classes than any network has"):
        load_dataset(str(tmp_path / "bomb.npz"))


def test_an_archive_that_unpacks_to_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by what the archive declares, before anything is unpacked; saved unpacked it is read."""
    x = np.zeros((100, 1000), np.uint8)
    np.savez_compressed(tmp_path / "bomb.npz", x=x, y=x[:, 0])
    assert load_dataset(tmp_path / "bomb.npz").images == 100
    monkeypatch.setattr("bittrue.data.arrays.BOMB_BYTES", 50_000)
    with pytest.raises(DataError, match=r"bomb\.npz holds x packed to a \d+th of its 100,128 bytes.*numpy\.savez"):
        load_dataset(tmp_path / "bomb.npz")
    assert load_dataset(save(tmp_path / "unpacked.npz", x=x)).images == 100
