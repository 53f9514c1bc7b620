"""No setting of torch's changes a bit (B14): precision, mixed precision; and a kernel that isn't exact is refused."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from bittrue.errors import CarrierError
from bittrue.lowering import lower_network
from bittrue.plan import Override, PlanOptions, uniform_plan
from bittrue.program import FixedNetwork
from bittrue.simulation import ieee
from bittrue.simulation.compiled import library
from bittrue.simulation.ieee import check_kernels, exact_arithmetic
from bittrue.simulation.simulator import Simulator, prove
from cases import Case, Draft


def _layers(draft: Draft) -> None:
    draft.convolution("conv", (3, 3), 32, padding=((1, 1), (1, 1)))
    draft.dense("dense", 32)


CASE = Case("precise", (8, 8, 32), _layers)
SWITCHES = (torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv)  # type: ignore[attr-defined]  # made at import


def program_and_inputs() -> tuple[FixedNetwork, np.ndarray]:
    """Sums of 10-bit inputs and 6-bit weights in float32, every bit of which is kept."""
    overrides = [Override("conv.output", "ap_fixed<10,8>"), Override("dense.output", "ap_fixed<24,19>")]
    plan = uniform_plan(CASE.network, 6, 3, options=PlanOptions(), overrides=overrides)
    program = lower_network(CASE.network, plan)
    assert {layer.strategy for layer in prove(program, {})} == {"float32"}
    return program, np.random.default_rng(0).uniform(-4, 4, (8, *CASE.shape)).astype(np.float32)


@pytest.fixture(autouse=True)
def _on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compiled kernels, on which no such setting acts."""
    monkeypatch.setattr(library, "unit", lambda: None)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    everything("none")
    for switch in SWITCHES:
        switch.fp32_precision = "none"
    check_kernels.cache_clear()


def everything(precision: str) -> None:
    torch.backends.fp32_precision = precision  # type: ignore[attr-defined]


def each(precision: str) -> None:
    for switch in SWITCHES:
        switch.fp32_precision = precision


SETTINGS = {
    "matmul precision high": lambda: torch.set_float32_matmul_precision("high"),
    "matmul precision medium": lambda: torch.set_float32_matmul_precision("medium"),
    "everything in bfloat16": lambda: everything("bf16"),
    "each in bfloat16": lambda: each("bf16"),
    "each in TF32": lambda: each("tf32"),
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_lower_precision_changes_no_bit_and_is_left_as_it_was(setting: Any) -> None:
    program, x = program_and_inputs()
    expected = Simulator(program).run(x).outputs
    setting()
    before = [switch.fp32_precision for switch in SWITCHES]
    np.testing.assert_array_equal(Simulator(program).run(x).outputs, expected)
    assert [switch.fp32_precision for switch in SWITCHES] == before


def test_what_was_inherited_is_inherited_again() -> None:
    everything("bf16")
    with exact_arithmetic():
        assert [switch.fp32_precision for switch in SWITCHES] == ["none", "none"]
    everything("tf32")
    assert [switch.fp32_precision for switch in SWITCHES] == ["tf32", "tf32"]


def test_mixed_precision_changes_no_bit() -> None:
    program, x = program_and_inputs()
    expected = Simulator(program).run(x).outputs
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(Simulator(program).run(x).outputs, expected)


def test_settings_are_restored_after_an_error() -> None:
    program, x = program_and_inputs()
    each("bf16")

    def fail(*arguments: object) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        Simulator(program).run(x, fail)
    assert [switch.fp32_precision for switch in SWITCHES] == ["bf16", "bf16"]


def in_bfloat16(kernel: Any) -> Any:
    def compute(x: torch.Tensor, weight: torch.Tensor, *arguments: Any) -> torch.Tensor:
        if x.dtype == torch.float32:
            x, weight = x.bfloat16().float(), weight.bfloat16().float()
        result: torch.Tensor = kernel(x, weight, *arguments)
        return result

    return compute


@pytest.mark.parametrize(("name", "kind"), [("linear", "dense layer"), ("conv2d", "1×1 convolution")])
def test_a_kernel_that_is_not_exact_is_refused(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As no setting here would have it: every machine sees this canary."""
    program, x = program_and_inputs()
    check_kernels.cache_clear()
    monkeypatch.setattr(torch.nn.functional, name, in_bfloat16(getattr(torch.nn.functional, name)))
    with pytest.raises(CarrierError, match=f"torch's {kind} isn't exact in float32"):
        Simulator(program).run(x)


@pytest.mark.parametrize("kind", ieee._CANARIES)
def test_the_numbers_of_the_canaries_are_odd_and_next_to_the_limit(kind: str) -> None:
    products, compute = ieee._CANARIES[kind]
    x, weight = ieee._factors(products)
    sums = compute(x.double(), weight.double())
    assert 2**23 < float(sums.max()) < 2**24
    assert bool((sums % 2 != 0).any())
    assert int(weight.sum(0).max()) * int(x.max()) < 2**24
    nearest = in_bfloat16(compute)(x, weight)
    assert not torch.equal(nearest.double(), sums)


def test_the_check_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = ieee._factors

    def factors(products: int) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(products)
        return original(products)

    monkeypatch.setattr(ieee, "_factors", factors)
    check_kernels.cache_clear()
    for _ in range(2):
        with exact_arithmetic():
            pass
    assert len(calls) == len(ieee._CANARIES)
