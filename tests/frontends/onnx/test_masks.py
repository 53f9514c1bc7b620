"""Constant masks of attention in ONNX files become the mask of a softmax; −∞ anywhere else is refused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import bittrue
from bittrue.errors import ModelError
from bittrue.frontends.onnx.model import from_onnx
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.operators import Softmax
from bittrue.plan import PlanOptions, uniform_plan
from bittrue.simulation.simulator import Simulator
from frontends.onnx_zoo import Step, channels_last, computed, model, operators, random, relative_error, step
from simulation.comparison import check

SCORES = ("n", 2, 4, 4)
ROWS = ("n", 4, 4)
CAUSAL = np.tri(4, dtype=np.bool_)
ABSENT = np.array(-np.inf, np.float32)


def added(minus: float, of: np.ndarray = CAUSAL) -> np.ndarray:
    return np.where(of, 0, minus).astype(np.float32)


HEADS = "Transpose Softmax Transpose"  # a file's four axes are an image's, channels first
SOFTMAX = step("Softmax", "last", axis=-1)

MASKED: dict[str, tuple[tuple[int | str, ...], list[Step], str]] = {
    "minus infinity": (ROWS, [step("Add", "last", added(-np.inf)), SOFTMAX], "Softmax"),
    "from the left": (ROWS, [step("Add", added(-np.inf), "last"), SOFTMAX], "Softmax"),
    "minus a billion": (ROWS, [step("Add", "last", added(-1e9)), SOFTMAX], "Softmax"),
    "least float": (ROWS, [step("Add", "last", added(np.finfo(np.float32).min)), SOFTMAX], "Softmax"),
    "heads": (SCORES, [step("Add", "last", added(-np.inf)[None, None]), SOFTMAX], HEADS),
    "a mask a head": (
        SCORES,
        [step("Add", "last", added(-np.inf, np.stack([CAUSAL, CAUSAL.T]))), SOFTMAX],
        HEADS,
    ),
    "of keys": (ROWS, [step("Add", "last", added(-np.inf, np.array([True, True, False, True]))), SOFTMAX], "Softmax"),
    "with a bias": (ROWS, [step("Add", "last", added(-np.inf) + random(4, 4)), SOFTMAX], "ScaleOffset Softmax"),
    "two masks": (
        ROWS,
        [step("Sum", "last", added(-np.inf), added(-1e9, np.array([True, True, True, False]))), SOFTMAX],
        "Softmax",
    ),
    "over another axis": (
        ROWS,
        [step("Add", "last", added(-np.inf)), step("Softmax", "last", axis=1)],
        "Transpose Softmax Transpose",
    ),
    "where it holds": (ROWS, [step("Where", CAUSAL, "last", ABSENT), SOFTMAX], "Softmax"),
    "where it doesn't": (ROWS, [step("Where", ~CAUSAL, ABSENT, "last"), SOFTMAX], "Softmax"),
    "where, a billion": (SCORES, [step("Where", CAUSAL, "last", np.array(-1e9, np.float32)), SOFTMAX], HEADS),
    "where all hold": (ROWS, [step("Where", np.ones((4, 4), np.bool_), "last", ABSENT), SOFTMAX], "Softmax"),
    "computed in the file": (
        ROWS,
        [
            step("Trilu", np.ones((4, 4), np.float32), upper=0, name="lower"),
            step("Equal", "lower", np.array(0, np.float32), name="outside"),
            step("Where", "outside", ABSENT, "x"),
            SOFTMAX,
        ],
        "Softmax",
    ),
}


def mask(network: Network) -> np.ndarray | None:
    (softmax,) = (node.operator for node in network.nodes if isinstance(node.operator, Softmax))
    return None if softmax.mask is None else softmax.mask.positions


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_matches_onnxruntime(name: str) -> None:
    shape, steps, wanted = MASKED[name]
    proto = model(shape, steps)
    network = from_onnx(proto)
    assert operators(network) == wanted
    assert relative_error(proto, network) <= 1e-5
    assert (mask(network) is None) == (name == "where all hold")


def test_a_mask_is_told_from_another() -> None:
    first, second = (
        from_onnx(model(ROWS, [step("Add", "last", added(-np.inf, of)), SOFTMAX])) for of in (CAUSAL, CAUSAL[::-1])
    )
    assert first.hash != second.hash
    assert "mask=4×4 with 10 of " in first.text


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step("Add", "last", added(-np.inf), name="a")], r"node a \(Add\): it adds −∞, .* right before a Softmax"),
        (
            [step("Add", "last", added(-np.inf), name="a"), SOFTMAX, step("Add", "last", "a")],
            r"node a \(Add\): it adds −∞",
        ),
        ([step("Where", CAUSAL, "last", ABSENT, name="w"), step("Relu", "last")], r"node w \(Where\): it chooses"),
        (
            [step("Where", CAUSAL, "last", np.array(-5, np.float32), name="w"), SOFTMAX],
            r"node w \(Where\): it chooses between values, which is supported where a constant mask",
        ),
        (
            [step("Relu", "x", name="r"), step("Where", CAUSAL, "x", "r", name="w"), SOFTMAX],
            r"node w \(Where\): it chooses",
        ),
        ([step("Where", CAUSAL[:3], "last", ABSENT, name="w"), SOFTMAX], r"node w \(Where\)"),
        (
            [step("Add", "last", added(-np.inf, np.array([False] * 4)), name="a"), step("Softmax", "last", name="s")],
            r"node s \(Softmax\): its mask leaves a row without any position",
        ),
    ],
)
def test_what_is_no_mask_is_refused(steps: list[Step], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        from_onnx(model(ROWS, steps))


def test_a_billion_that_no_softmax_reads_is_a_number() -> None:
    assert operators(from_onnx(model(ROWS, [step("Add", "last", added(-1e9))]))) == "ScaleOffset"


# As PyTorch's own attention writes them


class Multihead(nn.Module):
    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, attn_mask=self.mask, need_weights=False)[0]


class ByHand(nn.Module):
    def __init__(self, attend: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.attend, self.dense = attend, nn.Linear(8, 8)
        self.register_buffer("lower", torch.tril(torch.ones(5, 5)))

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(self, self.dense(x))  # type: ignore[call-arg]


def fused(module: ByHand, x: Tensor) -> Tensor:
    x = x.reshape(-1, 5, 2, 4).transpose(1, 2)
    return functional.scaled_dot_product_attention(x, x, x, is_causal=True)


def filled(module: ByHand, x: Tensor) -> Tensor:
    scores = x @ x.transpose(-1, -2) / 8**0.5
    return scores.masked_fill(module.lower == 0, -1e9).softmax(-1) @ x


ABOVE = torch.triu(torch.ones(5, 5), 1)
MODULES: dict[str, Callable[[], nn.Module]] = {
    "boolean": lambda: Multihead(ABOVE.bool()),
    "additive": lambda: Multihead(torch.zeros(5, 5).masked_fill(ABOVE.bool(), -torch.inf)),
    "causal": lambda: ByHand(fused),
    "filled": lambda: ByHand(filled),
}


@pytest.mark.parametrize("name", MODULES)
def test_masked_attention_in_torch(name: str) -> None:
    torch.manual_seed(5)
    module = MODULES[name]().eval()
    x = torch.randn(3, 5, 8)
    network = bittrue.from_torch(module, x[:1])
    with torch.no_grad():
        expected = module(x).numpy()
    got = computed(network, x.numpy())
    assert np.abs(got - (expected if got.shape == expected.shape else channels_last(expected))).max() <= 1e-5
    found = mask(network)
    assert found is not None
    assert np.array_equal(np.broadcast_to(found, (2, 5, 5))[0], np.tri(5, dtype=np.bool_))


def test_what_is_masked_is_exactly_zero_in_both_forms() -> None:
    """And the rest of each row is what a softmax of it alone is."""
    proto = model(ROWS, [step("Add", "last", added(-np.inf)), SOFTMAX])
    x = np.random.default_rng(2).standard_normal((3, 4, 4)).astype(np.float32)
    for options in (PlanOptions(), PlanOptions(softmax="table")):
        network = from_onnx(proto)
        program = lower_network(network, uniform_plan(network, 12, 8, options=options))
        assert check(program, x) is None
        outputs = Simulator(program).run(x).outputs
        assert not outputs[:, ~CAUSAL].any()
        assert (outputs[:, 0, 0] == 1).all()
        bare = from_onnx(model(ROWS, [SOFTMAX]))
        unmasked = Simulator(lower_network(bare, uniform_plan(bare, 12, 8, options=options))).run(x).outputs
        assert (outputs[:, 3] == unmasked[:, 3]).all()
        assert (outputs[:, 1] != unmasked[:, 1]).any()


def test_a_choice_with_another_output_in_an_operator_set_that_has_none_is_refused() -> None:
    """Before operator set 9 there is no Where, so nothing else looks at how many outputs it has."""
    old = model(("n", 6), [step("Where", np.zeros(1, np.bool_), "x", ABSENT, name="w", outputs=2), SOFTMAX])
    old.opset_import[0].version = 8
    old.graph.output[0].name = "w_2"
    with pytest.raises(ModelError, match=r"node w \(Where\): "):
        from_onnx(old)
