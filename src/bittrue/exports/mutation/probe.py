"""Why a mutant isn't noticed: its layer computed twice beside itself, as exported and changed, number by number.

The C function of the layer is written twice into one program, once with the change. Each number on the way is compared
with its twin, and each read of a changed constant is counted. So a reason is what was counted, and no guess.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from bittrue.exports.c.draft import Constant
from bittrue.exports.c.program import Function
from bittrue.exports.mutation.bench import Bench

_NUMBER = re.compile(r"^\s*const (?:int32_t|int64_t) (v\d*) = (.*);$")
_SUM = re.compile(r"\b(sum|squares)\b")
_FACTORS = ("weight", "scale", "scale_below", "gamma", "factor", "alignment")

_WORDS = (
    (r"\bsaturate", "saturated"),
    (r"\b(floor_)?shift|\bdivide", "rounded away"),
    (r"\bwrap", "cut off above the word"),
    (r"__(table|exps|roots)\[", "the same entry of a table"),
    (r"\?", CLIPPED := "clipped"),
    (r" \* ", "multiplied by 0"),
)
"""What a line does, by what stands in it: the first that fits."""


@dataclass(frozen=True)
class _Line:
    """A line of the function: how often it was computed, and how often with another result."""

    text: str
    computed: int
    changed: int


@dataclass(frozen=True)
class _Counts:
    """reads: of the changed constant. stored: codes of the layer that change, of how many."""

    reads: int
    stored: int
    codes: int
    lines: tuple[_Line, ...]

    @property
    def silent(self) -> bool:
        """Whether nothing changes, not even on the way."""
        return not self.stored and not any(line.changed for line in self.lines)


def entry_probe(bench: Bench, constant: Constant, place: int, code: int) -> str | None:
    """Why no result changes with another code in a constant's array; None where one does."""
    function = bench.function_of[constant.name]
    lines = _lines(bench, function)
    read = [_reading(line, constant) for line in lines]
    counts = _counted(bench, function, read, read, place, code)
    if counts is None or not counts.silent:
        return None if counts is None else _reason(function, counts)
    if counts.reads == 0:
        return "unused: no input reads this number"
    how = "multiplied by 0" if constant.name.rpartition("__")[2] in _FACTORS else "of no effect"
    return f"{how}: read {counts.reads:,} times, and no number that it goes into changes"


def line_probe(bench: Bench, function: Function, changed: Sequence[str], helpers: str, same: str) -> str | None:
    """Why no result changes with other lines in a function, as many as it has; helpers: C functions that they call.

    same: what it means that no number on the way changes.
    """
    counts = _counted(bench, function, _lines(bench, function), changed, -1, 0, helpers)
    if counts is None or not counts.silent:
        return None if counts is None else _reason(function, counts)
    computed = max((line.computed for line in counts.lines), default=counts.codes)
    return f"{same}: computed {computed:,} times, each time with the same result"


def _reason(function: Function, counts: _Counts) -> str | None:
    last = function.group.last
    layer = last.site or last.name
    if counts.stored:
        if last.site is not None:
            return None  # the check compares this layer: something is wrong
        return f"{counts.stored:,} codes of {layer} change, which no vector is of, and no code of a later layer does"
    place = max(place for place, line in enumerate(counts.lines) if line.changed)
    line = counts.lines[place]
    how = "cut off when it is stored"
    if place + 1 < len(counts.lines):
        after = counts.lines[place + 1].text
        how = next((word for mark, word in _WORDS if re.search(mark, after)), f"lost in {after}")
    if how == CLIPPED and line.changed * last.type.shape[-1] == line.computed:
        how = "dead channel"
    numbers = f"{line.changed:,} of {line.computed:,} numbers change"
    return f"{how}: {numbers}, and none of the {counts.codes:,} codes of {layer}"


def lines_of(lines: Sequence[str], name: str) -> tuple[int, int]:
    """Where the lines of a function's body begin and end in the lines of the C."""
    start = next(place for place, line in enumerate(lines) if re.match(rf"static (void|int) {name}\(", line))
    end = next(place for place in range(start, len(lines)) if lines[place] == "}")
    return start + 2, end


def _lines(bench: Bench, function: Function) -> list[str]:
    source = (bench.c / bench.source).read_text(encoding="utf-8").splitlines()
    start, end = lines_of(source, function.name)
    return source[start:end]


def _reading(line: str, constant: Constant) -> str:
    """A line in which the reads of a constant go through `PROBE`; a weight's are relative to its channel's."""
    pointer = f" = {constant.name} + "
    if pointer in line:
        return f"{line} const long base = (long)(w - {constant.name});"
    name, base = (constant.name, "") if f"{constant.name}[" in line else ("w", "base + ")
    is_weight = constant.name.endswith("__weight")
    if name == "w" and not (is_weight and re.search(r"\bw\[", line)):
        return line
    return _indexed(line, name, base)


def _indexed(line: str, name: str, base: str) -> str:
    found = re.search(rf"\b{name}\[", line)
    if found is None:
        return line
    depth, end = 1, found.end()
    while depth:
        depth += {"[": 1, "]": -1}.get(line[end], 0)
        end += 1
    index = line[found.end() : end - 1]
    read = f"PROBE({name}[{index}], {base}(long)({index}))"
    return line[: found.start()] + read + _indexed(line[end:], name, base)


def _traced(lines: Sequence[str]) -> list[str]:
    """The lines with a trace of each number, at an odd place; a sum's is at an even one, before the line that reads
    it."""
    made = []
    for place, line in enumerate(lines):
        found = _NUMBER.match(line.partition(" const long base")[0])
        total = _SUM.search(line.partition(" = ")[2]) if found or " y[" in f" {line}" else None
        before = "" if total is None else f"probe_trace({2 * place}, {total[0]}); "
        after = "" if found is None else f" probe_trace({2 * place + 1}, {found[1]});"
        made.append(f"{before}{line}{after}")
    return made


