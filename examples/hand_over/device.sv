// An example of a device under test: one dense layer, a multiplication a cycle, in bittrue's arithmetic.
//
// Streams as bittrue's bench has them: a code a beat, taken where valid and ready are both 1. The weights come from the
// memory export, output channel first (`--to memory`), the biases likewise. The exact sum is rounded to nearest, ties to
// even, and saturated.
module device #(
    parameter INPUTS = 64,
    parameter OUTPUTS = 10,
    parameter IN_WIDTH = 8,
    parameter IN_SIGNED = 0,
    parameter WEIGHT_WIDTH = 8,
    parameter BIAS_WIDTH = 16,
    parameter BIAS_SHIFT = 0,  // how far a bias is shifted left to the binary point of the sum
    parameter SUM_SHIFT = 0,  // how far the products are
    parameter SHIFT = 8,  // fraction bits of the exact sum that the output doesn't have
    parameter OUT_WIDTH = 8,
    parameter WEIGHTS = "weight.hex",
    parameter BIASES = "bias.hex"
) (
    input wire clk,
    input wire rst_n,
    input wire in_valid,
    output wire in_ready,
    input wire [IN_WIDTH-1:0] in_data,
    output wire out_valid,
    input wire out_ready,
    output wire [OUT_WIDTH-1:0] out_data
);
    localparam SUM_WIDTH = 48;
    localparam signed [SUM_WIDTH-1:0] HIGHEST = (48'sd1 <<< (OUT_WIDTH - 1)) - 1;
    localparam signed [SUM_WIDTH-1:0] LOWEST = -(48'sd1 <<< (OUT_WIDTH - 1));

    reg [IN_WIDTH-1:0] x[0:INPUTS-1];
    reg signed [WEIGHT_WIDTH-1:0] weights[0:INPUTS*OUTPUTS-1];
    reg signed [BIAS_WIDTH-1:0] biases[0:OUTPUTS-1];

    initial begin
        $readmemh(WEIGHTS, weights);
        $readmemh(BIASES, biases);
    end

    localparam FILL = 2'd0, SUM = 2'd1, GIVE = 2'd2;
    reg [1:0] state;
    reg [31:0] place;
    reg [31:0] channel;
    reg signed [SUM_WIDTH-1:0] sum;

    wire signed [IN_WIDTH:0] code = IN_SIGNED ? {x[place][IN_WIDTH-1], x[place]} : {1'b0, x[place]};
    wire signed [SUM_WIDTH-1:0] product = code * weights[channel * INPUTS + place];
    wire signed [SUM_WIDTH-1:0] bias = biases[channel];

    // To nearest, ties to even: the floor, and one more where the rest is above a half, or a half above an odd floor.
    wire signed [SUM_WIDTH-1:0] below = sum >>> SHIFT;
    wire signed [SUM_WIDTH-1:0] rest = sum - (below <<< SHIFT);
    wire signed [SUM_WIDTH-1:0] half = SHIFT == 0 ? 48'sd1 : 48'sd1 <<< (SHIFT - 1);
    wire up = SHIFT != 0 && (rest > half || (rest == half && below[0]));
    wire signed [SUM_WIDTH-1:0] rounded = up ? below + 48'sd1 : below;

    assign in_ready = rst_n && state == FILL;
    assign out_valid = state == GIVE;
    assign out_data = rounded > HIGHEST ? HIGHEST[OUT_WIDTH-1:0] :
                      rounded < LOWEST ? LOWEST[OUT_WIDTH-1:0] : rounded[OUT_WIDTH-1:0];

    always @(posedge clk) begin
        if (!rst_n) begin
            state <= FILL;
            place <= 0;
            channel <= 0;
            sum <= 0;
        end else if (state == FILL && in_valid) begin
            x[place] <= in_data;
            place <= place + 1;
            if (place == INPUTS - 1) begin
                place <= 0;
                channel <= 0;
                sum <= $signed(biases[0]) <<< BIAS_SHIFT;
                state <= SUM;
            end
        end else if (state == SUM) begin
            sum <= sum + (product <<< SUM_SHIFT);
            place <= place + 1;
            if (place == INPUTS - 1) begin
                place <= 0;
                state <= GIVE;
            end
        end else if (state == GIVE && out_ready) begin
            channel <= channel + 1;
            sum <= $signed(biases[channel+1==OUTPUTS?0 : channel+1]) <<< BIAS_SHIFT;
            state <= channel == OUTPUTS - 1 ? FILL : SUM;
        end
    end
endmodule
