"""Cross-layer equalization: the channels of what passes between layers are scaled so that each uses its words well.

A factor s > 0 of a channel goes through ReLU, maxima, averages and sums. The layer that makes the channel is multiplied
by it, the layers that read it divide their weights by it, and the float network computes the same (Nagel et al.,
"Data-free quantization through weight equalization and bias correction", ICCV 2019). Here the factors are those with
which the rounded and saturated values lose least, the channels of all sites that share them taken together. The
weights that follow are rounded afresh.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from bittrue.analysis.evaluating.batches import default_batch_size
from bittrue.data import Dataset
from bittrue.environment import exact_environment
from bittrue.fixed import FixedFormat, Quantizer
from bittrue.network import Network
from bittrue.operators import Flatten
from bittrue.repairs.draft import Draft, covering, with_operators
from bittrue.repairs.scaling import TAKES_UP, passes_on
from bittrue.simulation.float_model import FloatModel

_IMAGES = 256
_VALUES_AN_IMAGE = 16
"""Of each channel so many values are looked at."""
_OCTAVES = 10
"""Steps from the one that covers all values down."""
_REACH = 4
"""How many octaves the factors of one site may span: the weights that follow have to be rounded with them."""


def equalize(draft: Draft, images: Dataset) -> Draft:
    """Any factors, to an eighth of an octave."""
    return _equalized(draft, images, per_octave=8)


def shift(draft: Draft, images: Dataset) -> Draft:
    """Powers of two: a channel is shifted."""
    return _equalized(draft, images, per_octave=1)


@exact_environment()
def _equalized(draft: Draft, images: Dataset, per_octave: int) -> Draft:
    factors: dict[str, np.ndarray] = {}
    sites = dict(draft.sites)
    values = _values(draft, images)
    for shared in sharing(draft.target):
        rounded = [name for name in shared if name in values]
        if rounded and len({draft.target.by_name[name].shape[-1] for name in rounded}) == 1:
            found = _together([_Table.of(values[n], _quantizer(draft, n), per_octave) for n in rounded], per_octave)
            factors.update(dict.fromkeys(shared, found.factors))
            for name, quantizer in zip(rounded, found.quantizers, strict=True):
                sites[f"{name}.output"] = quantizer
    return replace(draft, target=scaled(draft.target, factors), network=scaled(draft.network, factors), sites=sites)


def _quantizer(draft: Draft, name: str) -> Quantizer:
    spec = draft.sites[f"{name}.output"]
    assert isinstance(spec, Quantizer)
    return spec


def sharing(network: Network, also: Collection[str] = ()) -> Iterator[list[str]]:
    """The nodes whose channels have the same factors, set by set; only sets in which each node can have some.

    also: nodes that pass factors on beside those whose operators do.
    """
    leader = {node.name: node.name for node in network.nodes}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    bound = {network.output}
    for node in network.nodes:
        if (passes_on(node.operator) or node.name in also) and all(
            isinstance(node.operator, Flatten) or network.by_name[source].shape[-1] == node.shape[-1]
            for source in node.inputs
        ):
            for source in node.inputs:
                leader[find(source)] = find(node.name)
        elif type(node.operator) not in TAKES_UP:
            bound.update((node.name, *node.inputs))
    shared = _shared_nodes(network)
    bound.update(name for node in shared for name in (node, *network.by_name[node].inputs))
    closed = {find(name) for name in bound}
    sets = defaultdict(list)
    for node in network.nodes:
        sets[find(node.name)].append(node.name)
    return (names for root, names in sets.items() if root not in closed)


def _shared_nodes(network: Network) -> set[str]:
    """The nodes that have parameters in common with others: their factors would have to be the others', too."""
    users = defaultdict(set)
    for node in network.nodes:
        for _, parameter in node.operator.parameters():
            users[parameter.name].add(node.name)
    return {name for names in users.values() if len(names) > 1 for name in names}


def scaled(network: Network, factors: Mapping[str, np.ndarray]) -> Network:
    """The network in which the channels of these nodes' outputs have these factors."""
    operators = {}
    for node in network.nodes:
        rule = TAKES_UP.get(type(node.operator))
        if rule is None:
            continue
        (source,) = node.inputs
        before = _tiled(factors.get(source), network.by_name[source].shape[-1])
        after = _tiled(factors.get(node.name), node.shape[-1])
        if source in factors or node.name in factors:
            operators[node.name] = rule(node.operator, before, after)
    return with_operators(network, operators)


