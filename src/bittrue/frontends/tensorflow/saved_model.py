"""TensorFlow SavedModels into Networks: the serving signature's graph through tf2onnx, the weights from the checkpoint.

docs/decisions/0010-saved-models.md says what executes.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bittrue.errors import ModelError
from bittrue.network import Network, check_parameters

SECONDS = 300
"""No network that is put into hardware takes as long to convert."""

MAXIMUM_BYTES = 1 << 30
"""Of saved_model.pb, which holds the graph; the weights lie in files of their own."""

WITHOUT_TENSORFLOW = (
    "a SavedModel is read with TensorFlow and tf2onnx, which are not installed: run `pip install 'bittrue[tensorflow]'`"
)


def from_saved_model(folder: str | os.PathLike[str]) -> Network:
    """The Network of a SavedModel's serving signature.

    Raises: ModelError, in one sentence that names the folder.
    """
    where = os.fspath(folder)
    with tempfile.TemporaryDirectory(prefix="bittrue-") as target:
        try:
            _convert(Path(folder), Path(target))
            network = network_of_conversion(Path(folder), Path(target))
        except ModelError as error:
            raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
    check_parameters(network, where)
    return network


def _convert(folder: Path, target: Path) -> None:
    """Have a process of its own write the graph to `target`: what TensorFlow prints, holds and breaks stays there."""
    if any(importlib.util.find_spec(package) is None for package in ("tensorflow", "tf2onnx", "onnx")):
        raise ModelError(WITHOUT_TENSORFLOW)
    if (folder / "saved_model.pb").stat().st_size > MAXIMUM_BYTES:
        raise ModelError("its saved_model.pb is larger than any network's: save the model again")
    # -P: the folder that the user is in is no place to import from.
    command = [sys.executable, "-P", "-m", "bittrue.frontends.tensorflow.conversion", str(folder), str(target)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"TensorFlow and tf2onnx didn't convert it in {SECONDS} s: save the model as a .keras or .onnx file"
        ) from None


def network_of_conversion(folder: Path, target: Path) -> Network:
    """The Network of the graph in `target`, as `saved_model_conversion` wrote it, with the weights of `folder`."""
    from onnx import ModelProto, numpy_helper

    from bittrue.frontends.onnx.file import read_proto
    from bittrue.frontends.onnx.model import network_of
    from bittrue.frontends.tensorflow.bundle import read_bundle

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
    return network_of(read_proto(model, None))[0]
