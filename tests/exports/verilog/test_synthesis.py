"""The estimates of multipliers and memory blocks beside what Yosys makes, and memory bits counted three times."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bittrue.analysis.cost.hardware import ECP5, ULTRASCALE, Family, Operand
from bittrue.exports.export import export
from bittrue.exports.verilog.design import design_of
from bittrue.exports.verilog.options import VerilogOptions
from exports.verilog.residual import NETWORK, job, plan

PRODUCTS = ((4, 4), (4, 5), (18, 8), (19, 8), (20, 8), (27, 19), (28, 9), (36, 28))
"""Signed bits."""

ARRAYS = ((256, 8, True), (384, 8, True), (520, 17, False), (512, 12, False), (700, 40, False), (160, 48, False))
"""Words, bits of each, and whether they are written."""


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """benchmarks/synthesis.py."""
    path = Path(__file__).parents[3] / "benchmarks" / "synthesis.py"
    spec = importlib.util.spec_from_file_location("synthesis", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _product(place: int, first: int, second: int) -> str:
    return f"""(* keep_hierarchy *) module product{place} (
    input clk, input signed [{first - 1}:0] x, input signed [{second - 1}:0] y, output reg [{first + second - 1}:0] q
);
    reg signed [{first - 1}:0] held;
    reg signed [{second - 1}:0] other;
    wire signed [{first + second - 1}:0] found;
    assign found = held * other;
    always @(posedge clk) begin held <= x; other <= y; q <= found; end
endmodule"""


def _array(place: int, words: int, width: int, written: bool) -> str:
    address = (words - 1).bit_length()
    filled = f"if (x[0]) words[x[{address + 1}:2]] <= x[63:{64 - width}];" if written else ""
    start = "" if written else f'initial $readmemh("array{place}.hex", words);'
    return f"""(* keep_hierarchy *) module array{place} (
    input clk, input [63:0] x, input [{address - 1}:0] y, output reg [{width - 1}:0] q
);
    reg [{width - 1}:0] words[0:{words - 1}];
    {start}
    always @(posedge clk) begin {filled} if (x[1]) q <= words[y]; end
endmodule"""


@pytest.mark.parametrize(
    ("family", "command", "multiplier", "blocks"),
    [
        (ULTRASCALE, "synth_xilinx -family xcup -noiopad", "DSP48E2", {"RAMB36E2": 1, "RAMB18E2": 0.5}),
        (ECP5, "synth_ecp5", "MULT18X18D", {"DP16KD": 1}),
    ],
    ids=["ultrascale", "ecp5"],
)
def test_the_rule_is_that_of_yosys(
    family: Family, command: str, multiplier: str, blocks: dict[str, float], tmp_path: Path
) -> None:
    generator = np.random.default_rng(3)
    for place, (words, width, _) in enumerate(ARRAYS):
        lines = ["".join(map(str, bits)) for bits in generator.integers(0, 2, (words, width))]
        (tmp_path / f"array{place}.hex").write_text("\n".join(f"{int(line, 2):x}" for line in lines))
    modules = [_product(place, *product) for place, product in enumerate(PRODUCTS)]
    modules += [_array(place, *array) for place, array in enumerate(ARRAYS)]
    names = [f"product{place}" for place in range(len(PRODUCTS))] + [f"array{place}" for place in range(len(ARRAYS))]
    units = [f"wire [63:0] q{place}; {name} u{place} (clk, x, y, q{place});" for place, name in enumerate(names)]
    found = ", ".join(f"q{place}" for place in range(len(names)))
    top = f"module top (input clk, input [63:0] x, y, output z); {' '.join(units)} assign z = ^{{{found}}}; endmodule"
    (tmp_path / "top.v").write_text("\n".join([*modules, top]))
    script = f"read_verilog top.v; {command} -top top -run :map_ffram; tee -q -o stat.json stat -json"
    subprocess.run(["yosys", "-q", "-p", script], cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "stat.json").read_text()
    cells = json.loads(text[text.index("{") : text.rindex("}") + 1])["modules"]
    counted = [cells[f"\\product{place}"]["num_cells_by_type"].get(multiplier, 0) for place in range(len(PRODUCTS))]
    assert counted == [family.multipliers(Operand(a, True), Operand(b, True)) for a, b in PRODUCTS]
    stored = [
        sum(count * cells[f"\\array{place}"]["num_cells_by_type"].get(cell, 0) for cell, count in blocks.items())
        for place in range(len(ARRAYS))
    ]
    assert stored == [family.memories(words, width, written=written) for words, width, written in ARRAYS]


def test_memory_bits_are_those_of_the_manifest_and_of_yosys(benchmark: ModuleType, tmp_path: Path) -> None:
    """Two lanes for three outputs: lines are filled up, which is no part of a site."""
    verilog = VerilogOptions({"conv1": 2})
    design = design_of(replace(job(1), verilog=verilog))
    made = export(NETWORK, plan(), "verilog", tmp_path / "out", verilog=verilog)
    sites = benchmark.beside_the_manifest(design, made.manifest)
    assert {"conv1.weight", "conv1.bias", "conv2.weight"} <= set(sites)
    assert all(own == said for own, said in sites.values())
    assert benchmark.filled_bits(design) > 0
    parts = list(benchmark.parts_of(design))
    assert any(part.name.startswith("queue") for part in parts)
    for part in parts:
        assert benchmark.bits_in_yosys(tmp_path / "out" / "verilog", part) == part.bits
    # The canary: a word that is cut off.
    first = made.manifest["sites"]["conv1.weight"]
    first["shape"] = [first["shape"][0] - 1, *first["shape"][1:]]
    own, said = benchmark.beside_the_manifest(design, made.manifest)["conv1.weight"]
    assert own != said
