"""Mutations of the Verilog's texts: a parameter of an instance of a library module. The design is built again."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from bittrue.exports.mutation.constants import rewritten
from bittrue.exports.mutation.mutant import Draw, Mutation, Trial
from bittrue.exports.mutation.verilog.bench import VerilogBench
from bittrue.exports.mutation.verilog.reasons import reason
from bittrue.exports.verilog.design import Module
from bittrue.exports.verilog.rounding import OVERFLOWS, ROUNDINGS
from bittrue.fixed import Overflow

_INSTANCE = re.compile(r"^\s*bittrue_(\w+) #\(")
_PARAMETER = re.compile(r"\.([A-Z_]+)\(((?:\d+'s?[bdh])?-?[0-9a-f]+)\)")
_LITERAL = re.compile(r"(\d+)'(s?)([bdh])([0-9a-f]+)")
_BASES = {"b": (2, "b"), "d": (10, "d"), "h": (16, "x")}


@dataclass(frozen=True)
class Given:
    """A parameter that an instance is given. line: its number, from 0. value: as it is written."""

    path: Path
    line: int
    module: str
    name: str
    value: str


Place = tuple[str, str]
"""A library module, without its `bittrue_`, and a parameter of it."""

Changes = Callable[[str], Iterator[str]]
"""What else a parameter may be, as it is written."""

_LOW_BITS = {str(OVERFLOWS[Overflow.WRAP]), str(OVERFLOWS[Overflow.UNBOUNDED])}
"""Two names of one thing in hardware."""


def another_rounding(value: str) -> Iterator[str]:
    yield from (str(mode) for mode in ROUNDINGS.values() if str(mode) != value)


def another_overflow(value: str) -> Iterator[str]:
    for mode in map(str, OVERFLOWS.values()):
        if mode != value and not {mode, value} <= _LOW_BITS:
            yield mode


def near(least: int | None = None) -> Changes:
    """One more and one less, not below `least`; a literal with its width goes around."""

    def changes(value: str) -> Iterator[str]:
        found = _LITERAL.fullmatch(value)
        for step in (-1, 1):
            if found is None:
                if least is None or int(value) + step >= least:
                    yield str(int(value) + step)
            else:
                width, (base, digits) = int(found[1]), _BASES[found[3]]
                other = int(found[4], base) + step & (1 << width) - 1
                yield f"{width}'{found[2]}{found[3]}{other:{digits}}"

    return changes


def fewer(value: str) -> Iterator[str]:
    """One, half, and one less: what is too few, or nearly."""
    number = int(value)
    yield from (str(each) for each in dict.fromkeys((number - 1, number // 2, 1)) if 0 < each < number)


def one_less(value: str) -> Iterator[str]:
    if int(value) > 1:
        yield str(int(value) - 1)


def switched(value: str) -> Iterator[str]:
    """0 for 1, and 1 for 0."""
    yield value[:-1] + ("0" if value.endswith("1") else "1")


def left_out(value: str) -> Iterator[str]:
    if value == "1":
        yield "0"


def parameter(kind: str, places: Mapping[Place, Changes], same: str) -> Draw[VerilogBench]:
    """One parameter of an instance. places: by the library's module and the parameter. same: what it means that no
    number changes."""

    def draw(bench: VerilogBench, random: Random) -> Trial | None:
        found = [
            (module, given, other)
            for module, path in _texts(bench)
            for given in _given(path)
            if (given.module, given.name) in places
            for other in places[given.module, given.name](given.value)
        ]
        if not found:
            return None
        module, given, other = random.choice(found)
        mutation = Mutation(
            kind,
            f"verilog/{given.path.relative_to(bench.verilog)}",
            f"line {given.line + 1}, bittrue_{given.module}",
            f".{given.name}({given.value})",
            f".{given.name}({other})",
        )
        return Trial(
            mutation,
            partial(_tried, bench, given, other),
            partial(_explained, bench, given, other, module, same),
        )

    return draw


def _texts(bench: VerilogBench) -> Sequence[tuple[Module, Path]]:
    """The files with instances; the top's, which are the queues, go with the module whose output is the network's."""
    modules = bench.design.modules
    return [*((module, bench.text_of(module)) for module in modules), (modules[-1], bench.top)]


def _given(path: Path) -> Iterator[Given]:
    module = ""
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if (instance := _INSTANCE.match(text)) is not None:
            module = instance[1]
        for found in _PARAMETER.finditer(text):
            yield Given(path, line, module, found[1], found[2])


def _tried(bench: VerilogBench, given: Given, other: str) -> str | None:
    def change(text: str) -> str:
        lines = text.splitlines()
        lines[given.line] = lines[given.line].replace(f".{given.name}({given.value})", f".{given.name}({other})")
        return "\n".join(lines) + "\n"

    with rewritten(given.path, change):
        return bench.failure(rebuilt=True)


def _explained(bench: VerilogBench, given: Given, other: str, module: Module, same: str) -> str | None:
    _tried(bench, given, other)
    return reason(bench, module, same)
