"""Every requantizer and every divider of up to some bits, on every input, in Icarus beside the definition:
`python tests/exports/verilog/exhaustive.py [LONGEST_WORD]` (8 by default). Ends with 1 at the first wrong code."""

import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from exports.verilog import dividing, requantizing
from exports.verilog.dividing import Divider
from exports.verilog.requantizing import Requantizer
from exports.verilog.simulated import every_output, source_of

_TOGETHER = 2000
"""Instances a bench."""


def compared(remaining: Iterator[Requantizer | Divider], source: str) -> tuple[int, int]:
    """How many sets of parameters and how many codes were compared; exits at a code that is wrong."""
    sets = codes = 0
    while chunk := list(islice(remaining, _TOGETHER)):
        with tempfile.TemporaryDirectory() as folder:
            outputs = every_output([each.instance for each in chunk], source, Path(folder))
        for each, got in zip(chunk, outputs, strict=True):
            expected = each.expected()
            if got != expected:
                place = next(place for place, code in enumerate(got) if code != expected[place])
                sys.exit(f"{each}: of {place} expected {expected[place]}, got {got[place]}")
            codes += len(got)
        sets += len(chunk)
    return sets, codes


def main() -> None:
    longest = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    sets, codes = compared(iter(dividing.every(longest)), source_of("divide"))
    print(f"{sets:,} dividers of up to {longest} bits: {codes:,} codes compared, 0 mismatches", flush=True)
    sets, codes = compared(iter(requantizing.every(longest)), source_of("requantize"))
    print(f"{sets:,} requantizers of up to {longest} bits: {codes:,} codes compared, 0 mismatches")


if __name__ == "__main__":
    main()
