"""The tables of the C export: what each instruction becomes. A gap says why C can't have it, and what to do instead."""

from collections.abc import Callable
from typing import Any

from bittrue.exports.c.draft import Draft, Number
from bittrue.exports.c.quantization import requantized
from bittrue.exports.storage import storage_of
from bittrue.program import ONE_CODE, Step
from bittrue.rules import RuleTable

export_c: RuleTable[Callable[[Any, Draft], None]] = RuleTable("C export", gaps_allowed=True)
"""Rules `(instruction, draft) -> None`: write the loops of the draft's first step, and call `finish` for each
number."""

OneCode = Callable[[Any, Step, Draft, Number, str], Number]
"""`(instruction, step, draft, x, index) -> result`: what a step makes of the code x at the flat place `index`,
quantized."""

one_code: dict[type, OneCode] = {}
"""Instructions that compute each number from the one at its own place. Such a step can join the function of the step
before it; one that stands alone reads its input in a loop of its own."""


def computes_one_code(cls: type) -> Callable[[OneCode], OneCode]:
    """Register the decorated function for `cls` in both tables."""

    def register(function: OneCode) -> OneCode:
        if cls not in ONE_CODE:
            raise TypeError(f"{cls.__name__} doesn't compute each code from the one at its own place")
        one_code[cls] = function

        @export_c.rule(cls)
        def rule(instruction: Any, draft: Draft) -> None:
            with draft.loop("i", draft.size):
                _go_on(draft, "i", draft.code(0, "i"), draft.steps)

        return function

    return register


def finish(draft: Draft, index: str, exact: Number) -> None:
    """Store at the flat `index` what the first step's exact result becomes by its quantizer and the steps after it."""
    finish_rounded(draft, index, requantized(draft, exact, draft.step.quantizer))


def finish_rounded(draft: Draft, index: str, number: Number) -> None:
    """The same for a number that has been through the first step's quantizer."""
    _go_on(draft, index, number, draft.steps[1:])


def _go_on(draft: Draft, index: str, number: Number, steps: tuple[Step, ...]) -> None:
    if steps and not index.isidentifier():
        draft.line(f"const int32_t i = {index};")
        index = "i"
    for step in steps:
        number = one_code[type(step.instruction)](step.instruction, step, draft, number, index)
    draft.line(f"y[{index}] = ({storage_of(draft.last).c_type}){number.text};")