def _counted(
    bench: Bench,
    function: Function,
    original: Sequence[str],
    changed: Sequence[str],
    place: int,
    code: int,
    helpers: str = "",
) -> _Counts | None:
    """None where the program with the change doesn't come to its end."""
    source = (bench.c / bench.source).read_text(encoding="utf-8").splitlines()
    start, end = lines_of(source, function.name)
    head, rest = source[: start - 2], source[end + 1 :]
    signature = source[start - 2]
    twin = re.sub(rf"\b{function.name}\(", f"{function.name}__changed(", signature)
    codes = prod(function.group.last.type.shape)
    kind = bench.made.storage_of(function.group.last.name).c_type
    results = bench.folder / "probe.txt"
    lines = [
        *head,
        _with(_PROBE, RESULTS=results, LINES=2 * len(original), PLACE=place, CODE=f"{code}LL"),
        helpers,
        *(signature, "{", *_traced(original), "}"),
        *(twin, "{", *_traced(changed), "}"),
        f"static {kind} probe_codes[{codes}];",
    ]
    for line in rest:
        lines.append(_called_twice(line, function, codes))
    path = bench.folder / "probe.c"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    objects = [bench.built(name) for name in ("main.c", bench.constants)]
    check = bench.linked(
        [objects[0], bench.compiled(path, "probe.o", "-std=gnu99", "-O1", "-fwrapv"), objects[1]], "probe"
    )
    results.unlink(missing_ok=True)
    bench.ran(check)
    return _read(results, _lines(bench, function)) if results.exists() else None


def _with(text: str, **values: object) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _called_twice(line: str, function: Function, codes: int) -> str:
    found = re.search(rf"\b{function.name}\((.*), ([^,()]+)\)", line)
    if found is None:
        return line
    inputs, result = found[1], found[2]
    again = f"probe_side = 1, {function.name}__changed({inputs}, probe_codes), probe_side = 0"
    first = f"{function.name}({inputs}, {result})"
    width = f"sizeof *probe_codes, {codes}"
    whole = f"({first}, {again}, probe_compare({result}, probe_codes, {width}))"
    return line[: found.start()] + whole + line[found.end() :]


def _read(path: Path, lines: Sequence[str]) -> _Counts:
    first, *rest = path.read_text(encoding="ascii").splitlines()
    reads, stored, codes = map(int, first.split())
    counted = [tuple(map(int, line.split())) for line in rest]
    found = []
    for place, computed, changed in counted:
        line = lines[place // 2]
        found.append(_Line(line.strip() if place % 2 else "the sum", computed, changed))
    return _Counts(reads, stored, codes, tuple(found))


_PROBE = """
#include <stdio.h>
#include <stdlib.h>

struct probe_number {
    int line;
    int64_t value;
};

static int probe_side, probe_begun;
static long probe_reads, probe_stored, probe_all;
static struct probe_number *probe_numbers[2];
static size_t probe_count[2], probe_room[2];
static long probe_computed[@LINES@ + 1], probe_changed[@LINES@ + 1];

static int64_t probe_read(int64_t value, long index)
{
    if (probe_side == 1 && index == @PLACE@) {
        ++probe_reads;
        return @CODE@;
    }
    return value;
}

#define PROBE(value, index) probe_read((int64_t)(value), index)

static void probe_trace(int line, int64_t value)
{
    const int side = probe_side;
    if (probe_count[side] == probe_room[side]) {
        probe_room[side] = probe_room[side] ? 2 * probe_room[side] : 4096;
        probe_numbers[side] = realloc(probe_numbers[side], probe_room[side] * sizeof *probe_numbers[side]);
        if (probe_numbers[side] == NULL) {
            exit(2);
        }
    }
    probe_numbers[side][probe_count[side]].line = line;
    probe_numbers[side][probe_count[side]].value = value;
    ++probe_count[side];
}

static void probe_finish(void)
{
    FILE *file = fopen("@RESULTS@", "w");
    if (file == NULL) {
        exit(2);
    }
    fprintf(file, "%ld %ld %ld\\n", probe_reads, probe_stored, probe_all);
    for (int line = 0; line < @LINES@; ++line) {
        if (probe_computed[line]) {
            fprintf(file, "%d %ld %ld\\n", line, probe_computed[line], probe_changed[line]);
        }
    }
    fclose(file);
}

static int probe_compare(const void *own, const void *other, size_t width, long codes)
{
    if (!probe_begun) {
        probe_begun = 1;
        atexit(probe_finish);
    }
    for (size_t place = 0; place < probe_count[0] || place < probe_count[1]; ++place) {
        const int there = place < probe_count[0] && place < probe_count[1];
        const struct probe_number *number = &probe_numbers[place < probe_count[0] ? 0 : 1][place];
        ++probe_computed[number->line];
        probe_changed[number->line] += !there || probe_numbers[0][place].value != probe_numbers[1][place].value;
    }
    for (long place = 0; place < codes; ++place) {
        const unsigned char *first = (const unsigned char *)own + (size_t)place * width;
        const unsigned char *second = (const unsigned char *)other + (size_t)place * width;
        int different = 0;
        for (size_t byte = 0; byte < width; ++byte) {
            different |= first[byte] != second[byte];
        }
        probe_stored += different;
    }
    probe_all += codes;
    probe_count[0] = probe_count[1] = 0;
    return 0;
}
"""
