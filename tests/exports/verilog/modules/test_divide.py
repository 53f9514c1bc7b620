"""`bittrue_divide` and `bittrue_divide_sequential`: beside the definition in Icarus, the first also proven by Yosys'
SAT solver against a specification in divisions; and the products that stand for quotients, each proven."""

import subprocess
from pathlib import Path
from random import Random

import pytest

from bittrue.exports.verilog.division import Reciprocal, reciprocal_of
from exports.verilog.dividing import Divider, drawn
from exports.verilog.formal import unlike_the_specification
from exports.verilog.simulated import MODULES, every_output, warnings

REQUANTIZE, DIVIDE, SEQUENTIAL = (
    (MODULES / name).read_text() for name in ("requantize.sv", "divide.sv", "divide_sequential.sv")
)

CANARIES = {
    "no rounding": ("assign up = ROUNDING == 0 ?", "assign up = ROUNDING < 7 ? 1'b0 : ROUNDING == 0 ?"),
    "ties always up": ("tie & below[0]", "tie"),
    "the sign forgotten": ("tie & ~negative", "tie"),
    "a bit of the product": ("product[SHIFT+:WIDTH]", "product[SHIFT+:WIDTH] & ~1"),
}


def wrong(dividers: list[Divider], divide: str, folder: Path) -> int:
    outputs = every_output([each.instance for each in dividers], REQUANTIZE + divide, folder)
    return sum(got != each.expected() for each, got in zip(dividers, outputs, strict=True))


def unproven(dividers: list[Divider], divide: str, folder: Path) -> list[int]:
    bits = [_bits(each) for each in dividers]
    sets = [each.parameters for each in dividers]
    return unlike_the_specification("bittrue_divide", sets, bits, REQUANTIZE + divide, folder)


def _bits(divider: Divider) -> int:
    source, to = divider.source, divider.quantizer.format
    distance = abs(source.fraction_bits - to.fraction_bits)
    return source.word_length + to.word_length + distance + divider.divisor.bit_length() + 4


def changed(canary: str) -> str:
    before, after = CANARIES[canary]
    assert before in DIVIDE
    return DIVIDE.replace(before, after)


def test_every_sum_of_drawn_formats_in_icarus(tmp_path: Path) -> None:
    assert wrong(drawn(300, seed=1), DIVIDE, tmp_path) == 0


@pytest.mark.parametrize("canary", CANARIES)
def test_icarus_finds(canary: str, tmp_path: Path) -> None:
    assert wrong(drawn(300, seed=1), changed(canary), tmp_path) > 0


def test_proven_for_symbolic_sums(tmp_path: Path) -> None:
    assert unproven(drawn(35, seed=7, longest=8, largest=49), DIVIDE, tmp_path) == []


def test_the_solver_finds_a_dropped_rounding_bit(tmp_path: Path) -> None:
    assert unproven(drawn(12, seed=7, longest=8, largest=49), changed("no rounding"), tmp_path) != []


def test_verilator_has_nothing_to_warn_of(tmp_path: Path) -> None:
    instances = [each.instance for each in drawn(100, seed=3, longest=16)]
    assert warnings(instances, REQUANTIZE + DIVIDE, tmp_path) == ""


