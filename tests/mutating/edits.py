"""Edits of files: of bytes in blocks and numbers, of JSON, of protocol buffers, of the members of archives.

Each takes what a file holds and a generator of random numbers, and returns it with one or two things put wrong.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

Random = np.random.Generator
Files = Mapping[str, bytes]
"""What lies in a folder, by path."""

Edit = Callable[[bytes, Random], bytes]

BLOCK = 64
WHOLE_NUMBERS = (0, 1, 2, 7, 8, 100, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 2**31, 2**63, -(2**64), 10**30, 0.5, -0.0, 1e-320, 1e308),
    *(float("nan"), float("inf"), "", "x", "-1", "\x00", "\ud800", "é" * 300, [], [None], [1, 2, 3], [[]], {}),
    *({"x": 1}, {"class_name": "Dense", "config": {}}, ["a"] * 200),
)


def one(random: Random, of: Any) -> Any:
    return of[int(random.integers(len(of)))]


def zero_block(data: bytes, random: Random) -> bytes:
    start = BLOCK * int(random.integers(len(data) // BLOCK + 1))
    return data[:start] + bytes(len(data[start : start + BLOCK])) + data[start + BLOCK :]


def set_number(data: bytes, random: Random) -> bytes:
    """Another number of 1, 2, 4 or 8 bytes: a length, an offset, a count, or what else lies there."""
    width = one(random, (1, 2, 4, 8))
    place = int(random.integers(max(len(data) - width, 1)))
    place -= place % width if random.random() < 0.8 else 0
    now = int.from_bytes(data[place : place + width], "little")
    number = one(random, (*WHOLE_NUMBERS, now + 1, now - 1, 2 * now, now ^ 1, place, len(data)))
    return data[:place] + (number % 256**width).to_bytes(width, "little") + data[place + width :]


def copy_block(data: bytes, random: Random) -> bytes:
    """A block over another: what points somewhere now points to itself, or twice to one place."""
    blocks = len(data) // BLOCK + 1
    source, target = (BLOCK * int(random.integers(blocks)) for _ in range(2))
    return data[:target] + data[source : source + BLOCK] + data[target + BLOCK :]


def repeat_block(data: bytes, random: Random) -> bytes:
    start = BLOCK * int(random.integers(len(data) // BLOCK + 1))
    return data[: start + BLOCK] + data[start:]


def drop_block(data: bytes, random: Random) -> bytes:
    start = BLOCK * int(random.integers(len(data) // BLOCK + 1))
    return data[:start] + data[start + BLOCK :]


def cut(data: bytes, random: Random) -> bytes:
    return data[: int(random.integers(len(data) + 1))]


def flip(data: bytes, random: Random) -> bytes:
    place = int(random.integers(max(len(data), 1)))
    return data[:place] + bytes([data[place] ^ 1 << int(random.integers(8))]) + data[place + 1 :] if data else data


BYTES: tuple[Edit, ...] = (
    *(zero_block, zero_block, set_number, set_number, set_number, copy_block, repeat_block, drop_block, cut, flip),
)


def edit_bytes(data: bytes, random: Random) -> bytes:
    for _ in range(int(random.integers(1, 3))):
        data = one(random, BYTES)(data, random)
    return data


def edit_json(data: bytes, random: Random) -> bytes:
    """JSON with values of other types, entries left out, doubled or renamed; now and then a number that JSON hasn't."""
    root = [json.loads(data)]
    for _ in range(int(random.integers(1, 3))):
        if root:  # not left out by the edit before
            _edit_value(*one(random, [(root, 0), *_places(root[0])]), random)
    return json.dumps(root[0]).encode() if root else b""


def _places(root: Any) -> list[tuple[Any, Any]]:
    """Every value of JSON as what holds it and the key there."""
    found, waiting = [], [root]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else []
        found += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys]
    return found


def _edit_value(holder: Any, key: Any, random: Random) -> None:
    way = int(random.integers(6))
    if way == 0 and len(holder):
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.insert(int(random.integers(len(holder) + 1)), deepcopy(holder[key]))
    elif way == 1:
        holder[one(random, (*holder, "x", ""))] = holder.pop(key)
    elif way == 2 and isinstance(holder[key], int | float):
        holder[key] = one(random, (-holder[key], holder[key] + 1, holder[key] * 2**31, str(holder[key])))
    elif way == 3 and len(holder) > 1:
        other = one(random, range(len(holder)) if isinstance(holder, list) else list(holder))
        holder[key], holder[other] = holder[other], holder[key]
    else:
        holder[key] = deepcopy(one(random, VALUES))  # the next edit may change it


def edit_message(data: bytes, random: Random) -> bytes:
    """A protocol buffer with a field left out, doubled, moved, or given other contents, at any depth."""
    fields = _fields(data)
    if not fields:
        return edit_bytes(data, random)
    place = int(random.integers(len(fields)))
    number, kind, value = fields[place]
    way = int(random.integers(10))
    if way == 0:
        del fields[place]
    elif way == 1:
        fields.insert(int(random.integers(len(fields) + 1)), fields[place])
    elif way == 2:
        fields[place] = (one(random, (number + 1, max(number - 1, 1), 1, 15)), kind, value)
    elif kind == 2 and isinstance(value, bytes):
        inner = edit_message if _fields(value) else edit_bytes
        fields[place] = (number, kind, inner(value, random))
    elif kind == 0:
        fields[place] = (number, kind, one(random, (*WHOLE_NUMBERS, value + 1, 2**64 - value)) % 2**64)
    else:
        fields[place] = (number, kind, edit_bytes(value, random)[: len(value)].ljust(len(value), b"\0"))
    return b"".join(map(_written, fields))


def _fields(data: bytes) -> list[tuple[int, int, Any]]:
    """A message's fields: number, wire type, contents; none where it is no message."""
    found, at = [], 0
    try:
        while at < len(data):
            tag, at = _varint(data, at)
            kind = tag & 7
            if kind == 0:
                value, at = _varint(data, at)
            elif kind in (1, 5):
                width = 8 if kind == 1 else 4
                value, at = data[at : at + width], at + width
            elif kind == 2:
                size, at = _varint(data, at)
                value, at = data[at : at + size], at + size
            else:
                return []
            if at > len(data) or not tag >> 3:
                return []
            found.append((tag >> 3, kind, value))
    except IndexError:
        return []
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        if data[at] < 128:
            return value, at + 1
        at, shift = at + 1, shift + 7


def _written(field: tuple[int, int, Any]) -> bytes:
    number, kind, value = field
    tag = _number(number << 3 | kind)
    return tag + (_number(value) if kind == 0 else value if kind != 2 else _number(len(value)) + value)


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def edit_member(edits: Mapping[str, Edit]) -> Edit:
    """Of a zip archive one member whose name ends as one of `edits`; every checksum is right."""

    def edit(data: bytes, random: Random) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        ways = [(name, way) for name in members for ending, way in edits.items() if name.endswith(ending)]
        name, way = one(random, ways)
        members[name] = way(members[name], random)
        if random.random() < 0.05:
            del members[one(random, list(members))]
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for other, content in members.items():
                archive.writestr(other, content)
        return target.getvalue()

    return edit


def mostly(*edits: Edit) -> Edit:
    """Any of several edits: one that is named twice, twice as often."""
    return lambda data, random: one(random, edits)(data, random)
