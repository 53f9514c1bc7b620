"""What Yosys makes of each module of the Verilog export, beside the estimates of `analysis/cost`:

    python benchmarks/synthesis.py MODEL PLAN [--until NODE] [--parallel conv1=8,…] [--multipliers N]

`synth_xilinx -family xcup` and `synth_ecp5`, module by module, and the queues of the top module, without routing.
Beside the multipliers and the memory blocks of both families stands what the rule of analysis/cost/hardware.py says of
the module's own products and arrays; `e` is the error. Memory bits are those of the files and of what is held, beside
Yosys' own count before it maps them; those of the files, beside the manifest's. Where either differs, it is said, and
the exit code is 1.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from bittrue.analysis.cost.hardware import ECP5, ULTRASCALE, Family
from bittrue.exports.export import export
from bittrue.exports.job import Job, until
from bittrue.exports.verilog.design import Design, design_of
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.resources import Array, Resources, arrays_of, queues_of, resources
from bittrue.exports.verilog.target import SOURCES
from bittrue.fixed import parse_quantizer, word_length_between
from bittrue.frontends import load
from bittrue.lowering import lower_network
from bittrue.plan import Plan


@dataclass(frozen=True)
class Synthesis:
    """A family with Yosys' command, and of which cells its resources are counted, in the order of the table: logic,
    multipliers, memory blocks."""

    family: Family
    command: str
    cells: Mapping[str, Mapping[str, float]]


SYNTHESES = (
    Synthesis(
        ULTRASCALE,
        "synth_xilinx -family xcup -flatten -noiopad -noclkbuf",
        {
            "LUT": {f"LUT{inputs}": 1 for inputs in range(1, 7)}
            | {"RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8},
            "FF": {"FDRE": 1, "FDSE": 1},
            "DSP": {"DSP48E2": 1},
            "BRAM": {"RAMB36E2": 1, "RAMB18E2": 0.5},
        },
    ),
    Synthesis(
        ECP5,
        "synth_ecp5",
        {
            "LUT4": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
            "MULT18": {"MULT18X18D": 1},
            "EBR": {"DP16KD": 1, "PDPW16KD": 1},
        },
    ),
)
ESTIMATED: Mapping[str, tuple[Family, Callable[[Resources], float]]] = {
    "DSP": (ULTRASCALE, lambda found: found.multipliers),
    "BRAM": (ULTRASCALE, lambda found: found.memories),
    "MULT18": (ECP5, lambda found: found.multipliers),
    "EBR": (ECP5, lambda found: found.memories),
}


@dataclass(frozen=True)
class Part:
    """A module, or a queue: what Yosys reads and calls top, and what is known of it without Yosys."""

    name: str
    top: str
    products: tuple[Any, ...]
    arrays: tuple[Array, ...]

    @property
    def bits(self) -> int:
        return sum(array.bits for array in self.arrays)


def parts_of(design: Design) -> Iterator[Part]:
    for module in design.modules:
        yield Part(module.name, f"-top {module.name}", tuple(module.draft.products), arrays_of(module))
    for place, queue in enumerate(queues_of(design)):
        given = f"-chparam WIDTH {queue.width} -chparam DEPTH {queue.words} -top bittrue_fifo"
        yield Part(f"queue {place + 1}", given, (), (queue,))


def statistics(folder: Path, part: Part, commands: str = "") -> Mapping[str, Any]:
    """Yosys' `stat` of a part of an exported design after some commands."""
    sources = " ".join((folder / SOURCES).read_text().split())
    read = f"read_verilog -defer -sv -DSYNTHESIS {sources}; hierarchy {part.top}"
    script = f"{read}; {commands}; tee -q -o stat.json stat -json"
    subprocess.run(["yosys", "-q", "-p", script], cwd=folder, check=True, capture_output=True)
    text = (folder / "stat.json").read_text()
    found: Mapping[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])["design"]
    return found


def synthesized(folder: Path, part: Part) -> dict[str, float]:
    """By resource."""
    found = {}
    for synthesis in SYNTHESES:
        cells = statistics(folder, part, synthesis.command)["num_cells_by_type"]
        for resource, kinds in synthesis.cells.items():
            found[resource] = sum(count * cells.get(cell, 0) for cell, count in kinds.items())
    return found


def bits_in_yosys(folder: Path, part: Part) -> int:
    """Of its memories, before they are mapped."""
    bits: int = statistics(folder, part, "proc; flatten")["num_memory_bits"]
    return bits


