"""How many multipliers each sum of products has."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from bittrue.errors import BittrueError
from bittrue.exports.verilog.convolution import lanes_of, sum_cycles
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.windows import Windows
from bittrue.program import FixedNetwork, Grouping, MultiplyAccumulate, Step
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class _Layer:
    step: Step
    instruction: MultiplyAccumulate
    shape: Shape

    def cycles(self, lanes: int) -> int:
        *kernel, inner, outputs = self.instruction.weight.shape
        geometry = self.instruction.strides, self.instruction.padding, self.instruction.dilation
        windows = Windows.of(self.step, self.shape, tuple(kernel), *geometry)
        return sum_cycles(windows, -(-outputs // lanes) * prod(kernel) * inner, outputs)

    def more(self, lanes: int) -> int | None:
        """The fewest lanes above `lanes` that are faster; None where no more are."""
        outputs = self.instruction.weight.shape[-1] // self.instruction.groups
        now = self.cycles(lanes)
        found = (wanted for wanted in range(lanes + 1, outputs + 1) if lanes_of(self.instruction, wanted) == wanted)
        return next((wanted for wanted in found if self.cycles(wanted) < now), None)


def lanes_of_layers(program: FixedNetwork, grouping: Grouping, options: VerilogOptions) -> dict[str, int]:
    """The multipliers of each sum of products, by its step.

    Raises: BittrueError for a node that has none, and for fewer multipliers than layers.
    """
    layers = {
        step.name: _Layer(step, step.instruction, program.by_name[step.inputs[0]].type.shape)
        for step in (group.steps[0] for group in grouping.groups)
        if isinstance(step.instruction, MultiplyAccumulate)
    }
    for node in options.parallel:
        if node not in layers:
            known = ", ".join(list(layers)[:8])
            raise BittrueError(f"--parallel: node {node[:40]!r} has no sum of products: name some of {known}.")
    given = {name: lanes_of(layers[name].instruction, wanted) for name, wanted in options.parallel.items()}
    shared = {name: layer for name, layer in layers.items() if name not in given}
    if options.multipliers is None:
        return given | dict.fromkeys(shared, 1)
    left = options.multipliers - len(shared)
    if left < 0:
        raise BittrueError(
            f"--multipliers {options.multipliers}: there are {len(shared)} layers that need one each; give as many, or "
            "stop earlier with --until."
        )
    return given | _shared_out(shared, left)


def _shared_out(layers: Mapping[str, _Layer], left: int) -> dict[str, int]:
    """One multiplier each, and those that are left to whichever layer is the slowest, until it can't be faster."""
    lanes = dict.fromkeys(layers, 1)
    cycles = {name: layer.cycles(1) for name, layer in layers.items()}
    while cycles:
        slowest = max(cycles, key=lambda name: cycles[name])
        more = layers[slowest].more(lanes[slowest])
        if more is None or more - lanes[slowest] > left:
            break
        left -= more - lanes[slowest]
        lanes[slowest] = more
        cycles[slowest] = layers[slowest].cycles(more)
    return lanes
