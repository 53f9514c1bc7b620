"""How many multipliers each sum of products has."""

from collections.abc import Mapping

from bittrue.errors import BittrueError
from bittrue.exports.verilog.engine import Engine
from bittrue.exports.verilog.layer import Layer
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.program import FixedNetwork, Grouping, MultiplyAccumulate


def layers_of(program: FixedNetwork, grouping: Grouping) -> dict[str, Layer]:
    """The sums of products, by their steps."""
    found = {}
    for step in (group.steps[0] for group in grouping.groups):
        if isinstance(step.instruction, MultiplyAccumulate):
            # A group's first step may read what was reshaped on its way.
            source = program.by_name[step.inputs[0]].type
            found[step.name] = Layer(step, step.instruction, source.shape, source)
    return found


def engines_of_layers(layers: Mapping[str, Layer], options: VerilogOptions) -> dict[str, Engine]:
    """How each sum of products is computed, by its step.

    Raises: BittrueError for a node that has none, and for fewer multipliers than layers.
    """
    for node in options.parallel:
        if node not in layers:
            known = ", ".join(list(layers)[:8])
            raise BittrueError(f"--parallel: node {node[:40]!r} has no sum of products: name some of {known}.")
    given = {name: layers[name].engine(wanted) for name, wanted in options.parallel.items()}
    shared = {name: layer for name, layer in layers.items() if name not in given}
    if options.multipliers is None:
        return given | {name: layer.engine(1) for name, layer in shared.items()}
    left = options.multipliers - len(shared)
    if left < 0:
        raise BittrueError(
            f"--multipliers {options.multipliers}: there are {len(shared)} layers that need one each; give as many, or "
            "stop earlier with --until."
        )
    return given | shared_out(shared, options.multipliers)


def shared_out(layers: Mapping[str, Layer], multipliers: int) -> dict[str, Engine]:
    """One multiplier each, and those that are left to whichever layer is the slowest, until it can't be faster.

    No other way to share them out has a faster slowest layer: at each step every layer has the fewest that it needs to
    be no slower than the slowest, so to be faster than that takes all of them and those that the slowest needs more.
    """
    chosen = {name: layer.engine(1) for name, layer in layers.items()}
    left = multipliers - len(layers)
    while chosen:
        slowest = max(chosen, key=lambda name: layers[name].cycles(chosen[name]))
        engines = layers[slowest].engines
        place = engines.index(chosen[slowest]) + 1
        if place == len(engines) or engines[place].multipliers - chosen[slowest].multipliers > left:
            break
        left -= engines[place].multipliers - chosen[slowest].multipliers
        chosen[slowest] = engines[place]
    return chosen
