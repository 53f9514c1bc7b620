// The code of a number divided by a constant, rounded once and limited. Combinational.
//
// The number is value * 2^-IN_FRACTION; the quotient by DIVISOR (above 0) gets the format OUT_WIDTH, OUT_SIGNED,
// OUT_FRACTION. ROUNDING and OVERFLOW are numbered as in `bittrue_requantize`.
//
// The integer quotient of the magnitude is a product with MULTIPLIER, shifted right by SHIFT bits: exact for every
// value where `bittrue.exports.verilog.division` has proven the pair, and for no other.
module bittrue_divide #(
    parameter int IN_WIDTH = 8,
    parameter bit IN_SIGNED = 1,
    parameter int IN_FRACTION = 0,
    parameter int DIVISOR = 1,
    parameter int MULTIPLIER_WIDTH = 1,
    parameter logic [MULTIPLIER_WIDTH-1:0] MULTIPLIER = 1,
    parameter int SHIFT = 0,
    parameter int OUT_WIDTH = 8,
    parameter bit OUT_SIGNED = 1,
    parameter int OUT_FRACTION = 0,
    parameter int ROUNDING = 0,
    parameter int OVERFLOW = 0
) (
    input  logic [IN_WIDTH-1:0]  value,
    output logic [OUT_WIDTH-1:0] code
);
    // What is missing to OUT_FRACTION is put behind the magnitude, or behind the divisor.
    localparam int LEFT = OUT_FRACTION > IN_FRACTION ? OUT_FRACTION - IN_FRACTION : 0;
    localparam int RIGHT = IN_FRACTION > OUT_FRACTION ? IN_FRACTION - OUT_FRACTION : 0;
    localparam int DIVISOR_WIDTH = $clog2(DIVISOR + 1) + RIGHT;
    localparam int WIDTH = IN_WIDTH + LEFT;
    localparam int PRODUCT = WIDTH + MULTIPLIER_WIDTH + SHIFT;
    localparam int REST = (WIDTH > DIVISOR_WIDTH ? WIDTH : DIVISOR_WIDTH) + 2;
    localparam logic [REST-1:0] WHOLE = REST'(DIVISOR) << RIGHT;

    logic                negative;
    logic [IN_WIDTH-1:0] size;
    logic [WIDTH-1:0]    magnitude;
    logic [PRODUCT-1:0]  product;
    logic [WIDTH-1:0]    below;
    logic [REST-1:0]     rest;

    assign negative = IN_SIGNED ? value[IN_WIDTH-1] : 1'b0;
    assign size = negative ? -value : value;

    generate
        if (LEFT > 0) begin : g_left
            assign magnitude = {size, {LEFT{1'b0}}};
        end else begin : g_as_it_is
            assign magnitude = size;
        end
    endgenerate

    assign product = {{(PRODUCT - WIDTH) {1'b0}}, magnitude} * {{(PRODUCT - MULTIPLIER_WIDTH) {1'b0}}, MULTIPLIER};
    assign below = product[SHIFT+:WIDTH];
    assign rest = {{(REST - WIDTH) {1'b0}}, magnitude} - {{(REST - WIDTH) {1'b0}}, below} * WHOLE;

    bittrue_quotient #(
        .WIDTH(WIDTH),
        .REST(REST),
        .OUT_WIDTH(OUT_WIDTH),
        .OUT_SIGNED(OUT_SIGNED),
        .ROUNDING(ROUNDING),
        .OVERFLOW(OVERFLOW)
    ) rounding (
        .negative(negative),
        .below(below),
        .rest(rest),
        .whole(WHOLE),
        .code(code)
    );

    // A shift that drops all of the product's lower end, and the quotient's empty upper end.
    logic unused;
    assign unused = &{1'b0, product};
endmodule
