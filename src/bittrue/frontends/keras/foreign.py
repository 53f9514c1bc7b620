"""Layers of other packages: those that are read, and of the others whose they are and the way that works."""

import re

from bittrue.frontends.keras import hgq, qkeras
from bittrue.frontends.keras.use import LayerKind

_QKERAS = (
    "it is QKeras's, of which dense, convolutional and activation layers are read: give the model as QONNX "
    "(qonnx.converters.from_keras) with --from-model, or of keras.layers with these weights"
)
_HGQ = "it is HGQ's, whose proxy models are read: save what HGQ.proxy.to_proxy_model(model) returns as an .h5 file"
_HGQ2 = (
    "it is HGQ2's, of which QDense, QConv1D, QConv2D and Quantizer are read: use these, or give the model as QONNX "
    "with --from-model"
)
_PRUNED = "it is tfmot's wrapper for pruning: save what tfmot.sparsity.keras.strip_pruning(model) returns"
_CLUSTERED = "it is tfmot's wrapper for clustering: save what tfmot.clustering.keras.strip_clustering(model) returns"
_QUANTIZED = (
    "it is tfmot's wrapper for quantization, whose scales are no powers of two: save the float model, as it was before "
    "quantize_model"
)

REMEDIES = (
    (r"hgq\b.*", _HGQ2),
    (r"HGQ\b.*|.*\.H(Dense|Conv|Activation|Add|Quantize|BatchNorm)\w*", _HGQ),
    (r".*\.PruneLowMagnitude", _PRUNED),
    (r".*\.ClusterWeights\w*", _CLUSTERED),
    (r".*\.Quantize(Layer|Wrapper\w*)", _QUANTIZED),
    (r"qkeras\b.*|.*\.Q(Activation|Adaptive|Average|Batch|Conv|Dense|Depthwise|Global|Separable|Simple)\w*", _QKERAS),
)
"""By what `module.class` matches, the first that does; files of Keras 2 don't keep the module."""

OTHERS = (
    "use layers of keras.layers that are read (docs/models.md), or give the SavedModel folder that "
    "model.export('folder') writes in TensorFlow"
)


def remedy(module: str, class_name: str) -> str:
    """What to do about a layer of this class, in words that go behind `is not supported:`."""
    where = f"{module}.{class_name}"
    return next((words for pattern, words in REMEDIES if re.fullmatch(pattern, where)), OTHERS)


KINDS: dict[str, dict[str, LayerKind]] = {
    "HGQ": hgq.PROXY_LAYERS,
    "hgq": hgq.LAYERS,
    "keras": {**qkeras.LAYERS, **hgq.PROXY_LAYERS},
    "qkeras": qkeras.LAYERS,
}
"""By package, and then by class; files of Keras 2 don't keep the package."""


def foreign_kind(module: str, class_name: str) -> LayerKind | None:
    """What another package's layer means, None where it isn't read."""
    return KINDS.get(module.partition(".")[0], {}).get(class_name)
