"""An `.onnx` file can't make bittrue run, fetch or allocate anything, and damage is never taken for a model."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.onnx.model import from_onnx
from frontends.onnx_zoo import Step, integers, model, random, step

SHAPE = ("n", 2, 6, 5)
STEPS = [
    step("Conv", "last", random(3, 2, 3, 3), random(3), name="conv", pads=[1, 1, 1, 1]),
    step("Relu", "last"),
    step("MaxPool", "last", kernel_shape=[2, 2], strides=[2, 2]),
    step("Reshape", "last", integers(0, -1)),
    step("Gemm", "last", random(18, 4), random(4), name="dense"),
    step("Softmax", "last"),
]


@pytest.fixture
def whole() -> bytes:
    return model(SHAPE, STEPS).SerializeToString()


def hash_or_refusal(path: Path) -> str:
    """The network's hash, or the sentence with which the file is refused; anything else escapes."""
    try:
        return load(path, check=False).hash
    except ModelError as error:
        return str(error)


def test_damage(whole: bytes, tmp_path: Path) -> None:
    """Cuts, flipped bits, bytes put in the place of others, and parts that change places."""
    path = tmp_path / "model.onnx"
    path.write_bytes(whole)
    hash_of_whole, results = load(path).hash, []
    for trial in range(400):
        generator = np.random.default_rng([11, trial])
        data = bytearray(whole)
        place = int(generator.integers(len(data)))
        if trial < 100:
            del data[place:]
        elif trial < 250:
            data[place] ^= 1 << int(generator.integers(8))
        elif trial < 330:
            data[place : place + 4] = generator.bytes(4)
        else:
            other = int(generator.integers(len(data)))
            data[place : place + 40], data[other : other + 40] = data[other : other + 40], data[place : place + 40]
        path.write_bytes(bytes(data))
        results.append(hash_or_refusal(path))
    refused = [result for result in results if not result.startswith("sha256:")]
    assert all(result.startswith(f"{path}: ") and result.endswith(".") for result in refused)
    assert len(refused) >= 150
    assert hash_of_whole in results or len(set(results)) > 50


