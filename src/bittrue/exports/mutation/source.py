"""Mutations of the C's functions: a rounding mode, a shift, a bound, an overflow mode, an accumulator's width."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from bittrue.exports.c.helpers import Helper
from bittrue.exports.c.program import Function
from bittrue.exports.mutation.bench import Bench
from bittrue.exports.mutation.constants import rewritten
from bittrue.exports.mutation.mutant import Draw, Mutation, Trial
from bittrue.exports.mutation.probe import line_probe, lines_of
from bittrue.fixed import Rounding, word_length_between

Change = tuple[str, str, tuple[Helper, ...]]
"""A piece of a line, what takes its place, and the helpers that this calls."""

Changes = Callable[[str], Iterator[Change]]
"""The changes of one kind that a line of C has a place for."""

_NUMBER = r"\(?(-?\d+)(?:LL)?\)?"
_SATURATE = re.compile(rf"\bsaturate(_zero)?_(32|64)\((.+), {_NUMBER}, {_NUMBER}\)")
_SHIFT = re.compile(r"\b(floor_shift|shift_\w+?)_(32|64)\((.+), (\d+)\)")
_ROUNDED = re.compile(r"\b(?:(floor_shift)|(shift|divide)_(\w+?))_(32|64)\(")
_FACTOR = re.compile(r"^\s*const int(?:32|64)_t v\d* = .+ \* (\d+)(LL)?;$")
_SUM = re.compile(r"\bint(32|64)_t (sum|squares) = ")
_WRAP = re.compile(r"\bwrap_(?:un)?signed_(?:32|64)\(.+, (\d+)\)")


def rounding(line: str) -> Iterator[Change]:
    """Another rounding mode, of a shift or a quotient."""
    for found in _ROUNDED.finditer(line):
        kind = "shift" if found[1] else found[2]
        own = Rounding.FLOOR if found[1] else Rounding(found[3].upper())
        for mode in Rounding:
            if mode is own:
                continue
            helper = Helper(kind, int(found[4]), mode)
            if kind == "shift" and mode is Rounding.FLOOR:
                helper = Helper("floor_shift", int(found[4]))
            yield found[0], f"{helper.name}(", (*helper.needs, helper)


def shift(line: str) -> Iterator[Change]:
    """One bit more or fewer, to the right or, as a factor that is a power of two, to the left."""
    for found in _SHIFT.finditer(line):
        for places in (int(found[4]) - 1, int(found[4]) + 1):
            if 1 <= places < int(found[2]):
                yield found[0], f"{found[1]}_{found[2]}({found[3]}, {places})", ()
    factor = _FACTOR.match(line)
    if factor and int(factor[1]).bit_count() == 1 and int(factor[1]) > 1:
        number = f" * {factor[1]}{factor[2] or ''};"
        for other in (int(factor[1]) // 2, int(factor[1]) * 2):
            yield number, f" * {other}{factor[2] or ''};", ()


def bound(line: str) -> Iterator[Change]:
    """One end of a saturation one further in or out."""
    for found in _SATURATE.finditer(line):
        low, high = int(found[4]), int(found[5])
        for ends in ((low + 1, high), (low - 1, high), (low, high - 1), (low, high + 1)):
            name = f"saturate{found[1] or ''}_{found[2]}"
            yield found[0], f"{name}({found[3]}, ({ends[0]}), ({ends[1]}))", ()


def overflow(line: str) -> Iterator[Change]:
    """Wrapped in the place of saturated, and left out."""
    for found in _SATURATE.finditer(line):
        low, high = int(found[4]), int(found[5])
        helper = Helper("wrap_signed" if low < 0 else "wrap_unsigned", int(found[2]))
        length = word_length_between(low, high)
        if length < int(found[2]):
            yield found[0], f"{helper.name}({found[3]}, {length})", (helper,)
        yield found[0], f"({found[3]})", ()
    for found in _WRAP.finditer(line):
        shorter = int(found[1]) - 1
        if shorter:
            yield found[0], found[0].removesuffix(f"{found[1]})") + f"{shorter})", ()


def accumulator(line: str) -> Iterator[Change]:
    """A sum in the next narrower integers."""
    for found in _SUM.finditer(line):
        for bits in (8, 16, 32):
            if bits < int(found[1]):
                yield found[0], f"int{bits}_t {found[2]} = ", ()


def c_line(kind: str, changes: Changes, same: str) -> Draw[Bench]:
    """A change of one line of a layer's function. same: what it means that it changes no number."""

    def draw(bench: Bench, random: Random) -> Trial | None:
        source = (bench.c / bench.source).read_text(encoding="utf-8").splitlines()
        found = [
            (function, place, change)
            for function in bench.made.functions
            for place in range(*lines_of(source, function.name))
            for change in changes(source[place])
        ]
        if not found:
            return None
        function, place, (before, after, helpers) = random.choice(found)
        layer = function.group.last.site or function.group.last.name
        mutation = Mutation(kind, f"c/{bench.source}", f"{layer}, line {place + 1}", before.strip(), after.strip())
        changed = source[place].replace(before, after, 1)
        new = "".join(helper.text + "\n" for helper in helpers if helper not in bench.made.helpers)
        return Trial(
            mutation,
            partial(_tried, bench, function, place, changed, new),
            partial(_explained, bench, function, place, changed, new, same),
        )

    return draw


def _tried(bench: Bench, function: Function, place: int, line: str, helpers: str) -> str | None:
    def change(text: str) -> str:
        lines = text.splitlines()
        lines[place] = line
        signature = lines_of(lines, function.name)[0] - 2
        return "\n".join([*lines[:signature], helpers, *lines[signature:]]) + "\n"

    with rewritten(bench.c / bench.source, change):
        return bench.failure(bench.source)


def _explained(bench: Bench, function: Function, place: int, line: str, helpers: str, same: str) -> str | None:
    source = (bench.c / bench.source).read_text(encoding="utf-8").splitlines()
    start, end = lines_of(source, function.name)
    body = source[start:end]
    body[place - start] = line
    return line_probe(bench, function, body, helpers, same)
