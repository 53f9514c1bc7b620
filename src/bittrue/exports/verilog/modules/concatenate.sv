// Streams one after the other: a run of words of the first, one of the second, …, and again from the first. RUNS has 32
// bits for each, the first one's lowest.
module bittrue_concatenate #(
    parameter int WIDTH = 8,
    parameter int WRITERS = 2,
    parameter [32*WRITERS-1:0] RUNS = 0
) (
    input  logic                      clk,
    input  logic                      rst_n,
    input  logic [WRITERS-1:0]        in_valid,
    output logic [WRITERS-1:0]        in_ready,
    input  logic [WRITERS*WIDTH-1:0]  in_data,
    output logic                      out_valid,
    input  logic                      out_ready,
    output logic signed [WIDTH-1:0]   out_data
);
    localparam int WRITER_BITS = WRITERS > 1 ? $clog2(WRITERS) : 1;

    logic [WRITER_BITS-1:0] writer;
    logic [31:0]            place;
    logic [31:0]            run;
    logic                   taken;

    assign run = RUNS[32*writer+:32];
    assign out_valid = in_valid[writer];
    assign out_data = in_data[WIDTH*writer+:WIDTH];
    assign in_ready = {{(WRITERS - 1) {1'b0}}, out_ready} << writer;
    assign taken = out_valid && out_ready;

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            writer <= 0;
            place <= 0;
        end else if (taken) begin
            place <= place == run - 1 ? 0 : place + 1;
            if (place == run - 1) writer <= writer == WRITERS - 1 ? 0 : writer + 1;
        end
    end
endmodule
