"""What each Keras layer means: a table from its class's name to a row with the rule that makes its operators.

A rule sees the layer's settings, the shapes that it reads (channels last, no batch axis) and its trained arrays.
The semantics are those of Keras 3.15's layers; there is no default rule, and what is refused by name is a row too.
"""

from bittrue.errors import ModelError
from bittrue.frontends.keras.activations import ACTIVATIONS, elu, leaky_relu, prelu, relu
from bittrue.frontends.keras.attention import INNER_LAYERS, multi_head_attention
from bittrue.frontends.keras.config import Settings, is_from_keras, shown
from bittrue.frontends.keras.normalizations import (
    batch_normalization,
    group_normalization,
    layer_normalization,
    normalization,
    rms_normalization,
    softmax,
    unit_normalization,
)
from bittrue.frontends.keras.pooling import adaptive_pooling, global_pooling, pooling
from bittrue.frontends.keras.products import convolution, dense, depthwise, separable, transposed
from bittrue.frontends.keras.use import LayerKind, LayerUse, Unsupported
from bittrue.frontends.keras.values import (
    concatenate,
    cropping,
    flatten,
    layer_scale,
    merging,
    nothing,
    permute,
    random_crop,
    repeat_vector,
    rescaling,
    reshape,
    resizing,
    upsampling_1d,
    upsampling_2d,
    zero_padding,
)
from bittrue.network import Operator
from bittrue.operators import (
    AdaptiveAveragePooling,
    AdaptiveMaxPooling,
    Add,
    Average,
    AveragePooling,
    GlobalAveragePooling,
    GlobalMaxPooling,
    Maximum,
    MaxPooling,
    Minimum,
    Multiply,
    Subtract,
)
from bittrue.shapes import Shape


def _activation(use: LayerUse) -> Operator:
    return activation(use.settings, use.shape)[1]


_ATTENTION = "use MultiHeadAttention, whose parts are nodes"
_STATE = "it keeps a state from step to step: use Conv1D or MultiHeadAttention over the steps"
_STEPS = (
    "it keeps a state from step to step: build the model with unroll=True, copy the weights, and give the SavedModel "
    "folder that model.export('folder') writes in TensorFlow"
)
_VOLUME = "three spatial axes are not supported: use Conv2D, with the third axis among the channels"
_TEXT = "it reads text or categories: do it outside of the model, and give the model numbers"

_AUGMENTS = "changes images in training alone: nothing here"
_AUGMENTATION = LayerKind(nothing, note=_AUGMENTS, call_flags=("training",))
"""Their `training=True` is the argument's default, which functional models write down and `predict` overrules."""

