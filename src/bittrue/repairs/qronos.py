"""Weights that correct for quantized inputs: what comes near to the float network's output from the inputs in fixed
point, rounded as in GPTQ.

Zhang et al., "Qronos: correcting the past by shaping the future in post-training quantization", 2025: every weight is
chosen with those before it rounded and those after it re-fitted to the float output. The re-fit of all weights at once,
the least squares solution, is what is rounded here, input after input; from there on both are the same.
"""

import torch

from bittrue.repairs.layer import Change, Layer
from bittrue.repairs.moments import Seen
from bittrue.repairs.weights import Recipe, repair_weights


def least_squares(found: Seen, trained: torch.Tensor, damping: torch.Tensor) -> torch.Tensor:
    """The weights that come nearest to the targets."""
    return found.fitted(trained, damping)


FITTED = Recipe(least_squares, compensates=True, descends=True)


def repair(layer: Layer) -> Change | None:
    """The repair of one layer."""
    return repair_weights(layer, FITTED)