def _tiled(factors: np.ndarray | None, channels: int) -> np.ndarray:
    """For all channels; those of a flattened image are its channels over and over."""
    return np.ones(channels) if factors is None else np.tile(factors, channels // len(factors))


def _values(draft: Draft, images: Dataset) -> dict[str, torch.Tensor]:
    """Some values of every node that has a quantizer and moves no codes, (values, channels)."""
    network = draft.target
    found = defaultdict(list)
    moved = {node.name for node in network.nodes if isinstance(node.operator, Flatten)}
    model = FloatModel(network)
    for batch in images.take(min(_IMAGES, images.images)).batches(default_batch_size(network)):

        def observe(name: str, values: torch.Tensor) -> None:
            if isinstance(draft.sites.get(f"{name}.output"), Quantizer) and name not in moved:
                rows = values.reshape(len(values), -1, values.shape[-1])
                stride = max(rows.shape[1] // _VALUES_AN_IMAGE, 1)
                found[name].append(rows[:, ::stride].reshape(-1, values.shape[-1]).to(torch.float64))

        model.outputs(batch.x, observe)
    return {name: torch.cat(pieces) for name, pieces in found.items()}


@dataclass(frozen=True, eq=False)
class _Table:
    """What a site's channels lose at steps 2^(j/per_octave), j from `first` on: (channels, steps)."""

    quantizer: Quantizer
    first: int
    losses: np.ndarray

    @classmethod
    def of(cls, values: torch.Tensor, quantizer: Quantizer, per_octave: int) -> "_Table":
        ends = np.array([float(values.min()), float(values.max())])
        top = -covering(ends, quantizer).format.fraction_bits * per_octave
        first, stop = top - _OCTAVES * per_octave, top + per_octave
        losses = np.empty((values.shape[1], stop - first))
        for column, j in enumerate(range(first, stop)):
            step = 2.0 ** (j / per_octave)
            codes = (values / step).round_().clamp_(quantizer.min_code, quantizer.max_code)
            losses[:, column] = codes.mul_(step).sub_(values).square_().mean(0).numpy()
        return cls(quantizer, first, losses)

    def at(self, j: int, count: int) -> np.ndarray:
        """The losses at `count` steps from j on; beyond the table those of its ends."""
        places = np.clip(np.arange(j, j + count) - self.first, 0, self.losses.shape[1] - 1)
        return self.losses[:, places]


@dataclass(frozen=True, eq=False)
class _Found:
    factors: np.ndarray
    quantizers: list[Quantizer]


def _together(tables: Sequence[_Table], per_octave: int) -> _Found:
    """Factors a channel and a binary point a site with which all sites together lose least."""
    head = tables[0]
    count = head.losses.shape[1]
    best = [int(table.losses.sum(0).argmin()) + table.first for table in tables]
    offsets = [round((j - best[0]) / per_octave) for j in best]

    def loss(offsets: Sequence[int]) -> tuple[float, np.ndarray]:
        total = np.zeros_like(head.losses)
        for table, offset in zip(tables, offsets, strict=True):
            total += table.at(head.first + offset * per_octave, count)
        middle = int(total.sum(0).argmin())
        low = max(middle - _REACH * per_octave, 0)
        chosen = low + total[:, low : middle + per_octave + 1].argmin(1)
        return float(total[np.arange(len(total)), chosen].sum()), chosen

    least, chosen = loss(offsets)
    while (better := _neighbour(offsets, least, loss)) is not None:
        offsets, (least, chosen) = better, loss(better)
    steps = (chosen + head.first) / per_octave
    bits = -round(float(np.median(steps)))
    quantizers = [
        replace(t.quantizer, format=_at(t.quantizer.format, bits - offset))
        for t, offset in zip(tables, offsets, strict=True)
    ]
    return _Found(2.0 ** (-bits - steps), quantizers)


def _neighbour(
    offsets: Sequence[int], least: float, loss: Callable[[Sequence[int]], tuple[float, np.ndarray]]
) -> list[int] | None:
    """The first move of one site's binary point by one that loses less."""
    for place in range(1, len(offsets)):
        for move in (-1, 1):
            tried = [*offsets[:place], offsets[place] + move, *offsets[place + 1 :]]
            if loss(tried)[0] < least * (1 - 1e-9) and math.isfinite(least):
                return tried
    return None


def _at(format: FixedFormat, fraction_bits: int) -> FixedFormat:
    return FixedFormat(format.signed, format.word_length, fraction_bits)
