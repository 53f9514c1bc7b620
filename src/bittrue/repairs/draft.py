"""What repairs work on: the network as trained, the values that take the place of its parameters, and their formats."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bittrue.environment import exact_environment
from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Quantizer, Rounding
from bittrue.fixed.arrays import quantize_array
from bittrue.lowering import LoweringContext, bypass
from bittrue.network import Network, Operator
from bittrue.plan import Plan, PlanOptions, Spec, fraction_bits_for, sites_of


@dataclass(frozen=True, eq=False)
class Draft:
    """A repair under way.

    target: a network in float whose outputs are wanted at every node: the one that was trained, or one that computes
    the same with other scales inside. network: the same nodes with the parameters as they are by now, on their grids or
    not yet. options, sites: of the plan.
    """

    target: Network
    network: Network
    options: PlanOptions
    sites: Mapping[str, Spec]

    @classmethod
    def begun(cls, network: Network, plan: Plan) -> "Draft":
        return cls(network, network, plan.options, plan.sites)

    def with_operators(self, operators: Mapping[str, Operator], sites: Mapping[str, Spec]) -> "Draft":
        """Other parameters, and other formats at some sites."""
        return replace(self, network=with_operators(self.network, operators), sites={**self.sites, **sites})

    def finished(self) -> tuple[Network, Plan]:
        """The network whose parameters are the values of their codes, and the plan that is made for it."""
        network = on_grids(self.network, self.options, self.sites)
        known = sites_of(network, self.options)
        plan = Plan(network.hash, self.options, {name: self.sites[name] for name in known if name in self.sites})
        check_grids(network, plan)
        return network, plan


def with_operators(network: Network, operators: Mapping[str, Operator]) -> Network:
    """The network with other operators at the nodes that `operators` names."""
    nodes = tuple(replace(node, operator=operators.get(node.name, node.operator)) for node in network.nodes)
    return replace(network, nodes=nodes)


@exact_environment()
def on_grids(network: Network, options: PlanOptions, sites: Mapping[str, Spec]) -> Network:
    """The network whose parameters are what their codes stand for, in float32; a batch norm in `affine` form is its
    scale and offset, with the mean 0 and the variance 1."""
    context = LoweringContext(network, Plan(network.hash, options, sites))
    operators = {}
    for node in network.nodes:
        context.begin(node)
        operators[node.name] = bypass[type(node.operator)](node.operator, context)
    return with_operators(network, operators)


def parameters_on_sites(network: Network, plan: Plan) -> dict[str, tuple[np.ndarray, tuple[Quantizer, ...]]]:
    """The values and the quantizers of each parameter that has formats, by site."""
    found: dict[str, tuple[np.ndarray, tuple[Quantizer, ...]]] = {}
    for name, parameter in network.parameters.items():
        spec = plan.sites.get(name)
        if isinstance(spec, Quantizer):
            found[name] = parameter.value, (spec,)
        elif isinstance(spec, tuple):
            found[name] = parameter.value, spec
    return found


@exact_environment()
def codes_of(network: Network, plan: Plan) -> dict[str, np.ndarray]:
    """The code of every parameter value that has a format, by site.

    Raises: PlanError where a value is no code of its format: nothing is rounded here.
    """
    found = {}
    for name, (values, quantizers) in parameters_on_sites(network, plan).items():
        codes, overflows = quantize_array(values, quantizers)
        bits = np.array([quantizer.format.fraction_bits for quantizer in quantizers])
        if overflows or not np.array_equal(np.ldexp(codes.astype(np.float64), -bits), values):
            raise PlanError(f"site {name}: a repaired value is no code of its format; repair the network again.")
        found[name] = codes
    return found


def check_grids(network: Network, plan: Plan) -> None:
    """Raises: PlanError where a parameter is not on the grid of its site, so that it would be rounded twice."""
    codes_of(network, plan)


def coded(values: np.ndarray, quantizer: Quantizer) -> tuple[np.ndarray, Quantizer]:
    """Values rounded once to the nearest codes of a word that covers them all, in float32, and its quantizer."""
    chosen = covering(values, quantizer)
    codes, _ = quantize_array(values, [replace(chosen, rounding=Rounding.NEAREST_EVEN)])
    return np.ldexp(codes.astype(np.float64), -chosen.format.fraction_bits).astype(np.float32), chosen


def covering(values: np.ndarray, quantizer: Quantizer) -> Quantizer:
    """The quantizer with the binary point at which its word covers all values; signed where one is negative."""
    low, high = float(np.min(values)), float(np.max(values))
    if low == high == 0:
        return quantizer
    signed = quantizer.format.signed or low < 0
    length = quantizer.format.word_length
    bits = fraction_bits_for(low, high, length, signed, quantizer.overflow)
    return replace(quantizer, format=FixedFormat(signed, length, bits))
