"""Lowering by the weights' formats alone: what a program needs whatever is trained, at the cost of no weight."""

from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np

from bittrue.fixed import FixedFormat
from bittrue.lowering.emission import LoweringContext
from bittrue.lowering.engine import lower_nodes
from bittrue.lowering.near import Lowered, lower_by_formats, same_sites
from bittrue.lowering.parameters import ParameterCodes
from bittrue.network import Network
from bittrue.plan import Plan, check_plan, formats_of
from bittrue.program import Bounds
from bittrue.program.bounds import hull
from bittrue.shapes import Shape


@dataclass(frozen=True, eq=False)
class AnyCodes(ParameterCodes):
    """Codes of which only the formats are known, one in all or one an output channel. `codes` are zeros that take no
    memory."""

    formats: tuple[FixedFormat, ...]

    def sum_bounds(self, bias: ParameterCodes | None, x: Bounds) -> Bounds:
        """For whatever weights the formats allow."""
        terms = prod(self.codes.shape[:-1])
        products = [
            Bounds(format.min_value, format.max_value) * hull([x, Bounds.exactly(Fraction(0))])
            for format in set(self.formats)
        ]
        sums = hull([product * Bounds.exactly(Fraction(terms)) for product in products])
        if bias is None:
            return sums
        return sums + Bounds.of_codes(int(bias.codes.min()), int(bias.codes.max()), bias.fraction_bits[0])


def lower_any_weights(network: Network, plan: Plan, near: Lowered | None = None) -> Lowered:
    """The program under a plan, each step's type being all that the formats allow: of the weights, of its input, and of
    the layers before, whatever the network can produce.

    No weight that has a format is rounded, or read; the instructions hold zeros in their place. All other parameters
    are as trained. near: the same network under another plan, whose parameters are taken where their sites agree.
    Raises what `lower_network` does.
    """
    found = check_plan(plan, network)
    known = set() if near is None else same_sites(near.plan, plan, found)
    parameters = {} if near is None else {name: codes for name, codes in near.parameters.items() if name in known}
    for site in found.values():
        if site.values is not None and site.channels is not None and (formats := formats_of(plan.sites[site.name])):
            parameters[site.name] = _any_codes(site.values.shape, formats)
    context = LoweringContext(network, plan, parameters)
    lower_nodes(context)
    lowered = Lowered(network, plan, context.program(), context.parameters)
    return Lowered(network, plan, lower_by_formats(lowered), context.parameters)


def _any_codes(shape: Shape, formats: tuple[FixedFormat, ...]) -> AnyCodes:
    zeros = np.broadcast_to(np.int8(0), shape)
    return AnyCodes(zeros, tuple(format.fraction_bits for format in formats), formats)
