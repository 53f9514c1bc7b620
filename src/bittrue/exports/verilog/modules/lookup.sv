// A function of one code as a table: the entry in - LOW of TABLE, of ENTRIES for each of PERIOD places that follow each
// other in the stream (entries of one input code side by side).
module bittrue_lookup #(
    parameter int IN_WIDTH = 8,
    parameter int WIDTH = 8,
    parameter int ENTRIES = 256,
    parameter int PERIOD = 1,
    parameter signed [IN_WIDTH-1:0] LOW = 0,
    parameter TABLE = ""
) (
    input  logic                       clk,
    input  logic                       rst_n,
    input  logic                       in_valid,
    output logic                       in_ready,
    input  logic signed [IN_WIDTH-1:0] in_data,
    output logic                       out_valid,
    input  logic                       out_ready,
    output logic [WIDTH-1:0]           out_data
);
    localparam int DEPTH = ENTRIES * PERIOD;
    localparam int ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam int PLACE_BITS = PERIOD > 1 ? $clog2(PERIOD) : 1;

    logic                    taken;
    logic [PLACE_BITS-1:0]   place;
    logic [IN_WIDTH-1:0]     entry;
    logic [ADDRESS_BITS-1:0] address;

    bittrue_place #(.PERIOD(PERIOD)) place_unit (
        .clk(clk), .rst_n(rst_n), .in_valid(in_valid), .in_ready(in_ready),
        .out_valid(out_valid), .out_ready(out_ready), .taken(taken), .place(place)
    );

    assign entry = in_data - LOW;

    generate
        if (PERIOD > 1) begin : g_places
            assign address = entry * PERIOD + place;
        end else begin : g_one_table
            assign address = entry;
        end
    endgenerate

    bittrue_memory #(.WIDTH(WIDTH), .DEPTH(DEPTH), .FILE(TABLE)) table_memory (
        .clk(clk), .enable(taken), .address(address), .data(out_data)
    );
endmodule
