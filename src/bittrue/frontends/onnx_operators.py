"""What each ONNX operator means: a table from its type to the rule that makes network nodes of it, by families.

The rules know the operator sets 9 to today's: where an attribute became an input, they look at the model's version.
"""

from bittrue.frontends import (
    onnx_einsum,
    onnx_elementwise,
    onnx_masks,
    onnx_movement,
    onnx_products,
    onnx_quantization,
    onnx_rearrangement,
    onnx_reduction,
    onnx_windows,
)
from bittrue.frontends.onnx_conversion import Rule

FAMILIES = (
    *(onnx_elementwise, onnx_einsum, onnx_masks, onnx_movement, onnx_products, onnx_quantization),
    *(onnx_rearrangement, onnx_reduction, onnx_windows),
)

RULES: dict[str, Rule] = {name: rule for family in FAMILIES for name, rule in sorted(family.RULES.items())}

DOMAINS: dict[str, dict[str, Rule]] = {
    "": RULES,
    onnx_windows.DOMAIN: onnx_windows.ADAPTIVE_RULES,
    **dict.fromkeys(onnx_quantization.QONNX_DOMAINS, onnx_quantization.QONNX_RULES),
}
"""The tables by the operators' domain."""
