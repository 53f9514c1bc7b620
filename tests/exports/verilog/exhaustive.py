"""Every requantizer, every divider and every step of a sum of up to some bits, on every input, in Icarus beside the
definition: `python tests/exports/verilog/exhaustive.py [LONGEST_WORD [WHAT…]]` (8 and all of them by default; WHAT:
dividers, requantizers, adders). Ends with 1 at the first wrong code."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from exports.verilog import adding, dividing, requantizing
from exports.verilog.adding import Adder
from exports.verilog.dividing import Divider
from exports.verilog.requantizing import Requantizer
from exports.verilog.simulated import every_output, source_of

Sets = Sequence[Requantizer] | Sequence[Divider] | Sequence[Adder]

_TOGETHER = 2000
"""Instances a bench."""


def benches(sets: Sets) -> Iterator[Sets]:
    """The sets of parameters whose inputs have as many bits, so many at a time as one bench takes: it gives all of them
    each input once."""
    for _, alike in groupby(sorted(sets, key=lambda each: each.instance.in_width), lambda each: each.instance.in_width):
        chosen = list(alike)
        yield from (chosen[start : start + _TOGETHER] for start in range(0, len(chosen), _TOGETHER))


def compared(sets: Sets, source: str) -> int:
    """How many codes were compared; exits at a code that is wrong."""
    codes = 0
    for together in benches(sets):
        with tempfile.TemporaryDirectory() as folder:
            outputs = every_output([each.instance for each in together], source, Path(folder))
        for each, got in zip(together, outputs, strict=True):
            expected = each.expected()
            if got != expected:
                place = next(place for place, code in enumerate(got) if code != expected[place])
                sys.exit(f"{each}: of {place} expected {expected[place]}, got {got[place]}")
            codes += len(got)
    return codes


def main() -> None:
    longest = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    grids = {
        "dividers": (dividing.every, source_of("divide")),
        "adders": (adding.every, adding.SOURCE),
        "requantizers": (requantizing.every, source_of("requantize")),
    }
    for what in sys.argv[2:] or grids:
        every, source = grids[what]
        sets = list(every(longest))
        codes = compared(sets, source)
        print(f"{len(sets):,} {what} of up to {longest} bits: {codes:,} codes compared, 0 mismatches", flush=True)


if __name__ == "__main__":
    main()
