"""Small models of every ONNX operator, each with one part put wrong; `python tests/mutations.py onnx` runs many.

What ONNX's own checker would see (wrong types of attributes, inputs that are missing) and what it wouldn't (extreme and
infinite numbers, shapes that don't fit) is left to the front end: each edit must end in a Network, or in a sentence.
What is read goes on to a plan and to the lowering.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from bittrue.errors import BittrueError
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.onnx.rules import windows
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import uniform_plan
from frontends.onnx import test_axes, test_masks, test_quantized, test_versions, test_yardstick
from frontends.onnx_quantized_zoo import QONNX, qdq, qonnx
from frontends.onnx_zoo import Step, integers, model, random, step

WHOLE_NUMBERS = (-(2**63), -(2**31), -100, -2, -1, 0, 1, 2, 3, 7, 100, 1 << 20, 2**31 - 1, 2**63 - 1)
NUMBERS = (float("nan"), float("inf"), float("-inf"), 0.0, -1.0, 0.5, 1e-40, 3e38, -3e38)
TEXTS = (b"", b"SAME_UPPER", b"ab,bc->ac", b"linear", b"\xff\xfe", b"x" * 5000)
KINDS = tuple(AttributeProto.AttributeType.values())
TYPES = (np.float64, np.float16, np.int64, np.int8, np.uint8, np.bool_, np.complex64, np.object_)
SHAPES = ((), (0,), (1,), (2,), (1, 1), (3, 4), (1, 3, 1, 1), (2, 2, 2, 2, 2))
SLOWEST = 10.0
"""Seconds that one model may take."""

LARGEST = 1 << 16

Random = np.random.Generator
Item = TypeVar("Item")


ROW = ("n", 3, 8)


def _small_models() -> Iterator[tuple[str, ModelProto]]:
    """Each with its name."""
    for name, (shape, steps, _) in (*test_yardstick.CASES.items(), *test_versions.CHAINS.items()):
        yield name, model(shape, steps)
    for name, (opset, shape, steps, _) in test_versions.CHANGED.items():
        yield f"{name}, set {opset}", model(shape, steps, opset=opset)
    for name, (shape, steps, _) in test_masks.MASKED.items():
        yield f"mask {name}", model(shape, steps)
    for name in test_axes.FUNCTIONS:
        steps = [test_axes.through(name), step("Conv", "last", random(3, 3, 1))]
        yield f"function {name}", model(ROW, steps, opset=24, domains=[QONNX])
    for name in ("AdaptiveAveragePool", "AdaptiveMaxPool"):
        steps = [step(f"{windows.DOMAIN}:{name}", "last", output_size=[3, 2])]
        yield f"adaptive {name}", model(("n", 3, 6, 4), steps, domains=[windows.DOMAIN])
    divided = step(f"{windows.DOMAIN}:AveragePool", "last", kernel_shape=[3, 2], pads=[1, 0, 1, 1], divisor=5)
    yield "divided windows", model(("n", 3, 6, 4), [divided], domains=[windows.DOMAIN])
    for name, steps in COMPUTED.items():
        yield f"computed {name}", model(ROW, steps)
    for name, made in WHOLE_AXES.items():
        yield f"whole axes {name}", model(ROW, [made])
    signs = [test_quantized.BIPOLAR, step("MatMul", "x", "w")]
    yield from {"QDQ": qdq(), "QONNX": qonnx(), "signs": model(("n", 3), signs, domains=[QONNX])}.items()


WHOLE_AXES = {
    "LayerNormalization": step("LayerNormalization", "last", random(8), random(8)),
    "ReduceMin": step("ReduceMin", "last", axes=[1]),
}

COMPUTED: dict[str, list[Step]] = {
    name: [made, step("Cast", "last", to=1), step("Mul", "x", "last")]
    for name, made in {
        **{name: step(name, random(8), random(8)) for name in ("Equal", "Greater", "GreaterOrEqual", "Less")},
        **{name: step(name, random(8), random(8)) for name in ("LessOrEqual", "Mod")},
        **{name: step(name, random(8) > 0, random(8) > 0) for name in ("And", "Or")},
        **{name: step(name, random(8)) for name in ("Ceil", "Floor", "Round", "Sign")},
        **{name: step(name, random(2, 8), axes=[0], keepdims=0) for name in ("ReduceL2", "ReduceProd")},
        "ReduceSumSquare": step("ReduceSumSquare", random(2, 8), axes=[0], keepdims=0),
        "Constant": step("Constant", value_floats=[0.5] * 8),
        "ConstantOfShape": step("ConstantOfShape", integers(8)),
        "Not": step("Not", random(8) > 0),
        "Range": step("Range", np.float32(0), np.float32(8), np.float32(1)),
        "Shape": step("Shape", random(8)),
        "Size": step("Size", random(8)),
        "Trilu": step("Trilu", random(1, 8)),
        "Expand": step("Expand", random(1), integers(8)),
        "Tile": step("Tile", random(4), integers(2)),
    }.items()
}
"""Numbers that are computed from constants alone."""

MODELS = dict(_small_models())


@dataclass(frozen=True)
class Ending:
    """verdict: read, refused, or the exception that no user should see. seconds: until it was read or refused."""

    verdict: str
    seconds: float
    sentence: str = ""

    @property
    def is_crash(self) -> bool:
        return self.verdict not in ("read", "refused") or self.seconds > SLOWEST


def mutated(proto: ModelProto, generator: Random) -> ModelProto:
    """A copy with one or two edits."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    for _ in range(int(generator.integers(1, 3))):
        EDITS[int(generator.integers(len(EDITS)))](copy, generator)
    return copy


