"""docs/operators.md says what the tables say."""

from pathlib import Path

import pytest

from bittrue.network import Operator
from bittrue.operators import Pointwise
from bittrue.operators.functions import float_function
from bittrue.program import Bypass
from bittrue.simulation.wide import wide_kernel
from operators_reference import reference
from test_rule_matrix import rows

PAGE = Path(__file__).parents[1] / "docs/operators.md"


def test_the_page_is_fresh() -> None:
    """If not: python tests/operators_reference.py docs/operators.md."""
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_operator_has_a_row_with_its_sites_and_instructions() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for operator in {*rows(Operator), *float_function} - {Pointwise}:
        (row,) = [line for line in lines if line.startswith(f"| `{operator.__name__}` |") and "| `output`" in line]
        assert all(cell.strip() for cell in row.split(" | ")[:4]), row


def test_another_gap_makes_it_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wide_kernel._gaps, Bypass, "another reason")
    assert "wide kernel: another reason" in reference()
