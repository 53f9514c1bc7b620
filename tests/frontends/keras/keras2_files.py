"""Files as Keras 2 wrote them, made from models of Keras 3: TensorFlow 2's description of the same layers."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras


def save_h5(model: keras.Model, path: Path) -> Path:
    """`path` as Keras 3 writes an `.h5` file."""
    keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(model, path)  # model.save, but for its warning
    return path


def save_keras2(model: keras.Model, path: Path, version: str = "2.4.0") -> Path:
    """`path` as Keras 2 wrote it: other arguments, calls as lists, arrays whose names end in `:0`."""
    save_h5(model, path)
    with h5py.File(path, "r+") as file:
        description = in_keras2_form(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = json.dumps(description)
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        for group in file["model_weights"].values():
            names = list(group.attrs["weight_names"])
            for name in names:
                group.move(name, f"{name}:0")
            group.attrs["weight_names"] = [f"{name}:0".encode() for name in names]
    return path


def save_keras2_archive(model: keras.Model, path: Path, version: str = "2.15.0") -> Path:
    """`path`, a `.keras` file, as TensorFlow 2.13 to 2.15 wrote it: Keras 2's description, and arrays without names."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        config, weights = json.loads(archive.read("config.json")), io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights, "r+") as file:
        file.visititems(lambda name, group: group.attrs.pop("name", None))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(in_keras2_form(config)))
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


def in_keras2_form(description: dict[str, Any]) -> dict[str, Any]:
    config = dict(description["config"])
    class_name = description["class_name"]
    if "layers" in config:
        config.pop("dtype", None)
        config["layers"] = [in_keras2_form(layer) for layer in config["layers"]]
        if class_name == "Functional":
            _rewrite_calls(config)
    else:
        config["dtype"] = {"class_name": "Policy", "config": {"name": "float32"}}
    if class_name == "InputLayer":
        config["batch_input_shape"] = config.pop("batch_shape")
    elif class_name == "LeakyReLU":
        config["alpha"] = config.pop("negative_slope")
    elif class_name == "BatchNormalization" and config["axis"] == -1:
        config["axis"] = {"class_name": "ListWrapper", "config": [-1]}
    elif class_name == "DepthwiseConv2D":
        config["groups"] = 1
    elif class_name == "Conv2D" and config["groups"] == 1:
        del config["groups"]
    elif class_name.startswith("Global") and not config["keepdims"]:
        del config["keepdims"]
    if isinstance(config.get("activation"), dict):
        activation = config["activation"]
        config["activation"] = in_keras2_form({key: activation[key] for key in ("class_name", "config")})
    if isinstance(config.get("layer"), dict):
        config["layer"] = in_keras2_form({key: config["layer"][key] for key in ("class_name", "config")})
    if class_name == "Functional" and config["name"].startswith("functional"):
        class_name = "Model"  # TensorFlow before 2.3
    return {**description, "class_name": class_name, "config": config}


def _flags(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"use_causal_mask": True} if arguments.get("use_causal_mask") else {}


def _rewrite_calls(config: dict[str, Any]) -> None:
    """Keras 2 counts the calls of a model from 1, because being made on its own input is call 0."""
    layers = {layer["name"]: layer for layer in config["layers"]}

    def origin(history: list[Any], shift: int) -> list[Any]:
        name, call, output = history
        return [name, call + (shift if "layers" in layers[name]["config"] else 0), output]

    for layer in config["layers"]:
        layer["inbound_nodes"] = [
            [
                [*origin(tensor["config"]["keras_history"], 1), _flags(node["kwargs"])]
                for tensor in (node["args"][0] if isinstance(node["args"][0], list) else node["args"])
            ]
            for node in layer["inbound_nodes"]
        ]
    outputs = config["output_layers"]
    outputs = [outputs] if isinstance(outputs[0], str) else outputs
    # Keras 3 counts so among the outputs, but for functional models alone.
    config["output_layers"] = [
        origin(output, 0 if layers[output[0]]["class_name"] == "Functional" else 1) for output in outputs
    ]
