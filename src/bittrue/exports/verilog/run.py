"""Builds the Verilog of a network here and runs it on images."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bittrue.analysis.evaluating.codes import codes_of
from bittrue.data import Dataset
from bittrue.errors import BittrueError
from bittrue.exports.job import Job
from bittrue.exports.verilog.design import Design, design_of
from bittrue.exports.verilog.draft import Word
from bittrue.exports.verilog.simulators import VERILATOR, Simulator, simulated, simulated_again
from bittrue.exports.verilog.target import INPUTS, write_verilog
from bittrue.exports.words import hex_words
from bittrue.files import dump_json, read_json

_RUN = "cycles.json"
_DONE = re.compile(r"DONE: (\d+) images, (\d+) cycles, (\d+) the first")


@dataclass(frozen=True)
class Cycles:
    """What the bench counts from the end of the reset on: until all of the images were out, and until the first was."""

    images: int
    cycles: int
    latency: int

    @classmethod
    def said(cls, text: str, simulator: Simulator) -> "Cycles":
        done = _DONE.search(text)
        if done is None:
            raise BittrueError(f"The bench in {simulator.name} said nothing of its end ({text[:200]!r}): report it.")
        return cls(*map(int, done.groups()))

    @property
    def pace(self) -> int:
        """From one image to the next, of several images."""
        return round((self.cycles - self.latency) / (self.images - 1))


def run_verilog(job: Job, images: Dataset, folder: Path) -> Path:
    """The folder with the codes of every stream, on these images, in Verilator, with pauses at random at both ends;
    several images run once more without pauses, and their cycles are counted.

    Raises: BittrueError where Verilog can't have the network, where Verilator or a compiler is missing, and where the
    simulation stands still.
    """
    design = design_of(job)
    codes, paused = run_design(design, images, folder, VERILATOR, "+backpressure")
    found: dict[str, Any] = {"paused": asdict(paused), "estimated": design.cycles, "free": None}
    if images.images > 1:
        found["free"] = asdict(Cycles.said(simulated_again(VERILATOR, folder, _images(images)), VERILATOR))
    (codes / _RUN).write_text(dump_json(found), encoding="utf-8")
    return codes


def run_design(
    design: Design, images: Dataset, folder: Path, simulator: Simulator, *plusargs: str
) -> tuple[Path, Cycles]:
    """The folder with the codes of a design in any simulator, and the cycles. plusargs: of the bench."""
    write_verilog(design, folder)
    write_inputs(design, images, folder)
    said = simulated(simulator, folder, _images(images), "+taps", *plusargs)
    return folder / "codes", Cycles.said(said, simulator)


def _images(images: Dataset) -> str:
    return f"+images={images.images}"


def write_inputs(design: Design, images: Dataset, folder: Path) -> None:
    """The images as codes of the input's site, a word a line."""
    source = design.input
    codes = codes_of(design.program, images, [source.name])[source.name]
    (folder / INPUTS).write_text(hex_words(codes, Word.of(source).width), encoding="utf-8")


def cycles_said(codes: Path) -> tuple[str, ...]:
    """What a run says of its cycles."""
    found: Any = read_json(codes / _RUN, "run")
    paused = Cycles(**found["paused"])
    sentences = [
        f"{paused.cycles:,} cycles for {paused.images:,} images, with pauses at random at both ends; "
        f"{paused.latency:,} until the first was out."
    ]
    if found["free"] is not None:
        free, estimated = Cycles(**found["free"]), found["estimated"]
        sentences.append(
            f"Without pauses an image every {free.pace:,} cycles, where the export's table has {estimated:,} "
            f"({(free.pace - estimated) / estimated:+.1%}); {free.latency:,} until the first was out."
        )
    return tuple(sentences)
