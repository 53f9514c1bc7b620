"""Builds hls4ml's C simulation of a network here and runs it on images."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from bittrue.data import Dataset
from bittrue.exports.hls4ml.network import graph_of
from bittrue.exports.hls4ml.target import BUILD, write_hls4ml
from bittrue.exports.job import Job
from bittrue.exports.tools import MissingToolError, tool_output

IO_TYPES = ("io_parallel", "io_stream")


def run_hls4ml(job: Job, images: Dataset, folder: Path, io_type: str = IO_TYPES[0]) -> Path:
    """The folder with the codes of every layer that the C simulation prints, on these images.

    Raises: BittrueError where hls4ml can't have the network, and where hls4ml or a compiler is missing.
    """
    graph = graph_of(job)
    if find_spec("hls4ml") is None:
        raise MissingToolError("hls4ml isn't installed: python -m pip install 'bittrue[hls4ml]'.")
    if shutil.which("g++") is None:
        raise MissingToolError(
            "hls4ml's C simulation needs g++, which isn't there: install it (on Debian and Ubuntu: build-essential)."
        )
    write_hls4ml(graph, folder)
    np.save(folder / "images.npy", np.concatenate([batch.x for batch in images.batches(64)]))
    codes = folder / "codes"
    command: list[str | Path] = [sys.executable, "-W", "ignore", folder / BUILD, "--io-type", io_type]
    command += ["--project", folder / "project", "--inputs", folder / "images.npy", "--dump", codes]
    tool_output(command, "hls4ml's C simulation", remedy="look at what it says")
    return codes
