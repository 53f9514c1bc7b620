"""The PyTorch module has the definition's bits, and the gradient that it promises."""

import copy
import io

import numpy as np
import pytest
import torch

import bittrue.torch
from bittrue.errors import FormatError
from bittrue.fixed import Overflow, Quantizer, Rounding
from integrations.hostile import QUANTIZERS, expected, name_of, values_for


def module(quantizer: Quantizer) -> bittrue.torch.Quantize:
    shape = quantizer.format
    return bittrue.torch.Quantize(
        shape.word_length, shape.fraction_bits, shape.signed, quantizer.rounding, quantizer.overflow
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits(dtype: torch.dtype) -> None:
    for quantizer in QUANTIZERS[:: 1 if dtype is torch.float32 else 7]:
        found = module(quantizer)(torch.from_numpy(values_for(quantizer.format)).to(dtype))
        assert found.dtype is dtype
        np.testing.assert_array_equal(found.numpy(), expected(quantizer), name_of(quantizer))


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", [Rounding.NEAREST_EVEN, Rounding.FLOOR])
def test_gradient(rounding: Rounding, overflow: Overflow) -> None:
    x = torch.tensor([0.3, 1.74, 1.9, 5.0, -7.0], requires_grad=True)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    (bittrue.torch.Quantize(4, 2, rounding=rounding, overflow=overflow)(x) * weights).sum().backward()
    limits = overflow not in (Overflow.WRAP, Overflow.UNBOUNDED)
    inside = [1, 1, rounding is Rounding.FLOOR, 0, 0]  # 1.9 becomes 2, beyond the end, only if it is rounded upwards
    wanted = weights * torch.tensor(inside) if limits else weights
    assert x.grad is not None
    assert x.grad.tolist() == wanted.tolist()


def test_it_lives_in_a_model() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), bittrue.torch.Quantize(8, 5, overflow="AP_WRAP"))
    x = torch.linspace(-3, 3, 12).reshape(4, 3)
    y = model(x)
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert torch.equal(copy.deepcopy(model)(x), y)
    stream = io.BytesIO()
    torch.save(model.state_dict(), stream)
    stream.seek(0)
    again = torch.nn.Sequential(torch.nn.Linear(3, 4), bittrue.torch.Quantize(8, 5, overflow="AP_WRAP"))
    again.load_state_dict(torch.load(stream))
    assert torch.equal(again(x), y)
    assert "word_length=8, fraction_bits=5, signed=True, rounding=NEAREST_EVEN, overflow=WRAP" in repr(model)


def test_torch_compile_leaves_it_its_bits() -> None:
    model = torch.nn.Sequential(torch.nn.Hardtanh(), bittrue.torch.Quantize(4, 2, rounding="FLOOR"))
    x = torch.linspace(-3, 3, 50)
    assert torch.equal(torch.compile(model, backend="eager")(x), model(x))


def test_disabled_it_passes_everything_on() -> None:
    x = torch.tensor([0.1, float("nan")])
    assert bittrue.torch.Quantize(4, 2, enabled=False)(x) is x


def test_refusals() -> None:
    quantize = bittrue.torch.Quantize(4, 2)
    with pytest.raises(FormatError, match="NaN and infinity"):
        quantize(torch.tensor([float("nan")]))
    with pytest.raises(FormatError, match="torch.float16"):
        quantize(torch.zeros(2, dtype=torch.float16))
    with pytest.raises(FormatError, match="at most 25 bits"):
        bittrue.torch.Quantize(32, 2)
