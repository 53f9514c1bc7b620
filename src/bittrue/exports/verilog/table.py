"""The tables of the Verilog export: what each instruction becomes. A gap says why there is no module, and what to do
instead."""

from collections.abc import Callable
from typing import Any

from bittrue.exports.verilog.draft import Draft, one_by_one
from bittrue.exports.verilog.flow import Flow
from bittrue.exports.verilog.rounding import requantized
from bittrue.program import ONE_CODE, Step
from bittrue.rules import RuleTable

export_verilog: RuleTable[Callable[[Any, Draft], None]] = RuleTable("Verilog export", gaps_allowed=True)
"""Rules `(instruction, draft) -> None`: write what computes the draft's first step, and call `finish` with its exact
result."""

OneCode = Callable[[Any, Step, Draft, Flow], Flow]
"""`(instruction, step, draft, x) -> result`: what a step makes of the stream x, quantized."""

one_code: dict[type, OneCode] = {}
"""Instructions that compute each number from the one at its own place. Such a step can join the module of the step
before it; one that stands alone reads the module's input."""


def computes_one_code(cls: type) -> Callable[[OneCode], OneCode]:
    """Register the decorated function for `cls` in both tables."""

    def register(function: OneCode) -> OneCode:
        if cls not in ONE_CODE:
            raise TypeError(f"{cls.__name__} doesn't compute each code from the one at its own place")
        one_code[cls] = function

        @export_verilog.rule(cls)
        def rule(instruction: Any, draft: Draft) -> None:
            draft.needed.append(one_by_one(draft.size))
            draft.cycles = draft.size
            _go_on(draft, draft.input(0), draft.steps)

        return function

    return register


def finish(draft: Draft, exact: Flow) -> None:
    """Give out what the first step's exact result becomes by its quantizer and the steps after it."""
    finish_rounded(draft, requantized(draft, exact, draft.step.quantizer))


def finish_rounded(draft: Draft, x: Flow) -> None:
    """The same for a stream that has been through the first step's quantizer."""
    _go_on(draft, x, draft.steps[1:])


def _go_on(draft: Draft, x: Flow, steps: tuple[Step, ...]) -> None:
    for step in steps:
        x = one_code[type(step.instruction)](step.instruction, step, draft, x)
    draft.line(f"assign y_valid = {x.name}_valid;")
    draft.line(f"assign {x.name}_ready = y_ready;")
    draft.line(f"assign y_data = {x.data};")
