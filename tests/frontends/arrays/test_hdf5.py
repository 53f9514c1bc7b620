"""HDF5 files as h5py writes them, and as it can't stand them: in a process of its own, within limits."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from bittrue.errors import ModelError
from bittrue.frontends.arrays import hdf5, hdf5_contents
from bittrue.frontends.arrays.hdf5 import group_at, open_hdf5, plain_array, text_attribute, text_list_attribute

TEXT = "{}" * 200
"""Texts of this length lie in a heap of their own."""


def write(path: Path, more: Callable[[h5py.File], None] = lambda file: None, **options: object) -> Path:
    with h5py.File(path, "w", **options) as file:
        file.attrs["config"] = TEXT
        group = file.create_group("layers/dense/vars")
        group.attrs["names"] = np.array([b"kernel", b"bias"])
        group["kernel"] = np.arange(12, dtype="f4").reshape(3, 4)
        more(file)
    return path


def value(path: Path, name: str) -> np.ndarray:
    with open_hdf5(path) as root:
        return plain_array("x.h5", root, name, "dense").read()


def test_groups_texts_and_arrays(tmp_path: Path) -> None:
    with open_hdf5(write(tmp_path / "x.h5")) as root:
        assert text_attribute(root, "config") == TEXT
        assert text_attribute(root, "nothing") is None
        group = group_at(root, "layers/dense/vars")
        assert group is not None
        assert list(group.members) == ["kernel"]
        assert text_list_attribute(group, "names") == ["kernel", "bias"]
        assert group_at(root, "layers/dense/vars/kernel") is group_at(root, "layers/other") is None
        found = plain_array("x.h5", group, "kernel", "dense").read()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.arange(12).reshape(3, 4))


STORED = {
    "big-endian": np.arange(5, dtype=">f8"),
    "half": np.arange(5, dtype="f2"),
    "scalar": np.float32(3),
    "none": np.zeros((0, 3), "f4"),
    "integers": np.arange(5, dtype="i2"),
}


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("userblock_size", [0, 512])
def test_arrays_where_they_lie_in_the_file(name: str, userblock_size: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file.update({"x": STORED[name]}), userblock_size=userblock_size)
    np.testing.assert_array_equal(value(path, "x"), STORED[name])
    assert value(path, "x").dtype == STORED[name].dtype


@pytest.mark.parametrize("layout", ["chunks", "compact"])
def test_arrays_that_lie_otherwise(layout: str, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).random((7, 5), np.float32)

    def more(file: h5py.File) -> None:
        if layout == "chunks":
            file.create_dataset("x", data=numbers, chunks=(2, 5))
            return
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.COMPACT)
        shape = h5py.h5s.create_simple(numbers.shape)
        found = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, shape, creation)
        found.write(h5py.h5s.ALL, h5py.h5s.ALL, numbers)

    np.testing.assert_array_equal(value(write(tmp_path / "x.h5", more), "x"), numbers)


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path: Path) -> None:
    def more(file: h5py.File) -> None:
        file["x"] = np.array([0x3F80, 0xC000], np.uint16).view("V2")
        file["x"].attrs["dtype"] = "bfloat16"

    np.testing.assert_array_equal(value(write(tmp_path / "x.h5", more), "x"), np.float32([1, -2]))


def test_a_group_that_holds_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file["layers"].__setitem__("again", file["layers"]))
    assert value(path, "layers/again/again/dense/vars/kernel").shape == (3, 4)


def looping(tmp_path: Path) -> Path:
    """A file over which HDF5 loops: the free space of its heap of texts says that it is 0 bytes long."""
    path = write(tmp_path / "x.h5")
    data = bytearray(path.read_bytes())
    heads = 2 * 16  # of the heap and of its first text
    start = data.index(b"GCOL") + heads + len(TEXT)
    data[start : start + 16] = bytes(16)
    path.write_bytes(data)
    return path


def test_a_file_over_which_hdf5_loops_is_refused(tmp_path: Path) -> None:
    path = looping(tmp_path)
    start = time.monotonic()
    with pytest.raises(ModelError, match="HDF5 broke off, or was stopped, while it was read"), open_hdf5(path):
        pass
    assert time.monotonic() - start < hdf5.SECONDS


def test_it_would_loop_without_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: the file does what it is here for, in a process whose time is short and not the processor's."""
    monkeypatch.setattr(hdf5, "SECONDS", 2)
    with pytest.raises(ModelError, match=r"HDF5 didn't read it in 2 s"), open_hdf5(looping(tmp_path)):
        pass


def test_what_is_no_hdf5_file(tmp_path: Path) -> None:
    for data in (b"", b"x" * 1000, write(tmp_path / "x.h5").read_bytes()[:700]):
        (tmp_path / "x.h5").write_bytes(data)
        with pytest.raises(ModelError, match=r"it is damaged or no HDF5 file \("), open_hdf5(tmp_path / "x.h5"):
            pass


def test_texts_that_point_to_one_text_too_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_contents, "MAXIMUM_TEXT", 500)
    path = write(tmp_path / "x.h5")
    with path.open("rb") as file:
        hdf5_contents.contents(file, path.stat().st_size)
        monkeypatch.setattr(hdf5_contents, "MAXIMUM_TEXT", 300)
        with pytest.raises(MemoryError):
            hdf5_contents.contents(file, path.stat().st_size)


def test_a_process_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "other.py"
    program.write_text("import nothing_of_that_name")
    monkeypatch.setattr(hdf5, "PROGRAM", program)
    with pytest.raises(ModelError, match=r"h5py could not be started to read it \(ModuleNotFoundError: .*\): "):
        value(write(tmp_path / "x.h5"), "x")


def test_the_process_takes_nothing_from_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "h5py.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    assert value(write(tmp_path / "x.h5"), "layers/dense/vars/kernel").shape == (3, 4)
