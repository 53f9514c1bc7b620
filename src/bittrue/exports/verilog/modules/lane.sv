// One running sum of products: `sum` is the sum with the products of this cycle, kept where `enable` is 1.
//
// Exact (QUANTIZED 0): the first products, TERMS a cycle, are added to 0, and SUM_WIDTH bits hold every sum on the way.
// Else TERMS is 1, and the sum is a code of CODE_WIDTH bits with CODE_FRACTION fraction bits, begins at `start`, and is rounded after
// each product, which has PRODUCT_FRACTION of them; with QUANTIZED_PRODUCTS each product is rounded before.
module bittrue_lane #(
    parameter int X_WIDTH = 9,
    parameter int WEIGHT_WIDTH = 9,
    parameter int SUM_WIDTH = 24,
    parameter int TERMS = 1,
    parameter int QUANTIZED = 0,
    parameter int QUANTIZED_PRODUCTS = 0,
    parameter int PRODUCT_FRACTION = 0,
    parameter int CODE_WIDTH = 8,
    parameter int CODE_SIGNED = 1,
    parameter int CODE_FRACTION = 0,
    parameter int ROUNDING = 0,
    parameter int OVERFLOW = 0
) (
    input  logic                           clk,
    input  logic                           enable,
    input  logic                           first,
    input  logic [TERMS*X_WIDTH-1:0]       x,
    input  logic [TERMS*WEIGHT_WIDTH-1:0]  weight,
    input  logic signed [SUM_WIDTH-1:0]    start,
    output logic signed [SUM_WIDTH-1:0]    sum
);
    localparam int PRODUCT_WIDTH = X_WIDTH + WEIGHT_WIDTH;

    logic signed [SUM_WIDTH-1:0]     total;
    logic signed [SUM_WIDTH-1:0]     so_far;
    logic [TERMS*PRODUCT_WIDTH-1:0]  products;

    assign so_far = first ? start : total;

    genvar term;
    generate
        for (term = 0; term < TERMS; term = term + 1) begin : g_products
            logic signed [X_WIDTH-1:0]       one_x;
            logic signed [WEIGHT_WIDTH-1:0]  one_weight;
            logic signed [PRODUCT_WIDTH-1:0] one;
            assign one_x = x[term*X_WIDTH+:X_WIDTH];
            assign one_weight = weight[term*WEIGHT_WIDTH+:WEIGHT_WIDTH];
            assign one = one_x * one_weight;
            assign products[term*PRODUCT_WIDTH+:PRODUCT_WIDTH] = one;
        end
    endgenerate

    generate
        if (QUANTIZED == 0) begin : g_exact
            // The low bits of a sum don't depend on the order in which it is made.
            logic signed [SUM_WIDTH-1:0]     exact;
            logic signed [PRODUCT_WIDTH-1:0] added;
            integer                          place;
            always_comb begin
                exact = so_far;
                added = 0;
                for (place = 0; place < TERMS; place = place + 1) begin
                    added = products[place*PRODUCT_WIDTH+:PRODUCT_WIDTH];
                    exact = exact + added;
                end
            end
            assign sum = exact;
        end else begin : g_quantized
            logic signed [PRODUCT_WIDTH-1:0] product;
            assign product = products;

            // What is added has its own binary point: the products', or the sum's where the products are rounded to it.
            localparam int FRACTION = QUANTIZED_PRODUCTS != 0 ? CODE_FRACTION : PRODUCT_FRACTION;
            localparam int FINEST = FRACTION > CODE_FRACTION ? FRACTION : CODE_FRACTION;
            localparam int ADDED_WIDTH = QUANTIZED_PRODUCTS != 0 ? SUM_WIDTH : PRODUCT_WIDTH;
            localparam int ADDED_SHIFT = FINEST - FRACTION;
            localparam int BEFORE_SHIFT = FINEST - CODE_FRACTION;
            localparam int WIDE = (ADDED_WIDTH + ADDED_SHIFT > SUM_WIDTH + BEFORE_SHIFT
                                   ? ADDED_WIDTH + ADDED_SHIFT : SUM_WIDTH + BEFORE_SHIFT) + 1;

            logic signed [ADDED_WIDTH-1:0] added;
            logic signed [WIDE-1:0]        wide_added;
            logic signed [WIDE-1:0]        wide_so_far;
            logic signed [WIDE-1:0]        exact;
            logic [CODE_WIDTH-1:0]         code;

            if (QUANTIZED_PRODUCTS != 0) begin : g_product
                logic [CODE_WIDTH-1:0] product_code;
                bittrue_requantize #(
                    .IN_WIDTH(PRODUCT_WIDTH), .IN_SIGNED(1), .IN_FRACTION(PRODUCT_FRACTION),
                    .OUT_WIDTH(CODE_WIDTH), .OUT_SIGNED(CODE_SIGNED), .OUT_FRACTION(CODE_FRACTION),
                    .ROUNDING(ROUNDING), .OVERFLOW(OVERFLOW)
                ) rounding (.value(product), .code(product_code));
                assign added = {{(SUM_WIDTH - CODE_WIDTH) {CODE_SIGNED != 0 && product_code[CODE_WIDTH-1]}},
                                product_code};
            end else begin : g_exact_product
                assign added = product;
            end

            assign wide_added = added;
            assign wide_so_far = so_far;
            assign exact = (wide_added <<< ADDED_SHIFT) + (wide_so_far <<< BEFORE_SHIFT);

            bittrue_requantize #(
                .IN_WIDTH(WIDE), .IN_SIGNED(1), .IN_FRACTION(FINEST),
                .OUT_WIDTH(CODE_WIDTH), .OUT_SIGNED(CODE_SIGNED), .OUT_FRACTION(CODE_FRACTION),
                .ROUNDING(ROUNDING), .OVERFLOW(OVERFLOW)
            ) rounding (.value(exact), .code(code));
            assign sum = {{(SUM_WIDTH - CODE_WIDTH) {CODE_SIGNED != 0 && code[CODE_WIDTH-1]}}, code};
        end
    endgenerate

    always_ff @(posedge clk) begin
        if (enable) total <= sum;
    end
endmodule