def ending(proto: ModelProto) -> Ending:
    """What becomes of a model."""
    start, seconds = time.perf_counter(), None
    try:
        network = from_onnx(proto, check=False)
        seconds = time.perf_counter() - start
        _used(network)
        verdict, sentence = "read", ""
    except BittrueError as error:
        verdict, sentence = "refused", str(error)
    except Exception as error:  # what is looked for
        verdict, sentence = type(error).__name__, str(error)
    return Ending(verdict, time.perf_counter() - start if seconds is None else seconds, sentence)


def _used(network: Network) -> None:
    """Lowered, where it isn't larger than any of the models was."""
    if all(prod(node.shape) <= LARGEST for node in network.nodes):
        lower_network(network, uniform_plan(network, 8, 4))


def endings(models: list[ModelProto], count: int, seed: int) -> Iterator[tuple[ModelProto, Ending]]:
    for trial in range(count):
        generator = np.random.default_rng([seed, trial])
        proto = mutated(models[trial % len(models)], generator)
        yield proto, ending(proto)


def _node(proto: ModelProto, generator: Random) -> NodeProto:
    return proto.graph.node[int(generator.integers(len(proto.graph.node)))]


def _one(generator: Random, of: Sequence[Item]) -> Item:
    return of[int(generator.integers(len(of)))]


def _change_attribute(proto: ModelProto, generator: Random) -> None:
    """Another value of the same type."""
    node = _node(proto, generator)
    if not node.attribute:
        return _add_attribute(proto, generator)
    attribute = _one(generator, list(node.attribute))
    if attribute.type == AttributeProto.INT:
        attribute.i = _one(generator, WHOLE_NUMBERS)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = _one(generator, NUMBERS)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = _one(generator, TEXTS)
    elif attribute.type == AttributeProto.INTS:
        _change_list(attribute.ints, WHOLE_NUMBERS, generator)
    elif attribute.type == AttributeProto.FLOATS:
        _change_list(attribute.floats, NUMBERS, generator)
    return None


def _change_list(values: "list[float]", others: tuple[float, ...], generator: Random) -> None:
    way = int(generator.integers(4))
    if way == 0:
        values.append(_one(generator, others))
    elif way == 1 and len(values):
        values.pop()
    elif way == 2:
        del values[:]
    elif len(values):
        values[int(generator.integers(len(values)))] = _one(generator, others)


def _change_type(proto: ModelProto, generator: Random) -> None:
    node = _node(proto, generator)
    if node.attribute:
        _one(generator, list(node.attribute)).type = _one(generator, KINDS)


def _rename_attribute(proto: ModelProto, generator: Random) -> None:
    node = _node(proto, generator)
    if node.attribute:
        attribute = _one(generator, list(node.attribute))
        attribute.name = _one(generator, ("", "axis", "axes", "alpha", attribute.name[::-1], "to"))


def _drop_attribute(proto: ModelProto, generator: Random) -> None:
    node = _node(proto, generator)
    if node.attribute:
        del node.attribute[int(generator.integers(len(node.attribute)))]


