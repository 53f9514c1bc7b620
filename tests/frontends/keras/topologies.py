"""Small Keras models, each built like one of the well-known topologies."""

import keras
from keras import layers

Tensor = keras.KerasTensor


def conv(x: Tensor, filters: int, size: int = 3, activation: str | None = "relu", strides: int = 1) -> Tensor:
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return x if activation is None else layers.Activation(activation)(x)


def classified(x: Tensor) -> Tensor:
    return layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def vgg() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )


def resnet() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = conv(image, 4)
    x = layers.ReLU()(layers.Add()([x, conv(conv(x, 4), 4, activation=None)]))
    shortcut = conv(x, 6, 1, None, strides=2)
    x = layers.ReLU()(layers.Add()([shortcut, conv(conv(x, 6, strides=2), 6, activation=None)]))
    return keras.Model(image, classified(x))


def mobile_net() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = conv(image, 4, activation="relu6", strides=2)
    y = conv(x, 8, 1, "relu6")
    y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)))
    return keras.Model(image, classified(layers.Add()([x, conv(y, 4, 1, None)])))


def dense_net() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(image)
    for _ in range(2):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, layers.Conv2D(2, 3, padding="same")(y)])
    return keras.Model(image, classified(layers.AveragePooling2D(2)(x)))


def inception() -> keras.Model:
    image = keras.Input((8, 8, 3))
    pooled = layers.MaxPooling2D(3, 1, padding="same")(image)
    branches = [conv(image, 2, 1), conv(conv(image, 2, 1), 3), conv(conv(image, 2, 1), 2, 5), conv(pooled, 2, 1)]
    return keras.Model(image, classified(layers.Concatenate()(branches)))


def u_net(up: layers.Layer) -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = conv(image, 4)
    y = up(conv(layers.MaxPooling2D()(x), 6))
    x = conv(layers.Concatenate()([x, y]), 4)
    return keras.Model(image, layers.Conv2D(2, 1, activation="sigmoid")(x))


def vision_transformer() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = layers.Reshape((4, 8))(layers.Conv2D(8, 4, 4)(image))
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
    y = layers.Dense(12, activation="gelu")(layers.LayerNormalization()(x))
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(8)(y)]))
    return keras.Model(image, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def keyword_spotter() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((12, 6)),
            layers.Conv1D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.SeparableConv1D(6, 3, activation="relu"),
            layers.MaxPooling1D(),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def autoencoder() -> keras.Model:
    activations = ("relu", "tanh", "elu", "sigmoid")
    stack = [layers.Dense(units, activation=name) for units, name in zip((10, 3, 10, 24), activations, strict=True)]
    return keras.Sequential([keras.Input((24,)), *stack])


def squeeze_and_excite() -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = conv(image, 6, activation="silu")
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(6, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="relu")(weights))
    return keras.Model(image, classified(layers.Multiply()([x, weights])))


KERAS_TOPOLOGIES = {
    "VGG": vgg,
    "ResNet": resnet,
    "MobileNetV2": mobile_net,
    "DenseNet": dense_net,
    "Inception": inception,
    "U-Net, transposed": lambda: u_net(layers.Conv2DTranspose(6, 2, 2)),
    "U-Net, nearest": lambda: u_net(layers.UpSampling2D()),
    "U-Net, bilinear": lambda: u_net(layers.UpSampling2D(interpolation="bilinear")),
    "vision transformer": vision_transformer,
    "keyword spotter": keyword_spotter,
    "autoencoder": autoencoder,
    "squeeze and excite": squeeze_and_excite,
}
