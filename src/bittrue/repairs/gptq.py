"""GPTQ: weights rounded input after input, what each loses made up for by those that follow (see `rounding`).

The trained weights are the target, on the actual inputs: errors of the layers before are left as they are.
"""

import torch

from bittrue.repairs.layer import Change, Layer
from bittrue.repairs.moments import Seen
from bittrue.repairs.weights import Recipe, repair_weights


def as_trained(found: Seen, trained: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
    """The trained weights themselves."""
    return trained


def repair(layer: Layer) -> Change | None:
    """The repair of one layer."""
    return repair_weights(layer, Recipe(as_trained, compensates=True, descends=True))
