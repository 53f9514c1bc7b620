"""The target `hls4ml`: a folder from which hls4ml makes a project, its C simulation included."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np

from bittrue.exports.hls4ml.graph import Graph
from bittrue.exports.hls4ml.network import graph_of, hls_config, network_json, weights_of
from bittrue.exports.job import Job, Target

BUILD = "build.py"


def _check(job: Job) -> None:
    graph_of(job)


def _write(job: Job, folder: Path) -> Mapping[str, str]:
    write_hls4ml(graph_of(job), folder)
    return {}


def write_hls4ml(graph: Graph, folder: Path) -> None:
    """Write the files of a graph into a folder."""
    contents = {"network.json": network_json(graph), "hls_config.json": hls_config(graph)}
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")
    np.savez(folder / "weights.npz", **weights_of(graph))  # type: ignore[arg-type]
    script = files("bittrue.exports.hls4ml").joinpath(BUILD).read_text(encoding="utf-8")
    (folder / BUILD).write_text(script, encoding="utf-8", newline="\n")


TARGET = Target(
    "hls4ml",
    "layers and precisions for hls4ml",
    needs_images=False,
    check=_check,
    write=_write,
    builds=("project/*", "__pycache__/*"),
)
