"""What Yosys makes of each module of the Verilog export, beside the estimates of `analysis/cost`:

    python benchmarks/synthesis.py MODEL PLAN [--until NODE] [--parallel conv1=8,…] [--multipliers N]

`synth_xilinx -family xcup` and `synth_ecp5`, module by module, without routing. Two estimates stand beside the DSP
slices and block RAMs: `estimate` is the rule of analysis/cost with as many products at once as the module has;
`corrected` leaves out what is true of no plain design (see docs/cost.md). Memory bits are those of the files and of the
rows that are held, and Yosys' own count, which must be equal; the plan's are those of its sites.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bittrue.analysis.cost.cost import cost
from bittrue.analysis.cost.hardware import brams, dsps
from bittrue.analysis.cost.result import Cost
from bittrue.analysis.cost.work import Products
from bittrue.exports.job import Job, until
from bittrue.exports.verilog.convolution import lanes_of
from bittrue.exports.verilog.design import Design, Module, design_of
from bittrue.exports.verilog.draft import Word
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.target import SOURCES, write_verilog
from bittrue.exports.verilog.windows import Windows
from bittrue.frontends import load
from bittrue.lowering import lower_network
from bittrue.plan import Plan
from bittrue.program import MultiplyAccumulate, WindowExtremum, WindowSum

SYNTHESES = {"xilinx": "synth_xilinx -family xcup -flatten -noiopad -noclkbuf", "ecp5": "synth_ecp5"}
CELLS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "xilinx": {
        "LUT": {f"LUT{inputs}": 1 for inputs in range(1, 7)} | {"RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8},
        "FF": {"FDRE": 1, "FDSE": 1},
        "DSP": {"DSP48E2": 1},
        "BRAM": {"RAMB36E2": 1, "RAMB18E2": 0.5},
    },
    "ecp5": {
        "LUT4": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
        "MULT18": {"MULT18X18D": 1},
        "EBR": {"DP16KD": 1},
    },
}

LOGIC_PRODUCT = 9
"""Products of fewer bits are made of logic, Yosys' DSP_Y_MINWIDTH."""


@dataclass(frozen=True)
class Row:
    """A module: measured resources by name, and the estimates."""

    module: str
    measured: Mapping[str, float]
    dsps: int
    brams: int
    corrected_dsps: int
    corrected_brams: int
    file_bits: int
    memory_bits: int
    bits_in_yosys: int

    @property
    def numbers(self) -> tuple[float, ...]:
        """In the order of the table's heads."""
        found = self.measured
        dsps = found["DSP"], self.dsps, self.corrected_dsps
        memories = found["BRAM"], self.brams, self.corrected_brams
        return (
            found["LUT"],
            found["FF"],
            *dsps,
            *memories,
            found["LUT4"],
            found["MULT18"],
            found["EBR"],
            self.memory_bits,
        )


HEADS = ("LUT", "FF", "DSP", "estimate", "corrected", "BRAM", "estimate", "corrected", "LUT4", "MULT18", "EBR", "bits")


def statistics(folder: Path, commands: str) -> Mapping[str, int | Mapping[str, int]]:
    """Yosys' `stat` of an exported design after some commands."""
    sources = " ".join((folder / SOURCES).read_text().split())
    script = f"read_verilog -defer -sv -DSYNTHESIS {sources}; {commands}; tee -q -o stat.json stat -json"
    subprocess.run(["yosys", "-q", "-p", script], cwd=folder, check=True, capture_output=True)
    text = (folder / "stat.json").read_text()
    found: Mapping[str, int | Mapping[str, int]] = json.loads(text[text.index("{") : text.rindex("}") + 1])["design"]
    return found


def measured(folder: Path, module: str) -> Mapping[str, float]:
    found = {}
    for family, command in SYNTHESES.items():
        cells = statistics(folder, f"{command} -top {module}")["num_cells_by_type"]
        assert isinstance(cells, Mapping)
        for resource, kinds in CELLS[family].items():
            found[resource] = sum(count * cells.get(cell, 0) for cell, count in kinds.items())
    return found


