"""Benches that hold a device against the golden vectors: one in SystemVerilog, one in Python for cocotb.

The device has one stream in and one stream out, a code a beat, with ready and valid: see the README that is written
beside them.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from bittrue.exports.vectors import texts
from bittrue.exports.words import word_length_of
from bittrue.program import FixedNetwork, Step


@dataclass(frozen=True)
class Stream:
    """site: whose codes go over it. width: bits of a word. words: how many in all. signed: whether codes can be
    negative."""

    site: str
    width: int
    words: int
    signed: bool


def stream_of(step: Step, images: int) -> Stream:
    return Stream(str(step.site), word_length_of(step), images * prod(step.type.shape), (step.type.low or 0) < 0)


def write_bench(program: FixedNetwork, images: int, folder: Path) -> None:
    """The bench's files into an empty folder beside the vectors' `hex`."""
    source, result = (stream_of(step, images) for step in (program.steps[0], program.by_name[program.output]))
    values = {
        "IN_SITE": source.site,
        "OUT_SITE": result.site,
        "IN_WIDTH": source.width,
        "OUT_WIDTH": result.width,
        "IN_WORDS": source.words,
        "OUT_WORDS": result.words,
        "OUT_SIGNED": int(result.signed),
        "IMAGES": images,
        "IN_CODE": "signed, two's complement" if source.signed else "unsigned",
        "OUT_CODE": "signed, two's complement" if result.signed else "unsigned",
    }
    for name, text in texts.FILES.items():
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
