"""The exported Verilog in a folder, simulated in Verilator: what every mutation of it is tried on."""

import filecmp
import shutil
import subprocess
from dataclasses import dataclass
from math import prod
from pathlib import Path

from bittrue.errors import BittrueError
from bittrue.exports.export import TARGETS, write_targets
from bittrue.exports.job import Job
from bittrue.exports.tools import require_tools
from bittrue.exports.verilog.design import Design, Module, design_of
from bittrue.exports.verilog.simulators import VERILATOR, verilated
from bittrue.exports.verilog.target import INPUTS, MODULES, SOURCES
from bittrue.program import Step

_TARGETS = ("verilog", "vectors")
_LONGEST = 600
"""Seconds after which a mutant that doesn't end counts as caught."""

_TRACED = "traced"
_CODES, _TRACES = "codes", "traces"
_RIGHT = "right"
"""The folder of what the unchanged design writes."""

_EXPORTED, _CHANGED = "build", "build_changed"


@dataclass(frozen=True)
class Counts:
    """The words that went over a stream inside of a module, and how many of them differ from the unchanged design's."""

    stream: str
    words: int
    changed: int


@dataclass(frozen=True, eq=False)
class VerilogBench:
    """folder: the export's. images: how many the vectors have."""

    design: Design
    folder: Path
    images: int

    @property
    def verilog(self) -> Path:
        return self.folder / "verilog"

    def text_of(self, module: Module) -> Path:
        return self.verilog / MODULES / f"{module.name}.sv"

    @property
    def top(self) -> Path:
        return self.verilog / f"{self.design.name}.sv"

    def failure(self, *, rebuilt: bool) -> str | None:
        """What the bench, or the comparison of each layer's codes, says first where a mutation is noticed.

        rebuilt: whether a text was changed, and not memories alone, which every run reads anew.
        """
        if rebuilt:
            self.build(_CHANGED)
        return self.run(_CHANGED if rebuilt else _EXPORTED) or self.difference()

    def build(self, into: str = _EXPORTED) -> None:
        """Build the design as it now is, each module with a tap on each of its streams."""
        if not (self.verilog / into).exists() and into != _EXPORTED:
            shutil.copytree(self.verilog / _EXPORTED, self.verilog / into)  # what is compiled for all of them
        traced = self.verilog / _TRACED
        traced.mkdir(exist_ok=True)
        sources = (self.verilog / SOURCES).read_text(encoding="utf-8")
        for module in self.design.modules:
            text = self.text_of(module).read_text(encoding="utf-8").removesuffix("endmodule\n")
            taps = "".join(_tap(module, flow.name, flow.width) for flow in module.draft.flows)
            (traced / f"{module.name}.sv").write_text(f"{text}{taps}endmodule\n", encoding="utf-8")
            sources = sources.replace(f"{MODULES}/{module.name}.sv\n", f"{_TRACED}/{module.name}.sv\n")
        listed = f"{_TRACED}/{SOURCES}"
        (self.verilog / listed).write_text(sources, encoding="utf-8")
        verilated(self.verilog, listed, into)

    def run(self, build: str = _EXPORTED) -> str | None:
        """Simulate with pauses at random at both ends; what is said where it doesn't come to its end."""
        for name in (_CODES, _TRACES):
            shutil.rmtree(self.verilog / name, ignore_errors=True)
            (self.verilog / name).mkdir()
        command = [f"./{build}/bench", f"+images={self.images}", "+taps", "+backpressure"]
        try:
            done = subprocess.run(
                command, cwd=self.verilog, capture_output=True, text=True, check=False, timeout=_LONGEST
            )
        except subprocess.TimeoutExpired:
            return f"it didn't end within {_LONGEST} s"
        if done.returncode == 0 and "DONE: " in done.stdout:
            return None
        said = (done.stdout or done.stderr).splitlines()
        return next((line for line in said if "FAIL" in line), said[0] if said else f"ended with {done.returncode}")

    def keep(self) -> None:
        """Take what the last run wrote as right."""
        for name in (_CODES, _TRACES):
            (self.verilog / name).rename(self.verilog / _RIGHT / name)

    def difference(self) -> str | None:
        """The first code of the last run that isn't the unchanged design's, layer by layer."""
        found = (self._difference(step) for step in self.design.stored)
        return next((text for text in found if text is not None), None)

    def changed_codes(self, module: Module) -> int:
        """How many of a module's codes differ in the last run."""
        return self._counts(_codes_file(module.step)).changed

    def traces(self, module: Module) -> list[Counts]:
        """Of each stream in a module, in the order in which words go through them."""
        return [self._counts(_trace_file(module, flow.name), flow.name) for flow in module.draft.flows]

    def _difference(self, step: Step) -> str | None:
        name = _codes_file(step)
        if filecmp.cmp(self.verilog / _RIGHT / name, self.verilog / name, shallow=False):
            return None
        right, got = self._lines(f"{_RIGHT}/{name}"), self._lines(name)
        layer = step.site or step.name
        place = next((place for place, pair in enumerate(zip(right, got, strict=False)) if len(set(pair)) > 1), None)
        if place is None:
            return f"{layer}: expected {len(right):,} words, got {len(got):,}"
        image, index = divmod(place, len(right) // self.images)
        return f"{layer}, image {image}, index {index}: expected 0x{right[place]}, got 0x{got[place]}"

    def _counts(self, name: str, stream: str = "") -> Counts:
        right, got = self._lines(f"{_RIGHT}/{name}"), self._lines(name)
        changed = abs(len(right) - len(got)) + sum(a != b for a, b in zip(right, got, strict=False))
        return Counts(stream, len(right), changed)

    def _lines(self, name: str) -> list[str]:
        path = self.verilog / name
        return path.read_text(encoding="ascii").split() if path.exists() else []


def _codes_file(step: Step) -> str:
    return f"{_CODES}/{step.site or step.name}.hex"


def _trace_file(module: Module, flow: str) -> str:
    return f"{_TRACES}/{module.name}.{flow}.hex"


def _tap(module: Module, flow: str, width: int) -> str:
    ports = ", ".join(f".{part}({flow}_{part})" for part in ("valid", "ready", "data"))
    return (
        f'    bittrue_tap #(.WIDTH({width}), .FILE("{_trace_file(module, flow)}")) {flow}__trace '
        f"(.clk(clk), .rst_n(rst_n), {ports});\n"
    )


def verilog_bench_of(job: Job, folder: Path) -> VerilogBench:
    """Export the Verilog and the vectors of a job into an empty folder, and see that every layer's codes are those.

    Raises: BittrueError for what Verilog can't have, without Verilator, and where a code differs as it is.
    """
    targets = [TARGETS[name] for name in _TARGETS]
    for target in targets:
        target.check(job)
    require_tools("Simulating the Verilog", *VERILATOR.tools, remedy=VERILATOR.remedy)
    write_targets(job, targets, folder)
    design = design_of(job)
    vectors = folder / "vectors" / "hex"
    inputs = (vectors / f"{design.input.site}.hex").read_text(encoding="ascii")
    bench = VerilogBench(design, folder, inputs.count("\n") // prod(design.input.type.shape))
    (bench.verilog / INPUTS).write_text(inputs, encoding="ascii")
    (bench.verilog / _RIGHT).mkdir()
    bench.build()
    failed = bench.run()
    for step in design.stored:
        if failed is None and step.site is not None:
            own, right = (bench.verilog / _codes_file(step)).read_bytes(), (vectors / f"{step.site}.hex").read_bytes()
            failed = None if own == right else f"{step.site} isn't the simulation's"
    if failed is not None:
        raise BittrueError(
            f"The exported Verilog fails before anything is changed ({failed}): compare with --against verilog."
        )
    bench.keep()
    return bench
