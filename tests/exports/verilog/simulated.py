"""Combinational modules in Icarus: many sets of parameters in one bench, each given every input."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bittrue.exports.verilog.library import library_text, with_parts


def source_of(module: str) -> str:
    """The text of a module of the library, and of those that it has instances of."""
    return "\n".join(library_text(name) for name in with_parts([module]))


@dataclass(frozen=True)
class Instance:
    """A module from `value` to `code` with its parameters, as Verilog writes them, and the widths of both."""

    module: str
    parameters: Mapping[str, str]
    in_width: int
    out_width: int


def every_output(instances: Sequence[Instance], source: str, folder: Path) -> list[list[int]]:
    """For each instance what it makes of each input, from 0 to the highest of its width, as numbers without a sign.

    source: the modules' text. folder: an empty one for the files.
    """
    width = max(instance.in_width for instance in instances)
    (folder / "bench.sv").write_text("\n".join([source, *_bench(instances, width)]) + "\n")
    subprocess.run(["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-o", "bench", "bench.sv"], cwd=folder, check=True)
    done = subprocess.run(["vvp", "-n", "bench"], cwd=folder, capture_output=True, text=True, check=True)
    rows = [int(line, 2) for line in done.stdout.split()]  # fails on x and z
    assert len(rows) == 1 << width
    found = []
    place = 0
    for instance in instances:
        mask = (1 << instance.out_width) - 1
        found.append([row >> place & mask for row in rows[: 1 << instance.in_width]])
        place += instance.out_width
    return found


def warnings(instances: Sequence[Instance], source: str, folder: Path) -> str:
    """What Verilator says of the modules with all warnings on; folder: an empty one for the files."""
    width = max(instance.in_width for instance in instances)
    lines = [f"module bench (input logic [{width - 1}:0] value, output logic [{len(instances) - 1}:0] found);"]
    lines += _placed(instances)
    lines += [f"    assign found[{place}] = ^code{place};" for place in range(len(instances))]
    return warnings_of([source, *lines, "endmodule"], folder)


def warnings_of(lines: Sequence[str], folder: Path) -> str:
    """What Verilator says of a text whose top is `bench`; folder: an empty one for the files."""
    (folder / "bench.sv").write_text("\n".join(lines) + "\n")
    command = ["verilator", "--lint-only", "-Wall", "-Wno-DECLFILENAME", "--top-module", "bench", "bench.sv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _placed(instances: Sequence[Instance]) -> list[str]:
    """The instances, each from the low bits of `value` to a wire `code…` of its own."""
    lines = []
    for number, each in enumerate(instances):
        given = ", ".join(f".{name}({value})" for name, value in each.parameters.items())
        lines.append(f"    wire [{each.out_width - 1}:0] code{number};")
        ports = f".value(value[{each.in_width - 1}:0]), .code(code{number})"
        lines.append(f"    {each.module} #({given}) unit{number} ({ports});")
    return lines


def _bench(instances: Sequence[Instance], width: int) -> list[str]:
    lines = ["module bench;", f"    logic [{width - 1}:0] value;", *_placed(instances)]
    codes = ", ".join(f"code{number}" for number in reversed(range(len(instances))))
    lines += ["    initial begin", f"        for (int place = 0; place < {1 << width}; place = place + 1) begin"]
    lines += [
        f"            value = place[{width - 1}:0];",
        "            #1;",
        f'            $display("%b", {{{codes}}});',
    ]
    return [*lines, "        end", "    end", "endmodule"]
