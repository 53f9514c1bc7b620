"""What onnxruntime computes: the program of the process in which alone it meets graphs of users' files.

Some of them bring it down; here that ends this process and no other. The standard input is a line of JSON (`input`, the
`shape` of an image with its batch axis of 1, how many `images`, as how large a `batch` each, and `outputs`, the names
of the values that are wanted), the images in float32, and the model's bytes. The answer is STARTED, and a line of JSON:
why it can't be had; or for each image for each output whether it is an array of numbers. These follow, in NumPy's
format.
"""

import io
import json
import sys
from math import prod
from typing import Any, BinaryIO

import numpy as np
import onnxruntime

from bittrue.limits import STARTED, limit

CPU_SECONDS = 20
"""Of the processor. The largest networks take a few for three images."""

ADDRESSES = 6 << 30
"""Bytes of memory that may be addressed: a model of 1 GiB, as often as onnxruntime copies it."""


def answer(request: BinaryIO) -> bytes:
    """What follows STARTED; see above."""
    try:
        return _answer(request)
    except Exception as error:  # it knows fewer operator sets and types than are read here; exceptions of its own
        return json.dumps(str(error).partition("\n")[0]).encode()


def _answer(request: BinaryIO) -> bytes:
    asked = json.loads(request.readline())
    shape = tuple(asked["shape"])
    images = [
        np.frombuffer(request.read(4 * prod(shape)), np.float32).reshape(shape).repeat(asked["batch"], 0)
        for _ in range(asked["images"])
    ]
    session = _session(request.read())
    found = [session.run(asked["outputs"], {asked["input"]: image}) for image in images]
    kinds = [[_is_numbers(value) for value in values] for values in found]
    arrays = io.BytesIO()
    for value in (value for values in found for value in values if _is_numbers(value)):
        np.save(arrays, value, allow_pickle=False)
    return json.dumps(kinds).encode() + b"\n" + arrays.getvalue()


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main() -> None:
    output = sys.stdout.buffer
    output.write(STARTED)
    output.flush()
    limit(CPU_SECONDS, ADDRESSES)
    output.write(answer(sys.stdin.buffer))


if __name__ == "__main__":
    main()