@pytest.mark.parametrize("divisor", [1, 2, 3, 7, 9, 16, 25, 49, 63])
def test_products_that_stand_for_quotients(divisor: int) -> None:
    """The product is a quotient for every number where it is called proven, and for some number is none where not."""
    for largest in (0, 1, divisor - 1, divisor, 100, 255, 1000):
        found = reciprocal_of(divisor, largest)
        assert _divides(found)
        for shift in range(found.shift):
            shorter = Reciprocal(divisor, largest, -(-(1 << shift) // divisor), shift)
            assert not shorter.proven
            assert not _divides(shorter)


def _divides(found: Reciprocal) -> bool:
    numbers = range(found.largest + 1)
    return all(number * found.multiplier >> found.shift == number // found.divisor for number in numbers)


def test_the_sequential_divider_in_icarus(tmp_path: Path) -> None:
    """Any divisor, with pauses on both ends."""
    assert _sequential(SEQUENTIAL, tmp_path) == 0


def test_the_sequential_divider_without_its_last_bit(tmp_path: Path) -> None:
    assert _sequential(SEQUENTIAL.replace("left <= COUNT'(WIDTH);", "left <= COUNT'(WIDTH - 1);"), tmp_path) > 0


def test_verilator_has_nothing_to_warn_of_in_the_sequential_one(tmp_path: Path) -> None:
    (tmp_path / "divide.sv").write_text(REQUANTIZE + SEQUENTIAL)
    command = ["verilator", "--lint-only", "-Wall", "-Wno-DECLFILENAME", "--top-module", "bittrue_divide_sequential"]
    for parameters in ("-GIN_WIDTH=1", "-GIN_FRACTION=5", "-GOUT_FRACTION=7", "-GDIVISOR_WIDTH=1", "-GIN_SIGNED=0"):
        done = subprocess.run([*command, parameters, "divide.sv"], cwd=tmp_path, capture_output=True, check=False)
        assert not done.stderr


_DRIVER = """
module driver #(
    parameter int ID = 0, parameter int IN_WIDTH = 8, parameter bit IN_SIGNED = 1, parameter int IN_FRACTION = 0,
    parameter int OUT_WIDTH = 8, parameter bit OUT_SIGNED = 1, parameter int OUT_FRACTION = 0,
    parameter int ROUNDING = 0, parameter int OVERFLOW = 0
) (input logic clk, input logic rst_n, output logic done);
    logic [15:0] values [0:LAST];
    logic [7:0] divisors [0:LAST];
    int sent = 0, got = 0, seed = ID;
    logic in_valid = 0, in_ready, out_valid, out_ready = 0;
    logic [IN_WIDTH-1:0] value;
    logic [7:0] divisor;
    wire [OUT_WIDTH-1:0] code;
    assign value = values[sent][IN_WIDTH-1:0];
    assign divisor = divisors[sent];
    assign done = got > LAST;
    initial begin
        $readmemh("values.hex", values);
        $readmemh("divisors.hex", divisors);
    end
    bittrue_divide_sequential #(.IN_WIDTH(IN_WIDTH), .IN_SIGNED(IN_SIGNED), .IN_FRACTION(IN_FRACTION),
        .DIVISOR_WIDTH(8), .OUT_WIDTH(OUT_WIDTH), .OUT_SIGNED(OUT_SIGNED), .OUT_FRACTION(OUT_FRACTION),
        .ROUNDING(ROUNDING), .OVERFLOW(OVERFLOW)) dut (.clk(clk), .rst_n(rst_n), .in_valid(in_valid),
        .in_ready(in_ready), .value(value), .divisor(divisor), .out_valid(out_valid), .out_ready(out_ready),
        .code(code));
    always @(negedge clk) begin
        in_valid <= rst_n && sent <= LAST && (in_valid || $random(seed) % 3 != 0);
        out_ready <= $random(seed) % 3 != 0;
    end
    always @(posedge clk) if (rst_n) begin
        if (in_valid && in_ready) sent <= sent + 1;
        if (out_valid && out_ready) begin
            $display("%0d %b", ID, code);
            got <= got + 1;
        end
    end
endmodule
"""


def _sequential(divide: str, folder: Path) -> int:
    """How many quotients of 40 drawn dividers on 30 pairs each are wrong."""
    dividers, random = drawn(40, seed=5, longest=12), Random(5)
    pairs = [(random.getrandbits(16), random.choice((1, 3, 255, random.randint(1, 255)))) for _ in range(30)]
    (folder / "values.hex").write_text("".join(f"{value:04x}\n" for value, _ in pairs))
    (folder / "divisors.hex").write_text("".join(f"{divisor:02x}\n" for _, divisor in pairs))
    lines = ["module bench;", "    logic clk = 0, rst_n = 0;", f"    wire [{len(dividers) - 1}:0] done;"]
    for place, each in enumerate(dividers):
        own = {"ID": str(place)} | {
            name: value
            for name, value in each.parameters.items()
            if name not in ("DIVISOR", "MULTIPLIER", "MULTIPLIER_WIDTH", "SHIFT")
        }
        given = ", ".join(f".{name}({value})" for name, value in own.items())
        lines.append(f"    driver #({given}) driver{place} (clk, rst_n, done[{place}]);")
    lines += ["    always #5 clk = ~clk;", "    initial begin #22 rst_n = 1; #200000 $fatal(1); end"]
    lines += ["    always @(posedge clk) if (&done) $finish;", "endmodule"]
    source = REQUANTIZE + divide + _DRIVER.replace("LAST", str(len(pairs) - 1)) + "\n".join(lines) + "\n"
    (folder / "bench.sv").write_text(source)
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "bench", "bench.sv"], cwd=folder, check=True)
    done = subprocess.run(["vvp", "-n", "bench"], cwd=folder, capture_output=True, text=True, check=True)
    found: dict[int, list[int]] = {}
    for line in done.stdout.splitlines():
        if line[:1].isdigit() and len(line.split()) == 2:
            place, code = line.split()
            found.setdefault(int(place), []).append(int(code, 2))
    different = 0
    for place, each in enumerate(dividers):
        mask = (1 << each.source.word_length) - 1
        expected = [Divider(each.source, divisor, each.quantizer).code(value & mask) for value, divisor in pairs]
        different += sum(a != b for a, b in zip(found[place], expected, strict=True))
    return different
