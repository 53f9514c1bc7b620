// A read-only memory, filled from a file of hexadecimal lines: the word at `address` a cycle later, where `enable` is 1.
module bittrue_memory #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 2,
    parameter FILE = ""
) (
    input  logic                                       clk,
    input  logic                                       enable,
    input  logic [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] address,
    output logic [WIDTH-1:0]                           data
);
    logic [WIDTH-1:0] words[0:DEPTH-1];

    initial $readmemh(FILE, words);

    always_ff @(posedge clk) begin
        if (enable) data <= words[address];
    end
endmodule
