"""The study's AlexNet in Keras: 227×227×3 in, ten classes out, batch normalization after each ReLU; 56,361,738
parameters.

After Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks (2012), with
batch normalization in place of local response normalization.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from keras import layers


def convolution(x, name, filters, kernel, strides=1, padding="same"):
    """Convolution, ReLU, batch normalization: the layers `conv<name>`, `relu<name>`, `bn<name>`."""
    x = layers.Conv2D(filters, kernel, strides=strides, padding=padding, name=f"conv{name}")(x)
    x = layers.ReLU(name=f"relu{name}")(x)
    return layers.BatchNormalization(name=f"bn{name}")(x)


def alexnet(classes: int = 10) -> keras.Model:
    """The untrained network."""
    image = layers.Input((227, 227, 3), name="image")
    x = convolution(image, "1", 96, 11, strides=4, padding="valid")
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = convolution(x, "2", 256, 5)
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    x = convolution(x, "3", 384, 3)
    x = convolution(x, "4", 384, 1)
    x = convolution(x, "5", 256, 1)
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("6", "7"):
        x = layers.Dense(4096, name=f"dense{name}")(x)
        x = layers.ReLU(name=f"relu{name}")(x)
        x = layers.Dropout(0.5, name=f"drop{name}")(x)
    x = layers.Dense(classes, name="dense8")(x)
    return keras.Model(image, layers.Softmax(name="softmax")(x), name="alexnet")


if __name__ == "__main__":
    alexnet().summary()
