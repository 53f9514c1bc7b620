// out = (scale * in << SHIFT) + (offset << OFFSET_SHIFT), with constants for each of PERIOD places that follow each other
// in the stream. Where BRANCHES is 1, codes below THRESHOLD have constants of their own.
module bittrue_scale_offset #(
    parameter int IN_WIDTH = 16,
    parameter int OUT_WIDTH = 32,
    parameter int SCALE_WIDTH = 8,
    parameter int SCALE_SIGNED = 1,
    parameter int OFFSET_WIDTH = 8,
    parameter int OFFSET_SIGNED = 1,
    parameter int SHIFT = 0,
    parameter int OFFSET_SHIFT = 0,
    parameter int PERIOD = 1,
    parameter int BRANCHES = 0,
    parameter signed [IN_WIDTH-1:0] THRESHOLD = 0,
    parameter SCALES = "",
    parameter OFFSETS = "",
    parameter SCALES_BELOW = "",
    parameter OFFSETS_BELOW = ""
) (
    input  logic                        clk,
    input  logic                        rst_n,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic signed [IN_WIDTH-1:0]  in_data,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic signed [OUT_WIDTH-1:0] out_data
);
    localparam int PLACE_BITS = PERIOD > 1 ? $clog2(PERIOD) : 1;

    logic                       taken;
    logic [PLACE_BITS-1:0]      place;
    logic signed [IN_WIDTH-1:0] x;
    logic [SCALE_WIDTH-1:0]     scale_above;
    logic [OFFSET_WIDTH-1:0]    offset_above;
    logic [SCALE_WIDTH-1:0]     scale_word;
    logic [OFFSET_WIDTH-1:0]    offset_word;

    bittrue_place #(.PERIOD(PERIOD)) place_unit (
        .clk(clk), .rst_n(rst_n), .in_valid(in_valid), .in_ready(in_ready),
        .out_valid(out_valid), .out_ready(out_ready), .taken(taken), .place(place)
    );

    always_ff @(posedge clk) begin
        if (taken) x <= in_data;
    end

    bittrue_memory #(.WIDTH(SCALE_WIDTH), .DEPTH(PERIOD), .FILE(SCALES)) scale_memory (
        .clk(clk), .enable(taken), .address(place), .data(scale_above)
    );
    bittrue_memory #(.WIDTH(OFFSET_WIDTH), .DEPTH(PERIOD), .FILE(OFFSETS)) offset_memory (
        .clk(clk), .enable(taken), .address(place), .data(offset_above)
    );

    generate
        if (BRANCHES != 0) begin : g_branches
            logic                    below;
            logic [SCALE_WIDTH-1:0]  scale_below;
            logic [OFFSET_WIDTH-1:0] offset_below;
            bittrue_memory #(.WIDTH(SCALE_WIDTH), .DEPTH(PERIOD), .FILE(SCALES_BELOW)) scale_below_memory (
                .clk(clk), .enable(taken), .address(place), .data(scale_below)
            );
            bittrue_memory #(.WIDTH(OFFSET_WIDTH), .DEPTH(PERIOD), .FILE(OFFSETS_BELOW)) offset_below_memory (
                .clk(clk), .enable(taken), .address(place), .data(offset_below)
            );
            assign below = x < THRESHOLD;
            assign scale_word = below ? scale_below : scale_above;
            assign offset_word = below ? offset_below : offset_above;
        end else begin : g_one_branch
            assign scale_word = scale_above;
            assign offset_word = offset_above;
        end
    endgenerate

    logic signed [SCALE_WIDTH:0]            scale;
    logic signed [OFFSET_WIDTH:0]           offset;
    logic signed [IN_WIDTH+SCALE_WIDTH-1:0] product;
    logic signed [OUT_WIDTH-1:0]            wide_product;
    logic signed [OUT_WIDTH-1:0]            wide_offset;

    assign scale = {SCALE_SIGNED != 0 && scale_word[SCALE_WIDTH-1], scale_word};
    assign offset = {OFFSET_SIGNED != 0 && offset_word[OFFSET_WIDTH-1], offset_word};
    assign product = x * scale;
    assign wide_product = product;
    assign wide_offset = offset;
    assign out_data = (wide_product <<< SHIFT) + (wide_offset <<< OFFSET_SHIFT);
endmodule
