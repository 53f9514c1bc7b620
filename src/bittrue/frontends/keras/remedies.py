"""What to do about Keras layers that bittrue refuses by name."""

_STATE = "it keeps a state from step to step: use Conv1D or MultiHeadAttention over the steps"
_ROW_NORMALIZATION = "use BatchNormalization, or LayerNormalization over the last axes"
_VOLUME = "three spatial axes are not supported: use Conv2D, with the third axis among the channels"
_RANDOM = "it is for training: leave it out of the model that is exported"
_TEXT = "it reads text or categories: do it outside of the model, and give the model numbers"

REMEDIES = {
    **dict.fromkeys(("Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "GRU", "LSTM", "RNN", "SimpleRNN"), _STATE),
    **dict.fromkeys(("GroupNormalization", "RMSNormalization", "UnitNormalization"), _ROW_NORMALIZATION),
    **dict.fromkeys(("AveragePooling3D", "Conv3D", "Conv3DTranspose", "ConvLSTM3D", "Cropping3D"), _VOLUME),
    **dict.fromkeys(("GlobalAveragePooling3D", "GlobalMaxPooling3D", "MaxPooling3D", "UpSampling3D"), _VOLUME),
    "ZeroPadding3D": _VOLUME,
    **dict.fromkeys(("RandomContrast", "RandomCrop", "RandomFlip", "RandomRotation", "RandomZoom"), _RANDOM),
    **dict.fromkeys(("CategoryEncoding", "Discretization", "Hashing", "StringLookup", "TextVectorization"), _TEXT),
    "Attention": "use MultiHeadAttention, whose parts are nodes",
    "AdditiveAttention": "use MultiHeadAttention, whose parts are nodes",
    "Dot": "use keras.ops.matmul of the two values",
    "Embedding": "a table of vectors by whole numbers is not supported: look the vectors up outside of the model",
    "GroupQueryAttention": "use MultiHeadAttention, whose parts are nodes",
    "Masking": "what a mask leaves out depends on the data, which is not supported: cut the steps off before",
    "Resizing": "resize the images before, as `--resize` does, or use UpSampling2D with whole factors",
    "SpectralNormalization": "save the model with the layer inside of it, which has the normalized weights",
    "TimeDistributed": "Dense and LayerNormalization work on every step without it; put other layers before the steps",
}
"""By the layer's class, in words that go behind `is not supported:`."""
