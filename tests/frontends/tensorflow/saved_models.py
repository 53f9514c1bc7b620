"""SavedModels of the small model, as TensorFlow users write them. Imported by `write.py` alone."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from small_model import EPSILON
from tf2onnx.convert import from_function

from bittrue.frontends.tensorflow.conversion import main

NAMES = ("keras3", "module", "keras2", "parts")

IMAGE = tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")


class SmallModule(tf.Module):
    """The small model in TensorFlow's own operations, without Keras."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.weights = {weight.path.replace("/", "_"): tf.Variable(weight.numpy()) for weight in model.weights}
        self.steps = tf.Variable(0, dtype=tf.int64)

    def features(self, image: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(image, self.weights["conv1_kernel"], 1, "SAME") + self.weights["conv1_bias"]

    def normalized(self, x: tf.Tensor) -> tf.Tensor:
        moments = (self.weights["norm1_moving_mean"], self.weights["norm1_moving_variance"])
        return tf.nn.batch_normalization(
            x, *moments, self.weights["norm1_beta"], self.weights["norm1_gamma"], variance_epsilon=EPSILON
        )

    def classes(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.nn.relu(x)
        y = tf.nn.depthwise_conv2d(x, self.weights["depthwise_kernel"], (1, 1, 1, 1), "SAME")
        x = tf.nn.max_pool2d(x + (y + self.weights["depthwise_bias"]), 2, 2, "VALID")
        x = tf.reshape(x, (-1, 64))
        x = tf.nn.relu(x @ self.weights["dense1_kernel"] + self.weights["dense1_bias"])
        return tf.nn.softmax(x @ self.weights["dense2_kernel"] + self.weights["dense2_bias"])

    @tf.function(input_signature=[IMAGE])
    def __call__(self, image: tf.Tensor) -> tf.Tensor:
        return self.classes(self.normalized(self.features(image)))


class AsByKeras2(SmallModule):
    """What `model.save(folder)` of TensorFlow 2 wrote: fused batch norms, layers as functions of their own, and
    functions for training, which the serving signature doesn't call."""

    @tf.function
    def normalized(self, x: tf.Tensor) -> tf.Tensor:
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        numbers = [self.weights[f"norm1_{name}"] for name in names]
        return tf.compat.v1.nn.fused_batch_norm(x, *numbers, epsilon=EPSILON, is_training=False)[0]

    @tf.function(input_signature=[IMAGE])
    def train(self, image: tf.Tensor) -> tf.Tensor:
        self.steps.assign_add(1)
        tf.print("training")
        return self(tf.nn.dropout(image, 0.5))


def parts() -> keras.Model:
    """What Keras writes in several operations under TensorFlow, with numbers that no initializer makes."""
    image = keras.Input((8, 4), name="tokens")
    tokens = layers.MaxPooling1D(2)(layers.Conv1D(4, 3, padding="same")(image))
    x = layers.LayerNormalization()(tokens)
    x = layers.Add()([tokens, layers.MultiHeadAttention(2, 3)(x, x)])
    x = layers.Dense(6, activation="gelu")(x)
    x = layers.Flatten()(layers.BatchNormalization(scale=False)(x))
    x = layers.BatchNormalization(center=False)(layers.Dense(5, activation="swish")(x))
    x = layers.BatchNormalization(center=False, scale=False)(layers.Dense(4)(x))
    model = keras.Model(image, layers.Softmax()(x), name="parts")
    random = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(random.uniform(0.5, 2, weight.shape) if weight.ndim == 1 else random.normal(size=weight.shape))
    return model


def write_saved_models(model: keras.Model, folder: Path) -> None:
    """The folders NAMES, and beside each what the conversion's own process would make of it, its run included."""
    model.export(folder / "keras3", format="tf_saved_model", verbose=False)
    module = SmallModule(model)
    tf.saved_model.save(module, folder / "module")
    from_function(module.__call__, [IMAGE], output_path=str(folder / "folded.onnx"))
    by_keras2 = AsByKeras2(model)
    tf.saved_model.save(by_keras2, folder / "keras2", signatures=by_keras2.__call__)
    model = parts()
    model.export(folder / "parts", format="tf_saved_model", verbose=False)
    model.save(folder / "parts.keras")
    for name in NAMES:
        target = folder / f"{name}_converted"
        target.mkdir()
        main(folder / name, target, check=True)
