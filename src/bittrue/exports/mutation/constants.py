"""Mutations of constants: one bit of a weight, a bias, a factor or a table's entry, in the C or in a memory image."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.c.draft import Constant
from bittrue.exports.memory.formats import FORMATS
from bittrue.exports.memory.layout import unpacked
from bittrue.exports.memory.target import Stored, layout_of
from bittrue.exports.mutation.bench import Bench
from bittrue.exports.mutation.mutant import Draw, Mutation, Trial
from bittrue.exports.mutation.probe import entry_probe
from bittrue.fixed import word_length_between

_WEIGHTS = ("weight",)
_SUMMANDS = ("bias", "offset", "offset_below", "beta")
_TABLES = ("table", "exps", "roots")
_FACTORS = ("scale", "scale_below", "gamma", "divisor", "alignment", "factor")


def c_constant(roles: Collection[str], kind: str) -> Draw[Bench]:
    """One bit of a number in the C's constants of some roles."""

    def draw(bench: Bench, random: Random) -> Trial | None:
        found = [each for each in bench.made.constants if each.name.rpartition("__")[2] in roles]
        if not found:
            return None
        constant = random.choice(found)
        place = random.randrange(constant.codes.size)
        before = int(constant.codes.reshape(-1)[place])
        after = _flipped(constant, before, random.randrange(_word_length(constant)))
        file = bench.blob or bench.constants
        where = f"{bench.site(constant)}{_index(constant, place)}"
        mutation = Mutation(kind, f"c/{file}", where, str(before), str(after))
        return Trial(
            mutation,
            partial(_tried, bench, constant, place, after),
            partial(entry_probe, bench, constant, place, after),
        )

    return draw


weight = c_constant(_WEIGHTS, "weight bit")
summand = c_constant(_SUMMANDS, "bias bit")
factor = c_constant(_FACTORS, "factor bit")
entry = c_constant(_TABLES, "table entry")


def memory(bench: Bench, random: Random) -> Trial | None:
    """One bit of a digit in a memory image, as a device reads it: the image is read back and its codes put into the
    C."""
    if not bench.memories:
        return None
    stored = random.choice(bench.memories)
    path = bench.folder / "memory" / f"{stored.name}{FORMATS['readmemh'].suffix}"
    content = path.read_bytes()
    line = content.index(b"\n") + 1
    at = random.randrange(len(content) // line) * line + random.randrange(line - 1)
    digit = int(content[at : at + 1], 16)
    other = digit ^ 1 << random.randrange(4)
    changed = content[:at] + f"{other:x}".encode() + content[at + 1 :]
    where = f"line {at // line + 1}, digit {at % line + 1}"
    mutation = Mutation("memory image bit", f"memory/{path.name}", where, f"{digit:x}", f"{other:x}")
    found = _Reading(bench, stored, changed)
    return Trial(mutation, found.failure, found.reason)


class _Reading:
    """A memory image with a change, read as a device reads it."""

    def __init__(self, bench: Bench, stored: Stored, changed: bytes) -> None:
        self._bench, self._stored = bench, stored
        self._refused: str | None = None
        self._codes = stored.codes
        layout = layout_of(bench.job, stored)
        try:
            image = FORMATS["readmemh"].read(changed, stored.word_length)
            self._codes = unpacked([image], stored.word_length, layout, stored.codes.shape, signed=stored.signed)
        except BittrueError as error:
            self._refused = str(error)

    def failure(self) -> str | None:
        if self._refused is not None:
            return self._refused
        at = np.flatnonzero(self._codes.reshape(-1) != self._stored.codes.reshape(-1))
        if not at.size:
            return None
        found = self._in_c(int(at[0]))
        if found is None:
            wrong, right = (int(codes.reshape(-1)[at[0]]) for codes in (self._codes, self._stored.codes))
            return f"{self._stored.name}, number {at[0]:,}: expected {right}, got {wrong}"
        return _tried(self._bench, *found)

    def reason(self) -> str | None:
        at = np.flatnonzero(self._codes.reshape(-1) != self._stored.codes.reshape(-1))
        if not at.size:
            return "the bit lies beyond the word, so that the image is read as the same codes"
        found = self._in_c(int(at[0]))
        return None if found is None else entry_probe(self._bench, *found)

    def _in_c(self, at: int) -> tuple[Constant, int, int] | None:
        """The C's array of these codes, the place in it, and the code; None where C has the codes as literals."""
        node, _, role = self._stored.name.rpartition(".")
        named = {self._bench.site(constant): constant for constant in self._bench.made.constants}
        constant = named.get(f"{node}.{role}")
        if constant is None:
            return None
        places = np.arange(self._stored.codes.size).reshape(self._stored.codes.shape)
        ordered = np.moveaxis(places, -1, 0) if role == "weight" else places
        place = int(np.flatnonzero(ordered.reshape(-1) == at)[0])
        return constant, place, int(self._codes.reshape(-1)[at])


def _index(constant: Constant, place: int) -> str:
    """A place as the network has it: a weight's output channel, which is first in C, stands last."""
    index = [int(axis) for axis in np.unravel_index(place, constant.codes.shape)]
    if constant.name.endswith("__weight"):
        index = [*index[1:], index[0]]
    return f"[{', '.join(map(str, index))}]"


def _word_length(constant: Constant) -> int:
    return word_length_between(constant.low, constant.high)


def _flipped(constant: Constant, code: int, bit: int) -> int:
    """The code with one bit of its word the other way round; the sign is the highest bit of a signed word."""
    length = _word_length(constant)
    word = (code & (1 << length) - 1) ^ 1 << bit
    return word - (1 << length) if constant.low < 0 and word >> (length - 1) else word


def _tried(bench: Bench, constant: Constant, place: int, code: int) -> str | None:
    with _changed(bench, constant, place, code) as file:
        return bench.failure(file)


@contextlib.contextmanager
def _changed(bench: Bench, constant: Constant, place: int, code: int) -> Iterator[str]:
    """The exported file of the constants with another number at a place, for a block; the file to compile."""
    if bench.blob is None:
        with rewritten(bench.c / bench.constants, lambda text: _with_number(text, constant, place, code)):
            yield bench.constants
        return
    width = constant.storage.bits // 8
    start = _start(bench, constant) + place * width
    path = bench.c / bench.blob
    before = int(constant.codes.reshape(-1)[place])
    try:
        _write_at(path, start, np.array(code, constant.storage.dtype).tobytes())
        yield bench.constants
    finally:
        _write_at(path, start, np.array(before, constant.storage.dtype).tobytes())


def _start(bench: Bench, constant: Constant) -> int:
    start = 0
    for each in bench.made.constants:
        if each.name == constant.name:
            break
        start += each.codes.size * each.storage.bits // 8
    return start


def _write_at(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


def _with_number(text: str, constant: Constant, place: int, code: int) -> str:
    """The text of the constants with another number at a place of one array."""
    opening = f" {constant.name}[{constant.codes.size}] = {{"
    start = text.index(opening) + len(opening)
    end = text.index("}", start)
    numbers = text[start:end].split(",")
    old = numbers[place].strip()
    suffix = old.lstrip("-0123456789")
    numbers[place] = numbers[place].replace(old, f"{code}{suffix}")
    return text[:start] + ",".join(numbers) + text[end:]


@contextlib.contextmanager
def rewritten(path: Path, change: Callable[[str], str]) -> Iterator[None]:
    """The text of a file changed for a block."""
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(change(before), encoding="utf-8", newline="\n")
        yield
    finally:
        path.write_text(before, encoding="utf-8", newline="\n")
