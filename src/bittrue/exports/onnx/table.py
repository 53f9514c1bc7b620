"""The table of the exports to ONNX: which nodes an instruction becomes. A gap says why there are none, and what to do
instead."""

from collections.abc import Callable
from typing import Any

from bittrue.exports.onnx.graph import Graph
from bittrue.program import Step
from bittrue.rules import RuleTable

export_onnx: RuleTable[Callable[[Any, Step, Graph], None]] = RuleTable("ONNX export", gaps_allowed=True)
"""Rules `(instruction, step, graph) -> None`: add the nodes of the step, the last of them by `compute`."""
