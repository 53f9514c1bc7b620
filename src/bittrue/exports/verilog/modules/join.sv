// Several streams that are read together: a word of each at a time.
module bittrue_join #(
    parameter int WRITERS = 2
) (
    input  logic [WRITERS-1:0] in_valid,
    output logic [WRITERS-1:0] in_ready,
    output logic               out_valid,
    input  logic               out_ready
);
    assign out_valid = &in_valid;
    assign in_ready = {WRITERS{out_valid && out_ready}};
endmodule
