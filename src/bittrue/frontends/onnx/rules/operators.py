"""What each ONNX operator means: a table from its type to the rule that makes network nodes of it, by families.

The rules know the operator sets 9 to today's: where an attribute became an input, they look at the model's version.
"""

from bittrue.frontends.onnx.conversion import Rule
from bittrue.frontends.onnx.rules import (
    einsum,
    elementwise,
    masks,
    movement,
    products,
    quantization,
    rearrangement,
    reduction,
    windows,
)

FAMILIES = (
    *(elementwise, einsum, masks, movement, products, quantization),
    *(rearrangement, reduction, windows),
)

RULES: dict[str, Rule] = {name: rule for family in FAMILIES for name, rule in sorted(family.RULES.items())}

DOMAINS: dict[str, dict[str, Rule]] = {
    "": RULES,
    windows.DOMAIN: windows.ADAPTIVE_RULES,
    **dict.fromkeys(quantization.QONNX_DOMAINS, quantization.QONNX_RULES),
}
"""The tables by the operators' domain."""
