"""`python tests/onnx_backend_reference.py docs/onnx-backend-tests.md`: what became of ONNX's own test cases."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import onnx

from bittrue.files import write_text
from bittrue.frontends.onnx.rules.operators import OPERATORS
from frontends.backend_cases import NO_RULE, Outcome, all_cases, run

HEAD = """# ONNX's own backend tests

Made by `python tests/onnx_backend_reference.py docs/onnx-backend-tests.md`; a test keeps it fresh.

The `onnx` package ships the test cases that ONNX's backends are judged by (`onnx.backend.test`, its kinds node, simple,
pytorch-operator and pytorch-converted). Here are those of onnx {version}, read by `from_onnx`, run in float32, and
compared with the numbers that they bring, within their own tolerance.

A Network has one input and one output, and leaves the batch axis out, so every output of a case is a model of its own,
and a case takes up to three roads:

- its first floating-point input is the network's, the first axis is the batch, left open, and all other inputs are
  constants, as trained weights are (not for cases that mix the images of a batch: those that ONNX's own reference
  answers otherwise when it is given their images one by one);
- the whole of that input is one image, which comes as a row of numbers that a Reshape gives the case's shape;
- the same with all floating-point inputs in that row, so that none is a constant.

*Passed*: right on at least one road, wrong on none. *Refused*: a sentence says on every road what is not supported.
*Failed*: other numbers, or an exception that is no such sentence. Operator sets are those of the cases, 6 and newer; a
model of an older one is converted by `onnx.version_converter` first. A case whose inputs hold NaN, infinity or numbers
beyond float32 is refused: those are never values (B4).
"""


@dataclass(frozen=True)
class Row:
    """All outcomes of one ONNX operator."""

    operator: str
    outcomes: Sequence[Outcome]

    def count(self, verdict: str) -> int:
        return sum(outcome.verdict == verdict for outcome in self.outcomes)

    def reasons(self, verdict: str) -> str:
        """The sentences, each with its number of outcomes, the most frequent first."""
        found = Counter(_general(outcome.reason) for outcome in self.outcomes if outcome.verdict == verdict)
        return "; ".join(f"{reason} ({count})" for reason, count in found.most_common())


def outcomes() -> list[Outcome]:
    return [outcome for case in all_cases() for outcome in run(case)]


def rows(found: Iterable[Outcome]) -> list[Row]:
    """By operator, in the alphabet's order."""
    by_operator: dict[str, list[Outcome]] = {}
    for outcome in found:
        by_operator.setdefault(outcome.case.operator, []).append(outcome)
    return [Row(operator, by_operator[operator]) for operator in sorted(by_operator, key=str.lower)]


def reference(found: Sequence[Outcome]) -> str:
    """The page in Markdown."""
    table = rows(found)
    read = [row for row in table if row.operator in OPERATORS or row.count("passed")]
    total = Row("All", found)
    lines = [
        HEAD.format(version=onnx.__version__),
        f"{len(found):,} outputs of {len({outcome.case.name for outcome in found}):,} cases: "
        f"{total.count('passed'):,} passed, {total.count('refused'):,} refused, {total.count('failed'):,} failed.\n",
        "## Operators that bittrue reads, whole or as the operators that ONNX defines them by\n",
        "| Operator | Passed | Refused | Failed | Why |",
        "|---|---|---|---|---|",
        *(_line(row) for row in read),
        "\n## Operators that are refused\n",
        "| Operator | Refused | Failed | Why |",
        "|---|---|---|---|",
        *(_line(row, passed=False) for row in table if row not in read),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row, passed: bool = True) -> str:
    counts = [str(row.count(verdict)) for verdict in ("passed", "refused", "failed")[not passed :]]
    reasons = "; ".join(filter(None, (row.reasons("failed"), row.reasons("refused"))))
    cells = [f"`{row.operator}`", *counts, reasons.replace("|", "\\|")]
    return f"| {' | '.join(cells)} |"


def _general(reason: str) -> str:
    """The sentence without this case's sizes and this version's list of operators."""
    if reason.startswith(NO_RULE):
        return reason.partition(" is not supported")[0].removeprefix("the ") + " is not supported"
    shown = re.sub(r"\([-\d., ?]+\)", "(…)", reason)
    shown = re.sub(r"\(.* \([^()]*\).*\)|\((?=[a-z])[^()]*\)", "(…)", shown)
    return re.sub(r"\b\d+(×\d+)+|\b\d+(?= (values|numbers)\b)|(?<= a weight of )\d+", "…", shown)


if __name__ == "__main__":
    write_text(sys.argv[1], reference(outcomes()))