def products_at_once(module: Module, price: Cost) -> list[Products]:
    """The products of a module's nodes, as many of each as the module computes in a cycle."""
    nodes = {node.node: node for node in price.nodes}
    found = []
    for step in module.group.steps:
        node, instruction = nodes[step.node], step.instruction
        if isinstance(instruction, MultiplyAccumulate):
            lanes = lanes_of(instruction, module.draft.lanes)
            found.append(replace(node.macs[0], at_once=lanes, sharing=lanes))
        else:
            found += [replace(products, at_once=1, sharing=1) for products in node.products]
    return found


def slices(products: Products) -> int:
    """DSP slices of products that share none, the small ones being logic."""
    widths = [word.bits + (not word.signed) for word in (products.data, products.factor)]
    return 0 if sum(widths) < LOGIC_PRODUCT else products.at_once * dsps(products.data, products.factor)


def buffers(module: Module) -> list[tuple[int, int]]:
    """Words and their width of the rows that a module holds."""
    step, source = module.group.steps[0], module.draft.sources[0]
    instruction = step.instruction
    if isinstance(instruction, MultiplyAccumulate):
        kernel = instruction.weight.shape[:-2]
    elif isinstance(instruction, WindowExtremum | WindowSum):
        kernel = instruction.window
    else:
        return []
    geometry = instruction.strides, instruction.padding, instruction.dilation
    windows = Windows.of(step, source.type.shape, tuple(kernel), *geometry)
    return [(windows.depth * windows.size[1] * windows.channels, Word.of(source).width)]


def row(folder: Path, module: Module, price: Cost) -> Row:
    products = products_at_once(module, price)
    files = [(len(memory.image.lines), memory.image.width) for memory in module.draft.memories]
    sites = [site for site in price.sites if site.node in {step.node for step in module.group.steps}]
    arrays = [*files, *buffers(module)]
    found = statistics(folder, f"hierarchy -top {module.name}; proc; flatten")
    bits = found["num_memory_bits"]
    assert isinstance(bits, int)
    return Row(
        module=module.name,
        measured=measured(folder, module.name),
        dsps=sum(each.dsps for each in products),
        brams=sum(site.brams for site in sites if site.kind in ("parameter", "table"))
        + sum(brams(*buffer) for buffer in buffers(module)),
        corrected_dsps=sum(map(slices, products)),
        corrected_brams=sum(brams(*array) for array in arrays),
        file_bits=sum(words * width for words, width in files),
        memory_bits=sum(words * width for words, width in arrays),
        bits_in_yosys=bits,
    )


def manifest_bits(design: Design, price: Cost) -> int:
    """The bits of the parameters and tables of the nodes that are computed, as the plan has them."""
    nodes = {step.node for step in design.program.steps}
    return sum(site.bits for site in price.sites if site.node in nodes and site.kind in ("parameter", "table"))


def error(estimated: float, found: float) -> str:
    return f"{(estimated - found) / found:+.0%}" if found else "—"


def main() -> None:
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
    job = Job(network, plan, program, None, verilog=parallel)
    design, price = design_of(job), cost(network, plan)
    names = max(len(module.name) for module in design.modules)
    print("module".ljust(names), *(head.rjust(9) for head in HEADS), flush=True)
    rows, table = [], []
    with tempfile.TemporaryDirectory() as place:
        write_verilog(design, Path(place))
        for module in design.modules:
            rows.append(row(Path(place), module, price))
            table.append(rows[-1].numbers)
            print(module.name.ljust(names), *(f"{number:9,g}" for number in table[-1]), flush=True)
    sums = [sum(column) for column in zip(*table, strict=True)]
    print("all".ljust(names), *(f"{number:9,g}" for number in sums))
    print(f"DSP: the estimate's error {error(sums[3], sums[2])}, corrected {error(sums[4], sums[2])}.")
    print(f"BRAM: the estimate's error {error(sums[6], sums[5])}, corrected {error(sums[7], sums[5])}.")
    files = sum(each.file_bits for each in rows)
    stored = manifest_bits(design, price)
    print(f"Memory bits: {files:,} in files, {stored:,} of the plan's sites ({files - stored:+,}: lines filled up,")
    print("alignments, and what is no site), and with the rows that are held", f"{sums[-1]:,}.")
    different = [each.module for each in rows if each.bits_in_yosys != each.memory_bits]
    print(f"Yosys counts others in {', '.join(different)}." if different else "Yosys counts the same in every module.")


if __name__ == "__main__":
    main()
