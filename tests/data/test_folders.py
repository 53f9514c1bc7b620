"""Class folders: interleaved classes, and an error that names the bad image."""

import io
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from bittrue.data import load_dataset
from bittrue.data.resize import resize_bilinear
from bittrue.errors import DataError

RANDOM = np.random.RandomState(5)


def picture(path: Path, size: tuple[int, int] = (4, 6), mode: str = "RGB") -> NDArray[np.uint8]:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    pixels = RANDOM.randint(0, 256, (*size, channels)).astype(np.uint8)
    if mode == "RGBA":
        pixels[..., 3] = 255
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels).save(path)
    return pixels


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for name, count in (("cat", 2), ("ant", 5), ("bee", 3)):
        for i in range(count):
            picture(tmp_path / "animals" / name / f"{i}.png")
    return tmp_path / "animals"


def test_classes_are_interleaved(animals: Path) -> None:
    data = load_dataset(str(animals))
    assert data.class_names == ("ant", "bee", "cat")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 0, 0]
    assert (data.name, data.images, data.shape, data.classes, data.splits) == ("animals", 10, (4, 6, 3), 3, ("test",))
    order = ["ant/0", "bee/0", "cat/0", "ant/1", "bee/1", "cat/1", "ant/2", "bee/2", "ant/3", "ant/4"]
    expected = np.stack([np.asarray(Image.open(animals / f"{name}.png")) for name in order]).astype(np.float32)
    for batch_size in (1, 3, 10):
        assert_array_equal(np.concatenate([batch.x for batch in data.batches(batch_size)]), expected)
    sizes = [len(batch.x) for batch in data.batches(4, start=1)]
    assert sizes == [4, 4, 1]


def test_order_does_not_depend_on_the_file_system(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_dataset(str(animals)).sha256
    in_order = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(in_order(self), reverse=True)))
    assert load_dataset(str(animals)).sha256 == expected


def test_splits(tmp_path: Path) -> None:
    for split, count in (("test", 2), ("train", 3)):
        for i in range(count):
            picture(tmp_path / split / "ant" / f"{i}.png")
    data = load_dataset(str(tmp_path), split="train")
    assert (data.images, data.splits, data.class_names) == (3, ("test", "train"), ("ant",))
    assert load_dataset(str(tmp_path)).images == 2
    with pytest.raises(DataError, match="no split 'dev': write --split test or train"):
        load_dataset(str(tmp_path), split="dev")
    with pytest.raises(DataError, match="no split 'train': write --split test"):
        load_dataset(str(tmp_path / "test"), split="train")


def test_sizes_may_differ_before_a_resize(tmp_path: Path) -> None:
    small, large = picture(tmp_path / "a" / "0.png", (4, 6)), picture(tmp_path / "a" / "1.png", (9, 5))
    with pytest.raises(DataError, match=r"1\.png has the shape \(9, 5, 3\) but the first image \(4, 6, 3\).*--resize"):
        list(load_dataset(str(tmp_path)).batches(2))
    data = load_dataset(str(tmp_path), resize=(3, 3))
    expected = [resize_bilinear(image[None].astype(np.float32), 3, 3)[0] for image in (small, large)]
    assert_array_equal(next(data.batches(2)).x, np.stack(expected))


def test_the_hash_tells_sizes_apart(tmp_path: Path) -> None:
    """The same bytes in another height and width are another image."""
    hashes = set()
    for size in ((4, 6), (6, 4), (3, 8)):
        picture(tmp_path / "a" / "0.png", (2, 2)).fill(0)
        Image.fromarray(np.full((*size, 3), 7, np.uint8)).save(tmp_path / "a" / "1.png")
        Image.fromarray(np.full((2, 2, 3), 7, np.uint8)).save(tmp_path / "a" / "0.png")
        hashes.add(load_dataset(str(tmp_path), resize=(2, 2)).sha256)
    assert len(hashes) == 3


def test_modes(tmp_path: Path) -> None:
    grey = picture(tmp_path / "grey" / "a" / "0.png", mode="L")
    assert_array_equal(next(load_dataset(str(tmp_path / "grey")).batches(1)).x[0], grey.astype(np.float32))
    colour = picture(tmp_path / "mixed" / "a" / "0.png")
    with_alpha = picture(tmp_path / "mixed" / "a" / "1.png", mode="RGBA")
    grey = picture(tmp_path / "mixed" / "a" / "2.png", mode="L")
    expected = np.stack([colour, with_alpha[..., :3], grey.repeat(3, axis=2)]).astype(np.float32)
    assert_array_equal(next(load_dataset(str(tmp_path / "mixed")).batches(3)).x, expected)


def test_a_colour_image_among_grey_ones(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "0.png", mode="L")
    picture(tmp_path / "a" / "1.png")
    with pytest.raises(DataError, match=r"1\.png is a colour image but the first image is grey"):
        list(load_dataset(str(tmp_path)).batches(2))


def tiff_at_a_fraction() -> bytes:
    """A TIFF whose pixels begin at a fraction of a byte (type 5 for the tag StripOffsets), a TypeError for Pillow."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(stream, "TIFF")
    return stream.getvalue().replace(struct.pack("<HH", 273, 4), struct.pack("<HH", 273, 5))


def test_images_that_are_refused_by_name(animals: Path) -> None:
    bad = animals / "bee" / "1.png"
    whole = bad.read_bytes()

    def refused(part: str) -> None:
        with pytest.raises(DataError, match=rf"bee/1\.png {part}"):
            list(load_dataset(str(animals)).batches(4))

    for damaged in (b"", b"no image", whole[:60], whole[:-30], tiff_at_a_fraction()):
        bad.write_bytes(damaged)
        refused("can't be read as an image")
    bad.write_bytes(b"no image")
    refused(r"can't be read as an image \(its format isn't known\): replace or remove it\.$")
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(bad)
    refused("has Pillow's mode I;16")
    Image.fromarray(np.full((4, 6, 4), 128, np.uint8)).save(bad)
    refused("has transparent pixels")


def test_other_files_are_passed_over(animals: Path) -> None:
    expected = load_dataset(str(animals)).sha256
    (animals / "readme.txt").write_text("")
    (animals / ".cache").mkdir()
    (animals / "ant" / "notes.txt").write_text("")
    (animals / "ant" / "._0.png").write_text("")
    assert load_dataset(str(animals)).sha256 == expected


def test_folders_without_images(tmp_path: Path, animals: Path) -> None:
    with pytest.raises(DataError, match="holds no class folders"):
        load_dataset(str(animals / "ant"))
    (animals / "yak").mkdir()
    with pytest.raises(DataError, match="class folder .*yak holds no image"):
        load_dataset(str(animals))


def test_the_first_images_are_balanced(tmp_path: Path) -> None:
    for name in "abcd":
        for i in range(3):
            picture(tmp_path / name / f"{i}.png", (1, 1))
    labels = load_dataset(str(tmp_path)).labels
    assert labels is not None
    for images in range(1, 13):
        counts = np.bincount(labels[:images], minlength=4)
        assert all(abs(int(a) - int(b)) <= 1 for a, b in pairwise(counts))
