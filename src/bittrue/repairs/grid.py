"""Output channels scaled so that the best steps of their weights are powers of two.

Before a batch norm a step may be any number, since the norm takes up what it is more than a power of two. Elsewhere a
factor of up to half an octave does it that the layer's channel is multiplied by and the layers after it are divided by,
as in `equalize`: between dense layers, with a ReLU at most, of which two-bit weights lose a quarter less.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bittrue.data import Dataset
from bittrue.environment import exact_environment
from bittrue.fixed import Quantizer
from bittrue.plan import Word
from bittrue.repairs.draft import Draft
from bittrue.repairs.equalize import scaled, sharing
from bittrue.repairs.layer import INPUTS
from bittrue.repairs.scaling import absorber

_PER_OCTAVE = 8
_OCTAVES = 5
"""Steps from the one with which the largest weight is the largest code down."""
_INPUTS = 1024
"""Of a sum that are looked at: they tell how its weights are spread."""


@exact_environment()
def fit_grids(draft: Draft, images: Dataset) -> Draft:
    """The draft with other scales inside; no image is looked at."""
    factors: dict[str, np.ndarray] = {}
    for shared in sharing(draft.target):
        makers = [name for name in shared if type(draft.target.by_name[name].operator) in INPUTS]
        if len(makers) == 1 and (found := _factors(draft, makers[0])) is not None:
            factors.update(dict.fromkeys(shared, found))
    return replace(draft, target=scaled(draft.target, factors), network=scaled(draft.network, factors))


def _factors(draft: Draft, name: str) -> np.ndarray | None:
    """One an output channel; None where a batch norm takes them up, or the channels have no steps of their own."""
    node = draft.target.by_name[name]
    operator: Any = node.operator
    weight = operator.weight
    spec = draft.sites.get(weight.name)
    if not isinstance(spec, tuple) or not all(isinstance(quantizer, Quantizer) for quantizer in spec):
        return None
    if absorber(draft.target, node, lambda inner: draft.sites.get(f"{inner}.output") is Word.EXACT) is not None:
        return None
    flat = torch.from_numpy(weight.value.reshape(-1, weight.value.shape[-1]))
    rows = flat[:: max(len(flat) // _INPUTS, 1)].to(torch.float32)
    largest = rows.abs().amax(0).clamp_(min=2.0**-100)
    quantizer = spec[0]
    best, least = torch.ones_like(largest), torch.full_like(largest, torch.inf)
    for place in range(_OCTAVES * _PER_OCTAVE):
        step = largest * (2.0 ** (-place / _PER_OCTAVE) / max(quantizer.max_code, 1))
        codes = (rows / step).round_().clamp_(quantizer.min_code, quantizer.max_code)
        loss = codes.mul_(step).sub_(rows).square_().sum(0)
        better = loss < least
        best, least = torch.where(better, step, best), torch.where(better, loss, least)
    octaves = torch.log2(best).to(torch.float64)
    factors: np.ndarray = torch.exp2(octaves.round() - octaves).numpy()
    return factors
