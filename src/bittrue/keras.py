"""Fixed point in Keras 3 models: a quantizer layer, rounded weights, and a plan's layers put into a model.

Importing this module imports Keras, with the backend that KERAS_BACKEND or Keras's own configuration names.
"""

from bittrue.integrations.keras_insert import insert
from bittrue.integrations.keras_quantize import Quantize
from bittrue.integrations.keras_weights import quantize_weights

__all__ = ["Quantize", "insert", "quantize_weights"]
