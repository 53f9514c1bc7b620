"""Bias correction: each output channel's mean is what it is in the float network (Nagel et al., "Data-free quantization
through weight equalization and bias correction", ICCV 2019, with the means that the actual inputs give)."""

from dataclasses import replace

from bittrue.fixed import Quantizer
from bittrue.network import Parameter
from bittrue.repairs.draft import coded
from bittrue.repairs.layer import INPUTS, Change, Layer, as_matrix
from bittrue.repairs.weights import on_the_grid


def repair(layer: Layer) -> Change | None:
    """The repair of one layer; None for one without a bias, or whose channels have other sizes than wanted, as before
    a batch norm that takes factors up."""
    if type(layer.operator) not in INPUTS or layer.operator.bias is None or layer.absorber is not None:
        return None
    bias = layer.operator.bias
    quantizer = layer.spec(bias.name)
    weights = on_the_grid(layer)
    if not isinstance(quantizer, Quantizer) or weights is None:
        return None
    found = layer.seen()
    sums = found.input_mean[:, None, :] @ as_matrix(weights, found.groups)
    values, chosen = coded((found.target_mean - sums[:, 0]).reshape(-1).numpy(), quantizer)
    operator = replace(layer.operator, bias=Parameter(bias.name, values))
    return Change({layer.node.name: operator}, {bias.name: chosen})
