"""`bittrue_lane`, one step of a sum of products: every sum, weight and number of small widths, in Icarus beside the
definition. The whole grid: tests/exports/verilog/exhaustive.py."""

from pathlib import Path

import pytest

from exports.verilog.adding import SOURCE, drawn
from exports.verilog.simulated import Instance, every_output

CANARIES = {
    "a product that is taken away": ("exact + added", "exact - added"),
    "the binary point of the products": ("<<< ADDED_SHIFT", ""),
    "the binary point of the sum": ("<<< BEFORE_SHIFT", ""),
    "the sign of a code": ("{(SUM_WIDTH - CODE_WIDTH) {CODE_SIGNED != 0 && code[CODE_WIDTH-1]}}", "{1'b0}"),
    "products that aren't rounded": (".IN_FRACTION(PRODUCT_FRACTION)", ".IN_FRACTION(CODE_FRACTION)"),
}


def wrong(source: str, folder: Path) -> int:
    adders = drawn()
    outputs = every_output([each.instance for each in adders], source, folder)
    return sum(got != each.expected() for each, got in zip(adders, outputs, strict=True))


def test_every_sum_of_small_widths(tmp_path: Path) -> None:
    assert wrong(SOURCE, tmp_path) == 0


@pytest.mark.parametrize("canary", CANARIES)
def test_icarus_finds(canary: str, tmp_path: Path) -> None:
    before, after = CANARIES[canary]
    assert before in SOURCE
    assert wrong(SOURCE.replace(before, after), tmp_path) > 0


TWO_TERMS = """
module two_terms (input logic [11:0] value, output logic [6:0] code);
    bittrue_lane #(.X_WIDTH(2), .WEIGHT_WIDTH(2), .SUM_WIDTH(7), .TERMS(2)) unit (
        .clk(1'b0), .enable(1'b0), .first(1'b1), .x(value[3:0]), .weight(value[7:4]),
        .start({{3{value[11]}}, value[11:8]}), .sum(code)
    );
endmodule
"""


def _signed(word: int, width: int) -> int:
    return word - (word >> width - 1 << width)


def test_several_terms_are_added_up(tmp_path: Path) -> None:
    """Two products at once, of two bits each, to every start of four: all of them."""
    source = f"{SOURCE}{TWO_TERMS}"
    instance = Instance("two_terms", {}, 12, 7)
    (found,) = every_output([instance], source, tmp_path)
    for value, code in enumerate(found):
        x, weight = ([_signed(value >> place & 3, 2) for place in (low, low + 2)] for low in (0, 4))
        total = _signed(value >> 8, 4) + sum(a * b for a, b in zip(x, weight, strict=True))
        assert _signed(code, 7) == total
    changed = source.replace("products[place*PRODUCT_WIDTH+:PRODUCT_WIDTH]", "products[0+:PRODUCT_WIDTH]")
    assert changed != source
    folder = tmp_path / "canary"
    folder.mkdir()
    assert every_output([instance], changed, folder) != [found]
