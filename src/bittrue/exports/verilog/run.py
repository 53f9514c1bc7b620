"""Builds the Verilog of a network here and runs it on images."""

import re
from pathlib import Path
from typing import Any

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import Dataset
from bittrue.errors import BittrueError
from bittrue.exports.job import Job
from bittrue.exports.verilog.design import Design, design_of
from bittrue.exports.verilog.draft import Word
from bittrue.exports.verilog.simulators import VERILATOR, Simulator, simulated
from bittrue.exports.verilog.target import INPUTS, write_verilog
from bittrue.exports.words import hex_words
from bittrue.files import dump_json, read_json

_RUN = "cycles.json"
_DONE = re.compile(r"DONE: (\d+) images, (\d+) cycles, (\d+) the first")


def run_verilog(job: Job, images: Dataset, folder: Path) -> Path:
    """The folder with the codes of every stream, on these images, in Verilator, with pauses at random at both ends.

    Raises: BittrueError where Verilog can't have the network, where Verilator or a compiler is missing, and where the
    simulation stands still.
    """
    return run_design(design_of(job), images, folder, VERILATOR, "+backpressure")


def run_design(design: Design, images: Dataset, folder: Path, simulator: Simulator, *plusargs: str) -> Path:
    """The same for a design in any simulator. plusargs: of the bench."""
    write_verilog(design, folder)
    write_inputs(design, images, folder)
    said = simulated(simulator, folder, f"+images={images.images}", "+taps", *plusargs)
    done = _DONE.search(said)
    if done is None:
        raise BittrueError(f"The bench in {simulator.name} said nothing of its end ({said[:200]!r}): report it.")
    counts = dict(zip(("images", "cycles", "latency"), map(int, done.groups()), strict=True))
    (folder / "codes" / _RUN).write_text(dump_json(counts), encoding="utf-8")
    return folder / "codes"


def write_inputs(design: Design, images: Dataset, folder: Path) -> None:
    """The images as codes of the input's site, a word a line."""
    source = design.input
    codes = codes_of(design.program, images, [source.name])[source.name]
    (folder / INPUTS).write_text(hex_words(codes, Word.of(source).width), encoding="utf-8")


def cycles_said(codes: Path) -> tuple[str, ...]:
    """What a run says of its cycles."""
    counts: Any = read_json(codes / _RUN, "run")
    return (
        f"{counts['cycles']:,} cycles for {counts['images']:,} images, with pauses at random at both ends; "
        f"{counts['latency']:,} until the first was out.",
    )
