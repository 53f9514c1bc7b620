"""Class folders: one subfolder a class, its images inside; the classes are interleaved."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bittrue.data.source import Raw, Source, reason, split_error
from bittrue.data.unchanged import opened_file
from bittrue.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it says of damaged files, the error says
SPLITS = ("test", "train")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False, kw_only=True)
class FolderSource(Source):
    """Image files in a fixed order, each uint8 (1, H, W, C); `sizes_may_differ` where a resize follows."""

    files: tuple[Path, ...]
    sizes_may_differ: bool

    @property
    def any_order(self) -> bool:
        return True

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        for file in self.files[start:stop]:
            pixels = read_image(file, channels=self.shape[2])
            if pixels.shape != self.shape and not self.sizes_may_differ:
                raise DataError(
                    f"{file} has the shape {pixels.shape} but the first image {self.shape}: "
                    "give a size with --resize HxW."
                )
            yield pixels[None]


def split_folders(folder: Path) -> dict[str, Path]:
    """Each split's folder: those of `test` and `train` in `folder` with class folders, else all of it is `test`."""
    found = {split: folder / split for split in SPLITS if _subfolders(folder / split)}
    return found or {"test": folder}


def folder_source(folder: Path, split: str, *, sizes_may_differ: bool) -> FolderSource:
    """The images of `folder`, or of its subfolder `split` where it has splits.

    Classes are the subfolders in the order of their names, images the files with an image's suffix in the order of
    theirs: first the first image of each class, then the second of each, and so on, so that the first N are balanced.
    Hidden files and other suffixes are passed over. Raises DataError.
    """
    roots = split_folders(folder)
    if split not in roots:
        raise split_error(str(folder), split, tuple(roots))
    root = roots[split]
    classes = _subfolders(root)
    if not classes:
        raise DataError(f"{root} holds no class folders: put each class's images into a subfolder of its name.")
    ranked: list[tuple[int, int, Path]] = []
    for label, name in enumerate(classes):
        files = sorted(
            f for f in (root / name).iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")
        )
        if not files:
            raise DataError(
                f"The class folder {root / name} holds no image ({', '.join(SUFFIXES)}): add some or remove it."
            )
        ranked.extend((rank, label, file) for rank, file in enumerate(files))
    ranked.sort(key=lambda item: item[:2])
    first = read_image(ranked[0][2], channels=None)
    return FolderSource(
        where=str(root),
        splits=tuple(roots),
        images=len(ranked),
        shape=first.shape,
        labels=np.array([label for _, label, _ in ranked], np.int64),
        classes=len(classes),
        class_names=tuple(classes),
        files=tuple(file for _, _, file in ranked),
        sizes_may_differ=sizes_may_differ,
    )


def read_image(file: Path, *, channels: int | None) -> NDArray[np.uint8]:
    """The pixels of `file`: see `decode_image`. Raises DataError."""
    try:
        with opened_file(file) as stream:
            return decode_image(stream, str(file), channels=channels)
    except OSError as error:
        raise _unreadable(str(file), error) from error


def decode_image(stream: BinaryIO, where: str, *, channels: int | None) -> NDArray[np.uint8]:
    """The pixels of an image file, uint8 (H, W, `channels`); None keeps grey images at 1 channel and makes all others
    3.

    Grey becomes colour where colour is asked for, never the other way. Pixels stay as stored (no rotation by EXIF
    data). `where`: what errors call it. Raises DataError for a file that is damaged, has more than 8 bits a channel,
    or transparent pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(stream) as image:
            image.load()
            mode = _pixel_mode(image, where)
            if channels == 1 and mode == "RGB":
                raise DataError(
                    f"{where} is a colour image but the first image is grey: make all of them grey, or all colour."
                )
            pixels = np.asarray(image.convert("RGB" if channels == 3 else mode), np.uint8)
    except DataError:
        raise
    except UnidentifiedImageError as error:  # which names the stream, and where it lies in memory
        raise DataError(f"{where} can't be read as an image (its format isn't known): replace or remove it.") from error
    # On a damaged file Pillow's plugins raise nearly anything.
    except Exception as error:
        raise _unreadable(where, error) from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _unreadable(where: str, error: Exception) -> DataError:
    return DataError(f"{where} can't be read as an image ({reason(error)}): replace or remove it.")


def _pixel_mode(image: "Image.Image", where: str) -> str:
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        raise DataError(f"{where} has transparent pixels, whose colour is undefined: flatten it onto a background.")
    if image.mode in ("1", "L", "LA"):
        return "L"
    if image.mode in ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"):
        return "RGB"
    raise DataError(
        f"{where} has Pillow's mode {image.mode}, not 8 bits a channel: store it as 8 bits, or use an .npz file."
    )


def _subfolders(folder: Path) -> list[str]:
    """The names of the visible folders in `folder`, sorted; none where it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
