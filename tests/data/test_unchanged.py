"""Data that are replaced or written to while they are in use are noticed before anything is computed from them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from bittrue.data import load_dataset
from bittrue.data.unchanged import Digests, data_file
from bittrue.errors import ChangedError, DataError

RANDOM = np.random.RandomState(9)
X = RANDOM.randint(0, 256, (20, 4, 4, 3)).astype(np.uint8)
Y = RANDOM.randint(0, 3, 20)


def npz(folder: Path, x: NDArray[np.uint8]) -> Path:
    np.savez(folder / "e.npz", x=x, y=Y)
    return folder / "e.npz"


def npy(folder: Path, x: NDArray[np.uint8]) -> Path:
    np.save(folder / "e.npy", x)
    return folder / "e.npy"


def pictures(folder: Path, x: NDArray[np.uint8]) -> Path:
    for number, pixels in enumerate(x):
        (folder / "e" / "ant").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "e" / "ant" / f"{number:02}.png")
    return folder / "e"


KINDS = {"npz": npz, "npy": npy, "class folders": pictures}
Make = Callable[[Path, NDArray[np.uint8]], Path]


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_other_examples_under_the_same_name(make: Make, tmp_path: Path) -> None:
    """Whatever was read before must be the same when it is read again, in a full pass and in part of one."""
    data = load_dataset(make(tmp_path, X))
    before = data.sha256
    make(tmp_path, X[::-1])
    for read in (lambda: next(data.batches(4, start=12)), lambda: list(data.skip(3).batches(20))):
        with pytest.raises(ChangedError, match="changed while it was in use"):
            read()
    assert data.sha256 == before
    assert load_dataset(make(tmp_path, X)).sha256 == before


@pytest.mark.parametrize("make", [npz, npy])
def test_a_file_is_replaced_before_the_first_pass(make: Make, tmp_path: Path) -> None:
    """Labels and header are those of the file that was opened; its examples must be, too."""
    path = make(tmp_path, X)
    data = load_dataset(path)
    shutil.copy2(path, tmp_path / "kept")
    make(tmp_path, X[::-1])
    times = (tmp_path / "kept").stat()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(path, tmp_path / "other")
    shutil.copy2(tmp_path / "other", path)  # a new file of the same size and time
    with pytest.raises(ChangedError, match="changed while it was in use: start again"):
        next(data.batches(4))


@pytest.mark.parametrize("make", [npz, npy])
def test_a_file_is_written_to_in_the_middle_of_a_pass(make: Make, tmp_path: Path) -> None:
    path = make(tmp_path, X)
    batches = load_dataset(path).batches(4)
    assert_array_equal(next(batches).x, X[:4])
    with path.open("r+b") as file:
        file.write(path.read_bytes())
    os.utime(path, ns=(1, 1))
    with pytest.raises(ChangedError, match="changed while it was in use"):
        next(batches)


def test_pixels_are_written_to_with_the_time_put_back(tmp_path: Path) -> None:
    """A canary of the digests: nothing that the system says of the file tells."""
    path = npy(tmp_path, X)
    data = load_dataset(path)
    state = path.stat()
    list(data.batches(7))
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(len(whole) - 1)
        file.write(bytes([whole[-1] ^ 1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert data_file(path) == data.source.x.file  # type: ignore[attr-defined]
    assert len(list(data.take(19).batches(19))) == 1
    with pytest.raises(ChangedError, match=r"e\.npy changed while it was in use: example 19 is another"):
        list(data.batches(20))


def test_masks_are_compared_too(tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", X[..., 0])
    data = load_dataset(f"{npy(tmp_path, X)},{tmp_path / 'y.npy'}")
    state = (tmp_path / "y.npy").stat()
    assert_array_equal(next(data.batches(20)).targets, X[..., 0])
    with (tmp_path / "y.npy").open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"\x77")
    os.utime(tmp_path / "y.npy", ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(ChangedError, match="the label of example 19 is another"):
        list(data.batches(20))


def test_the_right_file_again_is_another_file_until_it_is_loaded(tmp_path: Path) -> None:
    path = npz(tmp_path, X)
    shutil.copy(path, tmp_path / "copy")
    data = load_dataset(path)
    os.replace(tmp_path / "copy", path)
    with pytest.raises(ChangedError):
        list(data.batches(20))
    assert_array_equal(next(load_dataset(path).batches(20)).x, X)


def test_digests_tell_values_types_and_shapes_apart() -> None:
    examples = RANDOM.randint(0, 256, (5, 3, 8)).astype(np.uint8)
    digests = Digests(9)
    assert digests.first_other(2, examples) is None
    assert digests.first_other(0, np.zeros((2, 3, 8), np.uint8)) is None
    assert digests.first_other(2, examples) is None
    other = examples.copy()
    other[3, 2, 7] ^= 1
    assert digests.first_other(2, other) == 5
    assert digests.first_other(2, examples.astype(np.int8)) == 2
    assert digests.first_other(2, examples.reshape(5, 8, 3)) == 2
    assert digests.first_other(2, examples.view("<u4")) == 2


def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    for path in (tmp_path / "pipe.npz", Path("/dev/zero")):
        with pytest.raises(DataError, match="an ordinary file is wanted"):
            load_dataset(path)
        with pytest.raises(DataError, match="an ordinary file is wanted"):
            data_file(path)


@pytest.mark.parametrize("name", ["a/0.png", "a/1.png"])
def test_a_pipe_among_the_images(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    Image.fromarray(X[0]).save(tmp_path / "a/0.png")
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=r"\.png is a FIFO"):
        list(load_dataset(tmp_path).batches(4))


def test_a_pipe_in_the_place_of_a_batch(tmp_path: Path) -> None:
    for name in ("test_batch.bin", "cifar-10-batches-py/test_batch"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="is a FIFO"):
            load_dataset(f"cifar10:{tmp_path}")
        (tmp_path / name).unlink()
