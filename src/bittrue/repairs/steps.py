"""Binary points of weights chosen by what the outputs lose, not by the weights' own error: each weight is the nearest
code."""

from bittrue.repairs.gptq import as_trained
from bittrue.repairs.layer import Change, Layer
from bittrue.repairs.weights import Recipe, repair_weights


def repair(layer: Layer) -> Change | None:
    """The repair of one layer."""
    return repair_weights(layer, Recipe(as_trained, compensates=False, descends=False))
