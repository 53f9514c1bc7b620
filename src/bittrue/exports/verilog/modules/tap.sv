// Counts the words that go over a stream since the last reset, and writes each into FILE as a hexadecimal line where the
// simulation has the plusarg +taps. Synthesis sees an empty module.
module bittrue_tap #(
    parameter int WIDTH = 8,
    parameter FILE = ""
) (
    input logic             clk,
    input logic             rst_n,
    input logic             valid,
    input logic             ready,
    input logic [WIDTH-1:0] data
);
`ifndef SYNTHESIS
    integer file = 0;
    integer count = 0;

    always @(posedge clk) begin
        if (!rst_n) begin
            if (file != 0) $fclose(file);
            file = 0;
            count <= 0;
        end else begin
            if (file == 0 && $test$plusargs("taps") != 0) file = $fopen(FILE, "w");
            if (file != 0 && valid && ready) $fdisplay(file, "%h", data);
            if (valid && ready) count <= count + 1;
        end
    end
`endif
endmodule
