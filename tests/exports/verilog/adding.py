"""Sets of parameters of `bittrue_lane`, one step of a sum of products, and what the definition makes of its inputs.

A sum of any length is this step again and again: what goes in is the sum so far, a number and its weight.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.fixed.reference import requantize
from exports.verilog.simulated import Instance, source_of

_BOUNDED = tuple(mode for mode in Overflow if mode is not Overflow.UNBOUNDED)
"""An accumulator that rounds must be bounded."""


@dataclass(frozen=True)
class Adder:
    """x_width, weight_width: bits of two signed numbers. sum_width: of the sum's.

    quantizer: None for an exact sum; else the sum is of its codes, and products have `fraction_bits` fraction bits, and
    with `rounded_products` are quantized, too.
    """

    x_width: int
    weight_width: int
    sum_width: int
    quantizer: Quantizer | None = None
    fraction_bits: int = 0
    rounded_products: bool = False

    @property
    def start_width(self) -> int:
        """A code's bits, which has one less than the sum's register."""
        return self.sum_width if self.quantizer is None else self.quantizer.format.word_length

    @property
    def parameters(self) -> dict[str, str]:
        found = {"X_WIDTH": self.x_width, "WEIGHT_WIDTH": self.weight_width, "SUM_WIDTH": self.sum_width}
        if self.quantizer is not None:
            to = self.quantizer.format
            found |= {
                "QUANTIZED": 1,
                "QUANTIZED_PRODUCTS": int(self.rounded_products),
                "PRODUCT_FRACTION": self.fraction_bits,
                "CODE_WIDTH": to.word_length,
                "CODE_SIGNED": int(to.signed),
                "CODE_FRACTION": to.fraction_bits,
                "ROUNDING": tuple(Rounding).index(self.quantizer.rounding),
                "OVERFLOW": tuple(Overflow).index(self.quantizer.overflow),
            }
        return {name: str(value) for name, value in found.items()}

    @property
    def instance(self) -> Instance:
        return Instance("adder", self.parameters, self.x_width + self.weight_width + self.start_width, self.sum_width)

    def expected(self) -> list[int]:
        """The sum for each start, weight and number, these the fastest, as words of the sum's length."""
        signed = self.quantizer is None or self.quantizer.format.signed
        mask = (1 << self.sum_width) - 1
        numbers = product(_codes(self.start_width, signed), _codes(self.weight_width), _codes(self.x_width))
        return [self.total(start, weight * x) & mask for start, weight, x in numbers]

    def total(self, start: int, added: int) -> int:
        if self.quantizer is None:
            return start + added
        bits, own = self.fraction_bits, self.quantizer.format.fraction_bits
        if self.rounded_products:
            bits, added = own, requantize(added, bits, self.quantizer)
        finest = max(bits, own)
        return requantize((start << finest - own) + (added << finest - bits), finest, self.quantizer)


def _codes(width: int, signed: bool = True) -> list[int]:
    """The codes of the words from 0 on."""
    return [word - (1 << width) if signed and word >> width - 1 else word for word in range(1 << width)]


SOURCE = (
    source_of("lane")
    + """
module adder #(
    parameter int X_WIDTH = 1, parameter int WEIGHT_WIDTH = 1, parameter int SUM_WIDTH = 1,
    parameter int QUANTIZED = 0, parameter int QUANTIZED_PRODUCTS = 0, parameter int PRODUCT_FRACTION = 0,
    parameter int CODE_WIDTH = SUM_WIDTH, parameter int CODE_SIGNED = 1, parameter int CODE_FRACTION = 0,
    parameter int ROUNDING = 0, parameter int OVERFLOW = 0
) (
    input  logic [X_WIDTH+WEIGHT_WIDTH+CODE_WIDTH-1:0] value,
    output logic [SUM_WIDTH-1:0] code
);
    logic [CODE_WIDTH:0] start;
    logic signed [SUM_WIDTH-1:0] sum;
    assign start = {CODE_SIGNED != 0 && value[X_WIDTH+WEIGHT_WIDTH+CODE_WIDTH-1],
                    value[X_WIDTH+WEIGHT_WIDTH+:CODE_WIDTH]};
    assign code = sum;
    bittrue_lane #(
        .X_WIDTH(X_WIDTH), .WEIGHT_WIDTH(WEIGHT_WIDTH), .SUM_WIDTH(SUM_WIDTH), .QUANTIZED(QUANTIZED),
        .QUANTIZED_PRODUCTS(QUANTIZED_PRODUCTS), .PRODUCT_FRACTION(PRODUCT_FRACTION), .CODE_WIDTH(CODE_WIDTH),
        .CODE_SIGNED(CODE_SIGNED), .CODE_FRACTION(CODE_FRACTION), .ROUNDING(ROUNDING), .OVERFLOW(OVERFLOW)
    ) unit (
        .clk(1'b0), .enable(1'b0), .first(1'b1), .x(value[X_WIDTH-1:0]),
        .weight(value[X_WIDTH+:WEIGHT_WIDTH]), .start(start[SUM_WIDTH-1:0]), .sum(sum)
    );
endmodule
"""
)


def every(longest: int = 8) -> Iterator[Adder]:
    """Exact sums of every width of products of up to `longest` bits, and quantized ones in every mode; the register of
    an exact sum holds `longest` bits, a code as many as the products' bits leave of 9, four at most, its binary point
    up to two places on both sides of the products'."""
    widths = [(x, weight) for x in range(1, longest) for weight in range(1, longest - x + 1)]
    for x, weight in widths:
        yield Adder(x, weight, max(longest, x + weight + 1))
    for rounding, overflow, (x, weight), signed, fraction, rounded in product(
        Rounding, _BOUNDED, ((1, 2), (2, 2), (3, 3)), (False, True), range(-2, 3), (False, True)
    ):
        for word_length in range(1, min(4, 9 - x - weight) + 1):
            quantizer = Quantizer(FixedFormat(signed, word_length, 0), rounding, overflow)
            yield Adder(x, weight, word_length + 1, quantizer, fraction, rounded)


def drawn() -> list[Adder]:
    """A sample, with few inputs each."""
    small = [each for each in every(4) if each.instance.in_width <= 9]
    return [each for each in small if each.quantizer is None] + [each for each in small if each.quantizer][::41]