def proto_with(edit: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    proto = model(SHAPE, STEPS)
    edit(proto)
    return proto


def declare_gigabytes(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[:] = [1 << 20, 1 << 20, 3, 3]


def declare_negative(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[:] = [-3, 2, 3, 3]


def drop_data(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].raw_data = b""


def make_a_circle(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = proto.graph.node[2].output[0]


def make_a_value_twice(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].output[0] = proto.graph.node[0].output[0]


def read_what_nothing_makes(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].input[0] = "nothing"


def add_a_loop(proto: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    proto.graph.node[1].CopyFrom(helper.make_node("If", ["conv"], ["v1"], "branch", then_branch=body, else_branch=body))


def use_a_domain(proto: onnx.ModelProto) -> None:
    proto.graph.node[1].domain = "com.example"


def add_a_function(proto: onnx.ModelProto) -> None:
    proto.functions.add().name = "own"


def open_a_size(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"


def declare_a_giant_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 1 << 40


def pad_to_a_giant(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].attribute[0].ints[:] = [1 << 30] * 4


def compute_a_giant_constant(proto: onnx.ModelProto) -> None:
    proto.graph.initializer.append(onnx.numpy_helper.from_array(integers(1 << 20, 1 << 20), "giant"))
    proto.graph.node.insert(0, helper.make_node("ConstantOfShape", ["giant"], ["zeros"], "zeros"))
    proto.graph.node[2].CopyFrom(helper.make_node("Add", ["conv", "zeros"], ["v1"], "sum"))


def use_an_old_operator_set(proto: onnx.ModelProto) -> None:
    proto.opset_import[0].version = 5


def use_a_future_operator_set(proto: onnx.ModelProto) -> None:
    proto.opset_import[0].version = 1000


def add_an_input(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3]))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (declare_gigabytes, r"node conv \(Conv\): its tensor conv\.0\.1: it declares the shape"),
        (declare_negative, "it declares the shape"),
        (drop_data, "doesn't hold the values of its shape"),
        (make_a_circle, "read each other in a circle"),
        (make_a_value_twice, "the value conv is made twice"),
        (read_what_nothing_makes, "the value nothing is made nowhere"),
        (add_a_loop, r"node branch \(If\): the operator If is not supported"),
        (use_a_domain, "the operator Relu of the domain com.example is not supported"),
        (add_a_function, "it holds functions of its own"),
        (open_a_size, "leaves sizes open"),
        (declare_a_giant_input, "more than one image's values can be"),
        (pad_to_a_giant, "more than one image's values can be"),
        (compute_a_giant_constant, r"node zeros \(ConstantOfShape\): its constants are larger"),
        (use_an_old_operator_set, "its operator set is version 5, and bittrue reads 6 to"),
        (use_a_future_operator_set, "its operator set is version 1000"),
        (add_an_input, r"it has 2 inputs \(x, y\)"),
    ],
)
def test_models_that_are_refused(edit: Callable[[onnx.ModelProto], None], words: str) -> None:
    with pytest.raises(ModelError, match=rf"^the ONNX model: .*{words}") as caught:
        from_onnx(proto_with(edit))
    assert str(caught.value).endswith(".")


def external(tmp_path: Path, location: str, length: int | None = None) -> Path:
    """The model with its first weight in another file."""
    folder = tmp_path / "models"
    folder.mkdir(exist_ok=True)
    proto = model(SHAPE, STEPS)
    tensor = proto.graph.initializer[0]
    data = tensor.raw_data
    (folder / "weights.bin").write_bytes(data)
    (tmp_path / "outside.bin").write_bytes(data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(len(data) if length is None else length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    return folder / "model.onnx"


def test_external_weights(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "inside.onnx").write_bytes(whole)
    assert load(external(tmp_path, "weights.bin")).hash == load(tmp_path / "inside.onnx").hash


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/passwd", "link.bin", "", "none.bin", "weights.bin/x"])
def test_external_weights_elsewhere(tmp_path: Path, location: str) -> None:
    path = external(tmp_path, location)
    (path.parent / "link.bin").symlink_to(tmp_path / "outside.bin")
    with pytest.raises(ModelError, match=r"model\.onnx: node conv.*(outside the model's folder|no such file)"):
        load(path)


def test_external_weights_of_another_length(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"it needs 216 bytes of weights\.bin, which holds others"):
        load(external(tmp_path, "weights.bin", 3))


def test_thousands_of_nodes() -> None:
    """They are read in seconds of processor time; what takes the square of their number would need minutes."""
    before = time.process_time()
    assert len(from_onnx(model(("n", 3), [step("Relu", "last")] * 4999)).nodes) == 5000
    assert time.process_time() - before < 20
    with pytest.raises(ModelError, match="the model has more than 5,000 nodes"):
        from_onnx(model(("n", 3), [step("Relu", "last")] * 5001))
    with pytest.raises(ModelError, match=r"it has 30,000 nodes, and bittrue takes 20,000"):
        from_onnx(model(("n", 3), [step("Relu", "last")] * 30_000))


@pytest.mark.parametrize(
    "mixing", [step("Softmax", "last", axis=0), step("ReduceMean", "last"), step("ReduceMax", "x")]
)
def test_mixed_images_are_refused(mixing: Step) -> None:
    with pytest.raises(ModelError, match=r"it mixes the images of a batch \(axis 0\)"):
        from_onnx(model(("n", 2, 3), [mixing]))


def test_not_a_number_is_refused() -> None:
    weight = random(3, 4)
    weight[1, 2] = np.nan
    with pytest.raises(ModelError, match=r"dense\.weight holds 1 NaN or infinite values out of 12"):
        from_onnx(model(("n", 3), [step("Gemm", "last", weight, name="dense")]))


def test_what_is_no_file(tmp_path: Path) -> None:
    for name, contents in (("text.onnx", b"no model"), ("empty.onnx", b"")):
        (tmp_path / name).write_bytes(contents)
        with pytest.raises(ModelError, match=f"{name}: it is damaged or no ONNX file"):
            load(tmp_path / name)
    with pytest.raises(ModelError, match=r"none\.onnx: there is no such file"):
        load(tmp_path / "none.onnx")
