"""Where the images stop telling: the node whose values are all 0, or the same for every image, and all after it."""

from collections.abc import Mapping

import numpy as np
import torch

from bittrue.analysis.tracing.trace_result import SiteTrace, Stop
from bittrue.network import Network
from bittrue.program import FixedNetwork
from bittrue.simulation.simulator import KeptBatch
from bittrue.simulation.values import Codes, Value
from bittrue.wording import counted, typographic


class Stops:
    """Which nodes' values are all zero, and which don't differ between images, over all that was added."""

    def __init__(self, program: FixedNetwork) -> None:
        self._nodes = [step.name for step in program.steps if step.site is not None]
        self._output = program.output
        self._zero, self._constant = set(self._nodes), set(self._nodes)
        self._first: dict[str, Value] = {}
        self._in_float: dict[str, float] = {}

    def add_float(self, node: str, values: torch.Tensor) -> None:
        """An observer of the float network."""
        self._in_float[node] = max(self._in_float.get(node, 0.0), float(values.abs().max()))

    def add(self, kept: KeptBatch) -> None:
        """The values of a batch."""
        for node in self._nodes:
            value = kept.values[node]
            numbers = value.tensor.numpy() if isinstance(value, Codes) else value.numbers
            if node in self._constant:
                first = self._first.setdefault(node, _first_image(value))
                reference = first.tensor.numpy() if isinstance(first, Codes) else first.numbers
                if not np.array_equal(numbers, np.broadcast_to(reference, numbers.shape)):
                    self._constant.discard(node)
                    self._first.pop(node)
            if node in self._zero and numbers.any():
                self._zero.discard(node)

    def found(self, network: Network, sites: Mapping[str, SiteTrace], images: int) -> Stop | None:
        """The first node from which on nothing tells one image from another; None where the result does, or may."""
        if images < 2 or self._output not in self._constant:
            return None
        node = network.output
        while earlier := [name for name in network.by_name[node].inputs if name in self._constant]:
            node = earlier[-1]
        if node == network.input.name:  # the images are all the same
            return None
        what = "zero" if node in self._zero else "constant"
        cause = _cause(node, network, sites)
        in_float = self._in_float[node]
        return Stop(node, what, in_float, cause, _sentence(node, what, in_float, cause, network, sites, images))


def _first_image(value: Value) -> Value:
    if isinstance(value, Codes):
        return Codes(value.tensor[:1].clone(), value.fraction_bits, value.low, value.high)
    return type(value)(value.numbers[:1].copy(), value.fraction_bits, value.low, value.high)


def _cause(node: str, network: Network, sites: Mapping[str, SiteTrace]) -> str | None:
    """The site at which the node's numbers all become 0: one that it multiplies by, or its output."""
    parameters = [parameter.name for _, parameter in network.by_name[node].operator.parameters()]
    own = [site for site in sites.values() if site.node == node or site.site in parameters]
    for site in own:
        multiplies = site.role in ("weight", "gamma", "scale", "output", "slope")
        if multiplies and site.nonzero and site.zeroed == site.nonzero:
            return site.site
    return next((site.site for site in own if site.values and site.overflowed == site.values), None)


def _sentence(
    node: str,
    what: str,
    in_float: float,
    cause: str | None,
    network: Network,
    sites: Mapping[str, SiteTrace],
    images: int,
) -> str:
    told = "every value is 0" if what == "zero" else f"the values are the same for all {images:,} images"
    start = f"{node}: {told}, so that nothing after it depends on the image"
    if cause is not None:
        site = sites[cause]
        if site.overflowed == site.values:
            return f"{start}, because all of {cause} {site.overflow}."
        noun = "weights" if site.role == "weight" else "values"
        bits = "" if site.fraction_bits is None else f" at {typographic(counted(site.fraction_bits, 'fraction bit'))}"
        return f"{start}, because all {site.nonzero or 0:,} nonzero {noun} of {cause} round to 0{bits}."
    if in_float == 0:
        return f"{start}; in the float network, too, and no format can help: train it again."
    feeding = [sites[f"{name}.output"] for name in network.by_name[node].inputs if f"{name}.output" in sites]
    if what == "zero" and feeding and all(site.high is not None and site.high <= 0 for site in feeding):
        most = max(site.high or 0.0 for site in feeding)
        return f"{start}, because its input is never above 0 ({most:.6g} at most); in float it reaches {in_float:.6g}."
    return f"{start}; in the float network it reaches {in_float:.6g}."
