"""No state that a process may be in changes a bit of what is read, rounded, computed or verified; each is left as it
was found."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bittrue
from bittrue import environment
from bittrue.environment import exact_environment, exact_floats
from bittrue.errors import BittrueError
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import Dense, Input
from bittrue.simulation.float_model import FloatModel

LIBRARY = ctypes.CDLL(None)
UP, DOWN, TO_ZERO = 0x800, 0x400, 0xC00
"""FE_UPWARD, FE_DOWNWARD and FE_TOWARDZERO on x86-64, by whose names the C library knows no others."""
HARD_PAUSE = 2

pytestmark = pytest.mark.skipif(
    not (hasattr(LIBRARY, "fesetround") and LIBRARY.fesetround(UP) == 0 and LIBRARY.fesetround(0) == 0),
    reason="needs the C library of Linux on x86-64",
)


@contextmanager
def flushed() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def rounding(direction: int) -> Iterator[None]:
    LIBRARY.fesetround(direction)
    try:
        yield
    finally:
        LIBRARY.fesetround(0)


@contextmanager
def threads_made_in(state: AbstractContextManager[None]) -> Iterator[None]:
    """torch's threads keep what they were made in; the caller's is as it must be."""
    if not hasattr(LIBRARY, "omp_pause_resource_all"):
        pytest.skip("torch's threads are made once here")
    LIBRARY.omp_pause_resource_all(HARD_PAUSE)
    with state:
        torch.zeros(1 << 20).add_(1)
    try:
        yield
    finally:
        LIBRARY.omp_pause_resource_all(HARD_PAUSE)


@contextmanager
def setting(setter: Callable[[Any], object], value: Any, before: Any) -> Iterator[None]:
    setter(value)
    try:
        yield
    finally:
        setter(before)


OPERATIONS = ("all", "matmul", "conv", "rnn")
LEVELS = (("generic", "all"), *((backend, name) for backend in ("mkldnn", "cuda") for name in OPERATIONS))


@contextmanager
def precision(*settings: tuple[str, str, str]) -> Iterator[None]:
    before = [(*level, own_precision(*level)) for level in LEVELS]
    for setting in settings:
        torch._C._set_fp32_precision_setter(*setting)
    try:
        yield
    finally:
        for setting in before:
            torch._C._set_fp32_precision_setter(*setting)


def precisions() -> list[str]:
    """What torch says, and what it would say at a level if those above it said nothing.

    Not of cuDNN: its default gives way to them, and torch's exporter leaves a setting in its place.
    """
    said = [torch._C._get_fp32_precision_getter(*level) for level in LEVELS]
    return [*said, *(own_precision(*level) for level in LEVELS if level[0] != "cuda")]


def own_precision(backend: str, operation: str) -> str:
    """What a level says itself; those above it say nothing meanwhile."""
    above = [("generic", "all"), (backend, "all")][: (operation != "all") + (backend != "generic")]
    before = []
    for level in above:
        before.append((*level, torch._C._get_fp32_precision_getter(*level)))
        torch._C._set_fp32_precision_setter(*level, "none")
    own: str = torch._C._get_fp32_precision_getter(backend, operation)
    for setting in reversed(before):
        torch._C._set_fp32_precision_setter(*setting)
    return own


def nnpack(enabled: bool) -> None:
    torch.backends.nnpack.set_flags(enabled)  # type: ignore[no-untyped-call]


State = Callable[[], AbstractContextManager[Any]]

HARMFUL: dict[str, State] = {
    "subnormal numbers flushed": flushed,
    "rounding up": lambda: rounding(UP),
    "rounding down": lambda: rounding(DOWN),
    "rounding to zero": lambda: rounding(TO_ZERO),
    "mixed precision": lambda: torch.autocast("cpu", torch.bfloat16),
    "no device by default": lambda: setting(torch.set_default_device, "meta", None),
    "no device here": lambda: torch.device("meta"),
}
"""Each changes a number, or stops everything, where nobody is on guard."""

HARMLESS: dict[str, State] = {
    "threads that flush": lambda: threads_made_in(flushed()),
    "threads that round up": lambda: threads_made_in(rounding(UP)),
    "float64 by default": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16 by default": lambda: setting(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "medium matrix products": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "bfloat16 in all products": lambda: precision(("generic", "all", "bf16")),
    "float32 in all products": lambda: precision(("generic", "all", "ieee")),
    "TF32 in all products": lambda: precision(("generic", "all", "tf32")),
    "bfloat16 in oneDNN": lambda: precision(("mkldnn", "all", "bf16")),
    "bfloat16 in oneDNN's matrix products": lambda: precision(("mkldnn", "matmul", "bf16")),
    "bfloat16 but in oneDNN's matrix products": lambda: precision(
        ("generic", "all", "bf16"), ("mkldnn", "matmul", "ieee")
    ),
    "two levels": lambda: precision(("generic", "all", "bf16"), ("mkldnn", "all", "tf32"), ("mkldnn", "conv", "ieee")),
    "float32 in CUDA": lambda: precision(("cuda", "all", "ieee")),
    "float32 in cuDNN's convolutions": lambda: precision(("cuda", "conv", "ieee")),
    "NNPACK": lambda: setting(nnpack, True, torch._C._get_nnpack_enabled()),
    "no oneDNN": lambda: setting(torch._C._set_mkldnn_enabled, False, True),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "inference": torch.inference_mode,
    "gradients": torch.enable_grad,
    "one thread": lambda: setting(torch.set_num_threads, 1, torch.get_num_threads()),
}
"""These show on some machines, or in larger sums, or never.