LAYERS: dict[str, LayerKind | Unsupported] = {
    "Activation": LayerKind(_activation),
    "ActivityRegularization": LayerKind(nothing),
    "AdaptiveAveragePooling1D": LayerKind(adaptive_pooling(AdaptiveAveragePooling, 1)),
    "AdaptiveAveragePooling2D": LayerKind(adaptive_pooling(AdaptiveAveragePooling, 2)),
    "AdaptiveMaxPooling1D": LayerKind(adaptive_pooling(AdaptiveMaxPooling, 1)),
    "AdaptiveMaxPooling2D": LayerKind(adaptive_pooling(AdaptiveMaxPooling, 2)),
    "Add": LayerKind(merging(Add()), reads_several=True),
    "AdditiveAttention": Unsupported(_ATTENTION),
    "AlphaDropout": LayerKind(nothing),
    "Attention": Unsupported(_ATTENTION),
    "AugMix": _AUGMENTATION,
    "Average": LayerKind(merging(Average()), reads_several=True),
    "AveragePooling1D": LayerKind(pooling(AveragePooling, 1)),
    "AveragePooling2D": LayerKind(pooling(AveragePooling, 2)),
    "AveragePooling3D": Unsupported(_VOLUME),
    "BatchNormalization": LayerKind(batch_normalization),
    "Bidirectional": Unsupported(_STATE),
    "CategoryEncoding": Unsupported(_TEXT),
    "Concatenate": LayerKind(concatenate, reads_several=True),
    "Conv1D": LayerKind(convolution(1), has_activation=True),
    "Conv1DTranspose": LayerKind(transposed(1), has_activation=True),
    "Conv2D": LayerKind(convolution(2), has_activation=True),
    "Conv2DTranspose": LayerKind(transposed(2), has_activation=True),
    "Conv3D": Unsupported(_VOLUME),
    "Conv3DTranspose": Unsupported(_VOLUME),
    "ConvLSTM1D": Unsupported(_STATE),
    "ConvLSTM2D": Unsupported(_STATE),
    "ConvLSTM3D": Unsupported(_VOLUME),
    "Cropping1D": LayerKind(cropping(1)),
    "Cropping2D": LayerKind(cropping(2)),
    "Cropping3D": Unsupported(_VOLUME),
    "CutMix": _AUGMENTATION,
    "Dense": LayerKind(dense, has_activation=True),
    "DepthwiseConv1D": LayerKind(depthwise(1), has_activation=True),
    "DepthwiseConv2D": LayerKind(depthwise(2), has_activation=True),
    "Discretization": Unsupported(_TEXT),
    "Dot": Unsupported("use keras.ops.matmul of the two values"),
    "Dropout": LayerKind(nothing),
    "ELU": LayerKind(elu, as_activation="elu"),
    "Embedding": Unsupported(
        "a table of vectors by whole numbers is not supported: look the vectors up outside of the model"
    ),
    "Flatten": LayerKind(flatten),
    "GRU": Unsupported(_STEPS),
    "GaussianDropout": LayerKind(nothing),
    "GaussianNoise": LayerKind(nothing),
    "GlobalAveragePooling1D": LayerKind(global_pooling(GlobalAveragePooling, 1)),
    "GlobalAveragePooling2D": LayerKind(global_pooling(GlobalAveragePooling, 2)),
    "GlobalAveragePooling3D": Unsupported(_VOLUME),
    "GlobalMaxPooling1D": LayerKind(global_pooling(GlobalMaxPooling, 1)),
    "GlobalMaxPooling2D": LayerKind(global_pooling(GlobalMaxPooling, 2)),
    "GlobalMaxPooling3D": Unsupported(_VOLUME),
    "GroupNormalization": LayerKind(group_normalization),
    "GroupQueryAttention": Unsupported(_ATTENTION),
    "Hashing": Unsupported(_TEXT),
    "Identity": LayerKind(nothing),
    "LSTM": Unsupported(_STEPS),
    "LayerNormalization": LayerKind(layer_normalization),
    "LayerScale": LayerKind(layer_scale),
    "LeakyReLU": LayerKind(leaky_relu, as_activation="leaky_relu"),
    "Masking": Unsupported(
        "what a mask leaves out depends on the data, which is not supported: cut the steps off before"
    ),
    "MaxPooling1D": LayerKind(pooling(MaxPooling, 1)),
    "MaxPooling2D": LayerKind(pooling(MaxPooling, 2)),
    "MaxPooling3D": Unsupported(_VOLUME),
    "Maximum": LayerKind(merging(Maximum()), reads_several=True),
    "Minimum": LayerKind(merging(Minimum()), reads_several=True),
    "MixUp": _AUGMENTATION,
    "MultiHeadAttention": LayerKind(
        multi_head_attention, reads_several=True, call_flags=("use_causal_mask",), inner=INNER_LAYERS
    ),
    "Multiply": LayerKind(merging(Multiply()), reads_several=True),
    "Normalization": LayerKind(normalization, holds_constants=True),
    "PReLU": LayerKind(prelu),
    "Permute": LayerKind(permute),
    "RMSNormalization": LayerKind(rms_normalization),
    "RNN": Unsupported(_STATE),
    "RandAugment": _AUGMENTATION,
    "RandomBrightness": _AUGMENTATION,
    "RandomColorDegeneration": _AUGMENTATION,
    "RandomColorJitter": _AUGMENTATION,
    "RandomContrast": _AUGMENTATION,
    "RandomCrop": LayerKind(random_crop, note=_AUGMENTS, call_flags=("training",)),
    "RandomElasticTransform": _AUGMENTATION,
    "RandomErasing": _AUGMENTATION,
    "RandomFlip": _AUGMENTATION,
    "RandomGaussianBlur": _AUGMENTATION,
    "RandomGrayscale": _AUGMENTATION,
    "RandomHeight": _AUGMENTATION,
    "RandomHue": _AUGMENTATION,
    "RandomInvert": _AUGMENTATION,
    "RandomPerspective": _AUGMENTATION,
    "RandomPosterization": _AUGMENTATION,
    "RandomRotation": _AUGMENTATION,
    "RandomSaturation": _AUGMENTATION,
    "RandomSharpness": _AUGMENTATION,
    "RandomShear": _AUGMENTATION,
    "RandomTranslation": _AUGMENTATION,
    "RandomWidth": _AUGMENTATION,
    "RandomZoom": _AUGMENTATION,
    "ReLU": LayerKind(relu, as_activation="relu"),
    "RepeatVector": LayerKind(repeat_vector),
    "Rescaling": LayerKind(rescaling, holds_constants=True),
    "Reshape": LayerKind(reshape),
    "Resizing": LayerKind(resizing, call_flags=("training",)),
    "SeparableConv1D": LayerKind(separable(1), has_activation=True),
    "SeparableConv2D": LayerKind(separable(2), has_activation=True),
    "SimpleRNN": Unsupported(_STEPS),
    "Softmax": LayerKind(softmax, as_activation="softmax"),
    "Solarization": _AUGMENTATION,
    "SpatialDropout1D": LayerKind(nothing),
    "SpatialDropout2D": LayerKind(nothing),
    "SpatialDropout3D": LayerKind(nothing),
    "SpectralNormalization": Unsupported(
        "save the model with the layer inside of it, which has the normalized weights"
    ),
    "StochasticDepth": LayerKind(nothing),
    "StringLookup": Unsupported(_TEXT),
    "Subtract": LayerKind(merging(Subtract()), reads_several=True),
    "TextVectorization": Unsupported(_TEXT),
    "UnitNormalization": LayerKind(unit_normalization),
    "UpSampling1D": LayerKind(upsampling_1d),
    "UpSampling2D": LayerKind(upsampling_2d),
    "UpSampling3D": Unsupported(_VOLUME),
    "ZeroPadding1D": LayerKind(zero_padding(1)),
    "ZeroPadding2D": LayerKind(zero_padding(2)),
    "ZeroPadding3D": Unsupported(_VOLUME),
}


