"""TensorFlow SavedModels into Networks: the serving signature's graph through tf2onnx, the weights from the checkpoint.

docs/decisions/0010-saved-models.md says what executes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bittrue.errors import ModelError
from bittrue.frontends.doors import NEEDS_TENSORFLOW
from bittrue.network import Network, check_parameters

SECONDS = 300
"""No network that is put into hardware takes as long to convert."""

MAXIMUM_BYTES = 1 << 30
"""Of saved_model.pb, which holds the graph; the weights lie in files of their own."""


def from_saved_model(folder: str | os.PathLike[str]) -> Network:
    """The Network of a SavedModel's serving signature.

    Raises: ModelError, in one sentence that names the folder.
    """
    where = os.fspath(folder)
    with tempfile.TemporaryDirectory(prefix="bittrue-") as target:
        try:
            _convert(Path(folder), Path(target))
            from bittrue.frontends.tensorflow.converted import network_of_conversion

            network = network_of_conversion(Path(folder), Path(target))
        except ModelError as error:
            raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
    check_parameters(network, where)
    return network


def _convert(folder: Path, target: Path) -> None:
    """Have a process of its own write the graph to `target`: what TensorFlow prints, holds and breaks stays there."""
    NEEDS_TENSORFLOW.check()
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
