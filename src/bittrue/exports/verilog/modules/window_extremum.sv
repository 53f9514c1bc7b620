// The largest (MINIMUM 1: the least) of the words of each window, those in the padding left out.
module bittrue_window_extremum #(
    parameter int WIDTH = 8,
    parameter int IN_SIGNED = 1,
    parameter int MINIMUM = 0
) (
    input  logic             clk,
    input  logic             rst_n,
    input  logic             in_valid,
    output logic             in_ready,
    input  logic [WIDTH-1:0] in_data,
    input  logic             in_inside,
    input  logic             in_first,
    input  logic             in_last,
    output logic             out_valid,
    input  logic             out_ready,
    output logic [WIDTH-1:0] out_data
);
    logic [WIDTH-1:0]    best;
    logic                any;  // whether `best` is a word of this window
    logic                better;
    logic signed [WIDTH:0] x;
    logic signed [WIDTH:0] y;

    assign x = {IN_SIGNED != 0 && in_data[WIDTH-1], in_data};
    assign y = {IN_SIGNED != 0 && best[WIDTH-1], best};
    assign better = in_inside && (in_first || !any || (MINIMUM != 0 ? x < y : x > y));

    assign in_ready = !out_valid || out_ready;
    assign out_data = best;

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            out_valid <= 1'b0;
            any <= 1'b0;
        end else if (in_ready) begin
            out_valid <= in_valid && in_last;
            if (in_valid) any <= in_inside || (any && !in_first);
        end
        if (in_valid && in_ready && better) best <= in_data;
    end
endmodule
