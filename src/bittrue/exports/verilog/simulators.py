"""The simulators that a written design is built and run with here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bittrue.exports.tools import require_tools, tool_output
from bittrue.exports.verilog.target import BENCH, SOURCES

_WARNINGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-UNOPTFLAT", "-Wno-TIMESCALEMOD")
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
    command: list[str | Path] = ["verilator", "--binary", "--timing", "-O3", "--x-assign", "fast", *_WARNINGS]
    return [*command, "--top-module", "bench", "-Mdir", "build", "-o", "bench", "-f", SOURCES, BENCH]


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
    """What the bench prints of a design that was written into `folder`, with its inputs there.

    Raises: MissingToolError; BittrueError where the simulation stands still or an unknown bit comes out.
    """
    what = f"Simulating the Verilog in {simulator.name}"
    require_tools(what, *simulator.tools, remedy=simulator.remedy)
    (folder / "codes").mkdir(exist_ok=True)
    command = simulator.build(folder)
    tool_output(command, f"Building the Verilog with {simulator.name}", remedy=_MISTAKE, folder=folder)
    return tool_output([*simulator.run, *plusargs], what, remedy=_MISTAKE, folder=folder)
