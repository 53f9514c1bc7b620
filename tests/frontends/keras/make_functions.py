"""A Keras 2 model made of TensorFlow functions, as TensorFlow 2 saved it: `files/functions.h5`, and its outputs.

    TF_USE_LEGACY_KERAS=1 python tests/frontends/keras/make_functions.py

makes the files again (tf-keras 2.20, tensorflow-cpu 2.20).
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

FILES = Path(__file__).parent / "files"


def model() -> tf_keras.Model:
    image = tf_keras.Input((6, 5, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = tf.nn.relu6(x + 3.0) / 6.0 * x - 0.25
    y = 2.0 - tf.maximum(tf.nn.leaky_relu(x), -1.0) * tf.math.sigmoid(x)
    y = tf.concat([y, tf.clip_by_value(x, -0.5, 0.5), tf.abs(-x)], axis=-1)
    y = y[:, 1:, ::2, :6] + tf.square(tf.expand_dims(tf.reduce_mean(y, axis=[1, 2]), 1))[:, :, tf.newaxis, 6:]
    y = tf.transpose(tf.reshape(y, (-1, 15, 6)), (0, 2, 1))
    z = tf.matmul(y, tf.transpose(y, (0, 2, 1))) / 16
    z = tf.nn.softmax(z) + tf.nn.elu(z) * tf.nn.silu(z) - tf.tanh(z) / 2 + tf.minimum(z, tf.math.softplus(z))
    z = tf.sqrt(tf.exp(-tf.abs(z)) + 1.0) + tf.nn.gelu(z) + tf.nn.selu(z) + tf.math.log(z**2 + 1.0)
    z = tf.squeeze(tf.reduce_max(z, axis=1, keepdims=True), axis=1) + 1.0 / (1.0 + tf.reduce_sum(z * z, axis=-1))
    return tf_keras.Model(image, layers.Dense(3, name="dense")(z), name="functions")


if __name__ == "__main__":
    random = np.random.default_rng(3)
    made = model()
    for weight in made.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    x = (np.round(random.normal(0, 1, (3, 6, 5, 3)) * 8) / 8).astype(np.float32)
    np.savez(FILES / "functions.npz", x=x, outputs=made.predict(x, verbose=0))
    made.save(FILES / "functions.h5")
