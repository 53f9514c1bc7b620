"""Writes the small model with TensorFlow into the folder given, and prints the hash of the model object's network.

A checkpoint as TensorFlow 2's `model.save_weights` wrote it: the same objects under the same names.
"""

import os
import sys
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
sys.path.insert(0, str(Path(__file__).parent))

import keras
import small_model
import tensorflow as tf

import bittrue

KERAS2_NAMES = {("DepthwiseConv2D", "kernel"): "depthwise_kernel"}


def trackable(layer: keras.Layer) -> tf.Module:
    module = tf.Module()
    for weight in layer.weights:
        name = KERAS2_NAMES.get((type(layer).__name__, weight.name), weight.name)
        setattr(module, name, tf.Variable(weight.numpy()))
    return module


def write(folder: Path) -> None:
    model = small_model.trained()
    root = tf.train.Checkpoint()
    for number, layer in enumerate(layer for layer in model.layers if layer.weights):
        setattr(root, f"layer_with_weights-{number}", trackable(layer))
    root.write(str(folder / "Weights"))
    named = tf.train.Checkpoint(**{layer.name: trackable(layer) for layer in model.layers if layer.weights})
    named.write(str(folder / "named" / "Weights"))
    large = tf.train.Checkpoint(values=tf.Variable(tf.random.normal((3, 4099))), half=tf.Variable([1.5], dtype="half"))
    large.write(str(folder / "large"))
    print(bittrue.load(model).hash)


write(Path(sys.argv[1]))
