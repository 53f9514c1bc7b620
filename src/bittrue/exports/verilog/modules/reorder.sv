// The words of an image in another order: all IN_WORDS come in first, then OUT_WORDS go out, each the one that stands at
// its place in PLACES, or FILL where that has the highest of its PLACE_BITS bits set.
module bittrue_reorder #(
    parameter int WIDTH = 8,
    parameter int IN_WORDS = 4,
    parameter int OUT_WORDS = 4,
    parameter int PLACE_BITS = 3,
    parameter [WIDTH-1:0] FILL = 0,
    parameter PLACES = ""
) (
    input  logic                    clk,
    input  logic                    rst_n,
    input  logic                    in_valid,
    output logic                    in_ready,
    input  logic        [WIDTH-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic signed [WIDTH-1:0] out_data
);
    localparam int ADDRESS_BITS = IN_WORDS > 1 ? $clog2(IN_WORDS) : 1;
    localparam int NEXT_BITS = OUT_WORDS > 1 ? $clog2(OUT_WORDS) : 1;

    logic [WIDTH-1:0]        words[0:IN_WORDS-1];
    logic [ADDRESS_BITS-1:0] write;
    logic [NEXT_BITS-1:0]    next;
    logic                    giving;  // words of an image are still to go out
    logic                    asking;  // places of some are still to be read
    logic                    advance;
    logic                    known;  // `place` is that of a word that goes out
    logic                    known_last;
    logic [PLACE_BITS-1:0]   place;
    logic [WIDTH-1:0]        word;
    logic                    filled;
    logic                    out_last;
    logic                    taken;
    logic                    full;

    assign in_ready = !giving;
    assign taken = in_valid && in_ready;
    assign full = taken && write == IN_WORDS - 1;
    assign advance = !out_valid || out_ready;
    assign out_data = filled ? FILL : word;

    bittrue_memory #(.WIDTH(PLACE_BITS), .DEPTH(OUT_WORDS), .FILE(PLACES)) place_memory (
        .clk(clk), .enable(advance), .address(next), .data(place)
    );

    always_ff @(posedge clk) begin
        if (taken) words[write] <= in_data;
        if (advance) begin
            word <= words[place[ADDRESS_BITS-1:0]];
            filled <= place[PLACE_BITS-1];
        end
        if (!rst_n) begin
            write <= 0;
            next <= 0;
            giving <= 1'b0;
            asking <= 1'b0;
            known <= 1'b0;
            out_valid <= 1'b0;
        end else begin
            if (taken) write <= full ? 0 : write + 1;
            if (full) giving <= 1'b1;
            else if (out_valid && out_ready && out_last) giving <= 1'b0;
            if (full) asking <= 1'b1;
            else if (advance && next == OUT_WORDS - 1) asking <= 1'b0;
            if (advance) begin
                if (asking) next <= next == OUT_WORDS - 1 ? 0 : next + 1;
                known <= asking;
                known_last <= next == OUT_WORDS - 1;
                out_valid <= known;
                out_last <= known_last;
            end
        end
    end
endmodule