def estimated(part: Part) -> dict[str, float]:
    """By resource."""
    return {name: value(resources(part.products, part.arrays, family)) for name, (family, value) in ESTIMATED.items()}


def beside_the_manifest(design: Design, manifest: Mapping[str, Any]) -> dict[str, tuple[int, int | None]]:
    """By memory file, the bits of its codes, without those that fill up its lines, and what the manifest says of the
    site of that name: its shape in words of its format, of an EXACT site in the shortest that hold its codes."""
    found = {}
    for module in design.modules:
        for memory in module.draft.memories:
            bits = len(memory.image.lines) * memory.image.width - memory.filled
            site = manifest["sites"].get(memory.name)
            found[memory.name] = bits, None if site is None else _bits_of(site)
    return found


def _bits_of(site: Mapping[str, Any]) -> int:
    formats = site["format"] if isinstance(site["format"], list) else [site["format"]]
    lengths = [parse_quantizer(each).format.word_length for each in formats if each is not None and "<" in each]
    return prod(site["shape"]) * max([word_length_between(*site["codes"]), *lengths])


def filled_bits(design: Design) -> int:
    return sum(memory.filled for module in design.modules for memory in module.draft.memories)


def error(estimate: float, found: float) -> str:
    if estimate == found:
        return "0"
    return f"{(estimate - found) / found:+.0%}" if found else f"{estimate:+g}"


def line(name: str, found: Mapping[str, float], estimates: Mapping[str, float], bits: int) -> str:
    cells = []
    for resource, count in found.items():
        cells.append(f"{count:8,.8g}")
        if resource in estimates:
            cells += [f"{estimates[resource]:8,.8g}", f"{error(estimates[resource], count):>5}"]
    return " ".join([name, *cells, f"{bits:11,}"])


def heading(names: int) -> str:
    cells = []
    for resource in (resource for synthesis in SYNTHESES for resource in synthesis.cells):
        cells.append(f"{resource:>8}")
        if resource in ESTIMATED:
            cells += ["estimate".rjust(8), "e".rjust(5)]
    return " ".join(["module".ljust(names), *cells, "memory bits".rjust(11)])


def summed(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    several = list(rows)
    return {name: sum(row[name] for row in several) for name in several[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("plan")
    parser.add_argument("--until")
    parser.add_argument("--parallel")
    parser.add_argument("--multipliers", type=int)
    options = parser.parse_args()
    network, plan = load(options.model), Plan.load(options.plan)
    program = lower_network(network, plan)
    if options.until:
        program = until(program, options.until)
    parallel = VerilogOptions.parsed(options.parallel, options.multipliers)
    design = design_of(Job(network, plan, program, None, verilog=parallel))
    parts = list(parts_of(design))
    names = max(len(part.name) for part in parts)
    measured, estimates, different = [], [], []
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        made = export(network, plan, "verilog", out, until_node=options.until, verilog=parallel)
        folder = out / "verilog"
        print(subprocess.run(["yosys", "-V"], check=True, capture_output=True, text=True).stdout.strip())
        print(heading(names), flush=True)
        for part in parts:
            measured.append(synthesized(folder, part))
            estimates.append(estimated(part))
            print(line(part.name.ljust(names), measured[-1], estimates[-1], part.bits), flush=True)
            counted = bits_in_yosys(folder, part)
            if counted != part.bits:
                different.append(f"{part.name} has {part.bits:,} memory bits, of which Yosys counts {counted:,}")
    print(line("all".ljust(names), summed(measured), summed(estimates), sum(part.bits for part in parts)))
    sites = beside_the_manifest(design, made.manifest)
    stored = {name: bits for name, bits in sites.items() if bits[1] is not None}
    different += [
        f"{name} has {own:,} bits, {said:,} by the manifest" for name, (own, said) in stored.items() if own != said
    ]
    of_sites, of_none = (sum(own for own, said in sites.values() if (said is None) == none) for none in (False, True))
    written = sum(array.bits for part in parts for array in part.arrays if array.written)
    print(
        f"Memory bits: {of_sites:,} of the manifest's {len(stored)} sites with constants, {of_none:,} of other tables, "
        f"{filled_bits(design):,} that fill up lines, {written:,} that are written."
    )
    print("\n".join(different) if different else "Yosys and the manifest count the same.")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
