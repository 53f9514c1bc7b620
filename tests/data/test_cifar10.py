"""CIFAR-10: both official forms and their archives, hostile pickles, and the download's check."""

import hashlib
import logging
import os
import pickle
import shutil
import tarfile
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from bittrue.data import Dataset, archive, load_dataset
from bittrue.data.pickles import load_plain_pickle
from bittrue.data.unchanged import data_file
from bittrue.errors import DataError

COUNTS = {"data_batch_1": 6, "data_batch_2": 5, "test_batch": 7}
RANDOM = np.random.RandomState(4)
BATCHES: dict[str, tuple[NDArray[np.uint8], list[int]]] = {
    name: (RANDOM.randint(0, 256, (count, 3072)).astype(np.uint8), [int(i) for i in RANDOM.randint(0, 10, count)])
    for name, count in COUNTS.items()
}


def write_binary(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, (pixels, labels) in BATCHES.items():
        records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return folder


def write_python(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, (pixels, labels) in BATCHES.items():
        content = {b"batch_label": b"one of 5", b"labels": labels, b"data": pixels, b"filenames": [b"a.png"]}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return folder


def write_archive(folder: Path, source: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / name, "w:gz") as members:
        members.add(source, arcname=source.name)
    return folder


def content(data: Dataset, batch_size: int = 4) -> tuple[list[NDArray[np.float32]], list[list[int]]]:
    batches = list(data.batches(batch_size))
    return [batch.x for batch in batches], [batch.y.tolist() for batch in batches if batch.y is not None]


@pytest.fixture(params=["binary", "binary below", "python", "python below", "binary archive", "python archive"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    kind: str = request.param
    write, official, packed = (
        (write_binary, "cifar-10-batches-bin", "cifar-10-binary.tar.gz")
        if kind.startswith("binary")
        else (write_python, "cifar-10-batches-py", "cifar-10-python.tar.gz")
    )
    source = write(tmp_path / "made" / official)
    if kind.endswith("below"):
        return source.parent
    return write_archive(tmp_path / "packed", source, packed) if kind.endswith("archive") else source


@pytest.mark.parametrize("split", ["test", "train"])
def test_every_form_gives_the_same_images(folder: Path, split: str) -> None:
    data = load_dataset(f"cifar10:{folder}", split=split)
    names = ["test_batch"] if split == "test" else ["data_batch_1", "data_batch_2"]
    pixels = np.concatenate([BATCHES[name][0] for name in names])
    expected = np.stack([row.reshape(3, 32, 32).transpose(1, 2, 0) for row in pixels]).astype(np.float32)
    got, labels = content(data)  # 4 does not divide 6: a batch crosses the files
    assert [len(x) for x in got] == ([4, 3] if split == "test" else [4, 4, 3])
    assert_array_equal(np.concatenate(got), expected)
    assert list(chain(*labels)) == list(chain(*(BATCHES[name][1] for name in names)))
    assert (data.name, data.shape, data.classes, data.splits) == ("cifar10", (32, 32, 3), 10, ("test", "train"))
    assert data.class_names is not None
    assert data.class_names[3] == "cat"


@pytest.mark.parametrize(("start", "images", "batch_size"), [(0, 11, 11), (1, 9, 2), (5, 1, 3), (6, 5, 5), (4, 4, 3)])
def test_any_part_across_files(tmp_path: Path, start: int, images: int, batch_size: int) -> None:
    data = load_dataset(f"cifar10:{write_binary(tmp_path / 'c')}", split="train")
    whole = next(data.batches(11)).x
    parts = list(data.batches(batch_size, start=start, images=images))
    assert [len(part.x) for part in parts[:-1]] == [batch_size] * (len(parts) - 1)
    assert_array_equal(np.concatenate([part.x for part in parts]), whole[start : start + images])


def test_forms_hash_alike(tmp_path: Path) -> None:
    binary = load_dataset(f"cifar10:{write_binary(tmp_path / 'b')}")
    python = load_dataset(f"cifar10:{write_python(tmp_path / 'p')}")
    assert binary.sha256 == python.sha256


def test_an_archive_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """280 MB of zeros in 1.2 MB, as a member that is wanted and as one that isn't."""
    for index, name in enumerate(("cifar-10-batches-bin/data_batch_1.bin", "elsewhere/zeros")):
        folder = tmp_path / str(index)
        folder.mkdir()
        with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as members:
            member = tarfile.TarInfo(name)
            member.size = 280_000_000
            members.addfile(member, Zeros(member.size))
        with pytest.raises(DataError, match="unpacks to more than 268,435,456 bytes"):
            load_dataset(f"cifar10:{folder}")
        assert [path.name for path in folder.iterdir()] == ["cifar-10-binary.tar.gz"]


class Zeros(BytesIO):
    """So many zeros, which take no memory."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def read(self, size: int | None = -1) -> bytes:
        count = self.left if size is None or size < 0 else min(size, self.left)
        self.left -= count
        return bytes(count)


def test_an_archive_is_unpacked_once_and_leaves_no_parts(tmp_path: Path) -> None:
    source = write_binary(tmp_path / "made" / "cifar-10-batches-bin")
    packed = write_archive(tmp_path / "packed", source, "cifar-10-binary.tar.gz")
    load_dataset(f"cifar10:{packed}")
    assert sorted(entry.name for entry in packed.iterdir()) == ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"]
    (packed / "cifar-10-binary.tar.gz").write_bytes(b"damaged since")
    assert load_dataset(f"cifar10:{packed}").images == 7


@pytest.mark.parametrize(
    "name",
    [
        "../escaped_batch",
        "../../cifar-10-batches-bin/../escaped_batch",
        "/escaped_batch",
        "cifar-10-batches-bin/..",
        "cifar-10-batches-bin/below/test_batch.bin",
        "elsewhere/test_batch.bin",
        "link",
    ],
)
def test_an_archive_reaches_nowhere_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "packed"
    folder.mkdir()
    member = tarfile.TarInfo(name)
    member.size = 3073
    if name == "link":
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as members:
        members.addfile(member, BytesIO(bytes(3073)))
    with pytest.raises(DataError, match="no batch files|can't be unpacked"):
        load_dataset(f"cifar10:{folder}")
    assert [entry.name for entry in folder.iterdir()] == ["cifar-10-binary.tar.gz"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["packed"]


@pytest.mark.parametrize("keep", [0, 20, 1000, -20, -8, -1])
def test_a_cut_archive(tmp_path: Path, keep: int) -> None:
    source = write_binary(tmp_path / "made" / "cifar-10-batches-bin")
    packed = write_archive(tmp_path / "packed", source, "cifar-10-binary.tar.gz")
    whole = (packed / "cifar-10-binary.tar.gz").read_bytes()
    (packed / "cifar-10-binary.tar.gz").write_bytes(whole[:keep])
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz can't be unpacked"):
        load_dataset(f"cifar10:{packed}")
    assert [entry.name for entry in packed.iterdir()] == ["cifar-10-binary.tar.gz"]


def test_an_archive_with_a_flipped_byte(tmp_path: Path) -> None:
    """Incompressible pixels lie in the archive as they are: only the CRC at its end tells."""
    source = write_binary(tmp_path / "made" / "cifar-10-batches-bin")
    packed = write_archive(tmp_path / "packed", source, "cifar-10-binary.tar.gz")
    whole = (packed / "cifar-10-binary.tar.gz").read_bytes()
    middle = len(whole) // 2
    (packed / "cifar-10-binary.tar.gz").write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz can't be unpacked .*CRC"):
        load_dataset(f"cifar10:{packed}")


def test_damaged_binary_batches(tmp_path: Path) -> None:
    folder = write_binary(tmp_path / "c")
    test = folder / "test_batch.bin"
    whole = test.read_bytes()
    for damaged in (b"", whole[:-1], whole + b"\0", whole[:3072]):
        test.write_bytes(damaged)
        with pytest.raises(DataError, match=r"test_batch\.bin is damaged or cut off"):
            load_dataset(f"cifar10:{folder}")
    test.write_bytes(whole[:3073] + b"\x0a" + whole[3074:])
    with pytest.raises(DataError, match="labels image 1 as class 10, outside its classes 0 to 9"):
        load_dataset(f"cifar10:{folder}")


def test_a_batch_that_shrinks_while_in_use(tmp_path: Path) -> None:
    folder = write_binary(tmp_path / "c")
    data = load_dataset(f"cifar10:{folder}")
    (folder / "test_batch.bin").write_bytes((folder / "test_batch.bin").read_bytes()[:3073])
    with pytest.raises(DataError, match="changed while it was in use"):
        list(data.batches(4))


def test_a_missing_split_and_a_folder_of_something_else(tmp_path: Path) -> None:
    folder = write_binary(tmp_path / "c")
    (folder / "test_batch.bin").unlink()
    with pytest.raises(DataError, match="no split 'test': write --split train"):
        load_dataset(f"cifar10:{folder}")
    with pytest.raises(DataError, match="no split 'validation'"):
        load_dataset(f"cifar10:{folder}", split="validation")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("")
    with pytest.raises(DataError, match="other holds no CIFAR-10"):
        load_dataset(f"cifar10:{tmp_path / 'other'}")
    with pytest.raises(DataError, match="holds no CIFAR-10"):
        load_dataset(f"cifar10:{tmp_path / 'other' / 'notes.txt'}")
    with pytest.raises(DataError, match="write cifar10:DIR"):
        load_dataset("cifar10")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("wrap", [lambda bomb: bomb, lambda bomb: {b"data": bomb, b"labels": []}, lambda bomb: [bomb]])
@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrap: object, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = pickle.dumps(wrap(Bomb()), protocol=protocol)  # type: ignore[operator]
    Path("test_batch").write_bytes(hostile)
    with pytest.raises(DataError, match="test_batch can't be read .*system, which is no plain array"):
        load_dataset(f"cifar10:{tmp_path}")
    assert not Path("exploded").exists()
    pickle.loads(hostile)  # canary: the bomb is live
    assert Path("exploded").exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins.eval",
        "os.system",
        "numpy.load",
        "numpy.core.multiarray.fromfile",
        "_codecs.lookup",
        "numpy.ndarray.dump",
    ],
)
def test_no_other_name_is_known(tmp_path: Path, name: str) -> None:
    module, _, function = name.rpartition(".")
    (tmp_path / "batch").write_bytes(f"c{module}\n{function}\n.".encode())
    with pytest.raises(DataError, match="which is no plain array"):
        load_plain_pickle(data_file(tmp_path / "batch"))


@pytest.mark.parametrize("text", [b"Pname\n.", b"F1\x1b[2Jx\n.", b"cos\x1b[2J\nsystem\n."])
def test_the_sentence_is_one_printable_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "batch").write_bytes(text)
    with pytest.raises(DataError) as caught:
        load_plain_pickle(data_file(tmp_path / "batch"))
    assert str(caught.value).isprintable()


def test_every_cut_of_a_python_batch_is_refused(tmp_path: Path) -> None:
    folder = write_python(tmp_path / "c")
    whole = (folder / "test_batch").read_bytes()
    for length in range(0, len(whole), 501):
        (folder / "test_batch").write_bytes(whole[:length])
        with pytest.raises(DataError, match="test_batch"):
            load_dataset(f"cifar10:{folder}")


class ArrayWithState:
    """Pickles as NumPy pickles an array, with any state."""

    def __init__(self, *state: object) -> None:
        self.state = state

    def __reduce__(self) -> tuple[object, ...]:
        reconstruct = PIXELS.__reduce__()[0]
        return reconstruct, (np.ndarray, (0,), b"b"), self.state


PIXELS, CLASSES = BATCHES["test_batch"]
UINT8 = np.dtype(np.uint8)


@pytest.mark.parametrize(
    ("batch", "part"),
    [
        ([1, 2], "holds no dictionary"),
        ({b"labels": CLASSES}, "'data' is no uint8 array"),
        ({b"data": [1, 2], b"labels": CLASSES}, "'data' is no uint8 array"),
        ({b"data": PIXELS.astype(np.int16), b"labels": CLASSES}, "'data' is no uint8 array"),
        ({b"data": np.array([None]), b"labels": CLASSES}, "'data' is no uint8 array"),
        ({b"data": PIXELS[:, 1:].copy(), b"labels": CLASSES}, "'data' is no uint8 array"),
        ({b"data": np.asfortranarray(PIXELS), b"labels": CLASSES}, "'data' is no uint8 array"),
        (
            {b"data": ArrayWithState(1, (7, 3072), UINT8, False, b"short"), b"labels": CLASSES},
            "'data' is no uint8 array",
        ),
        (
            {b"data": ArrayWithState(1, (-1, 3072), UINT8, False, b"short"), b"labels": CLASSES},
            "'data' is no uint8 array",
        ),
        ({b"data": ArrayWithState(1, "shape", UINT8), b"labels": CLASSES}, "'data' is no uint8 array"),
        ({b"data": PIXELS}, "no list of classes"),
        ({b"data": PIXELS, b"labels": [10] * 7}, "no list of classes"),
        ({b"data": PIXELS, b"labels": [0.0] * 7}, "no list of classes"),
        ({b"data": PIXELS, b"labels": CLASSES[1:]}, "7 images but 6 labels"),
    ],
)
def test_odd_python_batches(tmp_path: Path, batch: object, part: str) -> None:
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DataError, match=part):
        load_dataset(f"cifar10:{tmp_path}")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive in the place of the official one."""
    source = write_binary(tmp_path / "made" / "cifar-10-batches-bin")
    file = write_archive(tmp_path / "mirror", source, "cifar-10-binary.tar.gz") / "cifar-10-binary.tar.gz"
    content = file.read_bytes()
    served = archive.Download(file.as_uri(), file.name, len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(archive, "CIFAR10", served)
    return file


@pytest.mark.parametrize("exists", [False, True])
def test_download_into_a_missing_or_empty_folder(
    tmp_path: Path, mirror: Path, exists: bool, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "new" / "cifar"
    if exists:
        target.mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        data = load_dataset(f"cifar10:{target}")
    assert data.images == 7
    assert f"from {mirror.as_uri()}" in caplog.text
    assert sorted(entry.name for entry in target.iterdir()) == ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("longer", [False, True])
@pytest.mark.parametrize("exists", [False, True])
def test_a_changed_download_is_refused_and_leaves_nothing(
    tmp_path: Path, mirror: Path, exists: bool, longer: bool
) -> None:
    whole = mirror.read_bytes()
    mirror.write_bytes(whole + whole if longer else whole[:-1] + bytes([whole[-1] ^ 1]))
    target = tmp_path / "cifar"
    if exists:
        target.mkdir()
    with pytest.raises(DataError, match="is damaged .its sha256 is"):
        load_dataset(f"cifar10:{target}")
    assert target.exists() == exists
    assert not exists or not any(target.iterdir())


def test_an_endless_answer_is_cut_off(tmp_path: Path, mirror: Path) -> None:
    expected = mirror.stat().st_size
    with mirror.open("ab") as file:
        file.truncate(2**24)
    assert expected < sum(map(len, archive._received(tmp_path))) <= expected + 2**20


def test_offline_is_one_sentence(tmp_path: Path, mirror: Path) -> None:
    mirror.unlink()
    with pytest.raises(
        DataError, match="can't be downloaded from .*: get the file elsewhere and put it there"
    ) as caught:
        load_dataset(f"cifar10:{tmp_path / 'cifar'}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cifar").exists()


def real_batches() -> Path | None:
    """The real images, where the checkout lies beside the folder that can unpack them."""
    packed = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10_test.npz"
    return packed if packed.is_file() else None


@pytest.mark.skipif(real_batches() is None, reason="the real CIFAR-10 images are not beside this checkout (../shared)")
def test_real_images(tmp_path: Path) -> None:
    """A few real images in the binary layout: the same pixels come out, right side up."""
    from PIL import Image

    packed = real_batches()
    assert packed is not None
    with np.load(packed, allow_pickle=False) as arrays:
        jpeg, offsets, labels = arrays["jpeg"].tobytes(), arrays["offsets"], arrays["labels"]
    images = [np.asarray(Image.open(BytesIO(jpeg[offsets[i] : offsets[i + 1]])).convert("RGB")) for i in range(20)]
    records = b"".join(bytes([labels[i]]) + images[i].transpose(2, 0, 1).tobytes() for i in range(20))
    (tmp_path / "test_batch.bin").write_bytes(records)
    batch = next(load_dataset(f"cifar10:{tmp_path}").batches(20))
    assert_array_equal(batch.x, np.stack(images).astype(np.float32))
    assert_array_equal(batch.y, labels[:20])


def test_python_batches_may_be_written_by_either_numpy(tmp_path: Path) -> None:
    """The official files name numpy.core.multiarray; NumPy 2 writes numpy._core.multiarray."""
    folder = write_python(tmp_path / "c")
    written = (folder / "test_batch").read_bytes()
    assert b"numpy._core.multiarray" in written
    old = shutil.copy(folder / "test_batch", tmp_path / "old")
    Path(old).write_bytes(written.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    loaded = load_plain_pickle(data_file(Path(old)))
    assert isinstance(loaded, dict)
    assert_array_equal(loaded[b"data"], PIXELS)


def test_a_batch_that_python_3_wrote_again(tmp_path: Path) -> None:
    """Its keys are texts."""
    batch = {"data": PIXELS[:4], "labels": [0, 1, 2, 3]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=4))
    assert_array_equal(next(load_dataset(f"cifar10:{tmp_path}").batches(4)).y, range(4))
