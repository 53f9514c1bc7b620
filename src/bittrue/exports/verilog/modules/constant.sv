// A word with the constant of its place beside it: CONSTANTS has PERIOD of them, for places that follow each other in
// the stream.
module bittrue_constant #(
    parameter int WIDTH = 8,
    parameter int CONSTANT_WIDTH = 8,
    parameter int PERIOD = 2,
    parameter CONSTANTS = ""
) (
    input  logic                      clk,
    input  logic                      rst_n,
    input  logic                      in_valid,
    output logic                      in_ready,
    input  logic [WIDTH-1:0]          in_data,
    output logic                      out_valid,
    input  logic                      out_ready,
    output logic [WIDTH-1:0]          out_data,
    output logic [CONSTANT_WIDTH-1:0] out_constant
);
    localparam int PLACE_BITS = PERIOD > 1 ? $clog2(PERIOD) : 1;

    logic                  taken;
    logic [PLACE_BITS-1:0] place;

    bittrue_place #(.PERIOD(PERIOD)) place_unit (
        .clk(clk), .rst_n(rst_n), .in_valid(in_valid), .in_ready(in_ready),
        .out_valid(out_valid), .out_ready(out_ready), .taken(taken), .place(place)
    );

    always_ff @(posedge clk) begin
        if (taken) out_data <= in_data;
    end

    bittrue_memory #(.WIDTH(CONSTANT_WIDTH), .DEPTH(PERIOD), .FILE(CONSTANTS)) constant_memory (
        .clk(clk), .enable(taken), .address(place), .data(out_constant)
    );
endmodule
