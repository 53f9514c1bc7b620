// The code of a number in another fixed-point format: rounded, then its overflow handled. Combinational.
//
// A code c with F fraction bits stands for the number c * 2^-F. F may be negative, or larger than the width.
//
// IN_WIDTH, IN_SIGNED, IN_FRACTION      the format of `value`
// OUT_WIDTH, OUT_SIGNED, OUT_FRACTION   the format of `code`
// ROUNDING   0 NEAREST_EVEN, 1 NEAREST_UP, 2 NEAREST_DOWN, 3 NEAREST_AWAY, 4 NEAREST_TO_ZERO, 5 FLOOR, 6 TRUNCATE
// OVERFLOW   0 SATURATE, 1 SATURATE_ZERO, 2 SATURATE_SYMMETRIC, 3 WRAP, 4 UNBOUNDED
//
// The numbers of the modes are their places in bittrue's enumerations. UNBOUNDED clips nothing: whoever uses it gives
// an OUT_WIDTH that holds every code, else the low bits are left, as with WRAP.
module bittrue_requantize #(
    parameter int IN_WIDTH = 8,
    parameter bit IN_SIGNED = 1,
    parameter int IN_FRACTION = 0,
    parameter int OUT_WIDTH = 8,
    parameter bit OUT_SIGNED = 1,
    parameter int OUT_FRACTION = 0,
    parameter int ROUNDING = 0,
    parameter int OVERFLOW = 0
) (
    input  logic [IN_WIDTH-1:0]  value,
    output logic [OUT_WIDTH-1:0] code
);
    localparam int DROPPED = IN_FRACTION - OUT_FRACTION;

    // Beyond these distances a longer shift gives the same code: to the right nothing but a sign and a rest below one
    // half is left, to the left everything but zero is an overflow whose low bits are zero.
    localparam int RIGHT = DROPPED <= 0 ? 0 : DROPPED > IN_WIDTH + 2 ? IN_WIDTH + 2 : DROPPED;
    localparam int LEFT = DROPPED >= 0 ? 0 : -DROPPED > OUT_WIDTH + 1 ? OUT_WIDTH + 1 : -DROPPED;

    // The value with a sign and a bit to spare in front, zeros behind it where the code has more fraction bits, and
    // never shorter than the code.
    localparam int WHOLE = IN_WIDTH + LEFT > OUT_WIDTH ? IN_WIDTH + LEFT + 2 : OUT_WIDTH + 2;
    localparam int WIDE = WHOLE + RIGHT;

    logic             negative;
    logic [WIDE-1:0]  wide;
    logic [WHOLE-1:0] below;
    logic             up;
    logic [WHOLE-1:0] rounded;

    assign negative = IN_SIGNED ? value[IN_WIDTH-1] : 1'b0;

    generate
        if (LEFT > 0) begin : g_left
            assign wide = {{(WIDE - IN_WIDTH - LEFT) {negative}}, value, {LEFT{1'b0}}};
        end else begin : g_as_it_is
            assign wide = {{(WIDE - IN_WIDTH) {negative}}, value};
        end
    endgenerate

    // The integer below, and whether the one above is nearer. `half` and `rest` are the bits that are dropped.
    assign below = wide[WIDE-1:RIGHT];

    generate
        if (RIGHT == 0) begin : g_exact
            assign up = 1'b0;
        end else begin : g_rounded
            logic half;
            logic rest;
            assign half = wide[RIGHT-1];
            if (RIGHT > 1) begin : g_rest
                assign rest = |wide[RIGHT-2:0];
            end else begin : g_no_rest
                assign rest = 1'b0;
            end
            assign up = ROUNDING == 0 ? half & (rest | below[0])
                      : ROUNDING == 1 ? half
                      : ROUNDING == 2 ? half & rest
                      : ROUNDING == 3 ? half & (rest | ~negative)
                      : ROUNDING == 4 ? half & (rest | negative)
                      : ROUNDING == 5 ? 1'b0
                      : negative & (half | rest);
        end
    endgenerate

    assign rounded = below + {{(WHOLE - 1) {1'b0}}, up};

    // The code's bits without its sign; those above them are the sign's copies where the code fits.
    localparam int MAGNITUDE = OUT_SIGNED ? OUT_WIDTH - 1 : OUT_WIDTH;

    generate
        if (OVERFLOW > 2) begin : g_low_bits
            logic unused;
            assign unused = &{1'b0, rounded[WHOLE-1:OUT_WIDTH]};
            assign code = rounded[OUT_WIDTH-1:0];
        end else begin : g_saturated
            logic                 sign;
            logic                 above_range;
            logic                 below_range;
            logic [OUT_WIDTH-1:0] highest;
            logic [OUT_WIDTH-1:0] lowest;
            assign sign = rounded[WHOLE-1];
            assign above_range = ~sign & |rounded[WHOLE-2:MAGNITUDE];
            // One bit with a sign keeps its -1 under SATURATE_SYMMETRIC, whose range would be {0}.
            if (OUT_SIGNED && OVERFLOW == 2 && OUT_WIDTH > 1) begin : g_symmetric
                assign below_range = sign & ~(&rounded[WHOLE-2:MAGNITUDE] & |rounded[MAGNITUDE-1:0]);
                assign lowest = {1'b1, {(OUT_WIDTH - 1) {1'b0}}} | {{(OUT_WIDTH - 1) {1'b0}}, 1'b1};
            end else if (OUT_SIGNED) begin : g_signed
                assign below_range = sign & ~(&rounded[WHOLE-2:MAGNITUDE]);
                assign lowest = {OUT_WIDTH{1'b1}} << MAGNITUDE;
            end else begin : g_unsigned
                assign below_range = sign;
                assign lowest = {OUT_WIDTH{1'b0}};
            end
            assign highest = ~({OUT_WIDTH{OUT_SIGNED}} << MAGNITUDE);
            assign code = above_range ? (OVERFLOW == 1 ? {OUT_WIDTH{1'b0}} : highest)
                        : below_range ? (OVERFLOW == 1 ? {OUT_WIDTH{1'b0}} : lowest)
                        : rounded[OUT_WIDTH-1:0];
        end
    endgenerate
endmodule
