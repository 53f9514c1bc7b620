"""Makes the `.onnx` files beside it: one small Keras model as Keras 3.15 exports it under two backends.

KERAS_BACKEND=tensorflow python make.py tensorflow.onnx    (tensorflow-cpu 2.20, tf2onnx 1.17)
KERAS_BACKEND=torch      python make.py torch.onnx         (torch 2.13)
"""

import sys

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(8)
image = keras.Input((8, 7, 3), name="image")
x = layers.Conv2D(4, 3, padding="same", bias_initializer="random_normal", name="conv1")(image)
x = first = layers.ReLU(name="act1")(x)
x = layers.ZeroPadding2D(1, name="pad")(x)
x = layers.DepthwiseConv2D(3, activation="relu", bias_initializer="random_normal", name="dw")(x)
x = layers.Concatenate(name="joined")([x, first])
x = layers.MaxPooling2D(2, name="pool")(x)
x = layers.Conv2D(5, 3, strides=2, padding="same", bias_initializer="random_normal", name="conv2")(x)
x = layers.LeakyReLU(0.25, name="leaky")(x)
x = layers.Dropout(0.2, name="dropped")(layers.Flatten(name="flat")(x))
x = layers.Dense(6, activation="tanh", bias_initializer="random_normal", name="dense1")(x)
x = layers.Dense(3, activation="softmax", bias_initializer="random_normal", name="dense2")(x)
model = keras.Model(image, x, name="small")
model(np.zeros((1, 8, 7, 3), np.float32))
model.export(sys.argv[1], format="onnx", verbose=False)
