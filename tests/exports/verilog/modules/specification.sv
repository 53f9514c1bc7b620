// What `bittrue_requantize` means (DIVISOR 1), and `bittrue_divide`, in divisions and comparisons of wide integers: the
// other side of the proof.
//
// BITS holds every number that occurs: the widths, the distance between the binary points and the divisor's bits added
// up, and 4 more, suffice.
module specification #(
    parameter int IN_WIDTH = 8,
    parameter bit IN_SIGNED = 1,
    parameter int IN_FRACTION = 0,
    parameter int OUT_WIDTH = 8,
    parameter bit OUT_SIGNED = 1,
    parameter int OUT_FRACTION = 0,
    parameter int ROUNDING = 0,
    parameter int OVERFLOW = 0,
    parameter int DIVISOR = 1,
    parameter int BITS = 32
) (
    input  logic [IN_WIDTH-1:0]  value,
    output logic [OUT_WIDTH-1:0] code
);
    localparam logic signed [BITS-1:0] ZERO = 0;
    localparam logic signed [BITS-1:0] ONE = 1;
    localparam logic signed [BITS-1:0] TWO = 2;
    localparam logic signed [BITS-1:0] UNIT = IN_FRACTION > OUT_FRACTION ? ONE << (IN_FRACTION - OUT_FRACTION) : ONE;
    localparam logic signed [BITS-1:0] WHOLE = UNIT * DIVISOR;
    localparam logic signed [BITS-1:0] FACTOR = IN_FRACTION < OUT_FRACTION ? ONE << (OUT_FRACTION - IN_FRACTION) : ONE;
    localparam logic signed [BITS-1:0] WORDS = ONE << OUT_WIDTH;
    localparam logic signed [BITS-1:0] HIGHEST = OUT_SIGNED ? WORDS / TWO - ONE : WORDS - ONE;
    localparam logic signed [BITS-1:0] LOWEST =
        !OUT_SIGNED ? ZERO : OVERFLOW == 2 && OUT_WIDTH > 1 ? ONE - WORDS / TWO : -(WORDS / TWO);

    logic signed [BITS-1:0] number, towards_zero, remainder, below, rest, rounded, limited;

    always @* begin
        number = IN_SIGNED && value[IN_WIDTH-1] ? $signed({{(BITS - IN_WIDTH) {1'b1}}, value})
                                                : $signed({{(BITS - IN_WIDTH) {1'b0}}, value});
        number = number * FACTOR;
        towards_zero = number / WHOLE;
        remainder = number - towards_zero * WHOLE;
        below = remainder < ZERO ? towards_zero - ONE : towards_zero;
        rest = number - below * WHOLE;

        if (ROUNDING == 5) rounded = below;
        else if (ROUNDING == 6) rounded = towards_zero;
        else if (TWO * rest < WHOLE) rounded = below;
        else if (TWO * rest > WHOLE) rounded = below + ONE;
        else if (ROUNDING == 0) rounded = below - (below / TWO) * TWO == ZERO ? below : below + ONE;
        else if (ROUNDING == 1) rounded = below + ONE;
        else if (ROUNDING == 2) rounded = below;
        else if (ROUNDING == 3) rounded = number > ZERO ? below + ONE : below;
        else rounded = number > ZERO ? below : below + ONE;

        if (OVERFLOW > 2 || (rounded >= LOWEST && rounded <= HIGHEST)) limited = rounded;
        else if (OVERFLOW == 1) limited = ZERO;
        else if (rounded < LOWEST) limited = LOWEST;
        else limited = HIGHEST;
        code = limited[OUT_WIDTH-1:0];
    end
endmodule
