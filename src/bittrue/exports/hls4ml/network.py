"""A job's network as hls4ml's layers, and as the two files that `build.py` reads."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

# Imported for the rules that they register.
from bittrue.exports.hls4ml import arithmetic, gaps, movement, padding, pooling, products  # noqa: F401
from bittrue.exports.hls4ml.graph import Graph, Layer, refused, value_of
from bittrue.exports.hls4ml.precision import LARGEST_CODE
from bittrue.exports.hls4ml.table import export_hls4ml
from bittrue.exports.job import Job, stop_before
from bittrue.exports.storage import storage_of
from bittrue.program import Step

VERSION = "1.3.0"
"""The hls4ml whose C simulation has the same bits."""

_MOST_READERS = 7

_UNPACKING = frozenset({"Dense", "Concatenate"})
"""Layers that read a flattened image rightly as a stream."""

_NO_PRECISION = "ap_ufixed<1,1,AP_TRN,AP_WRAP>"
"""hls4ml wants a default for what it makes up on its own. It makes up nothing here that keeps it; if it did, a single
bit would show."""


def graph_of(job: Job) -> Graph:
    """The layers of a job's network.

    Raises: BittrueError for what hls4ml can't have, with the node and what to do; CarrierError for codes of more than
    64 bits, or that nothing bounds.
    """
    graph = Graph(job)
    source, *steps = job.program.steps
    for step in job.program.steps:
        if not step.type.is_float:
            storage_of(step)
    attributes = {"input_shape": list(source.type.shape), "data_format": "channels_last"}
    graph.tensors[source.name] = graph.add(source.name, "InputLayer", [], value_of(source), attributes)
    for step in steps:
        gap = export_hls4ml.gap(type(step.instruction))
        if gap is not None:
            raise refused(
                step,
                f"doesn't compute a {type(step.instruction).__name__} with these bits",
                f"{gap}{stop_before(job.program, step)}",
            )
        export_hls4ml[type(step.instruction)](step.instruction, step, graph)
    _drop_last_shape(graph)
    if graph.tensors[job.program.output].layer == graph.layers[0].name:
        raise refused(source, "builds no network that leaves its input as it is", "stop at a later node")
    _name_what_streams_lack(graph)
    return graph


def _drop_last_shape(graph: Graph) -> None:
    """A network that ends in another shape ends before it: hls4ml's output is a row of numbers in any case."""
    last = graph.layers[-1]
    if last.class_name == "Reshape" and graph.tensors[graph.job.program.output].layer == last.name:
        graph.layers.pop()
        for name, tensor in graph.tensors.items():
            if tensor.layer == last.name:
                graph.tensors[name] = replace(tensor, layer=last.inputs[0])


def _name_what_streams_lack(graph: Graph) -> None:
    """Under io_stream hls4ml copies a value for each of its readers, and seven times at most; and it leaves a row of
    numbers packed as the image was, which only some of its layers unpack."""
    readers = Counter(source for layer in graph.layers for source in layer.inputs)
    readers[graph.tensors[graph.job.program.output].layer] += 1
    for name, count in readers.items():
        if count > _MOST_READERS:
            graph.parallel_only[name] = f"its io_stream copies a value for {_MOST_READERS} readers at most"
    for layer in graph.layers:
        for source in layer.inputs:
            if source in graph.flattened and layer.class_name not in _UNPACKING:
                packed = f"its io_stream leaves a flattened image packed, and a {layer.class_name} doesn't unpack it"
                graph.parallel_only[layer.name] = packed


def network_json(graph: Graph) -> dict[str, Any]:
    """network.json: the layers, arrays apart, and which of them makes the codes of which site."""
    program = graph.job.program
    return {
        "bittrue": 1,
        "hls4ml": VERSION,
        "input": _site(program.steps[0], graph.tensors[program.steps[0].name].layer),
        "output": graph.tensors[program.output].layer,
        "layers": [_layer(layer) for layer in graph.layers],
        "sites": [
            _site(step, graph.computed[step.name])
            for step in program.steps
            if step.name in graph.computed and step.site is not None and _is_printed(step)
        ],
        "parallel_only": graph.parallel_only,
    }


def _is_printed(step: Step) -> bool:
    """Whether the binary64 numbers that a C simulation prints hold every code."""
    return max(-(step.type.low or 0), step.type.high or 0) <= LARGEST_CODE


def _site(step: Step, layer: str) -> dict[str, Any]:
    return {
        "site": step.site,
        "layer": layer,
        "fraction_bits": step.type.binary_point,
        "shape": list(step.type.shape),
    }


def _layer(layer: Layer) -> dict[str, Any]:
    inputs = {"inputs": list(layer.inputs)} if layer.inputs else {}
    arrays = {"arrays": list(layer.arrays)} if layer.arrays else {}
    return {"name": layer.name, "class_name": layer.class_name, **inputs, **layer.attributes, **arrays}


def hls_config(graph: Graph) -> dict[str, Any]:
    """hls_config.json: hls4ml's HLSConfig, every precision by layer name."""
    layers = {}
    for layer in graph.layers:
        entry: dict[str, Any] = {"Precision": dict(layer.precision)}
        if layer.in_order:  # the sum rounds or overflows on its way, so its order counts, and this is the plan's
            entry |= {"Strategy": "Latency", "ReuseFactor": 1}
        layers[layer.name] = entry
    model = {"Precision": {"default": _NO_PRECISION}, "ReuseFactor": 1, "Strategy": "Latency"}
    return {"Model": model, "LayerName": layers}


def weights_of(graph: Graph) -> dict[str, np.ndarray]:
    """weights.npz: each layer's arrays by `layer.array`, exact numbers in binary64."""
    return {f"{layer.name}.{name}": values for layer in graph.layers for name, values in layer.arrays.items()}
