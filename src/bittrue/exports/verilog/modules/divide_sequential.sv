// The code of a number divided by another one, rounded once and limited: a bit of the quotient a cycle.
//
// The number is value * 2^-IN_FRACTION, `divisor` an integer without a sign, above 0. Formats and modes are as in
// `bittrue_divide`; nothing has to be proven, since every quotient is computed. A division takes IN_WIDTH + 1 cycles,
// and as many more as OUT_FRACTION exceeds IN_FRACTION, from the beat that is taken to the beat that is offered.
module bittrue_divide_sequential #(
    parameter int IN_WIDTH = 8,
    parameter bit IN_SIGNED = 1,
    parameter int IN_FRACTION = 0,
    parameter int DIVISOR_WIDTH = 8,
    parameter int OUT_WIDTH = 8,
    parameter bit OUT_SIGNED = 1,
    parameter int OUT_FRACTION = 0,
    parameter int ROUNDING = 0,
    parameter int OVERFLOW = 0
) (
    input  logic                     clk,
    input  logic                     rst_n,
    input  logic                     in_valid,
    output logic                     in_ready,
    input  logic [IN_WIDTH-1:0]      value,
    input  logic [DIVISOR_WIDTH-1:0] divisor,
    output logic                     out_valid,
    input  logic                     out_ready,
    output logic [OUT_WIDTH-1:0]     code
);
    localparam int LEFT = OUT_FRACTION > IN_FRACTION ? OUT_FRACTION - IN_FRACTION : 0;
    localparam int RIGHT = IN_FRACTION > OUT_FRACTION ? IN_FRACTION - OUT_FRACTION : 0;
    localparam int WIDTH = IN_WIDTH + LEFT;
    localparam int REST = DIVISOR_WIDTH + RIGHT + 1;
    localparam int COUNT = $clog2(WIDTH + 1) + 1;

    logic                busy;
    logic                negative;
    logic [COUNT-1:0]    left;
    logic [WIDTH-1:0]    quotient;  // the magnitude's bits that are still to come, behind the quotient's that are there
    logic [REST-1:0]     rest;
    logic [REST-1:0]     whole;

    logic [IN_WIDTH-1:0] size;
    logic [REST-1:0]     next;
    logic                fits;
    logic [WIDTH:0]      moved;
    logic                unused;

    assign size = IN_SIGNED && value[IN_WIDTH-1] ? -value : value;
    assign in_ready = !busy;
    assign out_valid = busy && left == {COUNT{1'b0}};
    assign next = {rest[REST-2:0], quotient[WIDTH-1]};
    assign fits = next >= whole;
    assign moved = {quotient, fits};

    always_ff @(posedge clk) begin
        if (!rst_n) begin
            busy <= 1'b0;
        end else if (in_valid && in_ready) begin
            busy <= 1'b1;
        end else if (out_valid && out_ready) begin
            busy <= 1'b0;
        end
        if (in_valid && in_ready) begin
            negative <= IN_SIGNED ? value[IN_WIDTH-1] : 1'b0;
            left <= COUNT'(WIDTH);
            quotient <= WIDTH'(size) << LEFT;
            rest <= {REST{1'b0}};
            whole <= REST'(divisor) << RIGHT;
        end else if (!out_valid) begin
            left <= left - {{(COUNT - 1) {1'b0}}, 1'b1};
            quotient <= moved[WIDTH-1:0];
            rest <= fits ? next - whole : next;
        end
    end

    // The bit that leaves is one of the magnitude's, which `next` has.
    assign unused = &{1'b0, moved[WIDTH]};

    bittrue_quotient #(
        .WIDTH(WIDTH),
        .REST(REST),
        .OUT_WIDTH(OUT_WIDTH),
        .OUT_SIGNED(OUT_SIGNED),
        .ROUNDING(ROUNDING),
        .OVERFLOW(OVERFLOW)
    ) rounding (
        .negative(negative),
        .below(quotient),
        .rest(rest),
        .whole(whole),
        .code(code)
    );
endmodule
