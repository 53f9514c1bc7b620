"""Builds the Verilog of a network here with Verilator and runs it on images."""

import re
from pathlib import Path

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import Dataset
from bittrue.errors import BittrueError
from bittrue.exports.job import Job
from bittrue.exports.tools import require_tools, tool_output
from bittrue.exports.verilog.design import Design, design_of
from bittrue.exports.verilog.draft import Word
from bittrue.exports.verilog.target import BENCH, SOURCES, write_verilog
from bittrue.exports.words import hex_words
from bittrue.files import dump_json, read_json

_REMEDY = "install Verilator 5 and a C++ compiler (on Debian and Ubuntu: verilator, g++)"
_RUN = "cycles.json"
_DONE = re.compile(r"DONE: (\d+) images, (\d+) cycles, (\d+) the first")
_WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-UNOPTFLAT", "-Wno-TIMESCALEMOD")


def run_verilog(job: Job, images: Dataset, folder: Path, *plusargs: str) -> Path:
    """The folder with the codes of every stream, on these images, with pauses at random at both ends.

    Raises: BittrueError where Verilog can't have the network, where Verilator or a compiler is missing, and where the
    simulation stands still.
    """
    design = design_of(job)
    require_tools("Simulating the Verilog", "verilator", "g++", "make", remedy=_REMEDY)
    write_verilog(design, folder)
    write_inputs(design, images, folder)
    codes = folder / "codes"
    codes.mkdir()
    build(design, folder)
    chosen = plusargs or ("+backpressure",)
    command = [folder / "build" / "bench", f"+images={images.images}", "+taps", *chosen]
    said = tool_output(command, "The Verilog's simulation", remedy="this is a mistake of bittrue's: report it", folder=folder)
    done = _DONE.search(said)
    if done is None:
        raise BittrueError(f"The Verilog's simulation didn't end ({said[:200]!r}): this is a mistake of bittrue's: report it.")
    counts = dict(zip(("images", "cycles", "latency"), map(int, done.groups()), strict=True))
    (codes / _RUN).write_text(dump_json(counts), encoding="utf-8")
    return codes


def cycles_said(codes: Path) -> tuple[str, ...]:
    """What a run says of its cycles."""
    counts = read_json(codes / _RUN, "run")
    return (
        f"{counts['cycles']:,} cycles for {counts['images']} images in Verilator, with pauses at random at both ends; "
        f"{counts['latency']:,} until the first was out.",
    )


def build(design: Design, folder: Path) -> None:
    """The simulation of a design that was written into a folder: `build/bench` there."""
    command = ["verilator", "--binary", "--timing", "-O3", "--x-assign", "fast", *_WARNINGS]
    command += ["--top-module", "bench", "-Mdir", "build", "-o", "bench", "-f", SOURCES, BENCH]
    tool_output(command, "Building the Verilog", remedy=_REMEDY, folder=folder)


def write_inputs(design: Design, images: Dataset, folder: Path) -> None:
    """The images as codes of the input's site, a word a line."""
    source = design.input
    codes = codes_of(design.program, images, [source.name])[source.name]
    (folder / "inputs.hex").write_text(hex_words(codes, Word.of(source).width), encoding="utf-8")
