"""What the conversion of a SavedModel left, its graph in ONNX, with the weights of the folder."""

import json
from pathlib import Path

from onnx import ModelProto, numpy_helper

from bittrue.errors import ModelError
from bittrue.frontends.onnx.conversion import Reading
from bittrue.frontends.onnx.file import read_proto
from bittrue.frontends.onnx.model import network_of
from bittrue.frontends.tensorflow.bundle import read_bundle


def reading_of_conversion(folder: Path, target: Path) -> Reading:
    """The Network of the graph in `target`, as `conversion.py` wrote it, with the weights of `folder`."""
    result = target / "result.json"
    if not result.is_file():
        raise ModelError(
            "TensorFlow broke off while it was read, as it does for damage and for want of memory: "
            "save the model again, or as a .keras or .onnx file"
        )
    found = json.loads(result.read_text())
    if "refused" in found:
        raise ModelError(found["refused"])
    model = ModelProto.FromString((target / "model.onnx").read_bytes())
    variables: dict[str, str] = found["variables"]
    if variables and not (folder / "variables" / "variables.index").is_file():
        raise ModelError("its weights in variables/variables.index are missing: copy the whole folder")
    entries = read_bundle(folder / "variables" / "variables") if variables else {}
    shapes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in model.graph.input}
    for name, key in variables.items():
        if key not in entries:
            raise ModelError(f"its checkpoint variables/variables holds no {key}: save the model again")
        stored = entries[key].array(key)
        if list(stored.shape) != shapes.get(name):
            raise ModelError(f"its variable {key} has another shape than the graph says: save the model again")
        model.graph.initializer.append(numpy_helper.from_array(stored.read(), name))
    model.graph.name = folder.resolve().name
    return network_of(read_proto(model, None))
