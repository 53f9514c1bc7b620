// Words of a stream side by side: COUNT of them as one, the first in the low bits.
module bittrue_gather #(
    parameter int WIDTH = 8,
    parameter int COUNT = 2
) (
    input  logic                   clk,
    input  logic                   rst_n,
    input  logic                   in_valid,
    output logic                   in_ready,
    input  logic [WIDTH-1:0]       in_data,
    output logic                   out_valid,
    input  logic                   out_ready,
    output logic [COUNT*WIDTH-1:0] out_data
);
    localparam int COUNT_BITS = $clog2(COUNT);

    // Those before the last, which goes on at once.
    logic [(COUNT-1)*WIDTH-1:0] held;
    logic [COUNT_BITS-1:0]      place;
    logic                       full;

    assign full = place == COUNT - 1;
    assign in_ready = !full || out_ready;
    assign out_valid = full && in_valid;
    assign out_data = {in_data, held};

    always_ff @(posedge clk) begin
        if (in_valid && !full) held[place*WIDTH+:WIDTH] <= in_data;
        if (!rst_n) place <= 0;
        else if (in_valid && in_ready) place <= full ? 0 : place + 1;
    end
endmodule
