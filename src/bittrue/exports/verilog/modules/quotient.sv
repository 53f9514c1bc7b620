// The code of a quotient whose magnitude lies between two integers: rounded to one of them, then limited. Combinational.
//
// The magnitude is below + rest / whole, where rest < whole; `negative` is the quotient's sign. The highest bit of `rest`
// is 0, and so is that of `whole`. ROUNDING and OVERFLOW are numbered as in `bittrue_requantize`, whose limits are used.
module bittrue_quotient #(
    parameter int WIDTH = 8,  // of `below`
    parameter int REST = 9,  // of `rest` and `whole`
    parameter int OUT_WIDTH = 8,
    parameter bit OUT_SIGNED = 1,
    parameter int ROUNDING = 0,
    parameter int OVERFLOW = 0
) (
    input  logic                 negative,
    input  logic [WIDTH-1:0]     below,
    input  logic [REST-1:0]      rest,
    input  logic [REST-1:0]      whole,
    output logic [OUT_WIDTH-1:0] code
);
    logic             more;
    logic             tie;
    logic             up;
    logic [WIDTH+1:0] rounded;

    assign more = {rest[REST-2:0], 1'b0} > whole;
    assign tie = {rest[REST-2:0], 1'b0} == whole;
    assign up = ROUNDING == 0 ? more | (tie & below[0])
              : ROUNDING == 1 ? more | (tie & ~negative)
              : ROUNDING == 2 ? more | (tie & negative)
              : ROUNDING == 3 ? more | tie
              : ROUNDING == 4 ? more
              : ROUNDING == 5 ? negative & (rest != {REST{1'b0}})
              : 1'b0;
    assign rounded = {2'b00, below} + {{(WIDTH + 1) {1'b0}}, up};

    bittrue_requantize #(
        .IN_WIDTH(WIDTH + 2),
        .IN_SIGNED(1'b1),
        .IN_FRACTION(0),
        .OUT_WIDTH(OUT_WIDTH),
        .OUT_SIGNED(OUT_SIGNED),
        .OUT_FRACTION(0),
        .ROUNDING(5),
        .OVERFLOW(OVERFLOW)
    ) limits (
        .value(negative ? -rounded : rounded),
        .code(code)
    );

    logic unused;
    assign unused = &{1'b0, rest[REST-1]};
endmodule