def activation(settings: Settings, shape: Shape) -> tuple[str, Operator]:
    """The name and the operator of an `activation` argument, for a value of `shape`.

    Raises: ModelError for a function that bittrue doesn't know; one written in Python is never executed.
    """
    value = settings.values.get("activation")
    if value is None:
        return "linear", ACTIVATIONS["linear"]
    if isinstance(value, str) and value in ACTIVATIONS:
        return value, ACTIVATIONS[value]
    if not isinstance(value, dict):
        raise ModelError(f"the activation {shown(value)} is not supported: use one of {', '.join(ACTIVATIONS)}")
    class_name, module, config = value.get("class_name"), value.get("module"), value.get("config")
    kind = LAYERS.get(class_name) if isinstance(class_name, str) else None
    of_keras = isinstance(module, str) and is_from_keras(module)
    if of_keras and isinstance(config, dict) and isinstance(kind, LayerKind) and kind.as_activation:
        made = kind.rule(LayerUse(Settings(config), (shape,), lambda _: {}))
        if not isinstance(made, Operator):
            raise ModelError(f"its activation {class_name} takes several steps: put it behind as a layer of its own")
        return kind.as_activation, made
    raise ModelError(
        "its activation is Python code or a class of the author's, which bittrue neither executes nor translates: "
        "use a function of keras.activations, or a layer behind it"
    )
