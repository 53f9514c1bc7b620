// A stream that several modules read: each takes every word once, in its own time; the next one comes when all have.
module bittrue_fork #(
    parameter int READERS = 2
) (
    input  logic               clk,
    input  logic               rst_n,
    input  logic               in_valid,
    output logic               in_ready,
    output logic [READERS-1:0] out_valid,
    input  logic [READERS-1:0] out_ready
);
    logic [READERS-1:0] done;
    logic [READERS-1:0] after;

    assign out_valid = {READERS{in_valid}} & ~done;
    assign after = done | (out_valid & out_ready);
    assign in_ready = &after;

    always_ff @(posedge clk) begin
        if (!rst_n) done <= {READERS{1'b0}};
        else if (in_valid) done <= in_ready ? {READERS{1'b0}} : after;
    end
endmodule
