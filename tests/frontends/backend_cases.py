"""The test cases that ONNX ships for its backends (`onnx.backend.test`), each run as a Network against its own numbers.

A case is a small graph, its inputs and its outputs. A Network has one input, one output, and a batch axis that is left
out, so a case takes up to three roads, and passes if it passes on one and is wrong on none:

- *batch*: its first floating-point input is the network's input and the first axis the batch, left open; its other
  inputs are constants, as trained weights are. A case that mixes the images of a batch can't take it.
- *row*: the whole of that input is one image: it comes as a row of numbers that a Reshape gives the case's shape, and
  the output leaves as a row. This is the road of scalars, and of operators that work on the first axis.
- *rows*: as *row*, with all floating-point inputs in the one row, so that each depends on the network's input.

Each output of a case is a model of its own, with an outcome of its own. Operator sets are those of the case; where one
is older than bittrue reads, the model is converted first, by what the refusal names (onnx.version_converter).
"""

import importlib
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, helper, numpy_helper, version_converter
from onnx.backend.test.case import node as node_cases
from onnx.backend.test.loader import load_model_tests
from onnx.reference import ReferenceEvaluator

from bittrue.errors import BittrueError
from bittrue.frontends.onnx.file import MINIMUM_OPSET
from bittrue.frontends.onnx.model import from_onnx
from bittrue.network import Network
from bittrue.simulation.float_model import FloatModel

KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted")
FOLDER_KINDS = KINDS[1:]
CONVERTED_OPSET = 13
NO_RULE = "the operator "
"""How the refusal of an operator by its name begins."""


@dataclass(frozen=True)
class BackendCase:
    """operator: what the case is about; the type of its node, or of the first one that isn't a constant."""

    name: str
    kind: str
    operator: str
    model: ModelProto
    inputs: tuple[np.ndarray, ...]
    outputs: tuple[np.ndarray, ...]
    relative: float
    absolute: float


@dataclass(frozen=True)
class Outcome:
    """verdict: "passed", "refused" or "failed"; reason: the sentence of a refusal, or what is wrong."""

    case: BackendCase
    verdict: str
    reason: str = ""


class UnfitError(Exception):
    """The case can't take this road; its words say why."""


