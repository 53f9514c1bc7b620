"""A TensorFlow checkpoint (a tensor bundle), read without TensorFlow: `X.index` and `X.data-00000-of-00001`.

The index is a table of sorted keys in LevelDB's format; each value is a protocol buffer that says where in which data
file an array's bytes are (tensorflow/core/util/tensor_bundle/tensor_bundle.h and protobuf/tensor_bundle.proto,
github.com/google/leveldb/blob/main/doc/table_format.md). Every length is checked before it is used, and every checksum.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import StoredArray
from bittrue.frontends.tensorflow.crc32c import crc32c, unmasked
from bittrue.shapes import Shape

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
TRAILER_BYTES = 5
"""After each block: how it is compressed, and a checksum."""

MAXIMUM_KEY_BYTES = 4096
"""Keys share prefixes, so that a small file could declare keys that no memory holds."""

DTYPES = {1: "float32", 2: "float64", 14: "bfloat16", 19: "float16"}
"""Of TensorFlow's DataType, those of weights."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


@dataclass(frozen=True)
class BundleEntry:
    """Where an array is; `dtype` is a number of TensorFlow's DataType."""

    prefix: Path
    shards: int
    dtype: int
    shape: Shape
    shard: int
    offset: int
    size: int
    checksum: int
    is_sliced: bool

    def array(self, key: str) -> StoredArray:
        """The array, unread. Raises: ModelError where it is no plain floating-point array."""
        if self.dtype not in DTYPES or self.is_sliced:
            what = (
                "is stored in slices" if self.is_sliced else f"has TensorFlow's dtype {self.dtype}, no floating point"
            )
            raise ModelError(f"the checkpoint's variable {key} {what}: save the whole float model's weights")
        return StoredArray(self.shape, partial(self._read, key))

    def _read(self, key: str) -> np.ndarray:
        path = self.prefix.with_name(f"{self.prefix.name}.data-{self.shard:05d}-of-{self.shards:05d}")
        name = DTYPES[self.dtype]
        width = 2 if name == "bfloat16" else np.dtype(name).itemsize
        if self.size != prod(self.shape) * width:
            raise ModelError(
                f"{self.prefix.name}.index is damaged: variable {key} has {self.size} bytes; save it again"
            )
        if not path.is_file():
            raise ModelError(f"the checkpoint's file {path.name} is missing: put it beside {self.prefix.name}.index")
        with path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.size) if self.offset + self.size <= path.stat().st_size else b""
        if len(data) != self.size or crc32c(data) != unmasked(self.checksum):
            raise ModelError(f"{path.name} is damaged where the variable {key} should be: save the checkpoint again")
        if name == "bfloat16":  # the upper half of a float32
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(self.shape)
        return np.frombuffer(data, np.dtype(name).newbyteorder("<")).reshape(self.shape)


def read_bundle(prefix: Path) -> dict[str, BundleEntry]:
    """The entries of the checkpoint `prefix` by their keys, none of them read yet.

    Raises: ModelError for an index that is damaged, compressed or of another byte order.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    try:
        table = dict(_table(index.read_bytes()))
        header = _message(table.pop(b""))
        shards = _number(header, 1)
        if _number(header, 2):
            raise ModelError(f"{index.name} was written on a big-endian machine, which bittrue doesn't read")
        return {key.decode(): _entry(prefix, shards, _message(value)) for key, value in table.items()}
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise ModelError(f"{index.name} is damaged or no checkpoint's index: save the checkpoint again") from error


def _entry(prefix: Path, shards: int, fields: dict[int, list[int | bytes]]) -> BundleEntry:
    sizes = tuple(
        _number(_message(size), 1)
        for shape in fields.get(2, [])
        for size in _message(_bytes(shape)).get(2, [])
        if isinstance(size, bytes)
    )
    return BundleEntry(
        prefix=prefix,
        shards=shards,
        dtype=_number(fields, 1),
        shape=sizes,
        shard=_number(fields, 3),
        offset=_number(fields, 4),
        size=_number(fields, 5),
        checksum=_number(fields, 6),
        is_sliced=7 in fields,
    )


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The table's keys and values, the keys in order. Raises: ValueError and the like for damage."""
    footer = data[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError("no table")
    place = _varint(footer, _varint(footer, 0)[1])[1]  # behind the place of the meta index
    read_up_to = 0
    for _, handle in _block(data, footer, place):
        offset = _varint(handle, 0)[0]
        if offset < read_up_to:
            raise ValueError("blocks overlap")
        read_up_to = offset + 1
        yield from _block(data, handle, 0)


def _block(data: bytes, handle: bytes, place: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of the block whose offset and size are written in `handle` at `place`."""
    offset, place = _varint(handle, place)
    size, _ = _varint(handle, place)
    block = data[offset : offset + size]
    compression, checksum = struct.unpack("<BI", data[offset + size : offset + size + TRAILER_BYTES])
    if compression or crc32c(data[offset : offset + size + 1]) != unmasked(checksum):
        raise ValueError("a block is compressed or damaged")
    [restarts] = struct.unpack("<I", block[-4:])
    end = len(block) - 4 - 4 * restarts
    key, at = b"", 0
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or shared + own > MAXIMUM_KEY_BYTES or at + own + length > end:
            raise ValueError("an entry leaves its block")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number written at `at`, seven bits a byte, and where the next thing is."""
    value = 0
    for shift in range(0, 64, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number has no end")


def _message(data: bytes) -> dict[int, list[int | bytes]]:
    """A protocol buffer's fields by number, undecoded."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: int | bytes
        match tag & 7:
            case kind if kind == VARINT:
                value, at = _varint(data, at)
            case kind if kind in (FIXED32, FIXED64):
                width = 4 if kind == FIXED32 else 8
                value, at = int.from_bytes(data[at : at + width], "little"), at + width
            case kind if kind == BYTES:
                size, at = _varint(data, at)
                value, at = data[at : at + size], at + size
            case _:
                raise ValueError("no wire type")
        if at > len(data):
            raise ValueError("a field leaves its message")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: dict[int, list[int | bytes]] | bytes, number: int) -> int:
    """A field's number; 0, as always in protocol buffers, where it is not there."""
    fields = _message(fields) if isinstance(fields, bytes) else fields
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise ValueError("a field is no number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a field is no message")
    return value
