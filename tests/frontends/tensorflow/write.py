"""Writes the small model with TensorFlow into the folder given, and report.json: the hash of the model object's network
and what became of each hostile SavedModel.

A checkpoint as TensorFlow 2's `model.save_weights` wrote it: the same objects under the same names.
"""

import json
import os
import sys
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
sys.path.insert(0, str(Path(__file__).parents[1]))

import hostile_saved_models
import keras
import recurrent
import saved_models
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
    saved_models.write_saved_models(model, folder / "saved_models")
    recurrent.write_recurrent(folder / "recurrent")
    report = {"hash": bittrue.load(model).hash, "hostile": hostile_saved_models.outcomes(folder / "hostile")}
    (folder / "report.json").write_text(json.dumps(report))


write(Path(sys.argv[1]))
