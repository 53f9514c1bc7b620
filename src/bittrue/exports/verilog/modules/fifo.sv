// A queue of words in a stream. DEPTH: how many it holds, besides the one that stands at its output.
module bittrue_fifo #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2
) (
    input  logic             clk,
    input  logic             rst_n,
    input  logic             in_valid,
    output logic             in_ready,
    input  logic [WIDTH-1:0] in_data,
    output logic             out_valid,
    input  logic             out_ready,
    output logic [WIDTH-1:0] out_data
);
    localparam int ADDRESS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam int LAST = DEPTH - 1;

    logic [WIDTH-1:0]       words[0:DEPTH-1];
    logic [ADDRESS-1:0]     write;
    logic [ADDRESS-1:0]     read;
    logic [$clog2(DEPTH):0] held;
    logic                   taken;
    logic                   given;

    assign in_ready = held != DEPTH[$clog2(DEPTH):0];
    assign taken = in_valid && in_ready;
    assign given = held != 0 && (!out_valid || out_ready);

    always_ff @(posedge clk) begin
        if (taken) words[write] <= in_data;
        if (given) out_data <= words[read];
        if (!rst_n) begin
            write <= 0;
            read <= 0;
            held <= 0;
            out_valid <= 1'b0;
        end else begin
            if (taken) write <= write == LAST[ADDRESS-1:0] ? 0 : write + 1'b1;
            if (given) read <= read == LAST[ADDRESS-1:0] ? 0 : read + 1'b1;
            if (taken && !given) held <= held + 1'b1;
            if (given && !taken) held <= held - 1'b1;
            if (!out_valid || out_ready) out_valid <= given;
        end
    end
endmodule
