"""Layers that no row of the table names: whose they are, and the way that works."""

import re

_QKERAS = (
    "it is QKeras's, whose quantizers aren't read here: give the model as QONNX (qonnx.converters.from_keras) with "
    "--from-model, or build it of keras.layers with these weights"
)
_HGQ = (
    "it is HGQ's, whose quantizers aren't read here: give the model as QONNX (Quant nodes) with --from-model, or build "
    "it of keras.layers with the quantized weights"
)
_PRUNED = "it is tfmot's wrapper for pruning: save what tfmot.sparsity.keras.strip_pruning(model) returns"
_CLUSTERED = "it is tfmot's wrapper for clustering: save what tfmot.clustering.keras.strip_clustering(model) returns"
_QUANTIZED = (
    "it is tfmot's wrapper for quantization, whose scales are no powers of two: save the float model, as it was before "
    "quantize_model"
)

REMEDIES = (
    (r"(hgq|HGQ)\b.*|.*\.(FixedPointQuantizer|H(Dense|Conv|Activation|Add|Quantize|BatchNorm)\w*)", _HGQ),
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
