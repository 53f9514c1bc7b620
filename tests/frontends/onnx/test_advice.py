"""What is not read is refused in forty words at most; the advice for it is tried here and in `test_remedies.py`, and
gives equal numbers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import bittrue
from bittrue.errors import ModelError
from bittrue.frontends.onnx.model import from_onnx
from bittrue.frontends.onnx.rules.advice import ADVICE, OTHERWISE
from bittrue.simulation.float_model import FloatModel
from frontends.onnx_zoo import channels_last, integers, model, random, relative_error, step


class Head(nn.Module):
    """A dense layer and a function behind it."""

    def __init__(self, ending: object) -> None:
        super().__init__()
        self.dense, self.ending = nn.Linear(6, 4), ending

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ending(self.dense(x))


X = torch.from_numpy(random(5, 6))


def computed(module: nn.Module, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """bittrue's outputs and PyTorch's; images channels last."""
    given, wanted = x.numpy(), module(x).detach().numpy()
    if x.ndim == 4:
        given, wanted = channels_last(given), channels_last(wanted)
    return FloatModel(bittrue.load(module, example_input=x)).run(given), wanted


@pytest.mark.parametrize("operator", sorted(ADVICE))
def test_a_refusal_is_short(operator: str) -> None:
    with pytest.raises(
        ModelError, match=rf"node v0 \({operator}\): the operator {operator} is not supported: "
    ) as caught:
        from_onnx(
            model(
                ("n", 4, 6),
                [
                    step(
                        operator,
                        "x",
                        *MORE_INPUTS.get(operator, ()),
                        outputs=OUTPUTS.get(operator, 1),
                        **ATTRIBUTES.get(operator, {}),
                    ),
                    step("Abs", "v0"),
                ],
            )
        )
    assert len(str(caught.value).split()) <= 40


RECURRENT = {
    name: (random(1, gates * 3, 6), random(1, gates * 3, 3)) for name, gates in {"GRU": 3, "LSTM": 4, "RNN": 1}.items()
}
MORE_INPUTS = {
    **RECURRENT,
    **dict.fromkeys(("Greater", "GreaterOrEqual", "Less", "LessOrEqual"), ("x",)),
    "CumSum": (np.array(1, np.int64),),
    "TopK": (integers(2),),
}
OUTPUTS = {"TopK": 2}
ATTRIBUTES = {name: {"hidden_size": 3} for name in RECURRENT}


def test_another_operator_is_sent_to_the_page() -> None:
    with pytest.raises(ModelError, match="the operator Det is not supported: write it with") as caught:
        from_onnx(model(("n", 4, 4), [step("Det", "x")]))
    assert OTHERWISE in str(caught.value)
    assert len(str(caught.value).split()) <= 40


def with_parameters(normalization: nn.Module) -> nn.Module:
    torch.manual_seed(3)
    for parameter in normalization.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5)
    return normalization


IMAGES = torch.from_numpy(random(3, 4, 6, 6))
READ: dict[str, tuple[nn.Module, torch.Tensor]] = {
    "group norm at the end": (nn.Sequential(nn.Conv2d(4, 4, 3), with_parameters(nn.GroupNorm(2, 4))), IMAGES),
    "group norm inside": (nn.Sequential(with_parameters(nn.GroupNorm(2, 4)), nn.ReLU(), nn.Conv2d(4, 2, 3)), IMAGES),
    "instance norm": (nn.Sequential(nn.Conv2d(4, 4, 3), with_parameters(nn.InstanceNorm2d(4, affine=True))), IMAGES),
    "instance norm without scales": (nn.Sequential(nn.InstanceNorm2d(4), nn.Conv2d(4, 2, 3)), IMAGES),
    "normalize": (Head(lambda x: functional.normalize(x, dim=1)), X),
    "normalize by absolute values": (Head(lambda x: functional.normalize(x, p=1, dim=1)), X),
    "softplus with beta": (Head(lambda x: functional.softplus(20 * x, beta=2)), X),
    "softplus": (Head(functional.softplus), X),
    "softplus with a whole beta": (Head(lambda x: functional.softplus(x, 3, 18)), X),
    "sign": (Head(torch.sign), X),
    "deviation of all values": (Head(lambda x: x.std(1, keepdim=True)), X),
    "celu with alpha": (Head(lambda x: functional.celu(x, 1.5)), X),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read_equals_pytorch(name: str) -> None:
    module, x = READ[name]
    torch.manual_seed(4)
    got, wanted = computed(module.eval(), x)
    assert got.shape == wanted.shape
    # float32 on both sides, summed in another order.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())


def test_a_softplus_with_a_step_is_refused() -> None:
    """Below its threshold it is a curve, and beyond it x: 0.0067 apart there, where random images may not reach."""
    module = Head(lambda x: functional.softplus(x, 1, 5))
    with pytest.raises(ModelError, match="the threshold 5 of a softplus makes a step.*export the model again with Py"):
        bittrue.load(module, example_input=X)


def test_the_comparison_sees_another_epsilon() -> None:
    """The canary."""
    module, x = nn.InstanceNorm2d(4, eps=0.1).eval(), IMAGES
    network = bittrue.load(module, example_input=x)
    wanted = channels_last(nn.InstanceNorm2d(4)(x).numpy())
    assert np.abs(FloatModel(network).run(channels_last(x.numpy())) - wanted).max() > 1e-3


def test_group_norm_of_older_operator_sets() -> None:
    """Its scales are the groups'."""
    scales = random(2), random(2, seed=1)
    proto = model(("n", 4, 3, 3), [step("GroupNormalization", "x", *scales, num_groups=2)], opset=18)
    assert relative_error(proto) < 1e-5