def all_cases() -> list[BackendCase]:
    """Every case; one that holds anything but tensors has no inputs and no outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # making the cases overflows on purpose
        made = load_model_tests(kind="node")
    return [*_node_cases(made), *folder_cases()]


def folder_cases() -> list[BackendCase]:
    """The cases that lie in files."""
    return [case for kind in FOLDER_KINDS for case in _folder_cases(kind)]


def cases_of(operators: Iterable[str]) -> list[BackendCase]:
    """The node cases of these operators; ONNX makes cases when the module that holds them is first imported."""
    wanted = {operator.lower() for operator in operators}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(node_cases.__path__):
            if module.name.replace("_", "") in wanted:
                importlib.import_module(f"{node_cases.__name__}.{module.name}")
    return [case for case in _node_cases(node_cases._NodeTestCases) if case.operator.lower() in wanted]


def run(case: BackendCase) -> list[Outcome]:
    """The case on every road, for each of its outputs."""
    outcomes = [_run_output(case, number) for number in range(len(case.outputs))]
    return outcomes or [Outcome(case, "refused", "its values are no tensors")]


def _run_output(case: BackendCase, number: int) -> Outcome:
    verdicts: list[Outcome] = []
    unfit: list[Outcome] = []
    for road in (_row, _batch, _rows):
        try:
            verdicts.append(_travel(case, number, road))
        except UnfitError as error:
            unfit.append(Outcome(case, "refused", str(error)))
    for verdict in ("failed", "passed"):
        for outcome in verdicts:
            if outcome.verdict == verdict:
                return outcome
    by_name = [outcome for outcome in verdicts if outcome.reason.startswith(NO_RULE)]
    return (by_name or verdicts or unfit)[0]


Road = Callable[[BackendCase, int], tuple[ModelProto, np.ndarray]]


def _travel(case: BackendCase, number: int, road: Road) -> Outcome:
    model, x = road(case, number)
    expected = case.outputs[number]
    if not (_fits(x) and all(map(_fits, case.inputs))):
        raise UnfitError("its inputs hold NaN, infinity, or what float32 can't hold")
    try:
        computed = list(_computed(from_onnx(model, check=False), x))
    except BittrueError as error:
        return Outcome(case, "refused", _without_names(str(error)))
    except Exception as error:  # what no user should see, whatever it is
        return Outcome(case, "failed", f"{road.__name__[1:]}: {type(error).__name__}: {error}")
    if any(_close(case, array.reshape(expected.shape), expected) for array in computed if array.size == expected.size):
        return Outcome(case, "passed")
    if road is _batch and _mixes_images(case, model, x, expected):
        raise UnfitError("it mixes the images of a batch")
    return Outcome(case, "failed", f"{road.__name__[1:]}: other numbers than the case's")


def _fits(x: np.ndarray) -> bool:
    return not _is_floating(x) or bool((np.abs(x) <= np.finfo(np.float32).max).all())


def _mixes_images(case: BackendCase, model: ModelProto, x: np.ndarray, expected: np.ndarray) -> bool:
    """Whether ONNX's own reference, given the images one by one, computes other numbers than the case's."""
    reference, name = ReferenceEvaluator(model), model.graph.input[0].name
    try:
        parts = np.concatenate([np.asarray(reference.run(None, {name: image[None]})[0]) for image in x])
    except Exception:  # it is made for the whole batch: shapes don't fit one image
        return True
    return parts.shape != expected.shape or not _close(case, parts, expected)


def _close(case: BackendCase, got: np.ndarray, expected: np.ndarray) -> bool:
    wanted = expected.astype(np.float64)
    return np.allclose(got.astype(np.float64), wanted, case.relative, case.absolute, equal_nan=True)


def _computed(network: Network, x: np.ndarray) -> Iterator[np.ndarray]:
    """The output in each arrangement that its axes may have in the file; channels last and channels first look alike
    where the sizes are equal."""
    model = FloatModel(network)
    for given in _arrangements(x, -1):
        if given.shape[1:] == network.input.shape:
            yield from _arrangements(model.run(given), 1)


def _arrangements(x: np.ndarray, place: int) -> Iterator[np.ndarray]:
    yield x
    if x.ndim in (3, 4):
        yield np.moveaxis(x, *((1, -1) if place == -1 else (-1, 1)))


def _without_names(sentence: str) -> str:
    """What is wrong, without the model's and the node's names before it and the remedy behind it."""
    found = re.fullmatch(r"the ONNX model: (?:node .*? \((\w+)\): )?(.*?)(?:: [^:]*)?\.", sentence, re.DOTALL)
    assert found is not None, sentence
    return f"{found[1]}: {found[2]}" if found[1] and not found[2].startswith(NO_RULE) else found[2]


def _batch(case: BackendCase, number: int) -> tuple[ModelProto, np.ndarray]:
    main = _main(case)
    x = case.inputs[main]
    if x.ndim < 2:
        raise UnfitError("its input has no axis beside the batch")
    model = _with_constants(case, number, [main])
    model.graph.input.append(_declared(case.model.graph.input[main].name, x))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return model, x


def _row(case: BackendCase, number: int) -> tuple[ModelProto, np.ndarray]:
    return _in_rows(case, number, [_main(case)])


def _rows(case: BackendCase, number: int) -> tuple[ModelProto, np.ndarray]:
    floating = [place for place, x in enumerate(case.inputs) if _is_floating(x) and x.dtype == case.inputs[0].dtype]
    if len(floating) < 2:
        raise UnfitError("it has one floating-point input")
    return _in_rows(case, number, floating)


def _main(case: BackendCase) -> int:
    places = [place for place, x in enumerate(case.inputs) if _is_floating(x)]
    if not places:
        raise UnfitError("none of its inputs is float16, float32 or float64")
    return places[0]


def _is_floating(x: np.ndarray) -> bool:
    return x.dtype in (np.float16, np.float32, np.float64)


def _in_rows(case: BackendCase, number: int, places: list[int]) -> tuple[ModelProto, np.ndarray]:
    """The model with a row of numbers before it, cut and reshaped into the inputs `places`, and one behind it."""
    model = _with_constants(case, number, places)
    graph, nodes, start = model.graph, [], 0
    row = np.concatenate([case.inputs[place].reshape(1, -1) for place in places], 1)
    if not row.size:
        raise UnfitError("its input is empty")
    graph.input.append(_declared("row_of_inputs", row))
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if not version:
        raise UnfitError("it uses none of ONNX's own operators")
    for place in places:
        x, name, part = case.inputs[place], case.model.graph.input[place].name, "row_of_inputs"
        if len(places) > 1:
            part, ends = f"{name}_row", {"axes": [1], "starts": [start], "ends": [start + x.size]}
            names = [] if version < 10 else [_add_constant(model, f"{name}_{end}", ends[end]) for end in _SLICE_INPUTS]
            nodes.append(helper.make_node("Slice", ["row_of_inputs", *names], [part], **({} if names else ends)))
        shape = _add_constant(model, f"{name}_shape", x.shape)
        nodes.append(helper.make_node("Reshape", [part, shape], [name]))
        start += x.size
    output = graph.output[0]
    shape = _add_constant(model, "row_of_outputs_shape", (1, max(case.outputs[number].size, 1)))
    last = helper.make_node("Reshape", [output.name, shape], ["row_of_outputs"])
    nodes += [*graph.node, last]
    del graph.node[:]
    graph.node.extend(nodes)
    output.name = "row_of_outputs"
    return model, row


_SLICE_INPUTS = ("starts", "ends", "axes")


def _add_constant(model: ModelProto, name: str, values: Sequence[int]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def _with_constants(case: BackendCase, number: int, given: Sequence[int]) -> ModelProto:
    """A copy with one output, whose inputs other than `given` are constants."""
    model = ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    output, names = case.model.graph.output[number], [value.name for value in case.model.graph.input]
    del graph.output[:], graph.input[:]
    graph.output.append(output)
    for place, name in enumerate(names[: len(case.inputs)]):
        if place not in given:
            graph.initializer.append(numpy_helper.from_array(case.inputs[place], name))
    return model


def _declared(name: str, x: np.ndarray) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)


def _node_cases(made: Sequence[object]) -> list[BackendCase]:
    single = {case.name: case.model.graph.node[0].op_type for case in made if len(case.model.graph.node) == 1}
    cases = []
    for case in made:
        name, inputs, outputs = case.name, *case.data_sets[0]
        operator = single.get(name.partition("_expanded")[0]) or _about(case.model)
        cases.append(_case(name, "node", operator, case.model, inputs, outputs, case))
    return sorted(cases, key=lambda case: case.name)


def _folder_cases(kind: str) -> Iterator[BackendCase]:
    for case in sorted(load_model_tests(kind=kind), key=lambda case: case.name):
        folder = Path(case.model_dir)
        model = onnx.load(folder / "model.onnx")
        values = [
            [_tensor(path) for path in sorted((folder / "test_data_set_0").glob(f"{end}_*.pb"), key=_number)]
            for end in ("input", "output")
        ]
        yield _case(case.name, kind, _about(model), _readable(model), *values, case)


def _case(name, kind, operator, model, inputs, outputs, given) -> BackendCase:
    tensors = all(isinstance(value, np.ndarray | np.generic | onnx.TensorProto) for value in (*inputs, *outputs))
    arrays = [tuple(_array(value) for value in values) if tensors else () for values in (inputs, outputs)]
    return BackendCase(name, kind, operator, model, *arrays, given.rtol, given.atol)


def _array(value: object) -> np.ndarray:
    return np.array(numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value)


def _about(model: ModelProto) -> str:
    return next(node.op_type for node in model.graph.node if node.op_type != "Constant")


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _tensor(path: Path) -> np.ndarray | None:
    tensor = onnx.TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
        return np.array(numpy_helper.to_array(tensor))
    except Exception:  # a sequence, or another kind of value
        return None


def _readable(model: ModelProto) -> ModelProto:
    """The model in an operator set that bittrue reads, if ONNX can convert it."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions or versions[0] >= MINIMUM_OPSET:
        return model
    try:
        return version_converter.convert_version(model, CONVERTED_OPSET)
    except Exception:  # the converter has its own gaps
        return model
