"""A final ArgMax, in every door: the Network ends at the values that it reads, the host names the class."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import bittrue as bt
from bittrue.cli.app import app
from bittrue.errors import ModelError
from bittrue.frontends import live
from bittrue.frontends.onnx.model import from_onnx
from bittrue.network import ArgMax
from bittrue.simulation.float_model import FloatModel
from frontends.onnx_zoo import Step, channels_last, expected, images, integers, model, random, step

DENSE = step("Gemm", "x", random(6, 4), random(4), name="logits")
CONV = step("Conv", "x", random(5, 3, 3, 3), name="logits")
UINT8, FLOAT, INT64 = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
ROW, IMAGE = ("n", 6), ("n", 3, 6, 8)

ENDINGS: dict[str, tuple[tuple[int | str, ...], list[Step], int]] = {
    "of a row": (ROW, [DENSE, step("ArgMax", "last", axis=1)], INT64),
    "without its axis": (ROW, [DENSE, step("ArgMax", "last", axis=-1, keepdims=0)], INT64),
    "behind a softmax": (ROW, [DENSE, step("Softmax", "last", axis=1), step("ArgMax", "last", axis=1)], INT64),
    "of the input": (ROW, [step("ArgMax", "x", axis=1)], INT64),
    "of every pixel": (IMAGE, [CONV, step("ArgMax", "last", axis=1, keepdims=0)], INT64),
    "of every pixel, as bytes": (IMAGE, [CONV, step("ArgMax", "last", axis=1), step("Cast", "last", to=UINT8)], UINT8),
    "as floats, axis taken out": (
        ROW,
        [DENSE, step("ArgMax", "last", axis=1), step("Cast", "last", to=FLOAT), step("Squeeze", "last", integers(1))],
        FLOAT,
    ),
    "of every step": (("n", 5, 6), [step("MatMul", "x", random(6, 4)), step("ArgMax", "last", axis=2)], INT64),
}


def classes_model(name: str, **more: Any) -> onnx.ModelProto:
    shape, steps, kind = ENDINGS[name]
    proto = model(shape, steps, **more)
    proto.graph.output[0].type.tensor_type.elem_type = kind
    return proto


@pytest.mark.parametrize("name", ENDINGS)
def test_the_classes_are_onnxruntimes(name: str) -> None:
    proto = classes_model(name)
    network = from_onnx(proto)
    assert network.argmax is not None
    x = images(proto, 9)
    want, got = expected(proto, x), FloatModel(network).run(channels_last(x) if x.ndim == 4 else x)
    if want.shape != got.shape:
        want = channels_last(want)
    np.testing.assert_array_equal(got, want)
    assert network.by_name[network.output].shape[-1] > 1


def test_the_least_index_wins_a_tie() -> None:
    proto = classes_model("of the input")
    x = np.array([[1, 3, 0, 3, 2, 3], [0, 0, 0, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(FloatModel(from_onnx(proto)).run(x), expected(proto, x))
    np.testing.assert_array_equal(expected(proto, x), [[1], [0]])


@pytest.mark.parametrize("opset", [6, 9, 11, 18])
def test_operator_sets(opset: int) -> None:
    proto = classes_model("behind a softmax", opset=opset)
    check = opset > 6  # onnxruntime has no Gemm that old
    assert from_onnx(proto, check=check).argmax == ArgMax("argmax", keeps_axis=True)


def test_it_is_the_network_that_ends_before_it(tmp_path: Path) -> None:
    """So a plan for one is a plan for the other."""
    path = tmp_path / "classes.onnx"
    onnx.save(classes_model("of a row"), path)
    network, before = bt.load(path), bt.load(path, output="logits")
    assert network.hash == before.hash
    assert before.argmax is None
    assert network.headline == f"{before.headline}, then argmax (ArgMax), on the host"


REFUSED: dict[str, tuple[tuple[int | str, ...], list[Step], str]] = {
    "along rows of an image": (IMAGE, [CONV, step("ArgMax", "last", axis=3)], "along axis 3, and the .* along axis 1:"),
    "along the batch": (ROW, [DENSE, step("ArgMax", "last", axis=0)], "along axis 0, and the .* along axis 1:"),
    "the last of equal ones": (
        ROW,
        [DENSE, step("ArgMax", "last", axis=1, select_last_index=1)],
        r"names the last of equal values \(select_last_index\), not the first:",
    ),
    "one value": (
        ROW,
        [step("Gemm", "x", random(6, 1), name="logits"), step("ArgMax", "last", axis=1)],
        "it chooses among one value:",
    ),
    "more classes than a bit holds": (
        ROW,
        [DENSE, step("ArgMax", "last", axis=1), step("Cast", "last", to=onnx.TensorProto.BOOL)],
        "the bool behind it doesn't tell its 4 classes apart:",
    ),
    "of which something is computed": (
        ROW,
        [DENSE, step("ArgMax", "last", axis=1), step("Cast", "last", to=FLOAT), step("Abs", "last")],
        "the operator ArgMax is not supported:",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_argmax_is_left_out(name: str) -> None:
    shape, steps, words = REFUSED[name]
    proto = model(shape, steps)
    with pytest.raises(ModelError, match=rf"node v1 \(ArgMax\): .*{words} end the network at the values") as caught:
        from_onnx(proto)
    assert len(str(caught.value).split()) <= 43
    network = from_onnx(proto, output="logits")
    assert (network.output, network.argmax) == ("logits", None)


class Head(nn.Module):
    def __init__(self, ending: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.dense, self.ending = nn.Linear(6, 4), ending

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ending(self.dense(x))


@pytest.mark.parametrize(
    "ending",
    [
        lambda x: x.argmax(1),
        lambda x: x.softmax(1).argmax(-1, keepdim=True),
        lambda x: x.max(1).indices,
        lambda x: x.argmax(1).to(torch.uint8),
    ],
)
def test_a_module_of_pytorch_and_its_program(ending: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path) -> None:
    torch.manual_seed(1)
    x, module = torch.from_numpy(random(5, 6)), Head(ending).eval()
    torch.export.save(torch.export.export(module, (x[:1],)), tmp_path / "classes.pt2")
    for network in (bt.load(module, example_input=x), bt.load(tmp_path / "classes.pt2")):
        np.testing.assert_array_equal(FloatModel(network).run(x.numpy()), module(x).numpy())


@pytest.mark.parametrize(("shape", "named"), [((6,), {"axis": 1}), ((5, 4, 3), {"axis": -1, "keepdims": True})])
def test_a_keras_model_and_its_file(shape: tuple[int, ...], named: dict[str, Any], tmp_path: Path) -> None:
    image = keras.Input(shape)
    trained = keras.Model(image, keras.ops.argmax(keras.layers.Dense(4)(image), **named))
    trained.save(tmp_path / "classes.keras")
    x = random(3, *shape)
    for source in (trained, tmp_path / "classes.keras"):
        got = FloatModel(bt.load(source)).run(x)
        np.testing.assert_array_equal(got, keras.ops.convert_to_numpy(trained(x)))


@pytest.mark.parametrize("named", [{}, {"axis": 1}])
def test_other_axes_of_a_keras_model(named: dict[str, Any]) -> None:
    image = keras.Input((5, 4, 3))
    trained = keras.Model(image, keras.ops.argmax(image, **named))
    with pytest.raises(ModelError, match="layer argmax.* of 4 is not supported: end the model at the values"):
        bt.load(trained)


def test_of_several_outputs_only_the_chosen_one_is_read(tmp_path: Path) -> None:
    image = keras.Input((6,))
    values = keras.layers.Dense(4, name="values")(image)
    both = keras.Model(image, [values, keras.ops.argmax(values, 1), keras.ops.sin(values)])
    both.save(tmp_path / "both.keras")
    assert bt.load(tmp_path / "both.keras", output="values").argmax is None
    argmax = both.outputs[1]._keras_history.operation.name
    assert bt.load(tmp_path / "both.keras", output=argmax).argmax == ArgMax(argmax)


def test_other_classes_than_the_models_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: what the ArgMax reads is alike, and it names others."""
    proto = classes_model("of a row")
    from_onnx(proto)
    for wrong in (lambda classes: (classes + 1) % 4, lambda classes: classes + 4, lambda classes: classes[:0]):
        named = live._compare_classes
        with monkeypatch.context() as patch:
            patch.setattr(live, "_compare_classes", lambda *given, w=wrong, n=named: n(*given[:3], w(given[3])))
            with pytest.raises(ModelError, match="onnxruntime names other classes than what was read: end the model"):
                from_onnx(proto)
    assert from_onnx(proto, output="logits").argmax is None


def test_on_the_command_line(tmp_path: Path) -> None:
    """Accuracy is that of the classes; what is exported says that they are named on the host."""
    path, data = tmp_path / "classes.onnx", tmp_path / "data.npz"
    proto = classes_model("of a row")
    onnx.save(proto, path)
    x = random(40, 6, seed=5)
    np.savez(data, x=x, y=expected(proto, x)[:, 0])
    common = [str(path), "--plan", str(tmp_path / "plan.json")]

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert "then argmax (ArgMax), on the host" in run("inspect", str(path))
    run("plan", str(path), "--word-length", "16", "--fraction-bits", "10", "--out", common[-1])
    assert "100.00 %" in run("simulate", *common, "--data", str(data), "--out", str(tmp_path / "simulated"))
    assert np.load(tmp_path / "simulated" / "outputs.npy").shape == (40, 4)
    assert "Left to the host: argmax." in run("export", *common, "--to", "memory", "--out", str(tmp_path / "device"))
