"""ONNX models for tests, built node by node, and what they should become."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from bittrue.frontends.onnx.model import from_onnx
from bittrue.network import Network
from bittrue.simulation.float_model import FloatModel

Array = np.ndarray


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def positive(*shape: int, seed: int = 1) -> Array:
    return np.abs(random(*shape, seed=seed)) + np.float32(0.5)


def integers(*values: int) -> Array:
    return np.array(values, np.int64)


@dataclass(frozen=True)
class Step:
    """One node: its inputs are names of values ("" for none) or constants; it makes the value `name`."""

    op_type: str
    inputs: tuple[str | Array, ...] = ("",)
    attributes: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    outputs: int = 1


def step(op_type: str, *inputs: str | Array, name: str | None = None, outputs: int = 1, **attributes: Any) -> Step:
    return Step(op_type, inputs, attributes, name, outputs)


def model(
    shape: Sequence[int | str], steps: Sequence[Step], *, opset: int = 17, domains: Sequence[str] = ()
) -> onnx.ModelProto:
    """A model of one input `x`. A step reads `last`, the value before it, where it names no value."""
    nodes, tensors, last = [], [], "x"
    for number, made in enumerate(steps):
        inputs = []
        for place, given in enumerate(made.inputs):
            if isinstance(given, str):
                inputs.append(last if given == "last" else given)
            else:
                tensors.append(numpy_helper.from_array(given, f"{made.name or made.op_type}.{number}.{place}"))
                inputs.append(tensors[-1].name)
        name = made.name or f"v{number}"
        outputs = [name, *(f"{name}_{more}" for more in range(2, made.outputs + 1))]
        domain = "" if ":" not in made.op_type else made.op_type.partition(":")[0]
        op_type = made.op_type.rpartition(":")[2]
        nodes.append(helper.make_node(op_type, inputs, outputs, made.name or "", domain=domain, **made.attributes))
        last = name
    graph = helper.make_graph(
        nodes,
        "zoo",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None)],
        tensors,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def expected(proto: onnx.ModelProto, x: Array) -> Array:
    """What onnxruntime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
    [result] = session.run(None, {session.get_inputs()[0].name: x})
    return np.asarray(result)


def images(proto: onnx.ModelProto, count: int = 3) -> Array:
    sizes = [size.dim_value for size in proto.graph.input[0].type.tensor_type.shape.dim]
    return random(sizes[0] or count, *sizes[1:], seed=7)


def channels_last(x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def computed(network: Network, x: Array) -> Array:
    """The network's output for the file's input, which may have its channels first."""
    given = x if x.shape[1:] == network.input.shape else channels_last(x)
    return FloatModel(network).run(given)


def relative_error(proto: onnx.ModelProto, network: Network | None = None) -> float:
    """The largest difference from onnxruntime, relative to its largest output."""
    x = images(proto)
    want, got = expected(proto, x), computed(network or from_onnx(proto), x)
    want = want if want.shape == got.shape else channels_last(want)
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / np.abs(want).max())


def operators(network: Network) -> str:
    return " ".join(node.operator.name for node in network.nodes[1:])
