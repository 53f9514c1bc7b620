"""Network + Plan → FixedNetwork: an engine and its tables; it names no operator.

An operator's rule in the `lower` table emits instructions and finishes with the exact result of the node; the engine
adds the quantizer of the node's output site. Where a site of the node, or one of its inputs, is FLOAT, the `bypass`
table gives the operator with its rounded parameters instead, to be computed in float32 (B5).
"""

from bittrue.lowering.any_weights import lower_any_weights
from bittrue.lowering.emission import LoweringContext, quantized_type
from bittrue.lowering.engine import bypass, lower, lower_network, lower_node
from bittrue.lowering.near import Lowered, lower_by_formats, lower_keeping, lower_seen, lower_variant
from bittrue.lowering.parameters import ParameterCodes, Surd

__all__ = [
    "Lowered",
    "LoweringContext",
    "ParameterCodes",
    "Surd",
    "bypass",
    "lower",
    "lower_any_weights",
    "lower_by_formats",
    "lower_keeping",
    "lower_network",
    "lower_node",
    "lower_seen",
    "lower_variant",
    "quantized_type",
]