def _add_attribute(proto: ModelProto, generator: Random) -> None:
    """One that the operator has, of its own type or another."""
    node = _node(proto, generator)
    try:
        known = onnx.defs.get_schema(node.op_type, proto.opset_import[0].version, node.domain).attributes
    except onnx.defs.SchemaError:
        return
    if known:
        values = (*WHOLE_NUMBERS, *NUMBERS, *TEXTS[:4], [], [1, 2], [0.5], [-1])
        name = _one(generator, sorted(known))
        del node.attribute[:]
        value = _one(generator, values)
        kind = AttributeProto.INTS if value == [] else None
        node.attribute.append(helper.make_attribute(name, value, attr_type=kind))


def _change_inputs(proto: ModelProto, generator: Random) -> None:
    node = _node(proto, generator)
    names = [value.name for value in (*proto.graph.input, *proto.graph.initializer)]
    names += [name for other in proto.graph.node for name in other.output]
    way = int(generator.integers(5))
    place = int(generator.integers(max(len(node.input), 1)))
    if way == 0 and node.input:
        del node.input[place:]
    elif way == 1 and node.input:
        node.input[place] = ""
    elif way == 2:
        node.input.append(_one(generator, names))
    elif way == 3 and node.input:
        node.input[place] = _one(generator, names)
    elif len(node.input) > 1:
        node.input[0], node.input[1] = node.input[1], node.input[0]


def _change_outputs(proto: ModelProto, generator: Random) -> None:
    node = _node(proto, generator)
    way = int(generator.integers(3))
    if way == 0:
        node.output.append("more")
        proto.graph.output[0].name = "more"
    elif way == 1:
        del node.output[:]
    else:
        node.output.insert(0, "")


def _change_operator(proto: ModelProto, generator: Random) -> None:
    _node(proto, generator).op_type = _one(
        generator, sorted({node.op_type for node in proto.graph.node} | OPERATOR_NAMES)
    )


def _change_tensor(proto: ModelProto, generator: Random) -> None:
    """Other numbers, another type, another shape, or less than it declares."""
    if not proto.graph.initializer:
        return
    tensor = _one(generator, list(proto.graph.initializer))
    way = int(generator.integers(5))
    if way == 4:
        tensor.dims.append(_one(generator, (-1, 0, 2, 1 << 40)))
        return
    try:
        value = np.array(numpy_helper.to_array(tensor))
    except Exception:  # an edit before this one has damaged it
        return
    if not value.size or value.dtype.kind == "O":
        return
    if way == 0:
        numbers: tuple[float, ...] = WHOLE_NUMBERS if value.dtype.kind in "iu" else NUMBERS
        with np.errstate(all="ignore"):
            value.reshape(-1)[int(generator.integers(value.size))] = np.array(_one(generator, numbers)).astype(
                value.dtype
            )
    elif way == 1:
        kind = _one(generator, TYPES)
        with np.errstate(all="ignore"):
            value = np.full(value.shape, "text", object) if kind is np.object_ else value.astype(kind)
    elif way == 2:
        value = np.resize(value, _one(generator, SHAPES))
    else:
        value = np.zeros_like(value)
    tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def _change_type_of_tensor(proto: ModelProto, generator: Random) -> None:
    if proto.graph.initializer:
        _one(generator, list(proto.graph.initializer)).data_type = _one(generator, list(TensorProto.DataType.values()))


def _change_input(proto: ModelProto, generator: Random) -> None:
    shape = proto.graph.input[0].type.tensor_type.shape
    way = int(generator.integers(3))
    if way == 0 and shape.dim:
        shape.dim[int(generator.integers(len(shape.dim)))].dim_value = _one(generator, (0, 1, 2, 5, 1 << 20, 2**62))
    elif way == 1:
        shape.dim.add().dim_value = 2
    elif shape.dim:
        del shape.dim[-1]


def _change_opset(proto: ModelProto, generator: Random) -> None:
    proto.opset_import[0].version = int(generator.integers(6, onnx.defs.onnx_opset_version() + 2))


OPERATOR_NAMES = {
    "Slice",
    "Pad",
    "Softmax",
    "Gather",
    "Einsum",
    "Conv",
    "Resize",
    "Where",
    "Constant",
    "Split",
    "Range",
}

EDITS: list[Callable[[ModelProto, Random], None]] = [
    *(_change_attribute, _change_attribute, _change_type, _rename_attribute, _drop_attribute, _add_attribute),
    *(_change_inputs, _change_inputs, _change_outputs, _change_operator),
    *(_change_tensor, _change_tensor, _change_type_of_tensor, _change_input, _change_opset),
]
