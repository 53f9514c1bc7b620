"""The files of a bench, with places for what differs from export to export (`@NAME@`)."""

_SYSTEMVERILOG = """\
// Holds the device against golden vectors: drives every input code, compares every output code, and ends with $fatal at
// the first difference, at an unknown bit, and where the device stops answering.
//
// Plusargs: +backpressure lets valid and ready pause at random; +seed=N chooses how; +timeout=CYCLES without a word;
// +vectors=FOLDER is where the codes lie, ../hex if it isn't given.
`timescale 1ns / 1ps

module bench;
    localparam integer IN_WIDTH = @IN_WIDTH@;
    localparam integer OUT_WIDTH = @OUT_WIDTH@;
    localparam integer IN_WORDS = @IN_WORDS@;
    localparam integer OUT_WORDS = @OUT_WORDS@;

    reg clk = 1'b0;
    reg rst_n = 1'b0;
    reg in_valid = 1'b0;
    wire in_ready;
    reg [IN_WIDTH-1:0] in_data = {IN_WIDTH{1'b0}};
    wire out_valid;
    reg out_ready = 1'b0;
    wire [OUT_WIDTH-1:0] out_data;

    reg [IN_WIDTH-1:0] inputs[0:IN_WORDS-1];
    reg [OUT_WIDTH-1:0] expected[0:OUT_WORDS-1];

    integer sent = 0;
    integer compared = 0;
    integer waited = 0;
    integer timeout = 10000000;
    integer seed = 1;
    integer cycles = 0;
    integer latency = 0;
    reg backpressure = 1'b0;
    string vectors = "../hex";

    device dut (
        .clk(clk),
        .rst_n(rst_n),
        .in_valid(in_valid),
        .in_ready(in_ready),
        .in_data(in_data),
        .out_valid(out_valid),
        .out_ready(out_ready),
        .out_data(out_data)
    );

    always #5 clk = ~clk;

    initial begin
        if ($value$plusargs("vectors=%s", vectors)) begin
        end
        $readmemh({vectors, "/@IN_SITE@.hex"}, inputs);
        $readmemh({vectors, "/@OUT_SITE@.hex"}, expected);
        if ($value$plusargs("seed=%d", seed)) begin
        end
        if ($value$plusargs("timeout=%d", timeout)) begin
        end
        backpressure = $test$plusargs("backpressure");
        // A file that is missing or short leaves unknown words behind.
        if ((^inputs[IN_WORDS-1]) === 1'bx || (^expected[OUT_WORDS-1]) === 1'bx) begin
            $display("FAIL: %0s doesn't hold all words of @IN_SITE@ and @OUT_SITE@", vectors);
            $fatal(1);
        end
        repeat (4) @(negedge clk);
        rst_n = 1'b1;
    end

    // Signals change at the falling edge and are taken at the rising one, so no order of processes matters.
    always @(negedge clk) begin
        if (rst_n) begin
            in_valid <= sent < IN_WORDS && (in_valid && !in_taken || !backpressure || $random(seed) % 3 != 0);
            in_data <= sent < IN_WORDS ? inputs[sent] : {IN_WIDTH{1'b0}};
            out_ready <= !backpressure || $random(seed) % 3 != 0;
        end
    end

    reg in_taken = 1'b0;

    always @(posedge clk) begin
        in_taken <= 1'b0;
        if (rst_n) begin
            waited <= waited + 1;
            if (sent != 0 || (in_valid && in_ready === 1'b1)) cycles <= cycles + 1;
            if (in_valid && in_ready === 1'b1) begin
                sent <= sent + 1;
                in_taken <= 1'b1;
                waited <= 0;
            end
            if (out_ready && out_valid === 1'b1) begin
                waited <= 0;
                if (out_data !== expected[compared]) begin
                    $display("FAIL: word %0d of @OUT_SITE@ (image %0d, index %0d): expected %h, got %h", compared,
                             compared / (OUT_WORDS / @IMAGES@), compared % (OUT_WORDS / @IMAGES@), expected[compared],
                             out_data);
                    $fatal(1);
                end
                compared <= compared + 1;
                if (compared + 1 == OUT_WORDS / @IMAGES@) latency = cycles;
                if (compared + 1 == OUT_WORDS) begin
                    $display("CYCLES: %0d from the first word to the first image's last, %0d for all", latency, cycles);
                    $display("PASS: %0d words of @OUT_SITE@ compared on @IMAGES@ images, 0 mismatches", OUT_WORDS);
                    $finish;
                end
            end
            if (in_ready === 1'bx || out_valid === 1'bx) begin
                $display("FAIL: in_ready or out_valid is unknown after reset");
                $fatal(1);
            end
            if (waited > timeout) begin
                $display("FAIL: no word for %0d cycles; %0d of %0d words in, %0d of %0d out", waited, sent, IN_WORDS,
                         compared, OUT_WORDS);
                $fatal(1);
            end
        end
    end
endmodule
"""

