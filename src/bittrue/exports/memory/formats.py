"""The files that memories are filled from, each written and read back.

| format     | suffix         | what it is                                                                            |
|------------|----------------|---------------------------------------------------------------------------------------|
| `readmemh` | `.hex`         | hexadecimal lines for `$readmemh` (IEEE 1800-2017, 21.4)                              |
| `readmemb` | `.memb`        | binary lines for `$readmemb`                                                          |
| `coe`      | `.coe`         | Vivado's memory initialization: radix 16, then the vector (AMD UG896)                 |
| `vivado`   | `.mif`         | Vivado's own `.mif`: binary lines without a header (AMD UG896)                        |
| `quartus`  | `.quartus.mif` | Intel's `.mif`: DEPTH, WIDTH, radices, addresses (Quartus Prime's help)               |
| `c`        | `.h`           | a C array of the smallest integers that hold a line of up to 64 bits                  |
| `raw`      | `.bin`         | lines in whole bytes, little-endian                                                   |
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.memory.layout import Image

_CHUNK = 1 << 16
"""Lines that become text at a time."""


@dataclass(frozen=True)
class MemoryFormat:
    """write: (image, name) → the file's bytes. read: (bytes, width of a line) → the image."""

    suffix: str
    write: Callable[[Image, str], bytes]
    read: Callable[[bytes, int], Image]


def _digits(width: int) -> int:
    return -(-width // 4)


def _text(image: Image, bits_a_digit: int, before: str = "", after: str = "\n") -> bytes:
    """The lines in digits of so many bits each, all as long as the width needs, with the same text around each."""
    digits = -(-image.width // bits_a_digit)
    if image.lines.dtype == object:
        code = "x" if bits_a_digit == 4 else "b"
        return "".join(f"{before}{line:0{digits}{code}}{after}" for line in image.lines.tolist()).encode()
    symbols = np.frombuffer(b"0123456789abcdef", np.uint8)
    head, tail = (np.frombuffer(text.encode(), np.uint8) for text in (before, after))
    parts = []
    for start in range(0, len(image.lines), _CHUNK):
        lines = image.lines[start : start + _CHUNK]
        shifts = np.arange(digits - 1, -1, -1, dtype=np.uint64) * np.uint64(bits_a_digit)
        values = (lines[:, None] >> shifts) & np.uint64((1 << bits_a_digit) - 1)
        rows = [np.broadcast_to(head, (len(lines), len(head))), symbols[values.astype(np.intp)]]
        parts.append(np.concatenate([*rows, np.broadcast_to(tail, (len(lines), len(tail)))], axis=1).tobytes())
    return b"".join(parts)


def _hex_lines(image: Image, name: str) -> bytes:
    return _text(image, 4)


def _binary_lines(image: Image, name: str) -> bytes:
    return _text(image, 1)


def _read_lines(base: int) -> Callable[[bytes, int], Image]:
    return lambda content, width: _parsed(re.sub(r"//.*", "", content.decode()).split(), base, width)


def _coe(image: Image, name: str) -> bytes:
    head = f"; {name}\nmemory_initialization_radix=16;\nmemory_initialization_vector=\n".encode()
    return head + _text(image, 4, after=",\n")[: -len(",\n")] + b";\n"


def _read_coe(content: bytes, width: int) -> Image:
    text = re.sub(r";[^\n]*\n", "\n", content.decode(), count=1)
    found = re.search(r"radix\s*=\s*(\d+)\s*;\s*memory_initialization_vector\s*=([^;]*);", text)
    if found is None:
        raise BittrueError("The .coe file has no radix and vector: it is damaged or another kind of file.")
    return _parsed(found[2].replace(",", " ").split(), int(found[1]), width)


def _quartus(image: Image, name: str) -> bytes:
    address = max(_digits(max(len(image.lines) - 1, 1).bit_length()), 1)
    head = f"-- {name}\nDEPTH = {len(image.lines)};\nWIDTH = {image.width};\nADDRESS_RADIX = HEX;\nDATA_RADIX = HEX;\n"
    texts = _text(image, 4).decode().splitlines()
    lines = "".join(f"{place:0{address}x} : {line};\n" for place, line in enumerate(texts))
    return f"{head}CONTENT BEGIN\n{lines}END;\n".encode()


def _read_quartus(content: bytes, width: int) -> Image:
    text = content.decode()
    declared = re.search(r"WIDTH\s*=\s*(\d+)", text)
    pairs = re.findall(r"^([0-9a-fA-F]+)\s*:\s*([0-9a-fA-F]+);", text, re.MULTILINE)
    if (
        declared is None
        or int(declared[1]) != width
        or [int(place, 16) for place, _ in pairs] != list(range(len(pairs)))
    ):
        raise BittrueError(f"The .mif file doesn't hold lines of {width} bits, one after the other: it is another's.")
    return _parsed([data for _, data in pairs], 16, width)


def _c_bits(width: int) -> int:
    if width > 64:
        raise BittrueError(f"A line of {width} bits is no integer of C: put fewer words into a line, or leave c out.")
    return next(bits for bits in (8, 16, 32, 64) if width <= bits)


def _c_array(image: Image, name: str) -> bytes:
    bits = _c_bits(image.width)
    identifier = re.sub(r"\W", "_", name)
    suffix = "ull" if bits == 64 else "u"
    lines = _text(image, 4, before="    0x", after=f"{suffix},\n").decode()
    return (
        f"/* {name}: words of {image.width} bits, two's complement. */\n#include <stdint.h>\n\n"
        f"static const uint{bits}_t {identifier}[{len(image.lines)}] = {{\n{lines}}};\n"
    ).encode()


def _read_c(content: bytes, width: int) -> Image:
    return _parsed(re.findall(r"0x([0-9a-f]+)u", content.decode()), 16, width)


def _raw(image: Image, name: str) -> bytes:
    size = -(-image.width // 8)
    if image.lines.dtype == object:
        return b"".join(line.to_bytes(size, "little") for line in image.lines.tolist())
    return image.lines.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :size].tobytes()


def _read_raw(content: bytes, width: int) -> Image:
    size = -(-width // 8)
    if len(content) % size:
        raise BittrueError(f"The raw file's {len(content):,} bytes are no number of lines of {size}: it is another's.")
    return _image(
        [int.from_bytes(content[start : start + size], "little") for start in range(0, len(content), size)], width
    )


def _parsed(texts: list[str], base: int, width: int) -> Image:
    try:
        return _image([int(text, base) for text in texts], width)
    except ValueError as error:
        raise BittrueError(f"The memory image holds what is no number ({str(error)[:60]}): it is damaged.") from None


def _image(numbers: list[int], width: int) -> Image:
    if any(number >> width for number in numbers):
        raise BittrueError(f"The memory image holds lines of more than {width} bits: it has another width.")
    return Image(np.array(numbers, np.uint64 if width <= 64 else object), width)


FORMATS = {
    "readmemh": MemoryFormat(".hex", _hex_lines, _read_lines(16)),
    "readmemb": MemoryFormat(".memb", _binary_lines, _read_lines(2)),
    "coe": MemoryFormat(".coe", _coe, _read_coe),
    "vivado": MemoryFormat(".mif", _binary_lines, _read_lines(2)),
    "quartus": MemoryFormat(".quartus.mif", _quartus, _read_quartus),
    "c": MemoryFormat(".h", _c_array, _read_c),
    "raw": MemoryFormat(".bin", _raw, _read_raw),
}
"""By name."""
