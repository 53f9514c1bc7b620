"""The table of the hls4ml export: which of its layers an instruction becomes. A gap says why there is none, and what to
do instead."""

from collections.abc import Callable
from typing import Any

from bittrue.exports.hls4ml.graph import Graph
from bittrue.program import Step
from bittrue.rules import RuleTable

export_hls4ml: RuleTable[Callable[[Any, Step, Graph], None]] = RuleTable("hls4ml export", gaps_allowed=True)
"""Rules `(instruction, step, graph) -> None`: add the layers of the step, the one that makes its codes by `compute`."""

STOP = "stop before it with --until"
