"""ONNX's own test cases: none fails, every operator that is read passes one, and the page says so."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from bittrue.frontends.onnx.conversion import NodeUse, Value
from bittrue.frontends.onnx.rules.operators import OPERATORS
from frontends.backend_cases import Outcome, cases_of, run
from onnx_backend_reference import outcomes, reference, rows

PAGE = Path(__file__).parents[1] / "docs/onnx-backend-tests.md"

WITHOUT_A_PASS = {
    "Cast": "the cases' inputs hold NaN and infinity",
    "CastLike": "the cases' inputs hold NaN and infinity",
    "DequantizeLinear": "the cases' types, zero points and scales are no fixed-point formats",
    "Erfc": "ONNX has no such operator, but files of tf2onnx have",
    "QuantizeLinear": "the cases' types, zero points and scales are no fixed-point formats",
    "SequenceAt": "no case is about it alone",
    "SplitToSequence": "the cases' sequences are outputs",
    "Tile": "the cases repeat axes of more than size 1",
    "Where": "the cases choose by what they are given",
}
"""Operators that are read, but not as ONNX's cases have them; tests/frontends has cases of its own."""


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    return outcomes()


def test_no_case_fails(found: list[Outcome]) -> None:
    assert [(outcome.case.name, outcome.reason) for outcome in found if outcome.verdict == "failed"] == []


def test_every_operator_that_is_read_passes_a_case(found: list[Outcome]) -> None:
    passed = {row.operator for row in rows(found) if row.count("passed")}
    assert set(OPERATORS) - passed == set(WITHOUT_A_PASS)


def test_the_page_is_fresh(found: list[Outcome]) -> None:
    """If not: python tests/onnx_backend_reference.py docs/onnx-backend-tests.md."""
    page = PAGE.read_text(encoding="utf-8")
    if f"onnx {onnx.__version__}," not in page:
        pytest.skip(f"the page is about another version than onnx {onnx.__version__}, which is installed")
    assert page == reference(found)


def verdicts(operator: str) -> set[str]:
    return {outcome.verdict for case in cases_of([operator]) for outcome in run(case)}


def test_a_wrong_rule_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts("Tanh") == {"passed"}
    monkeypatch.setitem(OPERATORS, "Tanh", OPERATORS["Sigmoid"])
    assert verdicts("Tanh") == {"failed"}


def test_an_exception_that_no_user_should_see_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(use: NodeUse) -> Value:
        raise KeyError(use.name)

    monkeypatch.setitem(OPERATORS, "Tanh", replace(OPERATORS["Tanh"], rule=broken))
    assert verdicts("Tanh") == {"failed"}


def test_an_operator_without_a_rule_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATORS, "Tanh")
    assert verdicts("Tanh") == {"refused"}
