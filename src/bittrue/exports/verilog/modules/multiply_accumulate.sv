// Sums of products with constant weights: LANES of them side by side, TERMS products each a cycle.
//
// A block of LANES sums reads TAPS beats `in_data`, one after the other; BLOCKS blocks follow each other, then the first
// comes again. A beat has WORDS words, the first in the low bits. Where TERMS is 1, they are shared out: the first LANES /
// WORDS lanes read the first of them, and so on. Else TERMS is WORDS, and every lane adds up a product with each.
// A line of the memory WEIGHTS has TERMS weights for each lane, the first lane's in the low bits; the lines of a block
// follow each other. The sums go out one after the other, OUTPUTS of BLOCKS * LANES; while they do, the next block is
// computed.
//
// QUANTIZED is 0 for exact sums, whose SUM_WIDTH bits hold each of them. Where it is 1, a sum is rounded to CODE_WIDTH
// bits after each product, and starts at its entry in STARTS (lines as in WEIGHTS, one a block): see bittrue_lane.
module bittrue_multiply_accumulate #(
    parameter int IN_WIDTH = 8,
    parameter int IN_SIGNED = 1,
    parameter int WEIGHT_WIDTH = 8,
    parameter int WEIGHT_SIGNED = 1,
    parameter int SUM_WIDTH = 24,
    parameter int LANES = 1,
    parameter int WORDS = 1,
    parameter int TERMS = 1,
    parameter int TAPS = 9,
    parameter int BLOCKS = 1,
    parameter int OUTPUTS = 1,
    parameter int QUANTIZED = 0,
    parameter int QUANTIZED_PRODUCTS = 0,
    parameter int PRODUCT_FRACTION = 0,
    parameter int CODE_WIDTH = 8,
    parameter int CODE_SIGNED = 1,
    parameter int CODE_FRACTION = 0,
    parameter int ROUNDING = 0,
    parameter int OVERFLOW = 0,
    parameter WEIGHTS = "",
    parameter STARTS = ""
) (
    input  logic                        clk,
    input  logic                        rst_n,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic  [WORDS*IN_WIDTH-1:0]  in_data,
    input  logic                        in_first,
    input  logic                        in_last,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic signed [SUM_WIDTH-1:0] out_data
);
    localparam int LINES = BLOCKS * TAPS;
    localparam int LINE_BITS = LINES > 1 ? $clog2(LINES) : 1;
    localparam int BLOCK_BITS = BLOCKS > 1 ? $clog2(BLOCKS) : 1;
    localparam int LANE_BITS = $clog2(LANES + 1);
    localparam int REST = OUTPUTS - (BLOCKS - 1) * LANES;  // sums of the last block

    logic [LINE_BITS-1:0]  line;
    logic [BLOCK_BITS-1:0] block;
    logic                  taken;

    // A beat and its line of weights, side by side.
    logic                                valid;
    logic                                first;
    logic                                last;
    logic                                last_block;
    logic                                enable;
    logic [WORDS*IN_WIDTH-1:0]           words;
    logic [LANES*TERMS*WEIGHT_WIDTH-1:0] weights;

    // The sums that go out.
    logic [LANES*SUM_WIDTH-1:0] sums;
    logic [LANES*SUM_WIDTH-1:0] leaving;
    logic [LANE_BITS-1:0]       left;
    logic                       free;

    assign out_valid = left != 0;
    assign out_data = leaving[SUM_WIDTH-1:0];
    assign free = left == 0 || (left == 1 && out_ready);
    assign enable = valid && (!last || free);
    assign in_ready = !valid || enable;
    assign taken = in_valid && in_ready;

    bittrue_memory #(.WIDTH(LANES * TERMS * WEIGHT_WIDTH), .DEPTH(LINES), .FILE(WEIGHTS)) weight_memory (
        .clk(clk), .enable(taken), .address(line), .data(weights)
    );

    always_ff @(posedge clk) begin
        if (taken) begin
            words <= in_data;
            first <= in_first;
            last <= in_last;
            last_block <= block == BLOCKS - 1;
        end
        if (!rst_n) begin
            valid <= 1'b0;
            line <= 0;
            block <= 0;
        end else begin
            if (in_ready) valid <= in_valid;
            if (taken) line <= line == LINES - 1 ? 0 : line + 1;
            if (taken && in_last) block <= block == BLOCKS - 1 ? 0 : block + 1;
        end
    end

    logic [LANES*SUM_WIDTH-1:0] starts;

    generate
        if (QUANTIZED != 0) begin : g_starts
            bittrue_memory #(.WIDTH(LANES * SUM_WIDTH), .DEPTH(BLOCKS), .FILE(STARTS)) start_memory (
                .clk(clk), .enable(taken), .address(block), .data(starts)
            );
        end else begin : g_zeros
            assign starts = {LANES * SUM_WIDTH{1'b0}};
        end
    endgenerate

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : g_lanes
            // Each term's operands with a bit for the sign in front.
            logic [TERMS*(IN_WIDTH+1)-1:0]     x;
            logic [TERMS*(WEIGHT_WIDTH+1)-1:0] weight;

            genvar term;
            for (term = 0; term < TERMS; term = term + 1) begin : g_terms
                localparam int WORD = TERMS > 1 ? term : lane / (LANES / WORDS);
                localparam int WEIGHT = lane * TERMS + term;
                assign x[term*(IN_WIDTH+1)+:IN_WIDTH+1] = {
                    IN_SIGNED != 0 && words[WORD*IN_WIDTH+IN_WIDTH-1], words[WORD*IN_WIDTH+:IN_WIDTH]
                };
                assign weight[term*(WEIGHT_WIDTH+1)+:WEIGHT_WIDTH+1] = {
                    WEIGHT_SIGNED != 0 && weights[WEIGHT*WEIGHT_WIDTH+WEIGHT_WIDTH-1],
                    weights[WEIGHT*WEIGHT_WIDTH+:WEIGHT_WIDTH]
                };
            end

            bittrue_lane #(
                .X_WIDTH(IN_WIDTH + 1),
                .WEIGHT_WIDTH(WEIGHT_WIDTH + 1),
                .SUM_WIDTH(SUM_WIDTH),
                .TERMS(TERMS),
                .QUANTIZED(QUANTIZED),
                .QUANTIZED_PRODUCTS(QUANTIZED_PRODUCTS),
                .PRODUCT_FRACTION(PRODUCT_FRACTION),
                .CODE_WIDTH(CODE_WIDTH),
                .CODE_SIGNED(CODE_SIGNED),
                .CODE_FRACTION(CODE_FRACTION),
                .ROUNDING(ROUNDING),
                .OVERFLOW(OVERFLOW)
            ) unit (
                .clk(clk),
                .enable(enable),
                .first(first),
                .x(x),
                .weight(weight),
                .start(starts[lane*SUM_WIDTH+:SUM_WIDTH]),
                .sum(sums[lane*SUM_WIDTH+:SUM_WIDTH])
            );
        end
    endgenerate

    always_ff @(posedge clk) begin
        if (enable && last) leaving <= sums;
        else if (out_valid && out_ready) leaving <= leaving >> SUM_WIDTH;
        if (!rst_n) left <= 0;
        else if (enable && last) left <= last_block ? REST : LANES;
        else if (out_valid && out_ready) left <= left - 1;
    end
endmodule
