"""Mutations of golden vectors: one bit of a code, in the bytes, the hexadecimal text or the NumPy arrays."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.device.dumps import Word, read_codes
from bittrue.exports.mutation.bench import Bench
from bittrue.exports.mutation.mutant import Mutation, Trial
from bittrue.exports.storage import storage_of
from bittrue.exports.words import word_length_of
from bittrue.program import Step

_KINDS = ("bin", "hex", "npy")


def vector(bench: Bench, random: Random) -> Trial | None:
    """A bit of a file that the C's check reads (`bin`) is tried on it; where that doesn't compare the site, and for the
    other files, the file is read as `verify --against FOLDER` does, and compared."""
    steps = [step for step in bench.job.program.steps if step.site is not None]
    step, kind = random.choice(steps), random.choice(_KINDS)
    path = bench.folder / "vectors" / kind / f"{step.site}.{kind}"
    width = storage_of(step).bits // 8
    length = word_length_of(step)
    if kind == "hex":
        digits = -(-length // 4)
        word = random.randrange(path.stat().st_size // (digits + 1))
        at, mask = word * (digits + 1) + random.randrange(digits), 1 << random.randrange(4)
        where = f"word {word:,}, digit {at % (digits + 1) + 1}"
    else:
        start = path.stat().st_size % width if kind == "bin" else _start_of_array(path)
        word = random.randrange((path.stat().st_size - start) // width)
        bit = random.randrange(min(length, 8 * width))
        at, mask = start + word * width + bit // 8, 1 << bit % 8
        where = f"word {word:,}, bit {bit}"
    before = _at(path, at)
    after = f"{int(chr(before), 16) ^ mask:x}".encode()[0] if kind == "hex" else before ^ mask
    shown = (chr(before), chr(after)) if kind == "hex" else (f"0x{before:02x}", f"0x{after:02x}")
    mutation = Mutation("vector bit", f"vectors/{kind}/{path.name}", where, *shown)
    return Trial(mutation, partial(_tried, bench, step, path, at, after), partial(_beyond, step, path, at, after))


def _tried(bench: Bench, step: Step, path: Path, at: int, after: int) -> str | None:
    right = _codes(path, step)
    with _changed(path, at, after):
        if path.suffix == ".bin":
            failed = bench.failure()
            if failed is not None:
                return failed
        try:
            got = _codes(path, step)
        except BittrueError as error:
            return str(error)
    wrong = np.flatnonzero(got != right)
    if not wrong.size:
        return None
    first = int(wrong[0])
    image, index = divmod(first, int(np.prod(step.type.shape)))
    return f"{step.site}, image {image}, index {index}: expected {right[first]}, got {got[first]}"


def _beyond(step: Step, path: Path, at: int, after: int) -> str | None:
    right = _codes(path, step)
    with _changed(path, at, after):
        same = np.array_equal(_codes(path, step), right)
    return "the bit lies beyond the word, so that the same codes are read" if same else None


def _codes(path: Path, step: Step) -> np.ndarray:
    return read_codes(path, Word(word_length_of(step), (step.type.low or 0) < 0, storage_of(step)))


def _start_of_array(path: Path) -> int:
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        reader(file)
        return file.tell()


def _at(path: Path, at: int) -> int:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(1)[0]


@contextlib.contextmanager
def _changed(path: Path, at: int, byte: int) -> Iterator[None]:
    """The file with another byte at a place, for a block."""
    before = _at(path, at)
    try:
        _write(path, at, byte)
        yield
    finally:
        _write(path, at, before)


def _write(path: Path, at: int, byte: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([byte]))
