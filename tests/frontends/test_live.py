"""A model that can be run is compared with its Network, and one that computes something else is refused by its node."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from onnx import ModelProto
from torch import nn
from torch.nn import functional

from bittrue.errors import ModelError
from bittrue.frontends import load
from bittrue.frontends.images import random_images
from bittrue.frontends.live import Live, check_live
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.onnx.rules import functions
from bittrue.frontends.onnx.rules.operators import OPERATORS
from bittrue.frontends.torch.model import from_torch
from frontends.onnx_zoo import channels_last, computed, model, positive, random, step

IMAGE = torch.zeros(1, 3, 8, 6)


class Scaled(nn.Module):
    """PyTorch's exporter drops the inner scales of its ELU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4 * 48, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.ops.aten.elu(self.conv(x).relu() - 0.3, 1.5, 1.1, 0.7)
        return self.head(x.flatten(1))


def module() -> nn.Module:
    torch.manual_seed(1)
    return Scaled()


def program() -> torch.export.ExportedProgram:
    return torch.export.export(module().eval(), (IMAGE,))


@pytest.mark.parametrize("source", [module, program])
def test_an_argument_that_the_exporter_drops(source: Callable[[], object]) -> None:
    example = IMAGE if source is module else None
    words = r"from its node elu\w* \(ScaleOffset\) on, what was read computes something else than PyTorch \(.* where Py"
    with pytest.raises(ModelError, match=words):
        load(source(), example_input=example)
    network = load(source(), example_input=example, check=False)
    x = random(1, 3, 8, 6)
    want = module()(torch.from_numpy(x)).detach().numpy()
    assert np.abs(computed(network, x) - want).max() > 0.01


class Averaged(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.avg_pool2d(x, 3, 2, 1, divisor_override=4)
        return functional.avg_pool2d(x, (2, 1), ceil_mode=True, divisor_override=1)


def test_sums_over_windows_have_the_divisor_of_the_module() -> None:
    network = from_torch(Averaged(), IMAGE)
    x = torch.arange(3 * 48.0).reshape(1, 3, 8, 6)
    np.testing.assert_array_equal(computed(network, x.numpy()), channels_last(Averaged()(x).numpy()))
    assert [getattr(node.operator, "divisor", None) for node in network.nodes] == [None, 4, 1]
    assert "divisor=4" in network.text


def test_what_the_module_cannot_take_is_no_witness() -> None:
    class Picky(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not torch.compiler.is_exporting():
                raise ValueError("not today")
            return x.relu()

    told: list[str] = []
    assert from_torch(Picky(), IMAGE, told=told.append).input.shape == (8, 6, 3)
    words = "the PyTorch model Picky was not compared with what PyTorch computes: it gives no numbers for random images"
    assert told == [words]
    with pytest.warns(UserWarning, match=words):
        from_torch(Picky(), IMAGE)


def small() -> ModelProto:
    return model(
        (1, 3, 8, 6),
        [
            step("Conv", "x", random(4, 3, 3, 3), name="conv"),
            step("Elu", "last", name="elu"),
            step("Softmax", "last", axis=1),
        ],
    )


def test_a_rule_that_reads_something_else_is_found_by_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    from_onnx(small(), check=True)
    elu = functions.OPERATORS["Elu"]
    wrong = type(elu)(functions.OPERATORS["Relu"].rule, axes=elu.axes, folding=elu.folding, naming=elu.naming)
    monkeypatch.setitem(OPERATORS, "Elu", wrong)
    with pytest.raises(
        ModelError, match=r"from its node elu \(ReLU\) on, .* than onnxruntime \(0 where onnxruntime gives -"
    ):
        from_onnx(small(), check=True)
    from_onnx(small(), check=False)


def witness(change: Callable[[np.ndarray], np.ndarray]) -> Live:
    """A model that computes something near the network."""
    network = from_onnx(small(), check=False)

    def run(images: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        return [change(computed(network, image)[0]) for image in images]

    return Live("it", random_images((1, 3, 8, 6)), run, lambda image: channels_last(image)[0])


def check(change: Callable[[np.ndarray], np.ndarray]) -> None:
    check_live(from_onnx(small(), check=False), witness(change), "the model", None)


def test_how_much_is_rounding() -> None:
    check(lambda output: output)
    check(lambda output: output * np.float32(1 + 2.0**-22))
    check(lambda output: np.where(output > output.min(), output, np.nan))
    with pytest.warns(UserWarning, match="the model was not compared with what it computes: it gives no numbers for"):
        check(lambda output: np.full_like(output, np.nan))
    for change in (lambda output: output + np.float32(1e-4), lambda output: output[:-1], lambda output: output * 1.001):
        with pytest.raises(ModelError, match=r"from its node softmax\w* .* computes something else than it"):
            check(change)


def test_deep_networks_round_more_and_pass() -> None:
    """Forty convolutions with batch norms, in two orders of summation."""
    steps = []
    for number in range(40):
        steps += [
            step("Conv", "last", random(8, 8, 3, 3, seed=number) / 6, pads=[1, 1, 1, 1]),
            step("BatchNormalization", "last", *(positive(8, seed=number + n) for n in range(4))),
            step("Relu", "last"),
        ]
    assert len(from_onnx(model((1, 8, 9, 9), steps), check=True).nodes) == 121
