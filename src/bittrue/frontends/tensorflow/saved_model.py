"""TensorFlow SavedModels into Networks: the serving signature's graph through tf2onnx, the weights from the checkpoint.

docs/decisions/0010-saved-models.md says what executes.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bittrue.errors import ModelError
from bittrue.frontends.doors import NEEDS_TENSORFLOW
from bittrue.frontends.live import check_live
from bittrue.network import Network, check_parameters

SECONDS = 300
"""No network that is put into hardware takes as long to convert."""

MAXIMUM_BYTES = 1 << 30
"""Of saved_model.pb, which holds the graph; the weights lie in files of their own."""


def from_saved_model(
    folder: str | os.PathLike[str],
    *,
    check: bool = True,
    told: Callable[[str], None] | None = None,
    output: str | None = None,
) -> Network:
    """The Network of a SavedModel's serving signature.

    check: TensorFlow runs the signature's graph, once it has passed the list of operations that only compute, beside
    the Network on random images, and another result is refused. told, output: see `frontends.load`.

    Raises: ModelError, in one sentence that names the folder.
    """
    where = os.fspath(folder)
    with tempfile.TemporaryDirectory(prefix="bittrue-") as target:
        try:
            _convert(Path(folder), Path(target), check, output)
            from bittrue.frontends.tensorflow.converted import reading_of_conversion
            from bittrue.frontends.tensorflow.live import tensorflow_live

            reading = reading_of_conversion(Path(folder), Path(target))
            if check:
                check_live(reading.network, tensorflow_live(reading, Path(target)), where, told)
        except ModelError as error:
            raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
    check_parameters(reading.network, where)
    return reading.network


def _convert(folder: Path, target: Path, check: bool, output: str | None) -> None:
    """Have a process of its own write the graph to `target`, and what it computes.

    What TensorFlow prints, holds and breaks stays there.
    """
    NEEDS_TENSORFLOW.check()
    if (folder / "saved_model.pb").stat().st_size > MAXIMUM_BYTES:
        raise ModelError("its saved_model.pb is larger than any network's: save the model again")
    # -P: the folder that the user is in is no place to import from.
    command = [sys.executable, "-P", "-m", "bittrue.frontends.tensorflow.conversion", str(folder), str(target)]
    command += ["--check"] * check + ([] if output is None else [f"--output={output}"])
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
        if (target / "result.json").is_file():  # it was converted, and its run takes too long
            return
        raise ModelError(
            f"TensorFlow and tf2onnx didn't convert it in {SECONDS} s: save the model as a .keras or .onnx file"
        ) from None
