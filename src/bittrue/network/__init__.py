"""The network as trained, whichever front end it came from."""

from bittrue.network.builder import NetworkBuilder, shape_of
from bittrue.network.graph import ArgMax, Network, Node, Operator, Parameter, check_parameters, format_shape

__all__ = [
    "ArgMax",
    "Network",
    "NetworkBuilder",
    "Node",
    "Operator",
    "Parameter",
    "check_parameters",
    "format_shape",
    "shape_of",
]