_COCOTB = '''\
"""Holds the device against golden vectors in cocotb 2: every output code is compared, one wrong bit fails the test.

    python test_device.py DEVICE.sv …     builds with Icarus (SIM=verilator: with Verilator) and runs

RUN=FOLDER runs it there, for a device that reads files by relative names.
"""

import os
import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "hex"
IMAGES = @IMAGES@


def words(site: str) -> list[int]:
    return [int(line, 16) for line in (VECTORS / f"{site}.hex").read_text().split()]


def main() -> None:
    from cocotb_tools.runner import get_runner

    runner = get_runner(os.environ.get("SIM", "icarus"))
    sources, build = [Path(name).resolve() for name in sys.argv[1:]], HERE / "build"
    runner.build(sources=sources, hdl_toplevel="device", build_dir=build, timescale=("1ns", "1ps"))
    run = Path(os.environ.get("RUN", HERE)).resolve()
    results = runner.test(hdl_toplevel="device", test_module="test_device", test_dir=run, build_dir=build)
    failures = Path(results).read_text().count("<failure")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
else:
    import cocotb
    from cocotb.clock import Clock
    from cocotb.triggers import FallingEdge, RisingEdge, with_timeout

    async def drive(device, codes: list[int], pause: random.Random | None) -> None:
        for code in codes:
            while pause is not None and pause.random() < 0.3:
                device.in_valid.value = 0
                await FallingEdge(device.clk)
            device.in_valid.value = 1
            device.in_data.value = code
            while True:
                await RisingEdge(device.clk)
                taken = device.in_ready.value == 1
                await FallingEdge(device.clk)
                if taken:
                    break
        device.in_valid.value = 0

    async def compare(device, expected: list[int], pause: random.Random | None) -> int:
        for place, code in enumerate(expected):
            while True:
                device.out_ready.value = int(pause is None or pause.random() < 0.7)
                await RisingEdge(device.clk)
                given = device.out_valid.value == 1 and device.out_ready.value == 1
                got = device.out_data.value
                await FallingEdge(device.clk)
                if given:
                    break
            image, index = divmod(place, len(expected) // IMAGES)
            assert got.is_resolvable, f"word {place} of @OUT_SITE@ has unknown bits: {got}"
            place_there = f"word {place} of @OUT_SITE@ (image {image}, index {index})"
            assert got.to_unsigned() == code, f"{place_there}: expected {code:x}, got {got.to_unsigned():x}"
        return len(expected)

    async def run(device, pause: random.Random | None) -> None:
        cocotb.start_soon(Clock(device.clk, 10, unit="ns").start())
        device.rst_n.value = 0
        device.in_valid.value = 0
        device.in_data.value = 0
        device.out_ready.value = 0
        for _ in range(4):
            await FallingEdge(device.clk)
        device.rst_n.value = 1
        cocotb.start_soon(drive(device, words("@IN_SITE@"), pause))
        compared = await with_timeout(compare(device, words("@OUT_SITE@"), pause), 1000, "ms")
        device._log.info("%d words of @OUT_SITE@ compared on %d images, 0 mismatches", compared, IMAGES)

    @cocotb.test()
    async def every_word_at_full_speed(device) -> None:
        await run(device, None)

    @cocotb.test()
    async def every_word_with_pauses(device) -> None:
        await run(device, random.Random(1))
'''

_MAKEFILE = """\
# make icarus DEVICE="device.sv other.sv", make verilator DEVICE=…, make cocotb DEVICE=…
DEVICE ?= device.sv
PLUSARGS ?= +backpressure
PYTHON ?= python3

icarus:
	iverilog -g2012 -Wall -s bench -o bench.vvp bench.sv $(DEVICE)
	vvp -N bench.vvp $(PLUSARGS)

verilator:
	verilator --binary --timing -Wno-fatal -Wno-lint --top-module bench --Mdir build_verilator bench.sv $(DEVICE)
	./build_verilator/Vbench $(PLUSARGS)

cocotb:
	$(PYTHON) test_device.py $(DEVICE)

.PHONY: icarus verilator cocotb
"""

_README = """\
# The bench

`bench.sv` (Icarus, Verilator) and `test_device.py` (cocotb 2) hold a module `device` against the golden vectors in
`../hex`. They compare every output word and fail at the first wrong bit, at an unknown bit, and where no word comes.

| port | | |
|---|---|---|
| `clk`, `rst_n` | in | one clock, rising edge; reset is active low |
| `in_valid`, `in_ready`, `in_data[@IN_WIDTH@-1:0]` | in, out, in | codes of `@IN_SITE@`, @IN_CODE@ |
| `out_valid`, `out_ready`, `out_data[@OUT_WIDTH@-1:0]` | out, in, out | codes of `@OUT_SITE@`, @OUT_CODE@ |

One code a beat, taken at the rising edge where valid and ready are both 1: row-major, channels last, one image after
the other. A valid word stays until it is taken. @IMAGES@ images: @IN_WORDS@ words in, @OUT_WORDS@ words out.

    make icarus DEVICE=device.sv
    make verilator DEVICE=device.sv
    make cocotb DEVICE=device.sv
"""

FILES = {"bench.sv": _SYSTEMVERILOG, "test_device.py": _COCOTB, "Makefile": _MAKEFILE, "README.md": _README}
"""By name."""
