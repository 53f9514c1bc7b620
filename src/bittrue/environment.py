"""The floating-point arithmetic that all numbers here rest on, whatever the process was told before: IEEE 754, to
nearest, subnormal numbers kept, in float32 where nothing else is said.

Training code asks for speed: subnormal numbers flushed to zero, automatic mixed precision, matrix products in bfloat16
or TF32, Winograd's convolutions, another default type or device. Some libraries set the processor's rounding. Each can
change a bit. So whatever reads numbers or computes with them does it inside one of the guards here, which put right
what is wrong and leave it afterwards as they found it.
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import local
from typing import Any

from bittrue.errors import BittrueError

_SMALLEST = 2.0**-1022
_HALF = 0.5
_ONE = 1.0
_TIE, _BEYOND_A_TIE = 2.0**-53, 3 * 2.0**-54

_DEFAULT_ENVIRONMENT = ctypes.c_void_p(-1)
"""FE_DFL_ENV, as glibc and musl have it on x86-64 and aarch64: round to nearest, subnormal numbers kept."""
_ENVIRONMENT_BYTES = 256
"""More than any platform's fenv_t."""

_GRAIN = 1 << 15
"""Numbers from which torch gives a second thread its share."""

_nested = local()


@contextmanager
def exact_floats() -> Iterator[None]:
    """IEEE arithmetic of this thread, for what NumPy and Python compute.

    Raises BittrueError where the processor's settings are wrong and can't be put right.
    """
    if _floats_are_exact():
        yield
        return
    library = ctypes.CDLL(None)
    before = ctypes.create_string_buffer(_ENVIRONMENT_BYTES)
    try:
        library.fegetenv(before)
        library.fesetenv(_DEFAULT_ENVIRONMENT)
    except AttributeError:
        raise _spoilt() from None
    try:
        if not _floats_are_exact():
            raise _spoilt()
        yield
    finally:
        library.fesetenv(before)


@contextmanager
def exact_environment() -> Iterator[None]:
    """As `exact_floats`, and for what torch computes, in its own threads too.

    Raises BittrueError where settings are wrong and can't be put right.
    """
    with ExitStack() as stack:
        stack.enter_context(exact_floats())
        if "torch" in sys.modules:  # what isn't imported hasn't been told anything
            _put_torch_right(stack)
        _nested.depth = _depth() + 1
        try:
            yield
        finally:
            _nested.depth -= 1


def _depth() -> int:
    depth: int = getattr(_nested, "depth", 0)
    return depth


def _floats_are_exact() -> bool:
    """Whether this thread keeps subnormal numbers, as operands and results, and rounds to nearest, ties to even."""
    return (
        _SMALLEST * _HALF != 0.0
        and _ONE + _TIE == _ONE
        and -_ONE - _TIE == -_ONE
        and _ONE + _BEYOND_A_TIE > _ONE
        and -_ONE - _BEYOND_A_TIE < -_ONE
    )


def _spoilt() -> BittrueError:
    return BittrueError(
        "this process's floating-point arithmetic flushes small numbers to zero or doesn't round to nearest, and can't "
        "be put right, so no exact result can be promised: start a new process, and look for a library that sets it."
    )


def _put_torch_right(stack: ExitStack) -> None:
    """torch's settings, each put back when `stack` is closed."""
    import torch

    if torch.is_autocast_enabled("cpu"):
        stack.enter_context(torch.autocast("cpu", enabled=False))
    if torch.get_default_dtype() != torch.float32:
        _change(stack, torch.set_default_dtype, torch.get_default_dtype(), torch.float32)
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
    nnpack = torch.backends.nnpack.set_flags(False)  # type: ignore[no-untyped-call]
    if nnpack[0]:  # its convolutions are Winograd's and not exact on integers (B14)
        stack.callback(torch.backends.nnpack.set_flags, *nnpack)
    for switch in _precision_switches():
        if switch.fp32_precision not in ("none", "ieee"):
            _change(stack, _set_precision(switch), _own_precision(switch), "ieee")
    if not _depth() and not _threads_are_exact():
        _change(stack, torch.set_num_threads, torch.get_num_threads(), 1)
        if not _threads_are_exact():
            raise _spoilt()


def _change(stack: ExitStack, setter: Callable[[Any], object], before: object, after: object) -> None:
    stack.callback(setter, before)
    setter(after)


def _precision_switches() -> tuple[Any, ...]:
    import torch

    return torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv  # type: ignore[attr-defined]  # made at import


def _set_precision(switch: Any) -> Callable[[Any], object]:
    return lambda precision: setattr(switch, "fp32_precision", precision)


def _own_precision(switch: Any) -> str:
    """The setting itself: "none" where what it says is taken from the one for all of torch."""
    said: str = switch.fp32_precision
    switch.fp32_precision = "none"
    inherited = switch.fp32_precision == said
    switch.fp32_precision = said
    return "none" if inherited else said


def _threads_are_exact() -> bool:
    """Whether each of torch's threads, which keep the settings of the moment they were made in, computes as it must."""
    import torch

    first, second, total = _canary(torch.get_num_threads())
    return torch.equal((first + second).view(torch.int32), total.view(torch.int32))


@cache
def _canary(threads: int) -> tuple[Any, Any, Any]:
    """Two addends in float32 and their sum, of which each thread gets a share: a subnormal number, two ties, and two
    numbers beyond one. They are made from their bits, so that no arithmetic spoils them."""
    import torch

    one, minus_one, tie, beyond = 0x3F800000, -0x40800000, 0x33800000, 0x33C00000  # ±1, 2^-24, 3·2^-25
    sign = -0x80000000
    cases = torch.tensor(
        [
            (1, 0, 1),
            (one, tie, one),
            (minus_one, tie + sign, minus_one),
            (one, beyond, one + 1),
            (minus_one, beyond + sign, minus_one + 1),
        ],
        dtype=torch.int32,
        device="cpu",
    )
    numbers = cases.repeat(-(-threads * _GRAIN // len(cases)), 1).T.contiguous()
    first, second, total = (column.view(torch.float32) for column in numbers)
    return first, second, total
