// The sum of the words of each window; those in the padding are 0.
module bittrue_window_sum #(
    parameter int IN_WIDTH = 8,
    parameter int IN_SIGNED = 1,
    parameter int OUT_WIDTH = 16
) (
    input  logic                        clk,
    input  logic                        rst_n,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic        [IN_WIDTH-1:0]  in_data,
    input  logic                        in_first,
    input  logic                        in_last,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic signed [OUT_WIDTH-1:0] out_data
);
    logic signed [IN_WIDTH:0]    x;
    logic signed [OUT_WIDTH-1:0] so_far;

    assign x = {IN_SIGNED != 0 && in_data[IN_WIDTH-1], in_data};
    assign so_far = in_first ? 0 : out_data;
    assign in_ready = !out_valid || out_ready;

    always_ff @(posedge clk) begin
        if (!rst_n) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid && in_last;
        if (in_valid && in_ready) out_data <= so_far + x;
    end
endmodule
