"""Parquet files, one or a folder of them: images as Hugging Face's datasets store them, or columns of numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from bittrue.data.columns import Table, cells, column, open_table
from bittrue.data.folders import decode_image
from bittrue.data.labels import read_labels
from bittrue.data.names import SPLITS, choose_pair
from bittrue.data.rows import row_source
from bittrue.data.source import Raw, Source, split_error
from bittrue.errors import DataError

SUFFIX = ".parquet"


def parquet_source(path: Path, split: str, *, layout: str, sizes_may_differ: bool) -> Source:
    """The rows of the file at `path`, or of the files of `split` in a folder, in the order of their names.

    A file is of the split that its name begins with, as in test-00000-of-00001.parquet; all others are `test`. The
    columns are found by the names in `bittrue.data.names`. Examples are encoded images (bytes, or Hugging Face's bytes
    and path), or arrays in `layout`; for labels see `read_labels`. Raises DataError, OSError.
    """
    splits = _splits(path)
    if split not in splits:
        raise split_error(str(path), split, tuple(splits))
    tables = tuple(open_table(file) for file in splits[split])
    for table in tables[1:]:
        if table.types != tables[0].types:
            raise DataError(f"{table.file.path} has other columns than {tables[0].file.path}: keep them apart.")
    remedy = "rename a column to x, and the labels' to y"
    pair, _ = choose_pair(list(tables[0].types), "test", str(path), remedy)
    images = sum(table.rows for table in tables)
    if images == 0:
        raise DataError(f"{path} holds no examples: give a data set with at least one.")
    y = None if pair.y is None else column(tables, pair.y)
    if not _is_encoded(tables[0].types[pair.x]):
        x = column(tables, pair.x)
        return row_source(str(path), tuple(splits), x, y, channels_first=layout == "nchw")
    if layout != "nhwc":
        raise DataError(f"{path} holds images, whose channels come last: leave --layout out.")
    labels, classes, targets = (None, None, None) if y is None else read_labels(y, images, str(path))
    names = None if pair.y is None or labels is None else tables[0].class_names.get(pair.y)
    first = next(_pixels(tables, pair.x, 0, 1, None))
    return ImageSource(
        where=str(path),
        splits=tuple(splits),
        images=images,
        shape=first.shape,
        labels=labels,
        classes=classes if names is None else max(classes or 0, len(names)),
        targets=targets,
        class_names=names,
        tables=tables,
        column=pair.x,
        sizes_may_differ=sizes_may_differ,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSource(Source):
    """Encoded images in the `column` of `tables`, each uint8 (1, H, W, C); `sizes_may_differ` where a resize
    follows."""

    tables: tuple[Table, ...]
    column: str
    sizes_may_differ: bool

    def chunks(self, start: int, stop: int, size: int) -> Iterator[Raw]:
        for number, pixels in enumerate(_pixels(self.tables, self.column, start, stop, self.shape[2]), start):
            if pixels.shape != self.shape and not self.sizes_may_differ:
                raise DataError(
                    f"Image {number:,} of {self.where} has the shape {pixels.shape} but the first image {self.shape}: "
                    "give a size with --resize HxW."
                )
            yield pixels[None]


def _splits(path: Path) -> dict[str, list[Path]]:
    """Each split, and its files."""
    if path.is_file():
        return {"test": [path]}
    found: dict[str, list[Path]] = {}
    for file in sorted(path.glob(f"*{SUFFIX}")):
        split = file.stem.partition("-")[0]
        found.setdefault(split if split in SPLITS else "test", []).append(file)
    return found


def _is_encoded(kind: Any) -> bool:
    """Whether a column of pyarrow's type `kind` holds images in a file format."""
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return "bytes" in [field.name for field in kind]
    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind))


def _pixels(tables: tuple[Table, ...], name: str, start: int, stop: int, channels: int | None) -> Iterator[Raw]:
    """The images `start` to `stop`; for `channels` see `decode_image`."""
    number = start
    for part in cells(tables, name, start, stop):
        for value in part.to_pylist():
            content = value.get("bytes") if isinstance(value, dict) else value
            where = f"image {number:,} of {tables[0].file.path.parent if len(tables) > 1 else tables[0].file.path}"
            if not isinstance(content, bytes):
                raise DataError(f"{where} has no bytes, only the path of a file: embed the images in the file.")
            yield decode_image(BytesIO(content), where, channels=channels)
            number += 1
