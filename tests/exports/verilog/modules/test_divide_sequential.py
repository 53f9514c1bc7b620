"""`bittrue_divide_sequential`: every number of small widths by every divisor, in Icarus beside the definition in
fractions, while both ends of the stream pause; and how many cycles one takes."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random

import pytest

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.fixed.reference import decode, quantize
from exports.verilog.simulated import source_of, warnings_of

SOURCE = source_of("divide_sequential")
DIVISOR_WIDTH = 3

CANARIES = {
    "no rounding": ("assign up = ROUNDING == 0 ?", "assign up = ROUNDING < 7 ? 1'b0 : ROUNDING == 0 ?"),
    "a bit too few": ("left <= COUNT'(WIDTH);", "left <= COUNT'(WIDTH - 1);"),
    "the rest of the one before": ("rest <= {REST{1'b0}};", "rest <= rest;"),
    "the sign forgotten": ("size = IN_SIGNED && value[IN_WIDTH-1] ? -value : value", "size = value"),
}


@dataclass(frozen=True)
class Divider:
    source: FixedFormat
    quantizer: Quantizer

    @property
    def parameters(self) -> dict[str, str]:
        to = self.quantizer.format
        return {
            "IN_WIDTH": str(self.source.word_length),
            "IN_SIGNED": f"1'b{int(self.source.signed)}",
            "IN_FRACTION": str(self.source.fraction_bits),
            "DIVISOR_WIDTH": str(DIVISOR_WIDTH),
            "OUT_WIDTH": str(to.word_length),
            "OUT_SIGNED": f"1'b{int(to.signed)}",
            "OUT_FRACTION": str(to.fraction_bits),
            "ROUNDING": str(tuple(Rounding).index(self.quantizer.rounding)),
            "OVERFLOW": str(tuple(Overflow).index(self.quantizer.overflow)),
        }

    def expected(self) -> list[int]:
        """The words that come out, number by number, divisor by divisor."""
        length, mask = self.source.word_length, (1 << self.quantizer.format.word_length) - 1
        found = []
        for word, divisor in product(range(1 << length), range(1, 1 << DIVISOR_WIDTH)):
            code = word - (1 << length) if self.source.signed and word >> length - 1 else word
            quotient = decode(code, self.source.fraction_bits) / Fraction(divisor)
            found.append(quantize(quotient, self.quantizer) & mask)
        return found


def drawn(count: int, seed: int = 1, longest: int = 5) -> list[Divider]:
    random = Random(seed)
    modes = list(product(Rounding, Overflow))
    random.shuffle(modes)
    found = []
    for place in range(count):
        source = FixedFormat(random.random() < 0.5, random.randint(1, longest), random.randint(-3, 4))
        to = FixedFormat(random.random() < 0.5, random.randint(1, longest), random.randint(-3, 4))
        found.append(Divider(source, Quantizer(to, *modes[place % len(modes)])))
    return found


def wrong(dividers: Sequence[Divider], source: str, folder: Path) -> int:
    """How many of them give other codes than the definition, or other numbers of codes."""
    units = [_unit(number, each) for number, each in enumerate(dividers)]
    lines = [source, _DRIVER, "module bench;", *units, "endmodule"]
    (folder / "bench.sv").write_text("\n".join(lines) + "\n")
    command = ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-s", "bench", "-o", "bench", "bench.sv"]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run(["vvp", "-n", "bench"], cwd=folder, capture_output=True, text=True, check=True)
    got: list[list[int]] = [[] for _ in dividers]
    for line in done.stdout.splitlines():
        number, _, code = line.partition(" ")
        got[int(number)].append(int(code, 2) if set(code) <= {"0", "1"} else -1)
    return sum(each.expected() != codes for each, codes in zip(dividers, got, strict=True))


def _unit(number: int, divider: Divider) -> str:
    given = ", ".join(f".{name}({value})" for name, value in divider.parameters.items())
    return f"    driver #(.NUMBER({number}), {given}) unit{number} ();"


_DRIVER = """
module driver #(
    parameter int NUMBER = 0,
    parameter int IN_WIDTH = 8, parameter bit IN_SIGNED = 1, parameter int IN_FRACTION = 0,
    parameter int DIVISOR_WIDTH = 8,
    parameter int OUT_WIDTH = 8, parameter bit OUT_SIGNED = 1, parameter int OUT_FRACTION = 0,
    parameter int ROUNDING = 0, parameter int OVERFLOW = 0
);
    logic clk = 1'b0, rst_n = 1'b0, in_valid = 1'b0, out_ready = 1'b0, in_ready, out_valid;
    logic [IN_WIDTH:0] value = 0;
    logic [DIVISOR_WIDTH-1:0] divisor = 1;
    logic [OUT_WIDTH-1:0] code;
    logic [31:0] noise = NUMBER;
    integer given = 0, ticks = 0;
    localparam int WORDS = ((1 << DIVISOR_WIDTH) - 1) << IN_WIDTH;
    initial while (given < WORDS && ticks < 100 * WORDS) begin
        #1 clk = ~clk;
        ticks = ticks + 1;
    end
    bittrue_divide_sequential #(
        .IN_WIDTH(IN_WIDTH), .IN_SIGNED(IN_SIGNED), .IN_FRACTION(IN_FRACTION), .DIVISOR_WIDTH(DIVISOR_WIDTH),
        .OUT_WIDTH(OUT_WIDTH), .OUT_SIGNED(OUT_SIGNED), .OUT_FRACTION(OUT_FRACTION),
        .ROUNDING(ROUNDING), .OVERFLOW(OVERFLOW)
    ) unit (
        .clk(clk), .rst_n(rst_n), .in_valid(in_valid), .in_ready(in_ready), .value(value[IN_WIDTH-1:0]),
        .divisor(divisor), .out_valid(out_valid), .out_ready(out_ready), .code(code)
    );
    always @(negedge clk) begin
        noise <= noise * 32'd1664525 + 32'd1013904223;
        rst_n <= 1'b1;
        out_ready <= noise[31];
        in_valid <= rst_n && !value[IN_WIDTH] && (noise[20] || in_valid && !in_ready);
    end
    always @(posedge clk) begin
        if (in_valid && in_ready === 1'b1) begin
            divisor <= &divisor ? 1 : divisor + 1'b1;
            if (&divisor) value <= value + 1'b1;
        end
        if (rst_n && out_valid && out_ready) begin
            $display("%0d %b", NUMBER, code);
            given = given + 1;
        end
    end
endmodule
"""


def test_every_number_by_every_divisor(tmp_path: Path) -> None:
    assert wrong(drawn(70), SOURCE, tmp_path) == 0


@pytest.mark.parametrize("canary", CANARIES)
def test_icarus_finds(canary: str, tmp_path: Path) -> None:
    before, after = CANARIES[canary]
    assert before in SOURCE
    assert wrong(drawn(35), SOURCE.replace(before, after), tmp_path) > 0


def test_a_division_takes_a_cycle_a_bit(tmp_path: Path) -> None:
    """A number of 6 bits to 3 more fraction bits: IN_WIDTH + 1 + 3, as the module says."""
    divider = Divider(FixedFormat(True, 6, 0), Quantizer(FixedFormat(True, 8, 3)))
    given = ", ".join(f".{name}({value})" for name, value in divider.parameters.items())
    (tmp_path / "bench.sv").write_text(SOURCE + _CYCLES.replace("@GIVEN@", given))
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "bench", "bench.sv"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "10"


_CYCLES = """
module bench;
    logic clk = 1'b0, in_ready, out_valid, in_valid = 1'b0;
    logic [7:0] code;
    integer cycle = 0, begun = 0;
    always #1 clk = ~clk;
    bittrue_divide_sequential #(@GIVEN@) unit (
        .clk(clk), .rst_n(cycle > 2), .in_valid(in_valid), .in_ready(in_ready), .value(6'd31), .divisor(3'd5),
        .out_valid(out_valid), .out_ready(1'b1), .code(code)
    );
    always @(negedge clk) in_valid <= cycle == 5;
    always @(posedge clk) begin
        cycle <= cycle + 1;
        if (in_valid && in_ready) begun <= cycle;
        if (cycle > 5 && out_valid) begin
            $display("%0d", cycle - begun);
            $finish;
        end
    end
endmodule
"""


def test_verilator_has_nothing_to_warn_of(tmp_path: Path) -> None:
    units = []
    for number, each in enumerate(drawn(20, seed=3, longest=16)):
        given = ", ".join(f".{name}({value})" for name, value in each.parameters.items())
        units.append(
            f"    logic ready{number}, valid{number}; logic [{each.quantizer.format.word_length - 1}:0] code{number};\n"
            f"    bittrue_divide_sequential #({given}) unit{number} (.clk(clk), .rst_n(rst_n), .in_valid(go), "
            f".in_ready(ready{number}), .value(value[{each.source.word_length - 1}:0]), .divisor(value[2:0]), "
            f".out_valid(valid{number}), .out_ready(go), .code(code{number}));\n"
            f"    assign found[{number}] = ready{number} ^ valid{number} ^ (^code{number});"
        )
    ports = "input logic clk, input logic rst_n, input logic go, input logic [15:0] value, output logic [19:0] found"
    every_bit = "    logic unused; assign unused = &{1'b0, value};"
    assert warnings_of([SOURCE, f"module bench ({ports});", *units, every_bit, "endmodule"], tmp_path) == ""
