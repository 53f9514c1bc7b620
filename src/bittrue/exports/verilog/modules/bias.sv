// Adds a channel's bias to its sum, both moved to one binary point: out = (in << SHIFT << alignment) + (bias <<
// BIAS_SHIFT).
//
// BIASES has a code for each of CHANNELS, which follow each other in the stream. ALIGNMENTS, where ALIGNED is 1, says
// how far each channel's sum is shifted to the finest channel's binary point.
module bittrue_bias #(
    parameter int IN_WIDTH = 24,
    parameter int OUT_WIDTH = 25,
    parameter int BIAS_WIDTH = 8,
    parameter int BIAS_SIGNED = 1,
    parameter int SHIFT = 0,
    parameter int BIAS_SHIFT = 0,
    parameter int CHANNELS = 1,
    parameter int ALIGNED = 0,
    parameter int ALIGNMENT_WIDTH = 1,
    parameter BIASES = "",
    parameter ALIGNMENTS = ""
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
    localparam int CHANNEL_BITS = CHANNELS > 1 ? $clog2(CHANNELS) : 1;

    logic                       taken;
    logic [CHANNEL_BITS-1:0]    channel;
    logic signed [IN_WIDTH-1:0] sum;
    logic [BIAS_WIDTH-1:0]      word;
    logic [ALIGNMENT_WIDTH-1:0] alignment;

    bittrue_place #(.PERIOD(CHANNELS)) channel_unit (
        .clk(clk), .rst_n(rst_n), .in_valid(in_valid), .in_ready(in_ready),
        .out_valid(out_valid), .out_ready(out_ready), .taken(taken), .place(channel)
    );

    always_ff @(posedge clk) begin
        if (taken) sum <= in_data;
    end

    bittrue_memory #(.WIDTH(BIAS_WIDTH), .DEPTH(CHANNELS), .FILE(BIASES)) bias_memory (
        .clk(clk), .enable(taken), .address(channel), .data(word)
    );

    generate
        if (ALIGNED != 0) begin : g_alignments
            bittrue_memory #(.WIDTH(ALIGNMENT_WIDTH), .DEPTH(CHANNELS), .FILE(ALIGNMENTS)) alignment_memory (
                .clk(clk), .enable(taken), .address(channel), .data(alignment)
            );
        end else begin : g_one_binary_point
            assign alignment = 0;
        end
    endgenerate

    logic signed [BIAS_WIDTH:0]  bias;
    logic signed [OUT_WIDTH-1:0] wide_bias;
    logic signed [OUT_WIDTH-1:0] wide_sum;

    assign bias = {BIAS_SIGNED != 0 && word[BIAS_WIDTH-1], word};
    assign wide_bias = bias;
    assign wide_sum = sum;
    assign out_data = (wide_sum <<< SHIFT <<< alignment) + (wide_bias <<< BIAS_SHIFT);
endmodule
