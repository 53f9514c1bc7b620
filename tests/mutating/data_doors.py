"""The doors of data beside arrays: CIFAR-10's batches and archives, class folders, Parquet."""

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray
from PIL import Image

from bittrue.data import load_dataset
from mutating.edits import Files, Random, edit_bytes, one
from mutating.running import Loader

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)
LABELS = RANDOM.integers(0, 3, 12)
PIXELS = RANDOM.integers(0, 256, (4, 3072)).astype(np.uint8)
FORMATS = (
    *(("png", "PNG", "RGB"), ("png", "PNG", "L"), ("png", "PNG", "P"), ("jpg", "JPEG", "RGB"), ("gif", "GIF", "RGB")),
    *(
        ("bmp", "BMP", "RGB"),
        ("webp", "WEBP", "RGB"),
        ("tif", "TIFF", "RGB"),
        ("ppm", "PPM", "RGB"),
        ("pgm", "PPM", "L"),
    ),
)
"""How files end, Pillow's name of their format, and the mode of their pixels."""


def _any_file(files: Files, random: Random) -> Files:
    name = one(random, sorted(files))
    return {**files, name: edit_bytes(files[name], random)}


def _stream(spec: str | Path, **options: Any) -> None:
    data = load_dataset(spec, **options)
    _ = data.sha256
    for batch in data.batches(5):
        assert np.isfinite(batch.x).all()


def _encoded(pixels: NDArray[np.uint8], kind: str, mode: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind)
    return stream.getvalue()


def _archive(files: Files) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _cifar10() -> list[Files]:
    binary = b"".join(bytes([label]) + pixels.tobytes() for label, pixels in enumerate(PIXELS))
    batch = {"data": PIXELS, "labels": [0, 1, 2, 3], "batch_label": "testing", "filenames": ["a", "b", "c", "d"]}
    by_python2 = {key.encode(): value for key, value in batch.items()}
    pickles = [pickle.dumps(batch, 4), pickle.dumps(by_python2, 2), pickle.dumps(by_python2, 0)]
    folders: list[Files] = [
        {"cifar-10-batches-bin/test_batch.bin": binary},
        *({"cifar-10-batches-py/test_batch": content} for content in pickles),
    ]
    archives = [{"cifar-10-binary.tar.gz": _archive(folders[0])}, {"cifar-10-python.tar.gz": _archive(folders[1])}]
    return [folders[0], *2 * folders[1:], *archives]


def _folders() -> list[Files]:
    return [
        {f"{label}/{number}.{suffix}": _encoded(IMAGES[label], kind, mode) for label in (0, 1) for number in (0, 1)}
        for suffix, kind, mode in FORMATS
    ]


def _parquet() -> list[Files]:
    """As Hugging Face writes images, and lists and tensors in the ways that Parquet has of storing them."""
    kind = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})
    images = [{"bytes": _encoded(pixels, "PNG", "RGB"), "path": None} for pixels in IMAGES]
    note = {"info": {"features": {"label": {"names": ["a", "b", "c"], "_type": "ClassLabel"}}}}
    pictures = pyarrow.table({"img": pyarrow.array(images, kind), "label": LABELS})
    pictures = pictures.replace_schema_metadata({"huggingface": json.dumps(note)})
    lists = pyarrow.array(IMAGES.tolist(), pyarrow.list_(pyarrow.list_(pyarrow.list_(pyarrow.uint8()))))
    tensors = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(IMAGES.astype(np.float32))
    one_hot = np.eye(3)[LABELS].tolist()
    return [
        _table(pictures),
        _table(pyarrow.table({"x": lists, "y": LABELS}), compression="gzip"),
        _table(pyarrow.table({"x": tensors, "y": one_hot}), compression="none", use_dictionary=False),
        _table(pyarrow.table({"x": lists, "y": one_hot}), compression="zstd", data_page_version="2.0"),
    ]


def _table(table: Any, **options: Any) -> Files:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, row_group_size=5, **options)
    return {"e.parquet": stream.getvalue()}


DATA_LOADERS = {
    "cifar10": Loader(_cifar10, _any_file, lambda folder: _stream(f"cifar10:{folder}"), Image.init),
    "folders": Loader(_folders, _any_file, lambda folder: _stream(folder, resize=(8, 8)), Image.init),
    "parquet": Loader(_parquet, _any_file, lambda folder: _stream(folder / "e.parquet", resize=(8, 8)), Image.init),
}
"""More of the names that `mutations.py` takes."""
