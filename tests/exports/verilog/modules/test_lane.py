"""`bittrue_lane`, one step of a sum of products: every sum, weight and number of small widths, in Icarus beside the
definition. The whole grid: tests/exports/verilog/exhaustive.py."""

from pathlib import Path

import pytest

from exports.verilog.adding import SOURCE, drawn
from exports.verilog.simulated import every_output

CANARIES = {
    "a product that is taken away": ("so_far + product", "so_far - product"),
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
