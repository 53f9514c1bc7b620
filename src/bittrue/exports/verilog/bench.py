"""The bench of a design: drives images in, takes the output, and lets every stream's words be written down."""

from math import prod

from bittrue.exports.verilog.design import Design
from bittrue.exports.verilog.draft import Word

_SLACK = 8
"""Times that the modules' cycles may pass without a word before the bench gives up: pauses slow it down."""


def bench_text(design: Design) -> str:
    taps = [(f"dut.{design.names[step.name]}__tap.count", prod(step.type.shape)) for step in design.stored]
    done = " &&\n        ".join(f"{tap} == images * {size}" for tap, size in taps)
    values = {
        "NAME": design.name,
        "IN_WIDTH": Word.of(design.input).width,
        "OUT_WIDTH": Word.of(design.output).width,
        "OUT_WORDS": prod(design.output.type.shape),
        "TIMEOUT": 1000 + _SLACK * sum(design.cycles_of.values()),
        "DONE": done,
    }
    text = _BENCH
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


_BENCH = """\
// Drives the images of inputs.hex (a word a line) through @NAME@ and counts cycles; ends when each stream has had
// all of its words, and with $fatal where nothing moves any more.
//
// Plusargs: +images=N; +taps lets each stream's words be written to codes/; +backpressure lets both ends pause at
// random, +seed=N chooses how; +reset_at=N resets everything after so many cycles and begins anew.
`timescale 1ns / 1ps

module bench;
    logic clk = 1'b0;
    logic rst_n = 1'b0;
    logic in_valid = 1'b0;
    logic in_ready;
    logic [@IN_WIDTH@-1:0] in_data = 0;
    logic out_valid;
    logic out_ready = 1'b0;
    logic [@OUT_WIDTH@-1:0] out_data;

    integer images = 1;
    integer seed = 1;
    integer reset_at = 0;
    logic backpressure = 1'b0;
    logic [31:0] noise;  // a linear congruential generator, whose high bits decide

    integer file = 0;
    integer read = 0;
    logic [@IN_WIDTH@-1:0] word = 0;
    integer cycle = 0;
    integer waited = 0;
    integer given = 0;
    integer first = 0;
    integer latency = 0;

    @NAME@ dut (
        .clk(clk), .rst_n(rst_n),
        .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data),
        .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data)
    );

    always #5 clk = ~clk;

    initial begin
        if ($value$plusargs("images=%d", images)) begin
        end
        if ($value$plusargs("seed=%d", seed)) begin
        end
        if ($value$plusargs("reset_at=%d", reset_at)) begin
        end
        backpressure = $test$plusargs("backpressure") != 0;
    end

    logic all_done;
    assign all_done = @DONE@;

    always @(posedge clk) begin
        cycle <= cycle + 1;
        if (cycle < 4 || (reset_at != 0 && cycle >= reset_at && cycle < reset_at + 4)) begin
            rst_n <= 1'b0;
            in_valid <= 1'b0;
            out_ready <= 1'b0;
            given <= 0;
            waited <= 0;
            first <= cycle + 1;
            noise <= seed;
            if (file != 0) $fclose(file);
            file = $fopen("inputs.hex", "r");
        end else begin
            rst_n <= 1'b1;
            waited <= waited + 1;
            noise <= noise * 32'd1664525 + 32'd1013904223;
            if (!in_valid || in_ready === 1'b1) begin
                if (in_valid) waited <= 0;
                in_valid <= 1'b0;
                if (rst_n && (!backpressure || noise[31:30] == 0)) begin
                    read = $fscanf(file, "%h", word);
                    in_valid <= read == 1;
                    in_data <= word;
                end
            end
            out_ready <= !backpressure || noise[22:21] == 0;
            if (out_valid === 1'b1 && out_ready) begin
                waited <= 0;
                given <= given + 1;
                if (given + 1 == @OUT_WORDS@) latency <= cycle - first;
            end
            if (rst_n && (in_ready === 1'bx || out_valid === 1'bx || (out_valid && (^out_data) === 1'bx))) begin
                $display("FAIL: an unknown bit at cycle %0d", cycle);
                $fatal(1);
            end
            if (all_done && given == images * @OUT_WORDS@) begin
                $display("DONE: %0d images, %0d cycles, %0d the first", images, cycle - first, latency);
                $finish;
            end
            if (waited > @TIMEOUT@) begin
                $display("FAIL: nothing moves; %0d words are out", given);
                $fatal(1);
            end
        end
    end
endmodule
"""
