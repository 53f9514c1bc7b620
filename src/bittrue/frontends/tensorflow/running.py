"""What TensorFlow computes of a SavedModel's graph on random images, in the process that has converted it.

It writes TARGET/live.npz, the images and for each of them each tensor's array, and last TARGET/live.json: the tensors'
names, or why there are none.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.images import random_images
from bittrue.frontends.tensorflow.bundle import read_bundle
from bittrue.frontends.tensorflow.conversion import Converted

MAXIMUM_VALUES = 1 << 26
"""Of all that is written of an image: the output alone where there are more."""

LARGEST_BATCH = 64
"""Images that a graph may want at a time."""


def run(converted: Converted, folder: Path, target: Path) -> None:
    """See above."""
    try:
        names = _write(converted, folder, target / "live.npz")
    except Exception as error:  # of TensorFlow's many kinds
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        (target / "live.json").write_text(json.dumps(reason))
    else:
        (target / "live.json").write_text(json.dumps(names))


def _write(converted: Converted, folder: Path, file: Path) -> list[str]:
    """The names of the tensors whose values were written, the output first."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(converted.graph_def, name="")
    if any(tensor.dtype.base_dtype in (tf.float16, tf.bfloat16) for tensor in _tensors(graph)):
        raise ModelError("it computes in float16 or bfloat16, with roundings of its own")
    source, output = graph.get_tensor_by_name(converted.source), graph.get_tensor_by_name(converted.output)
    batch, *sizes = source.shape.as_list()
    if None in sizes or (batch or 1) > LARGEST_BATCH:
        raise ModelError("its input leaves sizes open, or takes too many images at a time")
    feeds: dict[Any, Any] = {}
    if converted.variables:
        entries = read_bundle(folder / "variables" / "variables")
        feeds = {name: entries[key].array(key).read() for name, key in converted.variables.items()}
    given = {source.name, output.name, *converted.variables}
    inner = [tensor for tensor in _tensors(graph) if tensor.dtype.is_floating and tensor.name not in given]
    images = random_images((1, *sizes), whole=source.dtype.is_integer)
    with tf.compat.v1.Session(graph=graph, config=_plainly()) as session:
        found = [
            session.run(
                [output, *inner], feeds | {source: image.repeat(batch or 1, 0).astype(source.dtype.as_numpy_dtype)}
            )
            for image in images
        ]
    kept = 1 if sum(value.size for value in found[0]) > MAXIMUM_VALUES else len(found[0])
    arrays: dict[str, Any] = {f"image{number}": image for number, image in enumerate(images)}
    arrays |= {
        f"{image}_{place}": value for image, values in enumerate(found) for place, value in enumerate(values[:kept])
    }
    np.savez(file, **arrays)
    return [tensor.name for tensor in (output, *inner)][:kept]


def _tensors(graph: Any) -> Iterator[Any]:
    return (tensor for operation in graph.get_operations() for tensor in operation.outputs)


def _plainly() -> Any:
    """As the graph says, in one thread: TensorFlow's rewriter is off."""
    from tensorflow.core.protobuf import config_pb2

    config = config_pb2.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = config_pb2.OptimizerOptions.L0
    return config
