"""Builds hls4ml's C simulation of a network here and runs it on images."""

import shutil
import sys
from importlib.util import find_spec
from math import prod
from pathlib import Path

import numpy as np

from bittrue.data import Dataset
from bittrue.exports.hls4ml.graph import Graph
from bittrue.exports.hls4ml.network import graph_of
from bittrue.exports.hls4ml.target import BUILD, write_hls4ml
from bittrue.exports.job import Job
from bittrue.exports.tools import MissingToolError, tool_output

_MOST_ASSIGNMENTS = 100_000
"""Under io_parallel hls4ml writes one C++ assignment for each number that each window of a convolution reads, and g++
takes a quarter of an hour for the 650,000 of a ResNet-8 on 32x32 pixels."""


def io_type_of(graph: Graph) -> str:
    """io_stream where io_parallel's windows are too many to compile and streams can have the network."""
    assignments = 0
    for layer in graph.layers:
        sizes = [
            value
            for name, value in layer.attributes.items()
            if name in ("out_height", "out_width", "filt_height", "filt_width", "n_chan")
        ]
        assignments += prod(sizes) if "filt_width" in layer.attributes else 0
    return "io_stream" if assignments > _MOST_ASSIGNMENTS and not graph.parallel_only else "io_parallel"


def run_hls4ml(job: Job, images: Dataset, folder: Path, io_type: str | None = None) -> Path:
    """The folder with the codes of every layer that the C simulation prints, on these images.

    io_type is hls4ml's; without one, `io_type_of` chooses. Both make the same codes.

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
    command: list[str | Path] = [
        sys.executable,
        "-W",
        "ignore",
        folder / BUILD,
        "--io-type",
        io_type or io_type_of(graph),
    ]
    command += ["--project", folder / "project", "--inputs", folder / "images.npy", "--dump", codes]
    tool_output(command, "hls4ml's C simulation", remedy="look at what it says")
    return codes
