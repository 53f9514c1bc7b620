"""The simulators that a written design is built and run with here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bittrue.exports.tools import require_tools, tool_output
from bittrue.exports.verilog.target import BENCH, SOURCES

_WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-UNOPTFLAT", "-Wno-TIMESCALEMOD")
_OPTIONS = ("--timing", "-O3", "--x-assign", "fast", *_WARNINGS, "--top-module", "bench", "-o", "bench")
_MISTAKE = "this is a mistake of bittrue's: report it"


@dataclass(frozen=True)
class Simulator:
    """tools: the programs that it needs. remedy: what to do where one is missing. build: the commands that make it, and
    run: what runs it, in the design's folder."""

    name: str
    tools: tuple[str, ...]
    remedy: str
    build: Callable[[Path], list[str | Path]]
    run: tuple[str, ...]


def _verilator(folder: Path) -> list[str | Path]:
    return ["verilator", "--binary", *_OPTIONS, "-Mdir", "build", "-f", SOURCES, BENCH]


def _icarus(folder: Path) -> list[str | Path]:
    sources = (folder / SOURCES).read_text(encoding="utf-8").split()
    return ["iverilog", "-g2012", "-o", "bench.vvp", "-s", "bench", *sources, BENCH]


VERILATOR = Simulator(
    "Verilator",
    ("verilator", "g++", "make"),
    "install Verilator 5 and a C++ compiler (on Debian and Ubuntu: verilator, g++)",
    _verilator,
    ("./build/bench",),
)
"""The fast one; it knows no unknown bits."""

ICARUS = Simulator(
    "Icarus",
    ("iverilog", "vvp"),
    "install Icarus Verilog (on Debian and Ubuntu: iverilog)",
    _icarus,
    ("vvp", "-n", "bench.vvp"),
)
"""Quick to build and slow to run; what is read before it is written is unknown in it, which the bench refuses."""


def simulated(simulator: Simulator, folder: Path, *plusargs: str) -> str:
    """What the bench prints of a design that was written into `folder`, with its inputs there, once it is built.

    Raises: MissingToolError; BittrueError where the simulation stands still or an unknown bit comes out.
    """
    require_tools(_what(simulator), *simulator.tools, remedy=simulator.remedy)
    command = simulator.build(folder)
    tool_output(command, f"Building the Verilog with {simulator.name}", remedy=_MISTAKE, folder=folder)
    return simulated_again(simulator, folder, *plusargs)


def simulated_again(simulator: Simulator, folder: Path, *plusargs: str) -> str:
    """The same for a design that is built already."""
    (folder / "codes").mkdir(exist_ok=True)
    return tool_output([*simulator.run, *plusargs], _what(simulator), remedy=_MISTAKE, folder=folder)


def _what(simulator: Simulator) -> str:
    return f"Simulating the Verilog in {simulator.name}"


def verilated(folder: Path, sources: str, build: str) -> None:
    """Let Verilator make `build/bench` out of a list of sources, for a few runs: soon built, and not as fast as
    `VERILATOR`. Its own library is compiled once for a build folder."""
    what = "Building the Verilog with Verilator"
    made: list[str | Path] = ["verilator", "--cc", "--exe", "--main", *_OPTIONS, "-Mdir", build, "-f", sources, BENCH]
    tool_output(made, what, remedy=_MISTAKE, folder=folder)
    levels = [f"OPT_{part}=-O1" for part in ("FAST", "SLOW", "GLOBAL")]
    # The makefile is written each time, and what Verilator's library is compiled with doesn't change.
    compiled: list[str | Path] = ["make", "-s", "-C", build, "-f", "Vbench.mk", "-o", "Vbench.mk", *levels]
    tool_output(compiled, what, remedy=_MISTAKE, folder=folder)