"""


class Module(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(2, 3)
        with torch.no_grad():
            self.dense.weight.copy_(torch.tensor([[0.1, -0.7], [1 / 3, 5.0], [1e-3, 2.0]]))
            self.dense.bias.copy_(torch.tensor([0.3, -0.011, 1.7]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.dense(x))


MODULE = Module().eval()
EXAMPLE = torch.zeros(1, 2)
X = np.array([[-1e-40, 1e-40], [-1.5, 2.25], [0.7, -3e-39], [1 / 3, 1.1]], np.float32)


def network() -> Network:
    """Weights and a bias of which some are subnormal."""
    builder = NetworkBuilder("small")
    x = builder.add("x", Input((2,)))
    weight = Parameter("d.weight", np.array([[-1e-40, 1], [1, 1 / 3]], np.float32))
    return builder.finish(builder.add("d", Dense(weight, Parameter("d.bias", np.array([-1e-42, 0.1], np.float32))), x))


NETWORK = network()


def numbers(folder: Path) -> list[object]:
    """What is read, rounded, computed and verified."""
    small = NETWORK
    data = bittrue.load_dataset(str(folder / "data.npz"), scale="1/3", shape=(2,))
    plan = bittrue.uniform_plan(small, 12, 7, rounding=bittrue.Rounding.FLOOR)
    found: list[object] = [batch.x.tobytes() for batch in data.batches(3)]
    result = bittrue.simulate(small, plan, data, out=folder / "out", nodes=True)
    found += [result.exact, *(np.load(folder / f"out/nodes/{node}.npy").tolist() for node in ("x", "d"))]
    found += [bittrue.verify(small, plan, data).mismatches, bittrue.measure_ranges(small, data).to_json()]
    found += [bittrue.load(MODULE, example_input=EXAMPLE).hash]
    return [*found, FloatModel(small).run(X).tobytes()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    np.savez(path / "data.npz", x=X)
    return path


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[object]:
    return numbers(folder)


@pytest.mark.parametrize("state", [*HARMFUL.values(), *HARMLESS.values()], ids=[*HARMFUL, *HARMLESS])
def test_no_number_depends_on_the_state(state: State, folder: Path, expected: list[object]) -> None:
    with state():
        before = settings()
        assert numbers(folder) == expected
        assert settings() == before


@pytest.mark.parametrize("state", HARMFUL.values(), ids=HARMFUL)
def test_without_a_guard_it_does(
    state: State, folder: Path, expected: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_floats_are_exact", lambda: True)
    monkeypatch.setattr(environment, "_put_torch_right", lambda stack: None)
    with state():
        try:
            seen: object = numbers(folder)
        except Exception as error:
            seen = error
    assert seen != expected


def settings() -> list[object]:
    return [
        environment._floats_are_exact(),
        LIBRARY.fegetround(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device(),
        precisions(),
        torch._C._get_mkldnn_enabled(),
        torch._C._get_nnpack_enabled(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    ]


@pytest.mark.parametrize("name", ["threads that flush", "threads that round up"])
def test_threads_made_in_a_harmful_state_are_left_out(name: str) -> None:
    with setting(torch.set_num_threads, 2, torch.get_num_threads()), HARMLESS[name]():
        assert not environment._threads_are_exact()
        with exact_environment():
            assert environment._threads_are_exact()
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("state", [flushed, *(lambda d=d: rounding(d) for d in (UP, DOWN, TO_ZERO))])
def test_each_state_is_seen(state: State) -> None:
    assert environment._floats_are_exact()
    with state():
        assert not environment._floats_are_exact()
        assert not environment._threads_are_exact()
        with exact_floats():
            assert environment._floats_are_exact()
        with exact_environment():
            assert environment._floats_are_exact()
            assert environment._threads_are_exact()
        assert not environment._floats_are_exact()


@pytest.mark.parametrize("guard", [exact_floats, exact_environment])
def test_what_cannot_be_put_right_is_refused(
    guard: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_floats_are_exact", lambda: False)
    with pytest.raises(BittrueError, match="no exact result can be promised: start a new process"), guard():
        pass


def test_an_error_inside_leaves_the_state_as_it_was() -> None:
    with rounding(UP), pytest.raises(RuntimeError, match="stop"), exact_environment():
        raise RuntimeError("stop")
    with exact_environment():
        assert environment._depth() == 1
    assert environment._depth() == 0
