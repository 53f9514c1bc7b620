// The handshake of a step that holds one word and needs to know its place: PERIOD places follow each other in the stream,
// and then the first comes again. At the edge where `taken` is 1 the step keeps the word that comes in, and reads what
// belongs to `place`.
module bittrue_place #(
    parameter int PERIOD = 1
) (
    input  logic                                         clk,
    input  logic                                         rst_n,
    input  logic                                         in_valid,
    output logic                                         in_ready,
    output logic                                         out_valid,
    input  logic                                         out_ready,
    output logic                                         taken,
    output logic [(PERIOD > 1 ? $clog2(PERIOD) : 1)-1:0] place
);
    assign in_ready = !out_valid || out_ready;
    assign taken = in_valid && in_ready;

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            out_valid <= 1'b0;
            place <= 0;
        end else begin
            if (in_ready) out_valid <= in_valid;
            if (taken) place <= place == PERIOD - 1 ? 0 : place + 1;
        end
    end
endmodule
