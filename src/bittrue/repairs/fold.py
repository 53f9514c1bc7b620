"""Batch norms folded into the layer before them: its weights take the scale, its bias the offset, and the norm is
gone."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from bittrue.errors import PlanError
from bittrue.network import Network, Node, Parameter
from bittrue.operators import BatchNormalization
from bittrue.plan import Spec
from bittrue.repairs.draft import Draft
from bittrue.repairs.layer import INPUTS, scale_of
from bittrue.repairs.scaling import TAKES_UP


def foldable(network: Network) -> tuple[str, ...]:
    """The batch norms that alone read a convolution's or dense layer's output, whose parameters are its own."""
    found = []
    for node in network.nodes:
        if isinstance(node.operator, BatchNormalization) and len(network.consumers[node.inputs[0]]) == 1:
            before = network.by_name[node.inputs[0]]
            if type(before.operator) in INPUTS and not _shares(network, before):
                found.append(node.name)
    return tuple(found)


def _shares(network: Network, node: Node) -> bool:
    own = {parameter.name for _, parameter in node.operator.parameters()}
    return any(
        parameter.name in own
        for other in network.nodes
        if other is not node
        for _, parameter in other.operator.parameters()
    )


def folded(network: Network, norms: Iterable[str]) -> Network:
    """The network without these batch norms, which computes the same but for float32's rounding.

    Raises: PlanError for a name that is none of a batch norm that can be folded.
    """
    for name in norms:
        if name not in foldable(network):
            raise PlanError(f"the batch norm {name} can't be folded into the layer before it: leave it out.")
        network = _without(network, network.by_name[name])
    return network


def _without(network: Network, norm: Node) -> Network:
    operator: Any = norm.operator
    before = network.by_name[norm.inputs[0]]
    product: Any = before.operator
    scale = scale_of(operator)
    shift = (0.0 if operator.beta is None else operator.beta.value.astype(np.float64)) - scale * operator.mean.value
    scaled: Any = TAKES_UP[type(product)](product, np.ones(network.by_name[before.inputs[0]].shape[-1]), scale)
    bias = shift if scaled.bias is None else scaled.bias.value.astype(np.float64) + shift
    name = f"{before.name}.bias" if scaled.bias is None else scaled.bias.name
    product = replace(scaled, bias=Parameter(name, np.asarray(bias, np.float32)))
    nodes = []
    for node in network.nodes:
        if node is norm:
            continue
        inputs = tuple(before.name if source == norm.name else source for source in node.inputs)
        nodes.append(replace(node, inputs=inputs, operator=product if node is before else node.operator))
    return replace(network, nodes=tuple(nodes), output=before.name if network.output == norm.name else network.output)


def repair(draft: Draft) -> Draft:
    """All that can be folded, in the `affine` form: the layer's output has the norm's format, its bias the offset's."""
    if draft.options.batch_norm != "affine":
        return draft
    norms = [name for name in foldable(draft.target) if f"{name}.offset" in draft.sites]
    sites: dict[str, Spec] = dict(draft.sites)
    for name in norms:
        before = draft.target.by_name[name].inputs[0]
        operator: Any = draft.target.by_name[before].operator
        output, offset = sites.pop(f"{name}.output"), sites.pop(f"{name}.offset")
        sites.pop(f"{name}.scale")
        sites[f"{before}.output"] = output
        bias = f"{before}.bias" if operator.bias is None else operator.bias.name
        sites[bias] = offset
    target = folded(draft.target, norms)
    return Draft(target, folded(draft.network, norms), draft.options, sites)
