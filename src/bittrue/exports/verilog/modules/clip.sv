// out = min(max(in << SHIFT, LOW), HIGH), a bound that HAS_LOW or HAS_HIGH says isn't there left out.
module bittrue_clip #(
    parameter int IN_WIDTH = 16,
    parameter int WIDE = 17,  // holds the number after the shift, and both bounds
    parameter int OUT_WIDTH = 16,
    parameter int SHIFT = 0,
    parameter int HAS_LOW = 1,
    parameter int HAS_HIGH = 0,
    parameter signed [WIDE-1:0] LOW = 0,
    parameter signed [WIDE-1:0] HIGH = 0
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
    logic signed [WIDE-1:0] x;
    logic signed [WIDE-1:0] wide;
    logic signed [WIDE-1:0] raised;
    logic signed [WIDE-1:0] clipped;

    assign in_ready = !out_valid || out_ready;
    assign wide = in_data;

    always_ff @(posedge clk) begin
        if (!rst_n) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid;
        if (in_ready) x <= wide <<< SHIFT;
    end

    assign raised = HAS_LOW != 0 && x < LOW ? LOW : x;
    assign clipped = HAS_HIGH != 0 && raised > HIGH ? HIGH : raised;
    assign out_data = clipped;
endmodule
